"""The Celery app. Celery only wakes workers; the Run rows in Postgres are the truth (see runs.services)."""

import atexit
import gc
import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rpt_web.settings")
# A worker shows no pages. To check them it would load all of them, at each start: a second, and memory for ever.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")
gc.set_threshold(50_000, 20, 20)  # as in `manage.py`
atexit.register(gc.freeze)  # likewise

app = Celery("rpt_web")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.imports = ("workers.tasks", "workers.registration")


@setup_logging.connect
def log_as_the_others_do(**_: Any) -> None:
    """Keep Celery from setting up logs of its own: the settings have the one format of all programs."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)
