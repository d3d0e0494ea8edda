"""Positions behind an accuracy: numbers of pages and tables lead to exactly those, and these to responses."""

from __future__ import annotations

import html
import json
import re

import pytest
from django.urls import reverse

from rpt_core.analysis.frontier_tables import frontier_tables
from rpt_core.config import FrontierConfig
from rpt_core.run.events import EventLog
from rpt_core.run.folder import RunDir
from rpt_core.run.tables import emit_table
from rpt_web.pages.table_addresses import addresses_of
from rpt_web.results.models import Evaluation, ResultTable
from rpt_web.results.tables import table_view
from rpt_web.teams.models import Team
from rpt_web.traces.groups import position_ids
from rpt_web.traces.models import ResponseGroup, rollout_id
from tests.evaluated_runs import evaluate, made_run
from tests.factories import HOSTILE, make_user
from tests.rpt_core.evaluation.outcome_files import row, write_outcomes

RIGHTS = {(f"doc{number % 7}", 10 * number): number % 3 == 0 for number in range(60)}


@pytest.fixture
def run(experiment):
    """An evaluation without thinking at 60 positions, 20 of which are right."""
    return evaluate(made_run(experiment, "a"), RIGHTS, mode="standard", step=4)


def address(run, step=4, **query):
    more = "&".join(f"{name}={value}" for name, value in query.items())
    return f"{reverse('runs:evaluated_positions', args=[run.pk, step])}?{more}"


def counts(text):
    """How many positions there are on each side, and thinking or not."""
    found = re.findall(r"(all|right|wrong|thinks|does not think) <span class=\"figures\">([\d,]+)<", text)
    return {words: int(count.replace(",", "")) for words, count in found}


def accuracy(text):
    return re.search(r"Accuracy: <strong>([\d.]+)", text)[1]


def documents(text):
    return re.findall(r'class="mono"[^>]*>(doc\d)<', text)


def test_a_number_without_thinking_leads_to_its_positions(page, run, experiment):
    cell = Evaluation.objects.get(run=run, difficulty="medium")
    for of_page in (reverse("results:experiment_results", args=[experiment.pk]),
                    reverse("runs:run_evaluations", args=[run.pk])):  # fmt: skip
        to = html.unescape(re.search(r'href="(/runs/\d+/evaluations/4/\?[^"]*difficulty=medium)"', page(of_page))[1])
        text = page(to)
        assert counts(text) == {"all": cell.n, "right": 20, "wrong": 40}
        assert accuracy(text) == f"{100 * cell.value:.1f}"


def test_right_and_wrong_ones_are_listed_page_by_page(page, run):
    wrong = [document for (document, _), is_right in RIGHTS.items() if not is_right]
    assert documents(page(address(run, right=0))) == wrong
    first = page(address(run))
    following = re.search(r'href="(\?[^"]*after=[^"]*)"', first)[1]
    assert documents(first) + documents(page(address(run)[:-1] + html.unescape(following))) == [
        place[0] for place in RIGHTS
    ]
    assert counts(page(address(run, difficulty="nonsense", mode="x", right="7", tau="nan"))) == counts(first)


def test_a_position_leads_to_its_responses_where_a_run_at_the_same_positions_keeps_some(page, run, experiment):
    other = evaluate(made_run(experiment, "thinks"), RIGHTS, step=9)
    stranger = made_run(experiment, "stranger")
    ids = list(position_ids([(bytes(16), 0), (bytes(16), 10)]).values())
    for of, place, key, step in ((other, ("doc0", 0), ids[0], 9), (stranger, ("doc1", 10), ids[1], 1)):
        ResponseGroup.objects.create(
            run=of, experiment=experiment, step=step, kind="greedy", group=0, position_id=key, document=place[0],
            first_rollout=rollout_id(step, "greedy", 0), token_position=1, samples=1, rewarded=1, pass_rate=1,
            predictions=1, majority_rewarded=True, disagreement=0, tokens_mean=1, tokens_min=1, tokens_max=1,
        )  # fmt: skip
    Evaluation.objects.update(position_set="the same")
    text = page(address(run))
    assert f'href="/positions/{"0" * 32}/0/"' in text
    assert f"/positions/{'0' * 32}/10/" not in text  # of a run that was not evaluated at these positions
    exact = f"/positions/{'0' * 32}/0/?run={other.pk}&amp;step=9&amp;kind=greedy&amp;group=0#group"
    assert exact in page(address(other, 9))


