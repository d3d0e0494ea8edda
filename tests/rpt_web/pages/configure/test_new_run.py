"""The form for a new RPT run: generated from the config models, checked by pydantic, kept when wrong."""

from __future__ import annotations

import html
import re

import pytest
from django.urls import reverse

from rpt_core.config import STAGES, RptConfig
from rpt_core.plans.preset import load_preset, preset_names
from rpt_web.pages.configure import choice, fields, forms
from rpt_web.pages.configure.sections import SECTIONS
from rpt_web.runs import services
from rpt_web.runs.models import Experiment, Run, Status
from rpt_web.text import SPELLINGS
from tests.factories import make_experiment
from tests.rpt_web.markup import flat
from tests.suite_runs import finish_all_waiting

NEW = "/runs/new/"
unasked = pytest.mark.usefixtures("nothing_found")
"""For tests that submit a run on what others have made, of which there are rows and no files."""


@pytest.fixture
def experiment(prepared):
    return prepared


@pytest.fixture
def address(experiment):
    return f"{NEW}?preset=tiny&experiment={experiment.pk}"


def typed(page_text):
    """What a browser would send: the values that stand in the form."""
    form = page_text[page_text.index('<form class="card" method="post"') :]
    data = {}
    for tag in re.findall(r"<input [^>]*>", form):
        name, value = (re.search(rf'{key}="([^"]*)"', tag) for key in ("name", "value"))
        if 'type="checkbox"' in tag:
            if "checked" in tag:
                data.setdefault(name[1], []).append(value[1] if value else "on")
        else:
            data[name[1]] = html.unescape(value[1]) if value else ""
    for name, options in re.findall(r'<select name="([^"]+)".*?>(.*?)</select>', form, re.S):
        data[name] = re.search(r'value="([^"]*)" selected', options)[1]
    for name, text in re.findall(r'<textarea name="([^"]+)"[^>]*>\n?(.*?)</textarea>', form, re.S):
        data[name] = html.unescape(text)
    return data


def test_every_setting_has_a_field_with_its_help(page, address):
    text = page(address)
    values = load_preset("tiny").run("rpt").rehearse(7).model_dump(mode="json")
    leaves = list(fields.leaves(RptConfig, values))
    assert len(leaves) > 50
    for leaf in leaves:
        assert f'name="{leaf.name}"' in text, leaf.name
    assert "Responses sampled for each problem." in text
    assert "Steps after which the policy is evaluated; 0 is before training. Separate them with commas." in text
    assert 'name="stage"' not in text
    assert "Responses sampled for each problem. Default: 8 (the paper, Table 5)." in text
    assert "Default: 0.9, 0.999 (the paper, Table 5)." in text
    assert "Default: 1.5 (the paper, Table 1)." in text
    assert "Default: random." in text


def test_the_fields_hold_the_presets_values(page, address):
    data = typed(page(address))
    planned = load_preset("tiny").run("rpt").config
    assert data["steps"] == str(planned["steps"])
    assert float(data["optimiser.learning_rate"]) == planned["optimiser"]["learning_rate"]
    assert data["seed"] == "7"
    assert data["evaluate_at_steps"] == ", ".join(map(str, planned["evaluate_at_steps"]))
    assert data["optimiser.schedule"] == "constant"
    assert data["evaluation.modes"] == ["standard", "sampled", "greedy"]
    assert data["run_name"] == "rpt"
    assert (data["model.path"], data["positions"]) == ("@cold/checkpoint", "@filter/positions")


@unasked
def test_an_unchanged_form_submits_the_presets_own_run(client, page, address, experiment):
    response = client.post(address, typed(page(address)))
    run = Run.objects.latest("id")
    assert response["Location"] == reverse("runs:run_detail", args=[run.pk])
    assert (run.status, run.experiment, run.name) == (Status.QUEUED, experiment, "rpt")
    planned = load_preset("tiny").run("rpt")
    products = {
        ("cold", "checkpoint"): experiment.runs.get(name="cold"),
        ("filter", "positions"): experiment.runs.get(name="filter"),
    }

    def lookup(name, what):
        folder = products[name, what].directory
        return str(
            folder / ("positions" if what == "positions" else products[name, what].checkpoints.latest("step").path)
        )

    assert run.config == planned.resolve(7, lookup).model_dump(mode="json")


