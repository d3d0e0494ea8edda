"""Several values for some settings: the runs they make, what they cost, what is wrong with which, one experiment."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from rpt_web.pages.configure.sweep import MOST_RUNS
from rpt_web.runs import services
from rpt_web.runs.models import Experiment, Run, Status
from tests.preset_runs import finish_runs
from tests.rpt_web.markup import flat
from tests.rpt_web.pages.configure.test_new_run import NEW, typed

TINY = {
    "budget.steps": "2",
    "budget.epochs": "",
    "budget.tokens": "",
    "corpus.tiny_documents": "60",
    "sweep_name": "Rates",
}


@pytest.fixture
def sweep(page, client, ada):
    """sweep(lines, key, **changes) -> the answer to the form of the tiny preset's first run with these lines."""
    experiment = services.create_experiment("Origin", ada, preset="tiny")
    address = f"{NEW}?preset=tiny&run=base&experiment={experiment.pk}"

    def sweep(lines, key="sweep_submit", **changes):
        data = typed(page(address)) | TINY | {"sweep": lines, key: "1"} | changes
        return client.post(address, data)

    return sweep


def made():
    """The experiment of the sweep."""
    return Experiment.objects.get(name="Rates")


def names(experiment):
    return list(experiment.runs.order_by("id").values_list("name", flat=True))


@pytest.mark.usefixtures("nothing_found")
def test_a_grid_with_seeds_becomes_one_experiment_of_runs_named_by_what_differs(sweep, ada):
    answer = sweep("learning_rate: 1e-6, 3e-6\nbatch documents: 4, 8\nseed: 0, 1\n")
    experiment = made()
    assert answer["Location"] == reverse("experiments:experiment_detail", args=[experiment.pk])
    assert names(experiment)[:3] == [
        "s0-learning_rate-1e-6-batch_documents-4",
        "s1-learning_rate-1e-6-batch_documents-4",
        "s0-learning_rate-1e-6-batch_documents-8",
    ]
    runs = experiment.runs.all()
    assert {run.status for run in runs} == {Status.QUEUED}
    found = {(r.config["optimiser"]["learning_rate"], r.config["batch_documents"], r.config["seed"]) for r in runs}
    assert found == {(rate, batch, seed) for rate in (1e-6, 3e-6) for batch in (4, 8) for seed in (0, 1)}
    assert {run.config["budget"]["steps"] for run in runs} == {2}, "what was typed above counts for all"
    assert {run.copy_seed for run in runs} == {0, 1}
    assert runs.first().title.startswith("learning_rate 3e-6, batch_documents 8, seed")
    assert experiment.description == (
        "A sweep from “Origin”. learning_rate: 1e-6, 3e-6; batch documents: 4, 8; seed: 0, 1"
    )


@pytest.mark.usefixtures("nothing_found")
def test_a_list_takes_the_first_with_the_first(sweep):
    sweep("learning_rate: 1e-6, 3e-6\nbatch_documents: 4, 8", sweep_way="list")
    assert names(made()) == ["learning_rate-1e-6-batch_documents-4", "learning_rate-3e-6-batch_documents-8"]


def test_what_it_costs_stands_there_before_it_is_submitted(sweep):
    answer = sweep("batch_documents: 4, 8\nseed: 0, 1", "sweep_check")
    text = flat(answer)
    assert answer.status_code == 200, text
    assert "<strong>4 runs</strong>" in text
    assert "All 4 runs" in text
    rows = re.findall(r'<th scope="row">(s\d-batch_documents-\d)</th>', text)
    assert rows == ["s0-batch_documents-4", "s1-batch_documents-4", "s0-batch_documents-8", "s1-batch_documents-8"]
    assert Run.objects.count() == 0


def test_what_is_wrong_is_told_with_the_runs_that_have_it(sweep):
    answer = sweep("batch_documents: 4, 0, many")
    text = flat(answer)
    assert answer.status_code == 422
    assert "Give a number above 0." in text
    assert '<span class="below"> batch_documents-0</span>' in text
    assert '<span class="below"> batch_documents-many</span>' in text
    assert "batch_documents-4</span>" not in text
    assert Run.objects.count() == 0


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("", "Name at least one setting with several values"),
        ("learning_rate 1e-6", "has no colon"),
        ("lerning_rate: 1", "Did you mean <code>learning_rate</code>?"),
        ("learning_rate:", "needs at least one value"),
        ("learning_rate: 1, 1", "has a value twice"),
        ("learning_rate: 1\nlearning rate: 2", "has two lines"),
        ("learning_rate: [", "its values cannot be read"),
        ("seed: x", "give whole numbers within 32 bits"),
        (
            "batch_documents: " + ", ".join(map(str, range(1, MOST_RUNS + 2))),
            "This makes 65 runs, and a sweep has at most",
        ),
    ],
)
def test_lines_that_cannot_be_meant_are_refused_in_words(sweep, lines, words):
    answer = sweep(lines)
    assert answer.status_code == 422
    assert words in flat(answer)
    assert Run.objects.count() == 0


def test_a_list_of_unequal_lengths_and_a_name_that_is_none_are_refused(sweep):
    lines = "learning_rate: 1e-6, 3e-6\nbatch_documents: 4"
    assert "every setting needs equally many values" in flat(sweep(lines, sweep_way="list"))
    assert "cannot be the name of this experiment" in flat(sweep("batch_documents: 4, 8", sweep_name=" \x07"))


def test_the_number_of_runs_is_counted_as_one_types(sweep):
    text = flat(sweep("batch_documents: 4, 8, 16", "difference"))
    assert "<strong>3 runs</strong>" in text
    assert "<code>batch_documents-16</code>" in text
    assert "has no colon" in flat(sweep("batch_documents", "difference"))


@pytest.mark.usefixtures("nothing_found")
def test_references_stand_for_what_the_origin_has_made(page, client, ada):
    experiment = services.create_experiment("Origin", ada, preset="tiny", seed=7)
    finish_runs(experiment, ada)
    address = f"{NEW}?preset=tiny&run=rpt&experiment={experiment.pk}"
    data = typed(page(address)) | {"sweep": "group_size: 4, 8", "sweep_name": "Rates", "sweep_submit": "1"}
    assert client.post(address, data).status_code == 302
    cold = experiment.runs.get(name="cold")
    for run in made().runs.all():
        assert run.config["model"]["path"].startswith(str(cold.directory))
        assert run.parents.filter(parent=cold).exists(), "what it came from is known"
