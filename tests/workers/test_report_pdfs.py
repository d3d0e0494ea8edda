"""A report is printed by Chromium, for real; a machine without it says what is missing."""

from __future__ import annotations

import pytest
from django.urls import reverse

from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import Job
from rpt_web.reports import printing, services
from tests.end_to_end.chromium import CHROMIUM
from tests.factories import make_user
from workers.jobs import execute

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.browser]


@pytest.fixture
def report(run):
    for step in range(1, 6):
        run.metrics.create(attempt=1, step=step, time=run.created_at, values={"loss": 1.0 / step})
    report = services.create(run.experiment.team, "Printed", make_user("ada"))
    services.add_ref(report, f"run/{run.pk}/metric/loss")
    services.add_text(report, "By **ada**.")
    return report


def done(report, **more):
    job = printing.ask(report, report.created_by, is_anonymous=False, **more)
    execute(jobs.claim(job.pk, "test"))
    return Job.objects.get(pk=job.pk)


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
def test_a_report_is_printed_and_fetched(report, client):
    job = done(report)
    assert job.state == "succeeded", job.error
    client.force_login(report.created_by)
    answer = client.get(reverse("reports:report_pdf", args=[report.pk]))
    assert answer["Content-Type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
    assert len(answer.content) > 10_000, "a figure is drawn"
    assert client.get(reverse("reports:report_pdf", args=[report.pk]), {"anonymous": "1"}).status_code == 404


def test_without_chromium_the_job_says_what_to_do(report, monkeypatch):
    monkeypatch.setattr("workers.report_pdfs.shutil.which", lambda name: None)
    job = done(report)
    assert job.state == "failed"
    assert "apt-get install chromium" in job.error
