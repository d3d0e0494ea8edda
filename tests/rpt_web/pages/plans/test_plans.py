"""Plans of a team: typed, read from a file, made of a preset or an experiment, drawn, submitted, taken along."""

from __future__ import annotations

import html
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from rpt_core.errors import UserError
from rpt_core.plans.preset import expand, load_preset, preset_names
from rpt_web.runs import graph, own_plans, services
from rpt_web.runs.models import GPU_QUEUE, Experiment, OwnPlan
from rpt_web.teams import sharing
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import Role, Team
from tests.factories import make_user
from tests.rpt_web.api_client import ROOT
from tests.rpt_web.markup import flat
from tests.suite_graphs import DIAMOND, claim, end

TWO = """description: a run and another
runs:
- name: base
  stage: ntp
  title: The base
  config: {corpus: {source: tiny, tiny_documents: 60}, scratch: {}, budget: {steps: 2}, seed: "@seed"}
- name: more
  stage: ntp
  title: More of it
  config: {corpus: {source: tiny, tiny_documents: 60}, model: {path: "@base/checkpoint"}, budget: {steps: 2}}
"""
NEW = reverse("plans:plan_new")


@pytest.fixture
def plan(ada):
    return own_plans.create(first_team(), "Two runs", TWO, ada)


def editor(text):
    """What stands in the editor of a page."""
    return html.unescape(re.search(r'<textarea[^>]*name="text"[^>]*>\n?(.*?)</textarea>', text, re.S)[1])


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_becomes_a_plan_that_means_the_same(name):
    preset = load_preset(name)
    again = own_plans.read(name, own_plans.as_text(preset))
    assert again.runs == preset.runs
    assert (again.seeds, again.description) == (preset.seeds, preset.description)
    assert again.requires == preset.requires.model_copy(update={"paths": ()})


def test_a_plan_is_saved_under_a_name_and_drawn(client, page):
    page(NEW)
    answer = client.post(NEW, {"name": "Two runs", "text": TWO.replace("\n", "\r\n")})
    plan = OwnPlan.objects.get()
    assert answer["Location"] == reverse("plans:plan_detail", args=[plan.pk])
    text = page(answer["Location"])
    assert plan.text == TWO
    assert "<title>base, stage ntp</title>" in text
    assert text.count('<path class="plan-line"') == 1
    assert "Two runs" in page(reverse("plans:plan_list"))
    assert "has a plan 'Two runs' already" in html.unescape(flat(client.post(NEW, {"name": "Two runs", "text": TWO})))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("runs:", "runs: ["), "This is not valid YAML. Look at line"),
        (("stage: ntp", "stage: dance"), "runs.0.stage: Allowed: 'filter'"),
        (("@base/checkpoint", "@bass/checkpoint"), "'more' refers to 'bass', which is not a run before it"),
        (("steps: 2", "steps: many"), "The run 'base' of the plan cannot run. budget.steps: Give a whole number."),
        (("description:", "descripton:"), "Did you mean description?"),
        (("runs:", "requires: {paths: [/etc/passwd]}\nruns:"), "requires no files"),
        ((TWO, "[1]"), "A plan has `description` and `runs`"),
    ],
)
def test_what_is_wrong_in_a_plan_is_told_in_words(change, words):
    with pytest.raises(UserError, match=re.escape(words)):
        own_plans.read("x", TWO.replace(*change))


def test_what_was_typed_stays_when_it_is_refused(client, page, plan):
    address = reverse("plans:plan_detail", args=[plan.pk])
    page(address)
    answer = client.post(address, {"text": TWO.replace("ntp", "dance"), "seen": TWO})
    assert answer.status_code == 422
    assert "stage: dance" in editor(flat(answer).replace(" stage", "\nstage"))
    plan.refresh_from_db()
    assert plan.text == TWO


def test_a_change_of_somebody_else_is_not_overwritten(client, page, plan):
    address = reverse("plans:plan_detail", args=[plan.pk])
    page(address)
    assert client.post(address, {"text": TWO.replace("The base", "Mine"), "seen": TWO}).status_code == 302
    late = client.post(address, {"text": TWO.replace("The base", "Late"), "seen": TWO})
    assert "Somebody has changed this plan meanwhile" in flat(late)
    plan.refresh_from_db()
    assert "Mine" in plan.text


