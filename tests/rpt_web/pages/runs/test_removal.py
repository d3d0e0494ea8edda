"""The pages on which runs and experiments are archived and deleted, and the API that does the same."""

from __future__ import annotations

import pytest

from rpt_core.config import RptConfig
from rpt_web.jobs.models import Job
from rpt_web.runs import services
from rpt_web.runs.models import Run, RunParent, Status
from tests.factories import HOSTILE, make_user
from tests.rpt_web.api_client import CONFIG, ROOT
from tests.rpt_web.markup import flat

pytestmark = pytest.mark.django_db


@pytest.fixture
def ended(experiment, ada):
    """ended(name) -> a run of ada's that has failed."""

    def ended(name, user=ada, into=experiment):
        run = services.submit(into, name, RptConfig.model_validate(CONFIG), user)
        Run.objects.filter(pk=run.pk).update(status=Status.FAILED, disk_bytes=3_000_000)
        run.refresh_from_db()
        return run

    return ended


def test_a_run_is_deleted_when_its_name_was_typed_after_a_page_that_says_what_hangs_on_it(client, ada, page, ended):
    run, reader = ended("first"), ended("reader")
    RunParent.objects.create(run=reader, role="start", parent=run, step=3)
    Run.objects.filter(pk=reader.pk).update(origin=run)
    address = f"/runs/{run.pk}/delete"
    assert address in page(f"/runs/{run.pk}/")
    text = page(address)
    assert "3.0 MB" in text
    assert f'href="/runs/{reader.pk}/">First: reader</a> <span class="muted">(starts from its model' in text
    assert "1 clone of it will not show any more what differs" in text
    refused = client.post(address, {"name": "frist"})
    assert refused.status_code == 422
    assert "Type the name &#x27;first&#x27; to confirm. Nothing has been deleted." in flat(refused)
    job = client.post(address, {"name": " first "})
    assert job.headers["Location"] == f"/jobs/{Job.objects.get().pk}/"
    assert "Being deleted" in page("/runs/")
    services_refuse = client.post(address, {"name": "first"})
    assert "is being deleted already" in flat(services_refuse)


def test_what_keeps_it_from_being_deleted_is_said_before_anybody_types(page, ended):
    run = ended("first")
    Run.objects.filter(pk=run.pk).update(status=Status.RUNNING)
    assert "“first” of “First” (running) has not ended" in page(f"/runs/{run.pk}/delete")


def test_an_archived_run_is_in_no_list_but_that_of_the_archived(client, ada, page, ended, experiment):
    run = ended("first")
    ended("second")
    client.force_login(ada)
    assert client.post(f"/runs/{run.pk}/archive", follow=True).status_code == 200
    assert "archived" in page(f"/runs/{run.pk}/")
    for address in ("/runs/", f"/experiments/{experiment.pk}/"):
        assert f'href="/runs/{run.pk}/">first' not in page(address)
        assert f'href="/runs/{run.pk}/">first' in page(f"{address}?archived=1")
    assert "Show 1 archived run" in page(f"/experiments/{experiment.pk}/")
    client.post(f"/runs/{run.pk}/bring-back")
    assert f'href="/runs/{run.pk}/">first' in page("/runs/")


def test_an_archived_experiment_takes_its_runs_along(client, ada, page, ended, experiment):
    ended("first")
    client.force_login(ada)
    client.post(f"/experiments/{experiment.pk}/archive")
    link = f'href="/experiments/{experiment.pk}/"'
    for address in ("/experiments/", "/runs/"):
        assert link not in page(address)
        assert link in page(f"{address}?archived=1")
    client.post(f"/experiments/{experiment.pk}/bring-back")
    assert link in page("/experiments/")
    assert "is not archived" in flat(client.post(f"/experiments/{experiment.pk}/bring-back", follow=True))


def test_a_member_deletes_no_experiment_with_runs_of_others(client, ada, page, ended, experiment):
    ended("hers", make_user("grace"))
    text = page(f"/experiments/{experiment.pk}/delete")
    assert "somebody else has submitted 1 run of it" in text
    assert client.post(f"/experiments/{experiment.pk}/delete", {"name": experiment.name}).status_code == 422
    assert not Job.objects.exists()


def test_names_are_shown_as_they_are(page, ada, ended):
    into = services.create_experiment(HOSTILE, ada)
    run = ended("first", into=into)
    for address in (f"/runs/{run.pk}/delete", f"/experiments/{into.pk}/delete"):
        assert "<script>alert" not in page(address)


def test_the_api_archives_and_deletes(caller, ended, experiment):
    run = ended("first")
    assert caller.post(f"{ROOT}/runs/{run.pk}/archive").json()["archived_at"]
    listed = [caller.get(f"{ROOT}/runs", {"archived": asked}).json()["items"] for asked in ("false", "true")]
    assert [[found["name"] for found in items] for items in listed] == [[], ["first"]]
    assert caller.post(f"{ROOT}/runs/{run.pk}/bring-back").json()["archived_at"] is None
    assert caller.post(f"{ROOT}/experiments/{experiment.pk}/archive").json()["archived_at"]
    assert caller.get(f"{ROOT}/experiments").json()["items"] == []
    assert [found["id"] for found in caller.get(f"{ROOT}/experiments?archived=true").json()["items"]] == [experiment.pk]
    job = caller.delete(f"{ROOT}/runs/{run.pk}")
    assert (job.status_code, job.json()["kind"]) == (202, "delete_runs")
    again = caller.delete(f"{ROOT}/experiments/{experiment.pk}")
    assert (again.status_code, again.json()["detail"]) == (409, "The run 'first' is being deleted already.")
