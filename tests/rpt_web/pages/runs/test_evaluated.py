"""Positions behind an accuracy: numbers of pages and tables lead to exactly those, and these to responses."""

from __future__ import annotations

import html
import json
import re

import pytest
from django.urls import reverse

from rpt_core.run.folder import RunDir
from rpt_web.pages.table_addresses import addresses_of, leading
from rpt_web.results.models import Evaluation
from rpt_web.results.tables import table_view
from rpt_web.teams.models import Team
from rpt_web.traces.groups import position_ids
from rpt_web.traces.models import ResponseGroup, rollout_id
from tests.evaluated_runs import evaluate, made_run, text_of
from tests.factories import HOSTILE, make_user
from tests.hybrid_runs import HYBRID, analysed
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
    here, namesake = text_of("doc0"), bytes(16)
    ids = position_ids([(here, 0), (text_of("doc1"), 10), (namesake, 20)])
    for number, (of, name, place, step) in enumerate(
        (
            (other, "as called elsewhere", (here, 0), 9),
            (stranger, "doc1", (text_of("doc1"), 10), 1),
            (other, "doc2", (namesake, 20), 9),
        )
    ):
        ResponseGroup.objects.create(
            run=of, experiment=experiment, step=step, kind="greedy", group=number, position_id=ids[place],
            document=name, first_rollout=rollout_id(step, "greedy", number), token_position=1, samples=1, rewarded=1,
            pass_rate=1, predictions=1, majority_rewarded=True, disagreement=0, tokens_mean=1, tokens_min=1,
            tokens_max=1,
        )  # fmt: skip
    Evaluation.objects.update(position_set="the same")
    text = page(address(run))
    assert f'href="/positions/{here.hex()}/0/"' in text
    assert f"/positions/{text_of('doc1').hex()}/10/" not in text  # of a run that was not evaluated at these positions
    assert f"/positions/{namesake.hex()}/20/" not in text  # another text of the same name
    exact = f"/positions/{here.hex()}/0/?run={other.pk}&amp;step=9&amp;kind=greedy&amp;group=0#group"
    assert exact in page(address(other, 9))


def test_where_no_hash_was_stored_a_position_is_found_by_the_name_of_its_document(page, experiment):
    run = evaluate(made_run(experiment, "older"), RIGHTS, step=9, is_old=True)
    ids = position_ids([(bytes(16), 0)])
    ResponseGroup.objects.create(
        run=run, experiment=experiment, step=9, kind="greedy", group=0, position_id=ids[bytes(16), 0], document="doc0",
        first_rollout=rollout_id(9, "greedy", 0), token_position=1, samples=1, rewarded=1, pass_rate=1,
        predictions=1, majority_rewarded=True, disagreement=0, tokens_mean=1, tokens_min=1, tokens_max=1,
    )  # fmt: skip
    assert f"/positions/{'0' * 32}/0/?run={run.pk}&amp;step=9" in page(address(run, 9))


@pytest.fixture
def hybrid(experiment):
    """An analysis of what thinking at some positions gives: the curve, and the gains."""
    return [table_view(table) for table in analysed(experiment)]


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
    for name in ("best", "never", "held_out"):
        assert accuracy(page(addresses_of(gains, gain)[name])) == f"{100 * gain[name]['value']:.1f}", name
    to = addresses_of(gains, gain)
    assert to["held_out"] == to["over_always"] == to["over_never"]
    held_out = page(to["held_out"])
    assert "each chosen on the other half" in held_out
    thinking, silent = (counts(held_out)[words] for words in ("thinks", "does not think"))
    assert thinking + silent == 6
    assert counts(page(f"{to['held_out']}&thinks=1"))["all"] == thinking


def test_the_points_of_the_frontiers_chart_lead_where_the_numbers_do(page, hybrid):
    curve, _ = hybrid
    (hard,) = (
        trace for trace in leading([curve])[0].figure.data if trace["name"] == "hard" and "rows" in trace["meta"]
    )
    assert hard["x"] == sorted(hard["x"])
    rows = [point.values for point in curve.rows if point.values["difficulty"] == "hard"]
    by_tokens = {point["tokens"]: addresses_of(curve, point)["accuracy"] for point in rows}
    assert hard["meta"]["places"] == [by_tokens[tokens] for tokens in hard["x"]]
    text = page(f"{reverse('results:paper_page', args=['hybrid-thinking'])}?experiment={curve.run.experiment_id}")
    assert "data-leads-on" in text
    shown = json.loads(re.search(r'<script id="figures" type="application/json">(.*?)</script>', text)[1])
    (drawn,) = (trace["meta"] for trace in shown[0]["data"] if trace["meta"].get("places") == hard["meta"]["places"])
    assert drawn["column"] == "accuracy"
    assert html.escape(by_tokens[hard["x"][1]]) in text  # and the table beside it


def test_one_document_has_no_halves_and_a_mode_without_tokens_no_taus(page, experiment):
    run = made_run(experiment, "thinker", stage="evaluate")
    rows = [row("doc", place, standard_entropy_nats=1.0, standard=True, greedy=False, greedy_tokens=5)
            for place in range(3)]  # fmt: skip
    write_outcomes(RunDir(run.directory).evaluation(0), rows)
    assert "one document alone has no halves" in page(address(run, 0, mode="greedy", held_out=0))
    bare = made_run(experiment, "bare", stage="evaluate")
    write_outcomes(RunDir(bare.directory).evaluation(0), [one | {"greedy_tokens": None} for one in rows])
    assert "halves" not in page(address(bare, 0, mode="greedy", held_out=0))


def test_each_cell_of_thinking_against_not_thinking_has_its_positions(page, hybrid, experiment):
    run = experiment.runs.get(name="thinker")
    for right, standard in ((1, 1), (0, 1), (1, 0), (0, 0)):
        text = page(address(run, 0, mode="greedy", right=right, standard=standard))
        found = [
            f"doc{place}" for place, (_, without, thinking, _) in enumerate(HYBRID)
            if (without, thinking) == (bool(standard), bool(right))
        ]  # fmt: skip
        assert documents(text) == found, (right, standard)
    chips = re.findall(
        r"(right|wrong) without thinking <span class=\"figures\">(\d)<", page(address(run, 0, mode="greedy"))
    )
    assert chips == [("right", "3"), ("wrong", "3")]
    assert "without thinking <span" not in page(address(run, 0, mode="standard", standard=1))


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
