"""The list of experiments and the page of one."""

from __future__ import annotations

import pytest
from django.urls import reverse

from rpt_core.plans.preset import load_preset
from rpt_web.runs import queries, services
from tests.factories import HOSTILE, make_experiment
from tests.preset_runs import failed_run, finished_experiment, queued_rpt, running_rpt
from tests.rpt_web.markup import flat

LIST = "/experiments/"


def detail(experiment):
    return reverse("experiments:experiment_detail", args=[experiment.pk])


def test_the_first_visit_says_how_to_begin(page):
    assert "No experiments yet" in page(LIST)
    assert 'href="/experiments/empty/"' in page(LIST)


def test_the_list_shows_state_and_headline(page, ada):
    experiment = finished_experiment(ada, steps=5, groups=1)
    running_rpt(experiment, ada, done=2, groups=1)
    text = page(LIST)
    assert "14 of 15 runs succeeded" in text
    assert "rpt-2 · 2 %" in text  # 2 of 80 steps
    assert "Running" in text
    rpt = experiment.runs.get(name="rpt")
    before, after = (rpt.evaluations.get(step=step, mode="sampled", difficulty="hard") for step in (0, 5))
    assert f"{100 * before.value:.1f} %" in text
    assert f"{100 * after.value:.1f} %" in text


def test_the_seeds_are_those_of_the_runs(page, ada):
    experiment = make_experiment(ada, seed=7)
    assert ">7</td>" in page(LIST)
    assert "</svg>seed 7</li>" in page(detail(experiment))
    services.submit_suite(experiment, load_preset("tiny"), ada, seeds=[5, 0, 1, 2])
    assert ">0 to 2, 5</td>" in page(LIST)
    assert "</svg>seeds 0 to 2, 5</li>" in page(detail(experiment))


def test_the_list_has_a_dash_for_what_is_missing(page, ada):
    make_experiment(ada, preset="")
    assert page(LIST).count("–") >= 3


def test_the_list_is_paged_by_key_and_loses_nobody(page, ada, monkeypatch):
    monkeypatch.setattr(queries, "EXPERIMENTS_PER_PAGE", 3)
    made = [make_experiment(ada, f"number {n}") for n in range(8)]
    address, seen = LIST, []
    while address:
        text = page(address)
        seen += [found.name for found in reversed(made) if f">{found.name}<" in text]
        older = text.partition('href="?before=')[2].partition('"')[0] if 'href="?before=' in text else ""
        address = f"{LIST}?before={older}" if older else ""
    assert seen == [f"number {n}" for n in reversed(range(8))]


def test_experiments_are_found_by_name_and_description(page, ada):
    make_experiment(ada, "Alpha", description="cards")
    make_experiment(ada, "Beta", description="dice")
    text = page("/experiments/?q=DICE")
    assert "Beta" in text
    assert "Alpha" not in text
    assert "Nothing found" in page("/experiments/?q=none")
    assert page("/experiments/?q=%00&before=x")


def test_the_number_of_queries_does_not_grow_with_the_list(page, ada, django_assert_num_queries):
    finished_experiment(ada, steps=2, groups=1)
    # Session, user, roles, the inbox, experiments, runs, parents, evaluations, means.
    with django_assert_num_queries(9):
        page(LIST)
    for n in range(5):
        failed_run(make_experiment(ada, f"more {n}"), ada)
    with django_assert_num_queries(9):
        page(LIST)


def test_the_page_of_an_experiment_lists_its_runs_in_order(page, ada):
    experiment = finished_experiment(ada, steps=2, groups=1)
    queued_rpt(experiment, ada)
    text = page(detail(experiment))
    names = [run.name for run in experiment.runs.order_by("id")]
    places = [text.index(f">{name}</a>") for name in names]
    assert places == sorted(places)
    assert "14 of 15" in text
    assert "Queued" in text


def test_its_number_of_queries_does_not_grow_with_the_runs(page, ada, django_assert_num_queries):
    experiment = make_experiment(ada)
    failed_run(experiment, ada)
    with django_assert_num_queries(12):
        page(detail(experiment))
    full = finished_experiment(ada, steps=2, groups=1)
    with django_assert_num_queries(12):
        page(detail(full))


def test_a_page_with_runs_under_way_asks_again_and_only_for_the_part(page, ada):
    experiment = finished_experiment(ada, steps=2, groups=1)
    assert "every 4s" not in page(detail(experiment))
    running_rpt(experiment, ada, done=1, groups=1)
    assert "every 4s" in page(detail(experiment))
    part = page(detail(experiment), headers={"HX-Request": "true", "HX-Target": "runs"})
    assert part.startswith('<div id="runs"')
    assert "<html" not in part
    assert 'id="totals" hx-swap-oob="true"' in part, "the sums above the runs come with them"
    assert "Time in runs" in part
    assert "hx-swap-oob" not in page(detail(experiment))


def test_names_and_descriptions_are_escaped(page, ada):
    experiment = make_experiment(ada, "x", description=HOSTILE)
    for text in (page(LIST), page(detail(experiment))):
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert" in text


def test_an_unknown_experiment_is_not_found(page):
    assert "nothing at this address" in page("/experiments/999999/", status=404)


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_the_pages_only_answer_readers(client, ada, method):
    client.force_login(ada)
    assert getattr(client, method)(LIST).status_code == 405


def test_viewers_see_no_button_that_they_may_not_press(viewer_client, ada):
    experiment = make_experiment(ada)
    for address in (LIST, detail(experiment)):
        text = flat(viewer_client.get(address))
        assert 'class="btn btn-primary" href="/runs/new/' not in text
