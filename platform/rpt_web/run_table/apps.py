"""App configuration."""

from django.apps import AppConfig


class RunTableConfig(AppConfig):
    """The table of runs."""

    name = "rpt_web.run_table"
    label = "run_table"