@unasked
def test_what_was_typed_is_what_is_frozen(client, page, address):
    changes = {
        "run_name": "groups of 16",
        "run_title": "Larger groups",
        "group_size": "16",
        "optimiser.learning_rate": "1e-4",
        "evaluate_at_steps": "0, 10 ,80",
        "keep_checkpoints": "",
        "grpo.normalise": "mean",
        "evaluation.modes": ["sampled"],
        "optimiser.betas": "0.8, 0.99",
    }
    client.post(address, typed(page(address)) | changes)
    run = Run.objects.latest("id")
    assert (run.name, run.title, run.created_by.username) == ("groups of 16", "Larger groups", "ada")
    assert run.config["group_size"] == 16
    assert run.config["optimiser"]["learning_rate"] == 1e-4
    assert run.config["evaluate_at_steps"] == [0, 10, 80]
    assert run.config["keep_checkpoints"] is None
    assert run.config["grpo"]["normalise"] == "mean"
    assert run.config["evaluation"]["modes"] == ["sampled"]
    assert run.config["optimiser"]["betas"] == [0.8, 0.99]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("steps", "many", "Give a whole number."),
        ("steps", "", "Give a whole number."),
        ("steps", "0", "Give a number above 0."),
        ("group_size", "1", "Give a number of at least 2."),
        ("optimiser.learning_rate", "-1", "Give a number above 0."),
        ("evaluate_at_steps", "0, x", "Give a whole number."),
        ("evaluation.easy_nats", "9", "must not decrease"),
        ("optimiser.betas", "0.9", "This field is required."),
        ("run_name", "a/b", "Leave out slashes"),
        ("run_name", "cold", "already has a run named"),
        ("run_name", "", "This field is required."),
        ("run_title", "evil\u202egnp.exe", "cannot be a title. It holds U+202E"),
        ("run_title", "x" * 201, "Give at most 200 characters."),
    ],
)
def test_a_wrong_value_is_explained_where_it_stands_and_kept(client, page, address, field, value, words):
    count = Run.objects.count()
    response = client.post(address, typed(page(address)) | {field: value})
    text = flat(response)
    assert response.status_code == 422
    assert words in text
    assert "The run was not submitted." in text
    if value:
        assert f'value="{value}"' in text
    assert Run.objects.count() == count


def test_the_message_stands_on_its_field(client, page, address):
    text = flat(client.post(address, typed(page(address)) | {"group_size": "1"}))
    wrong = text[text.index('<div class="field wrong">') :]
    assert wrong.index('name="group_size"') < wrong.index("Give a number of at least 2.") < wrong.index('class="hint"')
    assert text.count('<div class="field wrong">') == 1
    assert 'aria-invalid="true"' in text


def test_a_wrong_setting_among_the_others_opens_them(client, page, address):
    assert '<details class="fold">' in page(address)
    text = flat(client.post(address, typed(page(address)) | {"grpo.clip_low": "2"}))
    assert '<details class="fold" open>' in text
    assert "Give a number below 1." in text


@unasked
def test_a_second_run_gets_a_free_name(page, client, address, experiment):
    client.post(address, typed(page(address)))
    assert typed(page(address))["run_name"] == "rpt-2"
    assert choice.free_name(experiment, "new") == "new"


@pytest.mark.parametrize("query", ["?preset=nonsense", "?experiment=x", "?experiment=999999", "?preset=&experiment="])
def test_nonsense_in_the_address_is_no_error(page, experiment, query):
    assert "New run" in page(NEW + query)


