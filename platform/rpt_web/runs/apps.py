"""App configuration."""

from django.apps import AppConfig


class RunsConfig(AppConfig):
    """The runs app."""

    name = "rpt_web.runs"
    label = "runs"
