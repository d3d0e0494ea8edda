"""A job on its page: it asks for itself until it has ended, says why it failed, and is its owner's alone."""

from __future__ import annotations

import pytest

from rpt_web import access
from rpt_web.jobs import services
from rpt_web.jobs.models import Job, JobState
from rpt_web.reports import printing
from rpt_web.reports import services as reports
from rpt_web.runs import nodes
from rpt_web.teams.membership import first_team
from tests.factories import HOSTILE, make_user

pytestmark = pytest.mark.django_db
PART = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def job(ada):
    return services.submit("check", {}, ada)


def test_a_queued_job_says_when_nobody_listens(page, job):
    assert "celery -A rpt_web worker -Q quick --loglevel INFO --concurrency 2" in page(f"/jobs/{job.pk}/")
    nodes.register("here", ["quick"])
    text = page(f"/jobs/{job.pk}/")
    assert "No worker listens" not in text
    assert 'hx-trigger="every 1s"' in text


def test_a_running_job_shows_its_progress_and_hostile_words_are_words(page, job):
    services.note(services.claim(job.pk, "a:1"), 0.42, HOSTILE)
    text = page(f"/jobs/{job.pk}/", **PART)
    assert 'value="42"' in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text


def test_a_job_that_has_ended_asks_no_more_and_tells_the_page(client, ada, job):
    services.fail(services.claim(job.pk, "a:1"), "a.jsonl is empty. Name another file.")
    client.force_login(ada)
    answer = client.get(f"/jobs/{job.pk}/", **PART)
    assert "a.jsonl is empty" in answer.text
    assert "hx-get" not in answer.text
    assert answer["HX-Trigger-After-Settle"] == "job-ended"


def test_the_job_of_a_pdf_leads_back_to_its_report(page, ada):
    report = reports.create(first_team(), "The card report", ada)
    printed = printing.ask(report, ada, is_anonymous=False)
    text = page(f"/jobs/{printed.pk}/")
    assert f'href="/reports/{report.pk}/#pdf-heading"' in text
    assert "The card report" in text
    report.delete()
    assert "The card report" not in page(f"/jobs/{printed.pk}/")


def test_the_form_of_a_report_names_the_figure_that_it_begins_with(page, run, ada):
    run.metrics.create(attempt=1, step=1, time=run.created_at, values={"loss": 1.0})
    ref = f"run/{run.pk}/metric/loss"
    text = page(f"/reports/?ref={ref}")
    assert f"A new report that begins with “{access.get_exhibit_or_404(ada, ref).title}”:" in text
    assert ref not in text.partition("A new report")[2].partition("</p>")[0]
    assert "<code>nonsense</code>" in page("/reports/?ref=nonsense")


def test_its_owner_cancels_it(client, ada, job):
    client.force_login(ada)
    assert "Cancelled" in client.post(f"/jobs/{job.pk}/cancel", **PART).text
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    again = client.post(f"/jobs/{job.pk}/cancel", follow=True)
    assert "It has ended already." in again.text


def test_others_do_not_see_it_and_an_administrator_does(client, job):
    for user, status in ((make_user("grace"), 404), (make_user("root"), 404)):
        client.force_login(user)
        assert client.get(f"/jobs/{job.pk}/").status_code == status
        assert client.post(f"/jobs/{job.pk}/cancel").status_code == status
    assert Job.objects.get().cancel_requested_at is None
    user.is_superuser = True
    user.save()
    assert client.get(f"/jobs/{job.pk}/").status_code == 200


def test_a_job_that_is_not_there_is_in_no_list(page, job):
    text = page(f"/jobs/{job.pk + 1}/", status=404)
    assert "Only who has started a job sees it, and it is forgotten some weeks after its end." in text
    assert "list of jobs" not in text
