"""Which experiments the form for a new run offers, and what it says of one that is not ready."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from rpt_web.runs.models import Experiment, Run, Status
from tests.factories import make_experiment
from tests.preset_runs import finish_run, finish_runs

NEW = "/runs/new/"


@pytest.fixture
def experiment(prepared):
    return prepared


def test_experiments_of_one_name_have_their_numbers_in_the_lists(client, page, ada, experiment):
    same = make_experiment(ada, experiment.name)
    other = make_experiment(ada, "Alone")
    for place in (same, other):
        finish_runs(place, ada)
    for text in (page(f"{NEW}?preset=tiny"), page(reverse("configure:run_from_file"))):
        options = re.sub(r"\s+", " ", text)
        for found in (experiment, same):
            assert re.search(rf'<option value="{found.pk}"[^>]*> ?{found.name} #{found.pk}( \(|<)', options), found.pk
        assert re.search(rf'<option value="{other.pk}"[^>]*> ?Alone( \(|<)', options)


def test_an_experiment_that_is_not_ready_says_why_and_what_to_do(client, page, ada, experiment):
    unfinished = make_experiment(ada, "Not yet there")
    base, filter_ = finish_run(unfinished, "base", ada), finish_run(unfinished, "filter", ada)
    Run.objects.filter(pk=filter_.pk).update(status=Status.FAILED)
    text = page(f"{NEW}?preset=tiny")
    assert f'<option value="{experiment.pk}" selected>' in text, "one that is ready comes first"
    assert f'<option value="{unfinished.pk}">Not yet there (seed 0), not ready</option>' in text
    text = page(f"{NEW}?experiment={unfinished.pk}")
    assert f'<option value="{unfinished.pk}" selected>' in text
    assert 'method="post" action="/runs/new/' not in text
    assert "“Not yet there” is not ready for this run." in text
    lacks = re.findall(r"<li>(.*?)</li>", text[text.index("is not ready for this run") :])
    assert len(lacks) == 2, "base is not among what the run needs"
    assert "There is no run “cold”." in lacks[0]
    assert f"experiment={unfinished.pk}&amp;preset=tiny&amp;run=cold" in lacks[0]
    assert (
        f'“<a href="/runs/{filter_.pk}/">filter</a>” did not succeed (failed). Its page says why; retry it there.'
        in lacks[1]
    )
    Run.objects.filter(pk=filter_.pk).update(status=Status.RUNNING)
    assert "</a>” is running. Come back when it has succeeded." in page(f"{NEW}?experiment={unfinished.pk}")
    Run.objects.filter(pk__in=[base.pk, filter_.pk]).delete()
    assert page(f"{NEW}?experiment={unfinished.pk}").count("There is no run") == 2


def test_without_a_ready_experiment_the_page_says_what_to_do(page, ada):
    text = page(NEW)
    assert "No experiment is ready" in text
    assert 'href="/experiments/new/?preset=tiny"' in text
    assert 'href="/experiments/empty/?preset=tiny&amp;run=base"' in page(f"{NEW}?preset=tiny&run=base")


def test_an_empty_experiment_is_made_for_a_first_run(client, ada):
    client.force_login(ada)
    new = "/experiments/empty/?preset=small&run=filter&corpus=7&x=y"
    answer = client.post(new, {"name": "Own text", "description": "Does it help?"})
    made = Experiment.objects.get()
    assert (made.name, made.description, made.created_by, made.runs.count()) == ("Own text", "Does it help?", ada, 0)
    assert answer["Location"] == f"/runs/new/?preset=small&run=filter&corpus=7&experiment={made.pk}"
    wrong = client.post(new, {"name": " "})
    assert (wrong.status_code, "This field is required." in wrong.content.decode()) == (422, True)
    assert Experiment.objects.count() == 1
