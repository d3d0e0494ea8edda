"""App configuration."""

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    """Brings `manage.py reaper`; no models."""

    name = "workers"
    label = "workers"