HYBRID = [  # entropy without thinking, right without, with, tokens
    *((0.2, True, False, 10), (2.0, False, True, 30), (1.0, True, True, 20), (1.0, False, False, 40)),
    *((0.5, True, True, 5), (1.5, False, True, 8)),
]


@pytest.fixture
def hybrid(experiment):
    """An analysis of what thinking at some positions gives, made by the stage's own function."""
    run = made_run(experiment, "thinker", stage="evaluate")
    path = write_outcomes(
        RunDir(run.directory).evaluation(0),
        [
            row(
                f"doc{place}",
                place,
                standard_entropy_nats=nats,
                standard=without,
                greedy=thinking,
                greedy_tokens=tokens,
            )
            for place, (nats, without, thinking, tokens) in enumerate(HYBRID)
        ],
    )
    config = FrontierConfig(name="Think?", outcomes=path, mode="greedy")
    analysis = made_run(experiment, "analysis", stage="analyse")
    analysis.config = {"frontiers": [json.loads(config.model_dump_json())]}
    analysis.save()
    folder = RunDir(analysis.directory)
    folder.events.parent.mkdir(parents=True, exist_ok=True)
    with EventLog(folder.events) as log:
        for table in frontier_tables(config, 0, 100):
            emit_table(folder, log, table)
    written = [json.loads(folder.table(name).read_text()) for name in ("frontier_think", "hybrid_think")]
    return [
        table_view(ResultTable(pk=1, run=analysis, name=data["name"], title=data["title"], step=0, data=data))
        for data in written
    ]


def test_each_point_of_hybrid_thinking_opens_the_outcomes_that_it_sums_up(page, hybrid):
    curve, gains = hybrid
    points = [point.values for point in curve.rows if point.values["difficulty"] == "hard"]
    assert len(points) == 6  # five entropies
    for point in points:
        to = addresses_of(curve, point)
        if point["share"] == 1:
            assert to["accuracy"].startswith("/traces/?run=")
            continue
        text = page(to["accuracy"])
        assert accuracy(text) == f"{100 * point['accuracy']['value']:.1f}"
        assert counts(text)["all"] == point["accuracy"]["n"] == 6
        if point["tau"] is not None:
            assert counts(text)["thinks"] == round(6 * point["share"])
            assert counts(page(to["share"]))["all"] == round(6 * point["share"])
    gain = next(found.values for found in gains.rows if found.values["difficulty"] == "hard")
    for name in ("best", "never"):
        assert accuracy(page(addresses_of(gains, gain)[name])) == f"{100 * gain[name]['value']:.1f}"


def test_what_cannot_be_read_is_said_and_what_is_of_others_is_not_found(client, page, run):
    assert "is not in its folder, or cannot be read" in page(address(run, step=5), status=404)
    RunDir(run.directory).evaluation(4).write_bytes(b"no parquet")
    assert "evaluate the checkpoint again" in page(address(run), status=404)
    client.force_login(make_user("zoe", team=Team.objects.create(name="Elsewhere")))
    assert client.get(address(run)).status_code == 404


def test_text_of_corpora_and_models_is_escaped(page, experiment):
    texts = {place: HOSTILE.encode() for place in RIGHTS}
    run = made_run(experiment, "b")
    evaluate(run, RIGHTS, mode="standard", step=4, texts=texts, domains=dict.fromkeys([d for d, _ in RIGHTS], HOSTILE))
    assert "<script>alert" not in page(address(run))
    assert "<script>alert" not in page(address(run, domain="%3Cscript%3Ealert(1)"))
