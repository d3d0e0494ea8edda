"""App configuration."""

from django.apps import AppConfig


class ResultsConfig(AppConfig):
    """The results app."""

    name = "rpt_web.results"
    label = "results"
