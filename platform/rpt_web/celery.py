"""The Celery app. Celery only wakes workers; the Run rows in Postgres are the truth (see runs.services)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rpt_web.settings")

app = Celery("rpt_web")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.imports = ("workers.tasks", "workers.registration")
