"""App configuration."""

from django.apps import AppConfig


class CompareConfig(AppConfig):
    """The compare app."""

    name = "rpt_web.compare"
    label = "compare"
