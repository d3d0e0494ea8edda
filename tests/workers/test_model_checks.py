"""The quick lane's look at a model: a real model's card stands on its row, and a bad one is no failure of the job."""

from __future__ import annotations

import sys

import pytest

from rpt_web.corpora import registry
from rpt_web.jobs.models import JobState
from rpt_web.teams.membership import first_team
from tests.factories import make_user
from tests.rpt_core import stages
from workers import tasks

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def model(tmp_path):
    stages.save_taught(tmp_path / "taught")
    return registry.register(first_team(), str(tmp_path / "taught"), "", make_user("ada"))


def carried_out(model):
    tasks.execute_job(model.job.pk)
    model.job.refresh_from_db()
    model.refresh_from_db()
    return model


def test_a_good_model_is_found_fit(model):
    carried_out(model)
    assert (model.job.state, model.job.error) == (JobState.SUCCEEDED, "")
    assert (model.is_fit, model.facts["architecture"]) == (True, "Qwen2ForCausalLM")


def test_a_model_that_does_not_load_is_found_unfit_in_words(model, tmp_path):
    (tmp_path / "taught" / "model.safetensors").write_bytes(b"\0" * 100)
    carried_out(model)
    assert (model.job.state, model.is_fit, model.loads) == (JobState.SUCCEEDED, False, False)
    assert any("model.safetensors" in fault["message"] for fault in model.faults)


def test_a_command_that_prints_no_card_fails_the_job_in_words(model, settings):
    settings.RPT_STAGE_COMMAND = ["/bin/false"]
    carried_out(model)
    assert model.job.state == JobState.FAILED
    assert "ended without an answer (exit code 1)" in model.job.error
    assert model.checked_at is None


def test_a_check_that_needs_too_much_memory_fails_in_words(model, settings):
    program = (
        "from rpt_core.preflight.model_card import main; main(['x', '--json'], look=lambda path: bytes(20 * 10**9))"
    )
    settings.RPT_STAGE_COMMAND = [sys.executable, "-c", program]
    carried_out(model)
    assert model.job.state == JobState.FAILED
    assert model.job.error.startswith("The check needs more memory than it may take here.")
    assert f"python -m rpt_core model {model.path}" in model.job.error
    assert model.checked_at is None