def test_a_plan_is_exported_imported_cloned_and_deleted(client, page, plan):
    page(NEW)
    answer = client.get(reverse("plans:plan_file", args=[plan.pk]))
    assert answer["Content-Disposition"] == 'attachment; filename="Two-runs.yaml"'
    opened = flat(client.post(NEW, {"file": SimpleUploadedFile("theirs.yaml", answer.content)}))
    assert 'value="theirs"' in opened
    assert "The base" in editor(opened)
    assert 'value="Two runs 2"' in page(f"{NEW}?plan={plan.pk}")
    assert OwnPlan.objects.count() == 1, "opening a file or a copy saves nothing"
    client.post(reverse("plans:plan_delete", args=[plan.pk]))
    assert OwnPlan.objects.count() == 0


def test_a_plan_is_the_teams(client, plan):
    client.force_login(make_user("eve", Role.VIEWER))
    assert client.get(reverse("plans:plan_detail", args=[plan.pk])).status_code == 200
    assert client.post(reverse("plans:plan_delete", args=[plan.pk])).status_code == 403
    client.force_login(make_user("mallory", Role.MEMBER, team=Team.objects.create(name="Other")))
    assert client.get(reverse("plans:plan_detail", args=[plan.pk])).status_code == 404
    assert client.get(reverse("configure:suite_new", query={"plan": plan.pk})).status_code == 404


@pytest.mark.usefixtures("nothing_found")
def test_an_own_plan_is_submitted_as_a_suite_with_seeds(client, page, plan):
    address = reverse("configure:suite_new", query={"plan": plan.pk})
    text = page(address)
    assert "Two runs" in text
    assert '<path class="plan-line"' in text
    assert client.post(address, {"name": "Mine", "seeds": "3, 4", "description": ""}).status_code == 302
    experiment = Experiment.objects.get(name="Mine")
    assert (experiment.preset, experiment.team) == ("", plan.team)
    states = dict(experiment.runs.values_list("name", "status"))
    assert states == {"s3-base": "queued", "s3-more": "waiting", "s4-base": "queued", "s4-more": "waiting"}
    shown = page(reverse("experiments:experiment_detail", args=[experiment.pk]))
    assert shown.count('class="plan-box waiting"') == 2
    assert "<title>s3-base, stage ntp, queued</title>" in shown


def test_a_plan_that_requires_a_gpu_waits_for_a_node_with_one(ada, experiment):
    plan = own_plans.read("gpu", f"requires: {{gpu: true}}\n{TWO}")
    services.submit_suite(experiment, plan, ada, anyway=True)
    assert set(experiment.runs.values_list("queue", flat=True)) == {GPU_QUEUE}


def test_an_experiment_becomes_a_plan_of_one_copy_with_its_seeds(page, ada, experiment):
    services.submit_suite(experiment, DIAMOND, ada, [0, 1])
    again = own_plans.read("x", editor(page(f"{NEW}?experiment={experiment.pk}")))
    assert [run.name for run in again.runs] == [run.name for run in DIAMOND.runs]
    assert again.seeds == (0, 1)
    assert [(run.config, run.title) for run in again.runs] == [(run.config, run.title) for run in DIAMOND.runs]


def test_single_runs_become_a_plan_with_their_settings(page, run):
    again = own_plans.read("x", editor(page(f"{NEW}?experiment={run.experiment_id}")))
    [planned] = again.runs
    assert planned.rehearse(0).model_dump(mode="json") == run.config


def test_an_experiment_without_runs_is_no_plan(page, experiment):
    assert "has no runs yet" in page(f"{NEW}?experiment={experiment.pk}")


def test_the_graph_puts_each_run_after_those_it_needs(ada, diamond):
    found = graph.graph_of(graph.steps_of(DIAMOND))
    columns = {box.step.name: box.x for box in found.boxes}
    assert columns["base"] == columns["alone"] < columns["left"] == columns["right"] < columns["both"] < columns["end"]
    assert len({(box.x, box.y) for box in found.boxes}) == 6
    assert len(found.lines) == sum(len(run.needs()) for run in DIAMOND.runs)
    chain = [graph.Step("a", [], "rpt"), graph.Step("b", ["a"], "rpt"), graph.Step("c", ["a", "b"], "rpt")]
    assert len(graph.graph_of(chain).lines) == 2, "that c needs a follows from the others"
    assert graph.graph_of([graph.Step("a", [], "rpt")]) is None
    assert graph.graph_of(graph.steps_of(expand(DIAMOND, range(20)))) is None, "120 runs are no figure"


