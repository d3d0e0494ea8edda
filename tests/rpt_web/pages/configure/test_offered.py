"""What a form offers by name: the team's models, positions, corpora and wordings, and a path where none is meant."""

from __future__ import annotations

import html
import json
import re
from types import SimpleNamespace

import pytest
from django.urls import reverse
from django.utils import timezone

from rpt_core.run.folder import RunDir
from rpt_web.corpora import offers, services, wordings
from rpt_web.corpora.models import CorpusVersion, ModelSource, RegisteredModel
from rpt_web.pages.configure.offered import OTHER, PATH, Shelf
from rpt_web.runs import services as runs
from rpt_web.runs.models import Run
from rpt_web.teams.models import Role, Team
from tests.factories import make_user
from tests.preset_runs import finish_runs
from tests.rpt_web.markup import flat
from tests.rpt_web.pages.configure.test_new_run import typed
from tests.scored_files import make_filter_run

NEW = reverse("configure:run_new")


@pytest.fixture
def shelf(ada):
    """A team with something of each kind, and an experiment in which an RPT run may start."""
    experiment = runs.create_experiment("Base", ada, preset="tiny", seed=7)
    finish_runs(experiment, ada)
    other = runs.create_experiment("Words", ada)
    filtered, _ = make_filter_run(other, ada, [("one", "One text of a few words.")])
    team = experiment.team
    path = str(RunDir(filtered.directory).positions)
    hash_ = offers.tokenizer_of(path)
    facts = {"architecture": "Qwen2ForCausalLM", "parameters": 12_300_000}
    made = [
        RegisteredModel.objects.create(
            team=team,
            name=name,
            source=ModelSource.FOLDER,
            path=f"/models/{name}",
            facts=facts | {"tokenizer_hash": of},
        )
        for name, of in (("same", hash_), ("stranger", "0" * 32))
    ]
    version = services.new_version(services.create_corpus("Proofs", ada), ada)
    mapping = {"problem": "question", "solution": "worked"}
    CorpusVersion.objects.filter(pk=version.pk).update(
        checked_at=timezone.now(), mapping=mapping, train_documents=90, validation_documents=10
    )
    version.refresh_from_db()
    template = wordings.create(team, "template", "terse", "{context}\n", ada)
    return SimpleNamespace(
        experiment=experiment, positions=path, models=made, version=version, template=template, filtered=filtered
    )


def address(shelf, run="rpt"):
    return reverse("configure:run_new", query={"preset": "tiny", "run": run, "experiment": shelf.experiment.pk})


def lines_of(text, name):
    """value -> words of the options of a list."""
    options = re.search(rf'<select name="{re.escape(name)}".*?</select>', text, re.S)[0]
    found = re.findall(r'<option value="([^"]*)"[^>]*>(.*?)</option>', options)
    return {html.unescape(value): html.unescape(words) for value, words in found}


def test_models_positions_corpora_and_templates_are_chosen_by_name(page, shelf):
    text = page(address(shelf))
    models = lines_of(text, "model.path")
    assert models["/models/same"] == "same (Qwen2ForCausalLM, 12.3 M parameters)"
    assert models["@cold/checkpoint"] == "@cold/checkpoint"
    cold = shelf.experiment.runs.get(name="cold")
    checkpoint = cold.checkpoints.latest("step")
    assert models[str(cold.directory / checkpoint.path)] == f"cold of “Base”, step {checkpoint.step}"
    positions = lines_of(text, "positions")
    assert positions[shelf.positions].startswith("filter of “Words”: ")
    assert lines_of(text, "prompt.template")[str(shelf.template.path)] == "terse, version 1"
    assert "v0" in lines_of(text, "prompt.template")
    corpora = lines_of(page(address(shelf, "base")), "corpus.paths")
    assert corpora[shelf.version.place] == "Proofs, version 1 (100 documents)"


def test_another_team_is_offered_nothing_of_it(client, shelf):
    other = Team.objects.create(name="Other")
    stranger = make_user("stranger", Role.MEMBER, team=other)
    experiment = runs.create_experiment("Theirs", stranger, team=other)
    client.force_login(stranger)
    query = {"preset": "tiny", "run": "base", "experiment": experiment.pk}
    text = flat(client.get(reverse("configure:run_new", query=query)))
    assert "Proofs" not in text
    assert offers.models(other) == offers.positions(other, "") == offers.corpora(other) == []


def test_positions_of_another_tokenizer_are_marked_once_such_a_model_is_chosen(page, client, shelf):
    data = typed(page(address(shelf))) | {"positions": shelf.positions, "follow": "model"}
    same = client.post(address(shelf), data | {"model.path": "/models/same"})
    assert same.status_code == 200
    assert "another tokenizer" not in flat(same)
    strange = flat(client.post(address(shelf), data | {"model.path": "/models/stranger"}))
    assert lines_of(strange, "positions")[shelf.positions].endswith(f"({offers.ANOTHER_TOKENIZER})")
    assert strange.count('class="misfit"') == 1, "also below the field that has chosen them"
    assert Run.objects.filter(experiment=shelf.experiment).count() == 4, "looking submits nothing"


