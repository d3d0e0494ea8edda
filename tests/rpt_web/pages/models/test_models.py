"""Registered models: how they come in, what their pages say, who may do what, and their files as an archive."""

from __future__ import annotations

import io
import tarfile

import pytest
from django.urls import reverse

from rpt_core.errors import UserError
from rpt_web.corpora import registry
from rpt_web.corpora.models import ModelSource, RegisteredModel
from rpt_web.jobs.models import Job
from rpt_web.runs import services
from rpt_web.runs.models import Checkpoint, RunParent
from rpt_web.teams.membership import first_team
from tests.factories import end_run, make_user, start_run
from tests.rpt_web.api_client import RUNNABLE

FACTS = {
    "architecture": "Qwen2ForCausalLM",
    "parameters": 186_368,
    "matrix_parameters": 185_344,
    "layers": 1,
    "context_tokens": 2048,
    "formats": ["F32"],
    "bytes": 745_472,
    "tokenizer_hash": "abc123",
    "end_tokens": [{"id": 0, "token": "<|end|>"}],
    "chat_template": "{{ '<script>alert(1)</script>' }}",
    "opens_thought": True,
    "end_of_thought_tokens": 1,
    "licence": "mit",
}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    (folder / "training").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"w" * 3000)
    (folder / "tokenizer.json").write_text("{}" * 256)
    (folder / "metadata.json").write_text("{}")
    (folder / "training" / "optimiser.safetensors").write_bytes(b"o" * 100)
    return folder


@pytest.fixture
def model(ada, folder):
    return registry.register(first_team(), str(folder), "", ada)


def checked(model, **card):
    found = {"facts": FACTS, "faults": [], "loads": True} | card
    assert registry.store_card(model.pk, model.job, found)
    Job.objects.filter(pk=model.job.pk).update(state="succeeded")


def address(name, *arguments):
    return reverse(f"models:{name}", args=arguments)


def test_a_folder_is_registered_on_the_page_and_a_worker_asked_to_look(page, client, folder):
    page(address("model_list"))
    answer = client.post(address("model_list"), {"path": f" {folder} ", "name": ""})
    made = RegisteredModel.objects.get()
    assert answer["Location"] == address("model_detail", made.pk)
    assert (made.name, made.path, made.source, made.team) == ("model", str(folder), ModelSource.FOLDER, first_team())
    assert (made.job.kind, made.job.arguments) == (registry.CHECK, {"model": made.pk})
    text = page(address("model_detail", made.pk))
    assert "not checked" in text
    assert "Queued" in text
    assert "not checked" in page(address("model_list"))


@pytest.mark.parametrize("path", ["/etc", "../secret", "", "/tmp/no\u202ewhere"])
def test_what_may_not_be_read_is_refused_in_words(page, client, path):
    page(address("model_list"))
    answer = client.post(address("model_list"), {"path": path, "name": "x"})
    assert answer.status_code == 422
    assert b'role="alert"' in answer.content
    assert not RegisteredModel.objects.exists()


def test_a_model_is_registered_once_in_a_team_and_under_a_name_that_can_be_read(model, ada, folder):
    with pytest.raises(UserError, match="registered already, as “model”"):
        registry.register(first_team(), str(folder), "again", ada)
    with pytest.raises(UserError):
        registry.register(first_team(), str(folder.parent), "a\u202eb", ada)


def test_a_hub_name_is_taken_where_it_is_allowed(ada, settings):
    settings.RPT_HUB_MODELS = ["Qwen/*"]
    made = registry.register(first_team(), "Qwen/Qwen2.5-0.5B", "", ada)
    assert (made.source, made.name) == (ModelSource.HUB, "Qwen2.5-0.5B")
    with pytest.raises(UserError, match="may not be fetched"):
        registry.register(first_team(), "other/model", "", ada)


def test_the_card_says_what_the_model_is(page, model):
    checked(model)
    text = page(address("model_detail", model.pk))
    for words in ("can be used", "186,368, 185,344 of them in matrix products", "Qwen2ForCausalLM", "abc123", "mit"):
        assert words in text
    assert "there, and opens the thought" in text
    assert "<script>alert(1)" not in text
    assert "can be used" in page(address("model_list"))


