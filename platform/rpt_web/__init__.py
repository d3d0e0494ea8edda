"""The Django project: configure runs, watch them, read their rollouts, compare their results."""

from rpt_web.celery import app as celery_app

__all__ = ["celery_app"]