def test_a_corpus_brings_its_mapping_and_keeps_what_was_typed(page, client, shelf):
    data = typed(page(address(shelf, "base"))) | {"batch_documents": "77", "corpus.paths": shelf.version.place}
    found = typed(flat(client.post(address(shelf, "base"), data | {"follow": "corpus"})))
    assert found["corpus.source"] == "files"
    assert found["corpus.paths"] == shelf.version.place
    assert found["corpus.mapping"].split() == ["problem:", "question", "solution:", "worked", "text:", "null"]
    assert found["batch_documents"] == "77"
    changed = flat(client.post(address(shelf, "base"), found | {"difference": "1"}))
    assert "<strong>Proofs, version 1 (100 documents)</strong>" in changed, "the difference names it, too"


def test_a_long_list_is_searched_and_what_is_chosen_stays_in_it(page, client, shelf, monkeypatch):
    assert "search-list" not in page(address(shelf)), "short lists need no search"
    monkeypatch.setattr(offers, "MOST", 1)
    data = typed(page(address(shelf))) | {"model.path": "/models/same", "follow": "model"}
    text = flat(client.post(address(shelf), data))
    assert lines_of(text, "model.path")["/models/same"].startswith("same ("), "though it is not the newest"
    vals = json.loads(html.unescape(re.search(r'hx-vals="([^"]*models[^"]*)"', text)[1]))
    asked = vals | {"model.path": "/models/same", "q": "COLD base"}
    found = flat(client.get(reverse("configure:choices", query=asked)))
    cold = shelf.experiment.runs.get(name="cold")
    assert "cold of “Base”, step" in found
    assert str(cold.directory) in found
    assert "stranger" not in found
    assert '<option value="/models/same" selected>' in found
    assert 'value="@cold/checkpoint"' in found
    assert "1 found" in found
    assert "Nothing has these words" in flat(client.get(reverse("configure:choices", query=asked | {"q": "zzz"})))
    for more in ({"list": "none"}, {"team": 999_999}, {"team": ""}):
        assert client.get(reverse("configure:choices", query=asked | more)).status_code == 404
    odd = client.get(reverse("configure:choices", query=asked | {"q": "\0 %", "field": "<b>", "tokenizer": "é"}))
    assert odd.status_code == 200
    assert "<b>" not in flat(odd)


@pytest.mark.parametrize(("kind", "words"), [("positions", "words"), ("corpora", "proof"), ("templates", "ters")])
def test_each_list_finds_by_words_and_by_value(shelf, kind, words):
    team = shelf.experiment.team
    found = Shelf(team, tokenizer="").search(kind, [words], "")
    own = [offer for offer in found if offer.group != "Built in"]
    assert len(own) == 1
    assert Shelf(team).with_value(kind, [], own[0].value)[0].value == own[0].value
    assert not [offer for offer in Shelf(team).search(kind, ["zzz"], "") if offer.group != "Built in"]


def test_runs_to_clone_are_found_by_words_and_only_where_one_may_submit(page, client, shelf):
    text = page(reverse("configure:runs_to_clone", query={"q": "cold base"}))
    cold = shelf.experiment.runs.get(name="cold")
    assert f"?like={cold.pk}" in text
    assert f"?like={shelf.filtered.pk}" not in text
    client.force_login(make_user("stranger", Role.MEMBER, team=Team.objects.create(name="Other")))
    assert "like=" not in flat(client.get(reverse("configure:runs_to_clone")))


@pytest.mark.usefixtures("nothing_found")
def test_a_path_is_typed_where_the_list_has_not_what_is_meant(page, client, shelf):
    data = typed(page(address(shelf)))
    places = {"prompt.template": OTHER, f"prompt.template{PATH}": str(shelf.template.path)}
    client.post(address(shelf), data | places | {"positions": shelf.positions})
    run = Run.objects.latest("id")
    assert run.config["prompt"]["template"] == str(shelf.template.path)
    assert run.config["positions"] == shelf.positions
    wrong = client.post(address(shelf), data | {"run_name": "b", "positions": OTHER, f"positions{PATH}": "/etc"})
    assert wrong.status_code == 422
    assert "is not below a folder that runs may read" in flat(wrong)
    assert typed(flat(wrong))[f"positions{PATH}"] == "/etc", "what was typed stays"


@pytest.mark.usefixtures("nothing_found")
def test_several_templates_are_ticked_and_others_typed(page, client, shelf):
    query = {"preset": "tiny-paper", "run": "templates", "experiment": shelf.experiment.pk}
    place = reverse("configure:run_new", query=query)
    data = typed(page(place))
    assert data["templates"] == ["plain", "plain_fenced", "plain_instructed"]
    own = str(shelf.template.path)
    assert client.post(place, data | {"templates": ["v0"], f"templates{PATH}": own}).status_code == 302
    assert Run.objects.latest("id").config["templates"] == ["v0", own]
    again = client.get(reverse("configure:run_new", query={"like": Run.objects.latest("id").pk}))
    assert typed(flat(again))["templates"] == ["v0", own], "a clone finds it among the team's"
