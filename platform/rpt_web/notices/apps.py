"""App configuration."""

from django.apps import AppConfig


class NoticesConfig(AppConfig):
    """The notices app."""

    name = "rpt_web.notices"
    label = "notices"
