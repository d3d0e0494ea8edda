"""App configuration."""

from django.apps import AppConfig


class PagesConfig(AppConfig):
    """The pages app: it has no tables, and is an app for the sake of its template tags."""

    name = "rpt_web.pages"
    label = "pages"
