"""App configuration."""

from django.apps import AppConfig


class TracesConfig(AppConfig):
    """The traces app."""

    name = "rpt_web.traces"
    label = "traces"

    def ready(self) -> None:
        """Drop a run's rollouts when the run is deleted."""
        from rpt_web.traces import partitions

        partitions.connect()
