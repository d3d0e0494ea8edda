"""The tab of a run's files: what lies there, what a checkpoint is good for, and its deletion."""

from __future__ import annotations

import io
import tarfile

import pytest
from django.urls import reverse

from rpt_core.run.folder import RunDir
from rpt_web.jobs.models import Job
from rpt_web.runs import services
from rpt_web.runs.models import Deed, RunParent
from tests.factories import make_experiment, make_user
from tests.preset_runs import finish_run, finish_runs, queued_rpt
from tests.rpt_web.markup import flat
from tests.shown_corpora import carried_out

pytestmark = pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")


@pytest.fixture
def base(ada):
    """A run that has ended, with the files of its checkpoint."""
    run = finish_run(make_experiment(ada), "base", ada)
    folder = run.directory / run.checkpoints.get().path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    (folder / "optimiser.safetensors.state").write_bytes(b"x" * 1000)
    return run


def address(run, name="run_files", *more):
    return reverse(f"runs:{name}", args=[run.pk, *more])


def test_the_folder_is_listed_and_what_a_link_leads_to_is_not(page, base, tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 5_000_000)
    (base.directory / "link").symlink_to(tmp_path / "large")
    text = page(address(base))
    assert 'class="mono">checkpoints/</th><td class="muted">weights and what is needed to continue</td>' in text
    assert 'class="mono">link</th>' in text
    assert "5.0 MB" not in text


def test_a_checkpoint_is_downloaded_without_what_training_keeps_beside_it(client, ada, base):
    client.force_login(ada)
    step = base.checkpoints.get().step
    answer = client.get(address(base, "checkpoint_files", step))
    with tarfile.open(fileobj=io.BytesIO(b"".join(answer))) as archive:
        names = archive.getnames()
    assert names == [f"base-step-{step}/config.json"]


def test_a_run_starts_from_a_checkpoint_with_settings_of_another_run(client, page, ada, base):
    finish_runs(base.experiment, ada, ("filter", "cold-filter", "cold"))
    rpt, step = queued_rpt(base.experiment, ada), base.checkpoints.get().step
    text = page(address(base))
    assert f'<option value="like={rpt.pk}">as rpt (rpt)</option>' in text
    assert "as rpt-eval of the preset tiny (evaluate)</option>" in text
    place = client.get(address(base, "checkpoint_start", step), {"like": f"like={rpt.pk}"})["Location"]
    form = page(place)
    assert str(base.directory / base.checkpoints.get().path) in form
    assert f'A clone of <a href="{reverse("runs:run_detail", args=[rpt.pk])}"' in form
    forged = client.get(address(base, "checkpoint_start", step), {"like": "like=1&evil=1"})["Location"]
    assert "evil" not in forged


def test_a_checkpoint_is_deleted_after_what_hangs_on_it_was_said(client, page, ada, base):
    step = base.checkpoints.get().step
    place = address(base, "checkpoint_delete", step)
    assert "It is the newest one: a retry would start over." in page(place)
    answer = client.post(place, follow=True)
    assert f"The checkpoint of step {step} is deleted." in flat(answer)
    assert not base.checkpoints.exists()
    assert RunDir(base.directory).checkpoint_steps() == []
    assert base.deeds.get().what == Deed.TRIMMED
    job = Job.objects.latest("id")
    carried_out(job)
    job.refresh_from_db()
    assert job.result["bytes"] > 1000
    assert list(RunDir(base.directory).checkpoints.iterdir()) == []
    base.refresh_from_db()
    assert base.removed_checkpoints == 1


def test_a_checkpoint_stays_while_something_unfinished_needs_its_run(client, page, ada, base):
    finish_runs(base.experiment, ada, ("filter", "cold-filter", "cold"))
    cold = base.experiment.runs.get(name="cold")
    rpt = queued_rpt(base.experiment, ada)
    assert RunParent.objects.filter(run=rpt, parent=cold).exists()
    place = address(cold, "checkpoint_delete", cold.checkpoints.get().step)
    assert "runs that have not ended need it: “rpt”" in page(place)
    answer = client.post(place)
    assert answer.status_code == 422
    assert cold.checkpoints.exists()
    services.request_cancel(rpt, ada)
    assert "1 run started from it." in page(place)
    assert client.post(place).status_code == 302


def test_somebody_else_deletes_nothing(client, base):
    client.force_login(make_user("bob"))
    assert client.post(address(base, "checkpoint_delete", base.checkpoints.get().step)).status_code == 403
    assert "Delete …" not in flat(client.get(address(base))).partition('id="records"')[2].partition("</section>")[0]
