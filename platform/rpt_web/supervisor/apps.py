"""App configuration."""

from django.apps import AppConfig


class SupervisorConfig(AppConfig):
    """Starts everything with one command: servers, web, worker, reaper."""

    name = "rpt_web.supervisor"
    label = "supervisor"