def test_viewers_may_not_submit(viewer_client, address):
    count = Run.objects.count()
    assert viewer_client.get(address).status_code == 403
    assert viewer_client.post(address, {}).status_code == 403
    assert Run.objects.count() == count


@pytest.mark.parametrize("name", preset_names())
def test_every_run_of_every_preset_has_a_form_that_gives_it_back(name):
    for planned in load_preset(name).runs:
        form = forms.PlannedRunForm(planned, planned.name)
        typed_form = forms.PlannedRunForm(
            planned, planned.name, typed(f'<form class="card" method="post">{form.as_div()}')
        )
        assert typed_form.is_valid(), (planned.name, typed_form.errors)
        assert typed_form.planned().rehearse(0) == planned.rehearse(0), planned.name
        shown = [field.name for _, fields in (*form.sections(), *form.other_groups()) for field in fields]
        assert sorted(shown) == sorted(form.leaves), planned.name


@pytest.mark.parametrize("name", preset_names())
def test_labels_and_titles_spell_words_of_the_field_as_the_field_does(name):
    for planned in load_preset(name).runs:
        form = forms.PlannedRunForm(planned, planned.name)
        labels = [field.label for field in form]
        labels += [section.title for section, _ in (*form.sections(), *form.other_groups())]
        words = {word for label in labels for word in re.findall("[A-Za-z]+", label)}
        assert {word for word in words if SPELLINGS.get(word.lower(), word) != word} == set()
        assert planned.stage != "rpt" or {"vLLM", "GRPO", "verl", "GPUs", "KL"} <= words


@pytest.mark.parametrize("stage", STAGES)
def test_the_sections_of_a_stage_name_fields_that_it_has(stage):
    values = STAGES[stage].model_json_schema()["properties"]
    names = [name for section in SECTIONS[stage] for name in section.names]
    assert len(names) == len(set(names))
    assert all(name.partition(".")[0] in values for name in names)


@unasked
def test_what_the_run_starts_from_stands_first_and_can_be_changed(client, page, address, experiment):
    text = page(address)
    assert text.index("Starts from") < text.index('name="model.path"') < text.index('name="steps"')
    client.post(address, typed(text) | {"model.path": "@base/checkpoint"})
    base = experiment.runs.get(name="base")
    assert Run.objects.latest("id").config["model"]["path"].startswith(f"{base.directory}/checkpoints/")


def test_a_reference_to_a_run_that_is_not_there_is_explained(client, page, address):
    response = client.post(address, typed(page(address)) | {"model.path": "@nobody/checkpoint"})
    assert response.status_code == 422
    assert "This experiment has no run &#x27;nobody&#x27;." in flat(response)


@unasked
@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("positions", "@nothing/positions", "Refer to one that has succeeded (base, "),
        ("positions", "@nothing", "This experiment has no run &#x27;nothing&#x27;."),
        ("positions", "@base/dreams", "dreams"),
        ("model.path", "@nothing/checkpoint", "This experiment has no run &#x27;nothing&#x27;."),
    ],
)
@pytest.mark.parametrize("button", [{}, {"check": "1"}])
def test_a_reference_that_leads_nowhere_is_marked_on_its_field(client, page, address, field, value, words, button):
    before = typed(page(address))
    text = flat(client.post(address, before | {field: value} | button))
    assert "See the marked field" in text or button
    wrong = [part.partition('<div class="field')[0] for part in text.split('<div class="field wrong">')[1:]]
    [marked] = [part for part in wrong if f'name="{field}"' in part]
    assert words in marked
    assert len(wrong) == 1


@unasked
def test_other_runs_of_the_preset_can_be_chosen(client, page, experiment):
    address = f"{NEW}?preset=tiny&run=filter&experiment={experiment.pk}"
    text = page(address)
    assert '<option value="filter" selected>filter (filter)</option>' in text
    data = typed(text) | {
        "run_name": "filter of all",
        "keep": "random",
        "position_sets": "- {name: mine, hard_nats: 2}",
    }
    response = client.post(address, data)
    run = Run.objects.latest("id")
    assert response["Location"] == reverse("runs:run_detail", args=[run.pk])
    assert (run.stage, run.config["keep"], run.config["position_sets"][0]["hard_nats"]) == ("filter", "random", 2.0)


