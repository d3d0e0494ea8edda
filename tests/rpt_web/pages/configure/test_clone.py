"""A run that begins with the settings of another: what differs is shown while it is typed, and stored with it."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from rpt_web.runs import services
from rpt_web.runs.differences import ABSENT, Difference, differences
from rpt_web.runs.models import Run
from tests.rpt_web.markup import flat
from tests.rpt_web.pages.configure.test_new_run import typed

unasked = pytest.mark.usefixtures("nothing_found")


@pytest.fixture
def clone_of(client, ada):
    """clone_of(run) -> the address of its form."""
    client.force_login(ada)
    return lambda run: reverse("configure:run_new", query={"like": run.pk})


def panel(text):
    """The part of a page that says what differs."""
    return text[text.index('id="difference"') : text.index("</div>", text.index('id="difference"'))]


def test_a_runs_page_offers_to_clone_it(page, run):
    link = reverse("configure:run_new", query={"like": run.pk})
    assert f'href="{link}"' in page(reverse("runs:run_detail", args=[run.pk]))


def test_a_viewer_is_offered_no_clone_and_may_make_none(viewer_client, run):
    link = reverse("configure:run_new", query={"like": run.pk})
    assert link not in flat(viewer_client.get(reverse("runs:run_detail", args=[run.pk])))
    assert viewer_client.get(link).status_code == 403


def test_nothing_differs_at_first(page, run, clone_of):
    text = panel(page(clone_of(run)))
    assert f'Nothing differs from <a href="{reverse("runs:run_detail", args=[run.pk])}">a</a>' in text
    assert "A run with the same settings and the same seed repeats it." in text


def test_what_is_typed_is_compared_by_what_it_means(page, client, run, clone_of):
    data = typed(page(clone_of(run)))
    assert data["optimiser.learning_rate"] == "1e-06"
    data |= {"difference": "1", "optimiser.learning_rate": "0.000001", "steps": "9", "engine": "verl", "seed": ""}
    answer = client.post(clone_of(run), data)
    text = panel(flat(answer))
    assert "3 settings differ from" in text
    assert '<a href="#id_steps">steps</a></dt><dd>7 <span' in text
    assert "<strong>9</strong>" in text
    assert '<a href="#id_engine">engine</a></dt><dd>torch' in text
    assert '<a href="#id_seed">seed</a></dt><dd>0' in text
    assert "<strong>not set</strong>" in text
    assert "learning_rate" not in text
    assert "<html" not in flat(answer)
    assert Run.objects.count() == 1, "looking at the difference submits nothing"


def test_a_text_that_is_no_number_differs_and_is_shown_harmlessly(page, client, run, clone_of):
    data = typed(page(clone_of(run))) | {"difference": "1", "steps": "<b>7</b>"}
    assert "<strong>&lt;b&gt;7&lt;/b&gt;</strong>" in panel(flat(client.post(clone_of(run), data)))


@unasked
def test_a_clone_remembers_its_origin_and_both_pages_say_so(page, client, run, clone_of):
    data = typed(page(clone_of(run)))
    assert data["run_name"] == "a-2"
    assert client.post(clone_of(run), data | {"steps": "9"}).status_code == 302
    clone = Run.objects.get(name="a-2")
    assert clone.origin == run
    text = page(reverse("runs:run_detail", args=[clone.pk]))
    origin = f'<a href="{reverse("runs:run_detail", args=[run.pk])}">a</a>'
    assert f"cloned from</span> {origin}" in text
    text = page(reverse("runs:run_settings", args=[clone.pk]))
    assert f"1 setting differs from {origin}" in text
    assert re.search(r"<dt>steps</dt> ?<dd> ?7 <span", text)


@unasked
def test_a_clone_without_a_change_says_so_and_outlives_its_origin(page, client, run, clone_of):
    client.post(clone_of(run), typed(page(clone_of(run))))
    clone = Run.objects.get(name="a-2")
    assert "No setting differs from" in page(reverse("runs:run_settings", args=[clone.pk]))
    run.delete()
    text = "".join(page(reverse(f"runs:{tab}", args=[clone.pk])) for tab in ("run_detail", "run_settings"))
    assert "cloned from" not in text
    assert "differs from" not in text


def test_a_run_whose_settings_are_no_longer_accepted_says_why(page, client, run, clone_of):
    Run.objects.filter(pk=run.pk).update(config=run.config | {"group_size": 1})
    answer = client.get(clone_of(run), follow=True)
    assert answer.redirect_chain[-1][0] == reverse("runs:run_detail", args=[run.pk])
    assert "“a” cannot be cloned. This version does not accept its settings: <code>group_size</code>" in flat(answer)


def test_a_form_of_a_preset_shows_what_differs_from_the_preset(page, client, ada):
    services.create_experiment("Empty", ada)
    address = reverse("configure:run_new", query={"preset": "tiny", "run": "base"})
    text = page(address)
    assert "Nothing differs from the preset" in panel(text)
    data = typed(text) | {"difference": "1", "budget.steps": "3"}
    assert "1 setting differs from the preset" in panel(flat(client.post(address, data)))


def test_a_part_that_only_one_config_has_differs_in_each_of_its_settings():
    before, after = {"a": 1, "probe": {"size": 3, "at": 0.5}, "same": [1]}, {"same": [1], "a": 2, "probe": None}
    assert differences(before, after) == [
        Difference("a", 1, 2),
        Difference("probe", ABSENT, None),
        Difference("probe.size", 3, ABSENT),
        Difference("probe.at", 0.5, ABSENT),
    ]
