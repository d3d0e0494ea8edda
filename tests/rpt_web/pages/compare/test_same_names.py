"""Runs that are called the same are told apart wherever they are shown beside each other."""

from __future__ import annotations

import pytest
from django.urls import reverse

from rpt_web.compare.entries import BasketEntry
from rpt_web.compare.placed import placed_entries
from rpt_web.corpora import offers
from rpt_web.runs.same_names import marks
from rpt_web.teams.membership import first_team
from tests.evaluated_runs import made_run
from tests.factories import make_experiment
from tests.rpt_web.markup import flat

pytestmark = pytest.mark.django_db
COMPARE = reverse("compare:basket")


@pytest.fixture
def two(ada):
    """Runs of the same name in experiments of the same name."""
    return [made_run(make_experiment(ada, "Demo"), "rpt", flops=1e9) for _ in range(2)]


def test_a_number_stands_behind_names_that_are_equal_and_no_other():
    assert marks({12: "rpt", 15: "rpt", 20: "ntp"}) == {12: " #12", 15: " #15", 20: ""}


def test_a_basket_names_runs_of_one_name_with_their_numbers(two):
    one, other = two
    other.experiment.name = "Another"
    runs = {run.pk: run for run in two}
    entries = [BasketEntry(one.pk), BasketEntry(one.pk, 40), BasketEntry(other.pk)]
    assert [shown.label for shown in placed_entries(entries, runs)] == [
        "rpt, Demo",
        "rpt, Demo, step 40",
        "rpt, Another",
    ]
    other.experiment.name = "Demo"
    assert [shown.label for shown in placed_entries(entries, runs)] == [
        f"rpt, Demo #{one.pk}",
        f"rpt, Demo #{one.pk}, step 40",
        f"rpt, Demo #{other.pk}",
    ]


def test_what_is_found_has_its_number_its_state_and_its_day(client, ada, two):
    client.force_login(ada)
    two[1].status = "failed"
    two[1].save()
    text = flat(client.get(COMPARE, {"q": "rpt"}))
    for run, state in zip(two, ("Succeeded", "Failed"), strict=True):
        _, _, line = text.partition(f'aria-label="Add rpt, run {run.pk}"')
        line = line.partition("</li>")[0]
        assert f"#{run.pk}, Demo, rpt, seed 0" in line
        assert state in line
        assert "<time" in line


def test_a_run_says_its_number_which_lists_are_filtered_by(client, ada, two):
    client.force_login(ada)
    for run in two:
        assert f"run #{run.pk}" in flat(client.get(reverse("runs:run_detail", args=[run.pk])))


def test_lists_of_a_new_run_tell_them_apart(client, ada, two):
    client.force_login(ada)
    text = flat(client.get(reverse("configure:runs_to_clone"), {"q": "rpt"}))
    offered = [offer.label for offer in offers.trained_runs(first_team())]
    assert len(offered) == len(set(offered)) == 2
    for run in two:
        assert f"#{run.pk}, rpt, Demo" in text
        assert f"rpt of “Demo” #{run.pk}: 1e+09 FLOPs" in offered