@unasked
def test_an_optional_part_can_be_left_out(client, page, address):
    data = typed(page(address))
    assert data.pop("evaluation") == ["on"]
    client.post(address, data | {"evaluate_at_steps": ""})
    assert Run.objects.latest("id").config["evaluation"] is None


def test_an_optional_part_that_the_plan_has_not_can_be_written(ada):
    planned = load_preset("tiny").run("more-ntp")
    data = typed(f'<form class="card" method="post">{forms.PlannedRunForm(planned, "x").as_div()}')
    form = forms.PlannedRunForm(planned, "x", data | {"scratch": "hidden_size: 32"})
    del form.data["model"]
    assert form.is_valid()
    config = form.planned().rehearse(0)
    assert (config.model, config.scratch.hidden_size) == (None, 32)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {name: x", "This is not valid YAML. Look at line 1, column 11"),
        ("- name: a\n- [*x]", "aliases are not allowed"),
        ("- {name: a b}", "Item 1, name: String should match pattern"),
        ("- {hard_nats: 2}", "Item 1, name: This field is required."),
        ("just words", "Give a list."),
        ("&a [1]", "Item 1: Give an object with named fields."),
        ("[" * 500 + "]" * 500, "More than 50 objects or lists are nested in each other"),
        ("[" * 60 + "]" * 60, "More than 50 objects or lists are nested in each other"),
        ("x" * 60_000, "Give at most 50,000 characters."),
    ],
)
def test_wrong_yaml_is_explained_on_its_field(client, page, experiment, text, words):
    address = f"{NEW}?preset=tiny&run=filter&experiment={experiment.pk}"
    response = client.post(address, typed(page(address)) | {"run_name": "x", "position_sets": text})
    assert response.status_code == 422
    wrong = flat(response).partition('<div class="field wrong span-all">')[2]
    assert wrong.index('name="position_sets"') < wrong.index(words)
    assert text in html.unescape(wrong)


@unasked
def test_copies_of_a_suite_are_places_of_their_own(page, client, ada):
    experiment = make_experiment(ada, "Suite", preset="tiny")
    services.submit_suite(experiment, load_preset("tiny"), ada, seeds=[3, 4])
    finish_all_waiting(experiment, ("s3-base", "s3-filter", "s3-cold-filter", "s3-cold", "s4-base"))
    address = f"{NEW}?preset=tiny&experiment={experiment.pk}:s3-"
    text = page(address)
    assert f'<option value="{experiment.pk}:s3-" selected>Suite (seed 3)</option>' in text
    assert f'<option value="{experiment.pk}:s4-">Suite (seed 4), not ready</option>' in text
    waiting = page(f"{NEW}?preset=tiny&experiment={experiment.pk}:s4-")
    assert waiting.count("is waiting. Come back when it has succeeded.") == 2
    Run.objects.filter(name="s4-filter").update(status=Status.FAILED)
    waiting = page(f"{NEW}?preset=tiny&run=rpt-eval&experiment={experiment.pk}:s4-")
    assert "It is blocked by “s4-filter”. Retry it on the experiment's page." in html.unescape(waiting)
    client.post(address, typed(text))
    run = Run.objects.latest("id")
    assert (run.name, run.seed, run.needs) == ("s3-rpt-2", 3, ["s3-cold", "s3-filter"])


def test_the_number_of_queries_does_not_grow(page, address, experiment, django_assert_max_num_queries):
    with django_assert_max_num_queries(15):
        page(address)
    Experiment.objects.bulk_create(Experiment(name=f"more {n}", team=experiment.team) for n in range(20))
    with django_assert_max_num_queries(15):
        page(address)