def test_the_graph_of_an_experiment_has_its_states(page, diamond):
    end(claim(diamond, "base"), "failed")
    text = page(reverse("experiments:experiment_detail", args=[diamond.pk]))
    assert "<title>base, stage rpt, failed</title>" in text
    assert "<title>end, stage rpt, blocked</title>" in text


@pytest.mark.usefixtures("nothing_found")
def test_programs_save_and_submit_plans_too(caller, experiment):
    made = caller.post(f"{ROOT}/plans", {"name": "Mine", "text": TWO}, content_type="application/json")
    assert made.status_code == 201, made.content
    key = made.json()["id"]
    assert [line["name"] for line in caller.get(f"{ROOT}/plans").json()["items"]] == ["Mine"]
    assert caller.get(f"{ROOT}/plans/{key}").json()["text"] == TWO
    address = f"{ROOT}/experiments/{experiment.pk}/suite"
    answer = caller.post(address, {"plan": key, "seeds": [0]}, content_type="application/json")
    assert [run["name"] for run in answer.json()] == ["s0-base", "s0-more"]
    assert caller.post(address, {"plan": key + 1}, content_type="application/json").status_code == 422
    both = caller.post(address, {"plan": key, "preset": "tiny"}, content_type="application/json")
    assert "Give one of" in both.content.decode()
    wrong = caller.post(f"{ROOT}/plans", {"name": "Bad", "text": "runs: 3"}, content_type="application/json")
    assert wrong.status_code == 422
    assert "This is not a plan" in wrong.content.decode()


def test_programs_change_and_remove_a_plan_and_overwrite_nobody(caller, plan):
    address, changed = f"{ROOT}/plans/{plan.pk}", TWO.replace("The base", "Another base")

    def post(**body):
        return caller.post(address, body, content_type="application/json")

    assert post(text=changed, seen=TWO).json()["text"] == changed
    refused = post(text=TWO, seen=TWO)
    assert refused.status_code == 409
    assert "Somebody has changed this plan meanwhile" in refused.json()["detail"]
    assert post(text=TWO).json()["text"] == TWO
    assert "This is not a plan" in post(text="runs: 3").json()["errors"]["text"]
    assert caller.delete(address).status_code == 204
    assert caller.get(address).status_code == 404


def test_an_earlier_text_is_opened_and_brought_back(page, client, plan):
    address, changed = reverse("plans:plan_detail", args=[plan.pk]), TWO.replace("The base", "Another base")
    assert "Earlier texts" not in page(address)
    client.post(address, {"text": changed, "seen": TWO})
    first = own_plans.versions(plan)[-1]
    assert [version.text for version in own_plans.versions(plan)] == [changed, TWO]
    text = page(f"{address}?version={first.number}")
    assert editor(text) == TWO
    assert "To bring it back, save it" in text
    client.post(address, {"text": editor(text), "seen": changed})
    assert editor(page(address)) == TWO
    assert editor(page(f"{address}?version=999999")) == TWO


@pytest.mark.usefixtures("nothing_found")
def test_a_shared_plan_is_submitted_and_copied_by_the_other_team_and_changed_by_nobody_there(client, plan):
    guests = Team.objects.create(name="Guests")
    guest = make_user("guest", team=guests)
    client.force_login(guest)
    address = reverse("plans:plan_detail", args=[plan.pk])
    assert client.get(address).status_code == 404
    sharing.share("plan", plan, "Guests", make_user("head", Role.ADMINISTRATOR))
    text = flat(client.get(address))
    assert "shared by Team" in text
    assert "readonly" in text
    assert client.post(address, {"text": TWO, "seen": TWO}).status_code == 403
    assert client.post(reverse("plans:plan_delete", args=[plan.pk])).status_code == 403
    assert editor(flat(client.get(f"{NEW}?plan={plan.pk}"))) == TWO
    suite = reverse("configure:suite_new", query={"plan": plan.pk})
    assert client.post(suite, {"name": "Ours", "seeds": "0"}).status_code == 302
    assert Experiment.objects.get(name="Ours").team == guests
