"""App configuration."""

from django.apps import AppConfig


class TracesConfig(AppConfig):
    """The traces app."""

    name = "rpt_web.traces"
    label = "traces"
