"""Running a position again: what the form offers, what is refused, who may, and the same by the API."""

from __future__ import annotations

import html
import re

import pytest

from rpt_core.config import BenchmarkConfig, RlvrConfig, RptConfig, TemplatesConfig
from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.results.models import Standing
from rpt_web.runs import services
from rpt_web.runs.models import GPU_QUEUE, Checkpoint, Experiment, Run
from rpt_web.traces import reruns
from rpt_web.traces.models import CorpusPosition, PositionRerun, ResponseGroup
from rpt_web.traces.reruns import RerunWanted
from tests.factories import make_experiment, record, start_run, write_shard
from tests.rpt_web.api_client import CONFIG, ROOT, client_of
from tests.rpt_web.markup import flat
from tests.rpt_web.pages.positions.test_position import HASH, OFFSET, RIGHT, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(ada, settings, tmp_path):
    """A run with a group at the position, and a checkpoint of its step 2; its model may be read."""
    for name in ("m", "p"):
        (tmp_path / name).mkdir()
    settings.RPT_READ_ROOTS = [tmp_path]
    own = {"model": {"path": str(tmp_path / "m")}, "positions": str(tmp_path / "p")}
    config = RptConfig.model_validate(CONFIG | own)
    run, events = start_run(services.submit(make_experiment(ada), "a", config, ada))
    write_shard(run, events, "train", 3, rows(3, RIGHT, "no"))
    record(run)
    Checkpoint.objects.create(
        run=run, attempt=1, step=2, path="checkpoints/step-000002", bytes=1, created_at=run.created_at
    )
    (run.directory / "checkpoints" / "step-000002").mkdir(parents=True)
    return run


def address(rest=""):
    return f"/positions/{HASH.hex()}/{OFFSET}/{rest}"


def test_the_form_offers_the_runs_own_checkpoints_first(page, run):
    text = page(address())
    asked = re.search('hx-get="([^"]*run-again/form/[^"]*)"', text)[1]
    offered = page(html.unescape(asked))
    assert "Run this position again" in offered
    assert offered.index(">step 2</option>") < offered.index(">the model that it began with</option>")
    assert f'value="{run.directory}/checkpoints/step-000002" selected' in offered


def test_what_is_submitted_is_refused_in_words_on_the_page(page, client, run, nothing_found):
    page(address())
    answer = client.post(address("run-again/"), {"model": "/etc", "samples": 3})
    assert answer.status_code == 422
    assert "/etc" in flat(answer).partition('role="alert"')[2].partition("</ul>")[0]
    answer = client.post(address("run-again/"), {"model": "x", "samples": 1000})
    assert answer.status_code == 422
    assert "less than or equal to 64" in flat(answer)
    assert not PositionRerun.objects.exists()


def test_a_viewer_is_offered_nothing_and_gets_nothing(viewer_client, run):
    assert "run-again/" not in viewer_client.get(address()).content.decode()
    assert viewer_client.get(address("run-again/form/")).status_code == 403
    assert viewer_client.post(address("run-again/"), {"model": "x", "samples": 3}).status_code == 403


