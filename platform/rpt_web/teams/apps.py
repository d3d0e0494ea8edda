"""App configuration."""

from django.apps import AppConfig


class TeamsConfig(AppConfig):
    """The teams app."""

    name = "rpt_web.teams"
    label = "teams"
