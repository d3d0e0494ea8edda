"""App configuration."""

from django.apps import AppConfig


class CorporaConfig(AppConfig):
    """The corpora app."""

    name = "rpt_web.corpora"
    label = "corpora"