def test_the_same_form_sent_twice_makes_one_run(page, client, run, nothing_found):
    page(address())
    sent = {"model": run.config["model"]["path"], "samples": 3, "once": "abc"}
    answers = [client.post(address("run-again/"), sent) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [302, 302]
    assert answers[0]["Location"] == answers[1]["Location"]
    assert PositionRerun.objects.count() == 1


def test_the_api_takes_the_newest_checkpoint_before_the_group_and_names_what_is_wrong(ada, run, nothing_found):
    caller = client_of(ada)
    group = ResponseGroup.objects.get(run=run)
    route = f"{ROOT}/positions/{group.position_id}/reruns"

    def post(**body):
        return caller.post(route, {"group": group.pk, **body}, content_type="application/json")

    made = [post(samples=2, temperature=0.5) for _ in range(reruns.MOST_AT_ONCE)]
    assert [answer.status_code for answer in made] == [201] * 3, made[0].content
    assert [answer.json()["name"] for answer in made] == [f"position-{group.position_id}-{n}" for n in (1, 2, 3)]
    assert {answer.json()["priority"] for answer in made} == {"high"}
    configs = list(Run.objects.filter(rerun__isnull=False).order_by("id").values_list("config", flat=True))
    assert {config["model"]["path"] for config in configs} == {f"{run.directory}/checkpoints/step-000002"}
    assert [config["evaluation"]["seed"] for config in configs] == [1, 2, 3]  # not the same responses again
    assert {config["sampling"]["temperature"] for config in configs} == {0.5}
    assert Experiment.objects.filter(name=reruns.EXPERIMENT).count() == 1
    many = post()
    assert (many.status_code, "3 positions are being run again for you" in many.json()["detail"]) == (422, True)
    assert len(caller.get(route).json()["items"]) == 3
    assert post(group=group.pk + 1).status_code == 422


def test_one_position_measures_no_model_on_the_leaderboard(ada, run, nothing_found):
    group = ResponseGroup.objects.get(run=run)
    wanted = RerunWanted(reruns.usual_model(run, 3), 2)
    made = reruns.rerun(run.experiment.team, run, group, wanted, ada)
    for experiment in (run.experiment, made.experiment):
        Standing.objects.create(experiment=experiment, key="k", name="m", mode="sampled", n=1)
    assert [standing.experiment for standing in access.standings_for(ada)] == [run.experiment]


def asked_by(run, config):
    """The run's group is at a question, which a run of this config asked."""
    Run.objects.filter(pk=run.pk).update(stage=config.stage, config=config.model_dump(mode="json"))
    question = CorpusPosition.objects.create(text_hash=HASH, byte_offset=-1)
    ResponseGroup.objects.filter(run=run).update(position=question)
    run.refresh_from_db()
    return ResponseGroup.objects.select_related("position").get(run=run)


def a_benchmark(run, **more):
    model = {"path": run.config["model"]["path"]}
    return BenchmarkConfig.model_validate({"model": model, "format": "tiny", "per_category": 3, "seed": 4, **more})


def test_a_question_of_a_benchmark_is_asked_again_on_its_page(page, client, run, nothing_found):
    asked_by(run, a_benchmark(run))
    address = f"/positions/{HASH.hex()}/question/"
    assert f'hx-get="{address}run-again/form/?' in page(address)
    assert "Ask this question again" in page(f"{address}run-again/form/")
    answer = client.post(f"{address}run-again/", {"model": run.config["model"]["path"], "samples": 3})
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, address), flat(answer)
    config = Run.objects.get(rerun__isnull=False).config
    assert (config["stage"], config["listed_questions"], config["modes"]) == ("benchmark", [HASH.hex()], ["reasoning"])
    assert (config["samples"], config["per_category"], config["seed"], config["sampling_seed"]) == (3, None, 4, 1)
    assert "3 responses, ada" in page(address)
    assert 'hx-trigger="every 2s"' in page(f"{address}film/")


@pytest.mark.parametrize(("kind", "temperature", "tokens"), [("train", 0.8, 11), ("sampled", 0.6, 22)])
def test_a_question_of_rlvr_is_asked_as_in_its_training_or_its_test_and_trains_nothing(run, kind, temperature, tokens):
    asked = RlvrConfig.model_validate(
        {
            "model": {"path": run.config["model"]["path"]},
            "questions": {"source": "tiny", "seed": 5},
            "sampling": {"temperature": 0.8, "max_response_tokens": 11},
            "test_sampling": {"temperature": 0.6, "max_response_tokens": 22},
            "trackers": {"wandb_project": "ours"},
        }
    )
    group = asked_by(run, asked)
    group.kind = kind
    config = reruns.config_of(run, group, group.position, RerunWanted("m", 3), seed=7)
    assert (config.questions.listed_questions, config.questions.seed) == ((HASH.hex(),), 5)
    assert (config.test_samples, config.seed, config.trackers.wandb_project) == (3, 7, "")
    assert (config.test_sampling.temperature, config.test_sampling.max_response_tokens) == (temperature, tokens)
    warm = reruns.config_of(run, group, group.position, RerunWanted("m", 3, 1.2), seed=7)
    assert warm.test_sampling.temperature == 1.2


def test_several_responses_that_would_be_equal_are_refused_in_words(run):
    group = asked_by(run, a_benchmark(run))
    with pytest.raises(UserError, match="At 0 all responses to a question would be equal"):
        reruns.config_of(run, group, group.position, RerunWanted("m", 3, 0.0), seed=7)


def test_a_stage_that_asks_no_questions_says_so(run):
    group = asked_by(run, RptConfig.model_validate(run.config))
    with pytest.raises(UserError, match="The stage rpt does not ask single questions"):
        reruns.config_of(run, group, group.position, RerunWanted("m", 3), seed=7)


def test_a_comparison_of_templates_is_asked_with_the_template_of_its_step(run):
    values = {"model": {"path": "m"}, "held_out": {"positions": "p", "easy_nats": 0.1}, "templates": ["v1", "plain"]}
    run.config = TemplatesConfig.model_validate(values).model_dump(mode="json")
    group = ResponseGroup.objects.get(run=run)
    for step, template in ((1, "v1"), (2, "plain")):
        group.step, group.kind = step, "sampled"
        config = reruns.config_of(run, group, group.position, RerunWanted("m", 2), seed=7)
        assert (config.prompt.template, config.evaluation.easy_nats, config.evaluation.seed) == (template, 0.1, 7)


def test_what_only_a_gpu_node_could_do_waits_for_one_again(run):
    group = ResponseGroup.objects.get(run=run)
    assert reruns.config_of(run, group, group.position, RerunWanted("m", 2), seed=1).model.device == "auto"
    run.queue = GPU_QUEUE
    assert reruns.config_of(run, group, group.position, RerunWanted("m", 2), seed=1).model.device == "cuda"
