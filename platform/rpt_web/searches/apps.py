"""App configuration."""

from django.apps import AppConfig


class SearchesConfig(AppConfig):
    """The searches app."""

    name = "rpt_web.searches"
    label = "searches"
