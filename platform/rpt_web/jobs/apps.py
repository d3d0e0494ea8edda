"""App configuration."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """The jobs app."""

    name = "rpt_web.jobs"
    label = "jobs"
