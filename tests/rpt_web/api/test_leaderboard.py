"""Results across experiments by the API: position sets, ranked rows with flags, a pinned baseline."""

from __future__ import annotations

import pytest

from tests.factories import make_experiment
from tests.rpt_web.api_client import ROOT
from tests.rpt_web.results.test_standings import checkpoint, made, measured, refreshed

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows(ada):
    experiment = make_experiment(ada)
    rpt = made(experiment, "rpt", "rpt", checkpoint(made(experiment, "cold", "sft"), 80))
    measured(rpt, 0, 0.2)
    measured(rpt, 80, 0.9)
    measured(made(experiment, "lost", "ntp"), 80, 0.99, no_box=0.7)
    return refreshed(experiment)


def test_rows_come_in_their_order_with_flags_and_gains_in_pages(caller, rows):
    (known,) = caller.get(f"{ROOT}/position-sets").json()["items"]
    assert known["set"] == "a"
    first = caller.get(f"{ROOT}/leaderboard?set=a&limit=2").json()
    second = caller.get(f"{ROOT}/leaderboard?set=a&limit=2&after={first['next']}").json()
    items = [*first["items"], *second["items"]]
    assert [(row["name"], row["rank"]) for row in items] == [("rpt", 1), ("cold", 2), ("lost", None)]
    assert items[0]["gains"]["hard"]["value"] == pytest.approx(0.7)
    assert [flag["key"] for flag in items[2]["flags"] if flag["excludes"]] == ["format"]
    assert (second["next"], second["baseline"]) == (None, None)
    assert caller.get(f"{ROOT}/leaderboard?set=nothing").json()["items"] == []


def test_a_baseline_is_pinned_and_the_rows_say_how_far_they_are_above_it(caller, rows):
    cold, rpt = rows["cold", "sampled", "a"], rows["rpt", "sampled", "a"]
    answer = caller.post(f"{ROOT}/leaderboard/baseline", {"row": cold.pk}, "application/json")
    assert (answer.status_code, answer.json()["set"]) == (200, "a")
    refreshed(cold.experiment)  # as the reaper does
    found = caller.get(f"{ROOT}/leaderboard?set=a").json()
    assert found["baseline"] == cold.pk
    (lead,) = [row["leads"]["hard"] for row in found["items"] if row["id"] == rpt.pk]
    assert lead["value"] == pytest.approx(0.7)
    assert lead["how"] == "unpaired (Newcombe)"
    refused = caller.post(f"{ROOT}/leaderboard/baseline", {"row": 10**9}, "application/json")
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["row"])
