"""Addresses of the pages of responses, and the responses of a run."""

from __future__ import annotations

from django.urls import reverse

from rpt_web.traces.models import Rollout


def list_address(run, query=""):
    return reverse("traces:rollout_list", args=[run.pk]) + query


def detail_address(run, key, query=""):
    return reverse("traces:rollout_detail", args=[run.pk, key]) + query


def rollouts(run):
    return Rollout.objects.filter(run_id=run.pk)
