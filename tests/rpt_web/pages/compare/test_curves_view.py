"""Curves of the basket's runs over each other."""

from __future__ import annotations

import html
import json
import re

import pytest
from django.urls import reverse

from rpt_web.runs.models import Run
from rpt_web.traces.models import RolloutShard
from tests.rpt_web.compare.test_curves import measure


@pytest.fixture
def two(run):
    other = Run.objects.create(
        experiment=run.experiment, name="b", stage="rpt", config=run.config, seed=5, code_version="x"
    )
    measure(run, range(1, 11), reward_mean=lambda step: step / 10)
    measure(other, range(1, 6), reward_mean=lambda step: step / 5)
    RolloutShard.objects.create(run=run, attempt=1, step=1, kind="train", path="x", rows=1, rewarded=1)
    return run, other


@pytest.fixture
def figures(page, two):
    """figures(query) -> the figures of the page."""

    def figures(query=""):
        runs = ",".join(str(run.pk) for run in two)
        text = page(f"{reverse('compare:basket')}?runs={runs}&view=curves{query}")
        return json.loads(
            html.unescape(re.search(r'<script id="figures" type="application/json">(.*?)</script>', text)[1])
        )

    return figures


def test_thousands_of_steps_of_one_run_are_thinned_as_thousands_of_runs_are(client, ada, run):
    measure(run, range(1, 601), reward_mean=lambda step: step / 600)
    client.force_login(ada)
    entries = ",".join(f"{run.pk}@{step}" for step in range(1000, 3000))
    answer = client.get(f"{reverse('compare:basket')}?runs={entries}&view=curves")
    assert answer.status_code == 200
    assert len(answer.content) < 8_000_000


def test_each_run_keeps_its_colour_and_a_point_leads_to_its_responses(figures, two):
    (figure,) = figures()
    one, other = figure["data"]
    assert [line["meta"].get("colour") for line in (one, other)] == ["series-1", "series-2"]
    assert one["y"] == [step / 10 for step in range(1, 11)]
    assert one["meta"]["query"] == f"run={two[0].pk}"
    assert other["meta"]["is_deaf"]  # it kept no responses
    assert figure["place"] == "/traces/?kind=train&step_from={x}&step_to={x}"


def test_on_another_axis_a_point_still_knows_its_step(figures):
    (figure,) = figures("&x=flops&log_x=1")
    line = figure["data"][0]
    assert line["x"] == [step * 1e9 for step in range(1, 11)]
    assert line["customdata"] == list(range(1, 11))
    assert figure["layout"]["xaxis"]["type"] == "log"


def test_smoothing_leaves_the_raw_line_behind(figures):
    (figure,) = figures("&smooth=0.9")
    raw, soft = figure["data"][:2]
    assert raw["meta"]["raw"]
    assert soft["y"][0] == pytest.approx(raw["y"][0])
    assert soft["y"][-1] < raw["y"][-1]


def test_the_second_minus_the_baseline(figures):
    (figure,) = figures("&minus=1")
    (line,) = figure["data"]
    assert line["y"] == pytest.approx([step / 10 for step in range(1, 6)])
    assert "place" not in figure


def test_seeds_are_drawn_together_with_a_band(figures):
    (figure,) = figures("&by_seed=1")
    low, high, mean = figure["data"]
    assert low["meta"]["band"]
    assert high["fill"] == "tonexty"
    assert mean["name"] == "a, 2 seeds"
    assert mean["y"][0] == pytest.approx((1 / 10 + 1 / 5) / 2)


def test_a_checkpoint_ends_its_curve(page, two):
    text = page(f"{reverse('compare:basket')}?runs={two[0].pk}@4&view=curves")
    data = json.loads(re.search(r'<script id="figures" type="application/json">(.*?)</script>', text)[1])
    assert data[0]["data"][0]["x"] == [1, 2, 3, 4]


def test_methods_are_compared_by_compute_unless_somebody_asks_for_steps(figures, two):
    two[1].stage = "ntp"
    two[1].save()
    axis = [figure["layout"]["xaxis"]["title"]["text"] for figure in figures()]
    assert axis == ["training compute (FLOPs)"]
    (figure,) = figures("&x=step")
    assert figure["layout"]["xaxis"]["title"]["text"] == "optimiser step"


def test_a_run_whose_compute_nobody_knows_is_named_and_steps_stand_where_all_are_so(page, figures, two):
    two[1].stage = "ntp"
    two[1].save()
    two[1].metrics.update(flops=None)
    address = f"{reverse('compare:basket')}?runs={two[0].pk},{two[1].pk}&view=curves"
    assert "Without a place by training compute (FLOPs), so not drawn: b." in page(address)
    two[0].metrics.update(flops=None)
    (figure,) = figures()
    assert figure["layout"]["xaxis"]["title"]["text"] == "optimiser step"
