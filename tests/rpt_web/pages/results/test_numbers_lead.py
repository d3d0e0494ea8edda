"""Numbers over several runs lead to the groups of all of them, whichever steps they are at."""

from __future__ import annotations

import html
import re

import pytest
from django.urls import reverse

from rpt_web.results.models import Evaluation, Standing
from rpt_web.traces.models import ResponseGroup, rollout_id
from tests.rpt_web.results.headline_pages import hard, recompute, results, two_seeds

pytestmark = [pytest.mark.django_db, pytest.mark.slow]  # a suite of two seeds


def write(run, step, count):
    """So many hard groups that an evaluation rests on, and one each that it does not."""
    others = [(step, "sampled", 2), (step, "greedy", 3), (9, "sampled", 3)]
    places = [*((step, "sampled", 3) for _ in range(count)), *others]
    ResponseGroup.objects.bulk_create(
        ResponseGroup(
            run=run, experiment=run.experiment, step=at, kind=kind, group=number, difficulty=level, entropy_nats=2,
            first_rollout=rollout_id(at, kind, number), document=f"d{number}", token_position=1, samples=1, rewarded=1,
            pass_rate=1, predictions=1, majority_rewarded=True, disagreement=0, tokens_mean=1, tokens_min=1,
            tokens_max=1,
        )
        for number, (at, kind, level) in enumerate(places)
    )  # fmt: skip


@pytest.fixture
def suite(ada):
    """Two seeds: one was evaluated at step 3 by 4 positions, the other at step 2 by 5."""
    experiment = two_seeds(ada, 0.6, 0.4)
    one, other = (experiment.runs.get(name=f"s{seed}-rpt") for seed in (0, 1))
    Evaluation.objects.filter(run=other, step=2).delete()
    Evaluation.objects.filter(run=other, step=3).update(step=2)
    for run, step, n in ((one, 3, 4), (other, 2, 5)):
        Evaluation.objects.filter(run=run, step=step).update(n=n)
        ResponseGroup.objects.filter(run_id=run.pk).delete()
        write(run, step, n)
    recompute(experiment)
    return experiment, one, other


def behind(text, words):
    """Where a number leads that says this."""
    found = re.search(rf'href="([^"]*)"\s*>{re.escape(words)}</a', text)
    assert found, words
    return html.unescape(found[1])


def counted(page, address):
    counts = page(address.replace("/traces/", "/traces/counts/", 1))
    return int(re.search(r"([\d,]+) groups?", re.sub(r"<[^>]+>", "", counts))[1].replace(",", ""))


def test_before_and_after_in_the_list_and_the_mean_of_seeds_lead_to_all_their_groups(page, suite):
    experiment, one, other = suite
    assert {hard(one).step, hard(other).step} == {3, 2}
    for of_page in (reverse("experiments:experiment_list"), results(experiment)):
        to = behind(page(of_page), "50.0 %")
        assert to == f"/traces/?at={one.pk}@3,{other.pk}@2&kind=sampled&difficulty=hard"
        assert counted(page, to) == hard(one).n + hard(other).n == 9
        chips = re.sub(r"<[^>]+>|\s+", " ", page(to))
        assert f"run {one.pk}, s0-rpt, at step 3" in chips
    before = f"{100 * (hard(one, 0).value + hard(other, 0).value) / 2:.1f} %"
    to = behind(page(reverse("experiments:experiment_list")), before)
    assert to == f"/traces/?run={one.pk},{other.pk}&kind=sampled&step_from=0&step_to=0&difficulty=hard"


def test_a_mean_without_thinking_leads_to_the_positions_of_each_seed(page, suite):
    experiment, *_ = suite
    rows = [hard(experiment.runs.get(name=f"s{seed}-ntp-eval"), mode="standard") for seed in (0, 1)]
    Evaluation.objects.filter(pk__in=[row.pk for row in rows]).update(value=0.9)
    recompute(experiment)
    text = page(results(experiment))
    for row, seed in zip(rows, (0, 1), strict=True):
        address = f"/runs/{row.run_id}/evaluations/{row.step}/?mode=standard&difficulty=hard"
        assert behind(text, str(seed)) == address


def test_the_mean_of_a_row_of_the_leaderboard_leads_to_the_groups_of_its_seeds(page, suite):
    _, one, other = suite
    row = Standing.objects.filter(mode="sampled", runs__contains=[one.pk, other.pk]).first()
    text = page(reverse("results:leaderboard") + f"?set={row.group}")
    to = f"/traces/?at={one.pk}@3,{other.pk}@2&kind=sampled&difficulty=hard"
    assert to in map(html.unescape, re.findall(r'class="cell-link"\s+href="([^"]*)"', text))
    assert counted(page, to) == 9