def test_what_speaks_against_a_model_stands_on_its_page(page, model):
    fault = {"level": "error", "message": "The weights of <b> are not those of the `Qwen2`."}
    checked(model, faults=[fault], loads=False)
    text = page(address("model_detail", model.pk))
    assert "The weights of &lt;b&gt; are not those of the <code>Qwen2</code>." in text
    assert "cannot be used" in text


def test_only_the_newest_check_is_stored_and_none_runs_beside_another(model, ada):
    first = model.job
    with pytest.raises(UserError, match="being checked already"):
        registry.check(model, ada)
    Job.objects.filter(pk=first.pk).update(state="failed")
    registry.check(model, ada)
    assert not registry.store_card(model.pk, first, {"facts": {}, "faults": [], "loads": False})
    assert RegisteredModel.objects.get().checked_at is None


def test_a_checkpoint_is_registered_by_its_run_and_lineage_is_told_both_ways(page, client, ada, experiment):
    from rpt_core.config import STAGES

    run, events = start_run(services.submit(experiment, "base", STAGES["ntp"].model_validate(RUNNABLE), ada))
    events.emit("started", start_step=0, total_steps=7)
    events.emit("checkpoint", step=7, path="checkpoints/step-000007", bytes=3, flops=1.0)
    end_run(run, events)
    page(address("model_list"))
    client.post(address("checkpoint_register", run.pk, 7))
    made = RegisteredModel.objects.get()
    assert (made.name, made.run, made.step) == ("base, step 7", run, 7)
    assert made.path == str(run.directory / Checkpoint.objects.get(run=run).path)
    assert client.post(address("checkpoint_register", run.pk, 8)).status_code == 404

    after = services.submit(experiment, "after", STAGES["ntp"].model_validate(RUNNABLE), ada)
    RunParent.objects.create(run=after, role="start", parent=run, step=7, path=made.path)
    other = services.submit(experiment, "other", STAGES["ntp"].model_validate(RUNNABLE), ada)
    RunParent.objects.create(run=other, role="start", parent=run, step=3, path="elsewhere")
    text = page(address("model_detail", made.pk))
    assert f'Made by <a href="{reverse("runs:run_detail", args=[run.pk])}">base</a> at step 7' in text
    assert reverse("runs:run_detail", args=[after.pk]) in text
    assert reverse("runs:run_detail", args=[other.pk]) not in text
    assert address("checkpoint_register", run.pk, 7) in page(reverse("runs:run_files", args=[run.pk]))


async def read(response):
    return b"".join([piece async for piece in response])


def test_the_download_is_the_models_files_in_an_archive(page, client, model, folder):
    from asgiref.sync import async_to_sync

    page(address("model_list"))
    response = client.get(address("model_files", model.pk))
    data = async_to_sync(read)(response)
    assert len(data) == int(response["Content-Length"])
    with tarfile.open(fileobj=io.BytesIO(data)) as found:
        assert found.getnames() == ["model/config.json", "model/model.safetensors", "model/tokenizer.json"]
        assert found.extractfile("model/model.safetensors").read() == b"w" * 3000
    (folder / "model.safetensors").rename(folder.parent / "away")
    (folder / "model.safetensors").symlink_to("/etc/hostname")
    assert client.get(address("model_files", model.pk)).status_code == 404


def test_others_see_no_model_of_a_team_and_viewers_change_none(client, viewer_client, model):
    assert viewer_client.get(address("model_detail", model.pk)).status_code == 200
    assert viewer_client.post(address("model_check", model.pk)).status_code == 403
    assert viewer_client.post(address("model_list"), {"path": "x"}).status_code == 403
    assert b"Check again" not in viewer_client.get(address("model_detail", model.pk)).content
    stranger = make_user("mallory")
    stranger.memberships.all().delete()
    client.force_login(stranger)
    for name in ("model_detail", "model_files"):
        assert client.get(address(name, model.pk)).status_code == 404
    assert model.name not in client.get(address("model_list")).content.decode().partition("Registered</th>")[2]
