"""Evaluations of several modes in one comparison: a run's reasoning against the standard answers of a baseline."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from rpt_web.compare.models import PositionComparison
from rpt_web.exhibits.refs import parsed
from rpt_web.pages.compare import positions_view
from rpt_web.runs.models import ParentRole, RunParent
from tests.evaluated_runs import evaluate, evaluate_in_two_modes, made_run
from tests.factories import make_experiment
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.markup import flat
from tests.workers import test_comparisons
from tests.workers.test_comparisons import COMPARE, A, B, cells, text_of, work

pytestmark = pytest.mark.django_db(transaction=True)  # the job renews its lease on a connection of its own
ada, client, two = test_comparisons.ada, test_comparisons.client, test_comparisons.two


@pytest.fixture
def in_two_modes(ada):
    """Runs that were evaluated in two modes: the first right where A says, and nowhere without thinking."""
    experiment = make_experiment(ada)
    rows = (("base", A, dict.fromkeys(A, False)), ("rpt", B, A))
    return [evaluate_in_two_modes(made_run(experiment, name), rights, standard) for name, rights, standard in rows]


def start_entries(client, entries, mode="greedy"):
    client.post(reverse("compare:start"), {"runs": entries, "mode": mode})
    work()
    return PositionComparison.objects.latest("id")


def test_a_runs_reasoning_is_compared_with_the_standard_answers_of_a_baseline(client, in_two_modes):
    base, rpt = in_two_modes
    entries = f"{base.pk}:standard,{rpt.pk}"
    row = start_entries(client, entries)
    assert row.entries == [[base.pk, 1, "standard"], [rpt.pk, 1, "greedy"]]
    text = flat(client.get(f"{COMPARE}?runs={entries}&view=positions&mode=greedy"))
    assert "rpt, reasoning, greedy against base, standard" in text
    assert cells(text) == {"both": "0", "gained": "3", "forgotten": "0", "neither": "1"}
    assert "+75.0" in text
    assert "The evaluations are of several modes" in text
    assert "No noise floor, standard: an answer without thinking is not sampled" in text
    assert "No noise floor, reasoning, greedy: no model here was evaluated again with another sampling seed." in text
    page = flat(client.get(f"{reverse('compare:positions', args=[row.pk])}?cell=gained"))
    assert "rpt, reasoning, greedy against base, standard" in page
    assert f"?runs={base.pk}@1:standard,{rpt.pk}@1:greedy&amp;view=positions" in page
    table = client.get(f"{reverse('compare:table_file', args=[row.pk])}?table=baseline&file=csv").content.decode()
    assert f'"base ({base.pk}), step 1, standard"' in table


def test_each_mode_has_a_noise_floor_of_its_own_and_a_difference_between_them_one_of_both(client, in_two_modes):
    base, rpt = in_two_modes
    start_entries(client, f"{base.pk}:standard,{rpt.pk}")
    for seed, right in ((1, True), (2, False)):
        again = made_run(rpt.experiment, f"again-{seed}", seed, stage="evaluate")
        RunParent.objects.create(run=again, role=ParentRole.START, parent=rpt, step=1)
        evaluate(again, {**A, ("doc1", 10): right})
    text = flat(client.get(f"{COMPARE}?runs={base.pk}:standard,{rpt.pk}&view=positions&mode=greedy"))
    assert "No noise floor, standard: an answer without thinking is not sampled" in text
    ref = f"compare/{base.pk}:standard,{rpt.pk}/noise/greedy"
    assert reverse("exhibits:exhibit_detail", args=[ref]) in text
    words = re.sub(r"<[^>]+>", "", text)
    assert "The noise floor, reasoning, greedy: 2 evaluations of 1 model" in words
    one, both = 196 * 0.25, 196 * 0.25 / 2**0.5
    assert f"a difference below {one:.1f} points may come from sampling alone." in words
    assert f"Between standard and reasoning, greedy a difference below {both:.1f} points" in words
    file = client.get(reverse("exhibits:exhibit_file", args=[ref, "csv"])).content.decode()
    assert file.count("\n") == 4  # three difficulties


def test_one_checkpoint_is_compared_with_itself_in_another_mode(client, in_two_modes):
    _, rpt = in_two_modes
    row = start_entries(client, f"{rpt.pk}:standard,{rpt.pk}:greedy")
    own = row.data["with_baseline"][0]["levels"]["hard"]
    assert (own["n"], own["a"], own["b"], own["gained"], own["forgotten"]) == (4, 0.5, 0.75, 2, 1)
    page = flat(client.get(f"{reverse('compare:positions', args=[row.pk])}"))
    assert "rpt, reasoning, greedy against rpt, standard" in page


def test_the_same_evaluations_are_one_comparison_however_their_modes_are_asked_for(client, in_two_modes):
    base, rpt = in_two_modes
    first = start_entries(client, f"{base.pk}:greedy,{rpt.pk}:greedy", "standard")
    assert start_entries(client, f"{base.pk},{rpt.pk}") == first
    assert start_entries(client, f"{base.pk},{rpt.pk}", "standard") != first
    assert PositionComparison.objects.count() == 2


def test_each_run_offers_the_modes_that_it_has_and_the_address_keeps_the_choice(client, in_two_modes, two):
    base, rpt = in_two_modes
    text = text_of(client, base, rpt, two[0], mode="greedy")
    for run, others in ((base, f"{rpt.pk},{two[0].pk}"), (rpt, "")):
        chosen = f"{run.pk}:standard,{others}" if others else f"{base.pk},{run.pk}:standard,{two[0].pk}"
        assert f'href="{COMPARE}?runs={chosen}&amp;view=positions&amp;mode=greedy"' in text
    assert f"{two[0].pk}:standard" not in text  # it was evaluated in one mode alone
    assert "all in one mode" not in text
    mixed = flat(client.get(f"{COMPARE}?runs={base.pk}:standard,{rpt.pk}&view=positions&mode=greedy"))
    assert f'href="{COMPARE}?runs={base.pk},{rpt.pk}&amp;view=positions&amp;mode=greedy"' in mixed
    assert "all in one mode" in mixed


def test_a_large_basket_has_no_links_to_modes_and_says_how_to_write_them(client, in_two_modes, monkeypatch):
    monkeypatch.setattr(positions_view, "MOST_WITH_MODES", 1)
    base, rpt = in_two_modes
    text = text_of(client, base, rpt, mode="greedy")
    assert f"stands behind a run in the address: <code>{base.pk}:greedy</code>" in text
    assert f"{base.pk}:standard" not in text


def test_a_run_without_the_mode_is_left_out_and_told_what_it_has(client, in_two_modes, two):
    text = flat(client.get(f"{COMPARE}?runs={in_two_modes[0].pk},{two[0].pk}:standard&view=positions&mode=greedy"))
    assert "It was not evaluated in the mode standard, but in: reasoning, greedy. Choose such a mode for it." in text


def test_seeds_of_several_modes_make_several_groups(client, ada):
    experiment = make_experiment(ada)
    runs = [
        evaluate_in_two_modes(made_run(experiment, f"s{seed}-m", seed, copy_seed=seed), B, A) for seed in range(2)
    ]  # fmt: skip
    row = start_entries(client, ",".join(f"{run.pk}:{mode}" for run in runs for mode in ("standard", "greedy")))
    base, other = row.data["groups"]["hard"]
    assert (base["places"], other["places"]) == ([0, 2], [1, 3])
    assert other["difference"]["each"] == [0.25, 0.25]


def test_the_api_takes_and_tells_modes(ada, in_two_modes):
    base, rpt = in_two_modes
    call = client_of(ada)
    body = {"entries": [f"{base.pk}:standard", f"{rpt.pk}@1"], "mode": "greedy"}
    found = call.post(f"{ROOT}/comparisons", body, content_type="application/json").json()
    assert found["mode"] is None
    assert [one["mode"] for one in found["entries"]] == ["standard", "greedy"]
    refused = call.post(f"{ROOT}/comparisons", {"entries": ["1", "2:x"]}, content_type="application/json")
    assert refused.status_code == 422
    ref = f"compare/{base.pk}:standard,{rpt.pk}/baseline/greedy"
    assert parsed(ref) is not None
