"""What a page says of the difficulty levels is what was measured, not what the paper used."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps

from rpt_web.results.levels import counted_levels, measured_levels
from rpt_web.results.models import Evaluation
from rpt_web.runs.models import Run

PAPER = {"easy": 0.5, "medium": 1.0, "hard": 1.5}


def rows(above):
    return [Evaluation(difficulty=name, above_nats=nats) for name, nats in above.items()]


def test_the_thresholds_are_those_of_the_rows():
    assert measured_levels(rows({"easy": 0.25, "medium": 0.5, "hard": 2.0})) == (
        "The levels are nested, by the proxy model's entropy: easy above 0.25, medium above 0.5 and hard above 2 nats."
    )


def test_levels_that_differ_between_runs_are_pointed_out():
    said = measured_levels([*rows(PAPER), *rows(PAPER | {"hard": 2.0})])
    assert said.startswith("The runs' levels differ, so they cannot be compared: easy above 0.5,")
    assert "hard above 1.5 or 2 nats" in said


def test_what_is_not_known_is_not_said():
    assert measured_levels(rows(dict.fromkeys(PAPER))) == (
        "Easy, medium and hard are nested levels of the proxy model's entropy."
    )
    assert measured_levels([*rows(PAPER), *rows({"hard": None})]).endswith("Some runs did not store theirs.")


def test_a_filter_counts_at_the_levels_that_it_wrote():
    assert counted_levels({"above_nats": PAPER | {"hard": 3}}) == (
        "nested: easy above 0.5, medium above 1 and hard above 3 nats"
    )
    assert counted_levels({}) == "nested: easy above 0.5, medium above 1 and hard above 1.5 nats"


@pytest.mark.django_db
@pytest.mark.parametrize(("position_set", "expected"), [(None, [0.1, 0.2, 0.3]), ("held-out", [None, None, None])])
def test_older_rows_take_the_thresholds_of_their_runs_config(position_set, expected, run):
    held_out = {"position_set": position_set, "easy_nats": 0.1, "medium_nats": 0.2, "hard_nats": 0.3}
    Run.objects.filter(pk=run.pk).update(config=run.config | {"evaluation": held_out})
    for name in PAPER:
        run.evaluations.create(attempt=1, step=0, mode="standard", difficulty=name, n=9, value=0.5, low=0.4, high=0.6)
    import_module("rpt_web.results.migrations.0004_above_nats").from_configs(apps, None)
    found = dict(run.evaluations.values_list("difficulty", "above_nats"))
    assert [found[name] for name in PAPER] == expected
