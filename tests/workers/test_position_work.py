"""What workers make for the page of a position, for real: the tiny model answers there again; prompts in tokens."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rpt_core.config import BenchmarkConfig, PromptConfig, RptConfig
from rpt_core.problems.problem import ProblemSet
from rpt_core.run.folder import RunDir
from rpt_web.jobs.models import Job, JobState
from rpt_web.pages.position_addresses import place_of
from rpt_web.runs import services
from rpt_web.runs.models import Priority, Run, Status
from rpt_web.traces import reruns
from rpt_web.traces.models import ResponseGroup
from tests.factories import make_experiment, make_user, record, response_row, start_run, write_shard
from tests.rpt_core import stages
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.markup import flat
from workers import runner, tasks

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """The taught model, and a filter run over its corpus."""
    folder = tmp_path_factory.mktemp("ground")
    model = stages.save_taught(folder / "model")
    corpus = stages.write_corpus(folder / "corpus.jsonl")
    stages.run_stage(folder / "filter", {"stage": "filter", "corpus": corpus, "proxy": model, "min_entropy_nats": 0.0})
    return folder


@pytest.fixture
def problem(ground):
    """A position that is trained on."""
    positions = ground / "filter" / "positions"
    return ProblemSet.load(positions, "train", stages.taught()[1], PromptConfig(template="plain")).problem(9)


@pytest.fixture
def ada(db):
    return make_user("ada")


@pytest.fixture
def run(ada, ground, problem, settings):
    """A run that has trained at the position: three responses, all wrong."""
    settings.RPT_READ_ROOTS = [ground]
    config = {
        "model": {"path": str(ground / "model"), "device": "cpu"},
        "positions": str(ground / "filter" / "positions"),
        "steps": 3,
        "prompt": {"template": "plain", "max_prompt_tokens": 64},
        "sampling": {"max_response_tokens": 8},
    }
    claimed, events = start_run(services.submit(make_experiment(ada), "trained", RptConfig.model_validate(config), ada))
    shared = {"context": problem.prompt, "completion": problem.completion, "boundaries": problem.boundaries}
    rows = [response_row(1, 0, n, thought="hm", answer="\\boxed{no}", **shared) for n in range(3)]
    place = {"text_hash": problem.text_hash, "byte_offset": problem.byte_offset, "prompt": problem.prompt}
    place["prompt_tokens"] = len(problem.prompt_ids)
    write_shard(claimed, events, "train", 1, [replace(row, **place) for row in rows])
    record(claimed)
    return claimed


def address(problem, rest=""):
    return f"/positions/{problem.text_hash.hex()}/{problem.byte_offset}/{rest}"


def test_a_position_is_run_again_and_its_group_stands_beside_the_others(client, ada, run, problem, ground):
    client.force_login(ada)
    model = str(ground / "model")
    answer = client.post(address(problem, "run-again/"), {"model": model, "samples": 3, "temperature": "0.7"})
    assert answer.status_code == 302, flat(answer)
    made = Run.objects.get(rerun__position__byte_offset=problem.byte_offset)
    assert (made.status, made.priority, made.experiment.name) == (Status.QUEUED, Priority.HIGH, reruns.EXPERIMENT)
    assert made.config["evaluation"]["listed_positions"] == [f"{problem.text_hash.hex()}:{problem.byte_offset}"]
    assert made.config["prompt"]["template"] == "plain"
    waiting = flat(client.get(address(problem)))
    assert 'hx-trigger="every 2s"' in waiting
    assert f'<a href="/runs/{made.pk}/">{made.name}</a>' in waiting
    assert "No worker listens to the queue" in waiting

    runner.execute(services.claim(made.pk, "test"))
    made.refresh_from_db()
    assert (made.status, made.error) == (Status.SUCCEEDED, "")
    group = ResponseGroup.objects.get(run=made)
    assert (group.samples, group.kind, group.position_id) == (3, "sampled", made.rerun.position_id)
    film = flat(client.get(address(problem, "film/")))
    assert "hx-trigger" not in film
    assert f'<a href="/runs/{made.pk}/">{made.name}</a> <span class="below">' in film
    assert f"run={made.pk}&amp;step=0&amp;kind=sampled" in film


def test_a_question_is_asked_again_and_its_group_stands_beside_the_others(client, ada, ground, settings):
    client.force_login(ada)
    settings.RPT_READ_ROOTS = [ground]
    question = {"id": "q1", "question": "Digits: 1 2", "options": ["1", "2", "3"], "answer": 1}
    (ground / "questions.jsonl").write_text(json.dumps(question) + "\n")
    model = str(ground / "model")
    config = {
        "model": {"path": model, "device": "cpu"},
        "paths": [str(ground / "questions.jsonl")],
        "answer_as": "text",
        "template": "question_plain",
        "max_prompt_tokens": 64,
        "modes": ["reasoning"],
        "sampling": {"temperature": 0.8, "max_response_tokens": 16},
    }
    asked = services.submit(make_experiment(ada), "asked", BenchmarkConfig.model_validate(config), ada)
    runner.execute(services.claim(asked.pk, "test"))
    asked.refresh_from_db()
    assert (asked.status, asked.error) == (Status.SUCCEEDED, "")
    group = ResponseGroup.objects.select_related("position").get(run=asked)
    place = place_of(group.position)
    answer = client.post(f"{place}run-again/", {"model": model, "samples": 4})
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, place), flat(answer)
    made = Run.objects.get(rerun__position=group.position)
    runner.execute(services.claim(made.pk, "test"))
    made.refresh_from_db()
    assert (made.status, made.error) == (Status.SUCCEEDED, "")
    again = ResponseGroup.objects.get(run=made)
    assert (again.samples, again.kind, again.position_id) == (4, "sampled", group.position_id)
    film = flat(client.get(f"{place}film/"))
    assert f"run={made.pk}&amp;step=0&amp;kind=sampled" in film


def test_a_prompt_is_shown_in_the_tokens_that_the_model_got(client, ada, run, problem):
    client.force_login(ada)
    RunDir(run.directory).create(RptConfig.model_validate(run.config))
    group = ResponseGroup.objects.get(run=run)
    part = f"/runs/{run.pk}/rollouts/{group.first_rollout}/prompt/"
    assert "Show it in tokens" in flat(client.get(part))
    assert client.post(part).status_code == 302
    assert 'hx-trigger="every 1s"' in flat(client.get(part))
    client.post(part, headers={"HX-Request": "true"})
    job = Job.objects.get()  # asked for twice, made once
    tasks.execute_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.error) == (JobState.SUCCEEDED, "")
    shown = flat(client.get(f"/runs/{run.pk}/rollouts/{group.first_rollout}/"))
    assert f"tokens 0 to {len(problem.prompt_ids)} of {len(problem.prompt_ids)}" in shown
    assert '<span class="tok control" title="special: token' in shown
    route = f"{ROOT}/runs/{run.pk}/rollouts/{group.first_rollout + 1}/prompt"  # another response to the same prompt
    told = client_of(ada).get(route).json()
    assert (told["state"], told["ids"]) == ("ready", problem.prompt_ids)
    assert bytes.fromhex("".join(told["bytes"])).decode() == problem.prompt
    assert [bytes.fromhex(told["bytes"][n]) for n in told["special"]] == [b"<think>"]


def test_a_prompt_that_cannot_be_made_again_fails_in_words_and_can_be_asked_for_again(client, ada, run):
    client.force_login(ada)
    changed = RptConfig.model_validate(run.config | {"prompt": {"template": "v0"}})
    RunDir(run.directory).create(changed)
    part = f"/runs/{run.pk}/rollouts/{ResponseGroup.objects.get(run=run).first_rollout}/prompt/"
    client.post(part)
    tasks.execute_job(Job.objects.get().pk)
    shown = flat(client.get(part))
    assert "The prompt cannot be made again as it was" in shown
    assert "Show it in tokens" in shown
