"""A whole preset as one experiment: the page that submits it, what waits for what, what is blocked, what is missing."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from rpt_core.plans.preset import Preset, load_preset, preset_names
from rpt_web.pages.configure import views
from rpt_web.runs import services
from rpt_web.runs.models import Experiment, Run, Status
from tests.factories import start_run
from tests.rpt_web.markup import flat
from tests.suite_runs import finish_waiting, suite

NEW = "/experiments/new/"


def words(html):
    """The text of a page without tags, blanks folded."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def detail(experiment):
    return reverse("experiments:experiment_detail", args=[experiment.pk])


def post(client, ada, preset="tiny", **data):
    client.force_login(ada)
    values = {"name": "My suite", "description": "why", "seeds": "5"} | data
    return client.post(f"{NEW}?preset={preset}", values)


def fail(run, error="no more disk"):
    claimed, _ = start_run(run)
    assert services.finish(claimed, claimed.attempt, Status.FAILED, error=error)


def test_the_page_shows_the_runs_and_what_each_starts_after(page):
    text = words(page(f"{NEW}?preset=tiny"))
    assert "rpt Reinforcement pre-training rpt cold, filter" in text
    assert "base Pre-train a small model on worked mathematics and drills ntp starts immediately" in text


def test_the_page_opens_on_the_smallest_preset_and_says_what_each_takes(page):
    text = page(NEW)
    assert "?preset=smoke" in text[text.index('<form class="card" method="post"') :]
    rows = re.findall(r"<tr><th scope=\"row\"><a class=\"main-link\".*?</tr>", text)
    told = {name: next(words(row) for row in rows if f'preset={name}"' in row) for name in preset_names()}
    assert len(rows) == len(told)
    assert "chosen 14 two CPU cores about a minute on two idle cores" in told["smoke"]
    assert "72 two CPU cores half an hour" in told["tiny-paper"]
    assert "one GPU with 80 GB not measured" in told["small"]
    assert all(load_preset(name).hardware and load_preset(name).time for name in told)


def test_the_seeds_of_the_preset_stand_in_the_form(page):
    assert 'name="seeds" value="0, 1, 2"' in page(f"{NEW}?preset=tiny-paper")
    assert 'name="seeds" value="0"' in page(f"{NEW}?preset=tiny")


def test_one_button_submits_every_run(client, ada):
    response = post(client, ada)
    experiment = Experiment.objects.get()
    assert response["Location"] == detail(experiment)
    assert (experiment.name, experiment.description, experiment.preset, experiment.seed) == (
        "My suite",
        "why",
        "tiny",
        5,
    )
    assert experiment.created_by == ada
    runs = {run.name: run for run in experiment.runs.all()}
    assert list(runs) == [run.name for run in reversed(load_preset("tiny").runs)]
    assert {name for name, run in runs.items() if run.status == Status.QUEUED} == {"base"}
    assert {run.status for name, run in runs.items() if name != "base"} == {Status.WAITING}
    assert {run.seed for run in runs.values()} == {5}


def test_several_seeds_make_a_copy_for_each(client, ada):
    post(client, ada, seeds="0, 3")
    runs = Run.objects.all()
    assert {run.name.partition("-")[0] for run in runs} == {"s0", "s3"}
    assert runs.count() == 2 * len(load_preset("tiny").runs)


@pytest.mark.parametrize(
    ("preset", "seeds", "told"),
    [
        ("smoke", "", " 14 runs "),
        ("smoke", "1, 2, 3", "14 runs for each of 3 seeds: 42 runs"),
        ("smoke", ",".join(map(str, range(26))), "14 runs for each of 26 seeds: 364 runs Submit this many runs"),
        ("tiny-paper", "", "24 runs for each of 3 seeds: 72 runs"),
        ("smoke", "1, x", " "),
    ],
)
def test_the_form_says_how_many_runs_the_seeds_make_while_they_are_typed(page, preset, seeds, told):
    whole = page(f"{NEW}?preset={preset}&seeds={seeds}")
    part = page(f"{NEW}?preset={preset}&seeds={seeds}", headers={"HX-Request": "true", "HX-Target": "run-count"})
    assert words(part).strip() == told.strip()
    assert words(part).strip() in words(whole)


def test_many_runs_have_to_be_confirmed(client, ada):
    seeds = ",".join(map(str, range(11)))
    refused = post(client, ada, "smoke", seeds=seeds)
    assert refused.status_code == 422
    assert "This makes 154 runs. Tick the box, or give fewer seeds." in words(flat(refused))
    assert not Experiment.objects.exists()
    assert post(client, ada, "smoke", seeds=seeds, many="on").status_code == 302
    assert Run.objects.count() == 154


def test_up_to_a_hundred_runs_need_no_confirmation(client, ada):
    assert post(client, ada, "smoke", seeds="0,1,2,3,4,5,6").status_code == 302
    assert Run.objects.count() == 98


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"seeds": "1, x"}, "Give whole numbers within 32 bits, separated by commas."),
        ({"seeds": "1, 1"}, "Give at least one, each once, all within 32 bits."),
        ({"seeds": ",".join(map(str, range(400))), "many": "on"}, "and a suite has at most 5,000. Give fewer seeds."),
        ({"seeds": ""}, "This field is required."),
        ({"seeds": str(2**40)}, "Give whole numbers within 32 bits"),
        ({"name": ""}, "This field is required."),
        ({"name": "x" * 201}, "at most 200 characters"),
        ({"name": "evil\u202egnp.exe"}, "It holds U+202E (RIGHT-TO-LEFT OVERRIDE)."),
        ({"description": "evil\u202egnp.exe"}, "The description holds U+202E (RIGHT-TO-LEFT OVERRIDE)."),
        ({"description": "x" * 1_000_000}, "The description is too long: it has 1,000,000 characters."),
    ],
)
def test_what_is_wrong_is_explained_and_nothing_is_stored(client, ada, data, message):
    response = post(client, ada, **data)
    assert response.status_code == 422
    text = words(flat(response))
    assert message in text
    assert "The suite was not submitted. See the marked field below." in text
    field = next(iter(data))
    assert f'<a href="#id_{field}" data-to-field>' in flat(response)
    assert not Experiment.objects.exists()


def test_a_preset_that_cannot_run_here_says_why_and_needs_a_tick(client, ada, page, monkeypatch):
    lacking = needing("data/omni_math.jsonl.absent", named=True)
    monkeypatch.setattr(views, "load_preset", lambda name: lacking)
    text = page(NEW)
    assert "This preset cannot run on this machine." in text
    assert "omni_math.jsonl.absent, which does not exist. Put it there." in text
    assert 'name="anyway"' in text
    response = post(client, ada)
    assert response.status_code == 409
    assert "Not submitted yet: look at this first." in flat(response)
    assert not Experiment.objects.exists()
    assert post(client, ada, anyway="on").status_code == 302
    assert Experiment.objects.get().runs.count() == len(lacking.runs)


def needing(path, named):
    """The tiny preset, which requires a file; named: in its first run's config, where nothing reads it."""
    preset = load_preset("tiny").model_dump() | {"requires": {"paths": [path]}}
    if named:
        preset["runs"][0]["config"]["trackers"] = {"wandb_project": path}
    return Preset.model_validate(preset)


def test_a_file_that_no_run_of_the_suite_names_is_not_missed(page, monkeypatch):
    monkeypatch.setattr(views, "load_preset", lambda name: needing("data/omni_math.jsonl.absent", named=False))
    text = page(NEW)
    assert "omni_math" not in text
    assert 'name="anyway"' not in text


def test_a_preset_that_fits_asks_for_no_tick(page):
    assert 'name="anyway"' not in page(f"{NEW}?preset=tiny")


@pytest.mark.parametrize("name", [*preset_names(), "nonsense"])
def test_every_preset_has_a_page(page, name):
    assert "New suite" in page(f"{NEW}?preset={name}")


def test_viewers_may_not_submit(viewer_client):
    assert viewer_client.get(NEW).status_code == 403
    assert viewer_client.post(NEW, {"name": "x", "seeds": "0"}).status_code == 403
    assert not Experiment.objects.exists()


def test_waiting_runs_say_what_they_wait_for(page, ada):
    experiment = suite(ada, preset="tiny")
    finish_waiting(experiment, "s0-base")
    text = words(page(detail(experiment)))
    assert "waits for s0-cold, s0-filter" in text
    assert "waits for s0-base" not in text
    run = experiment.runs.get(name="s0-rpt")
    text = page(reverse("runs:run_detail", args=[run.pk]))
    assert "It starts when all of these have succeeded" in text
    assert f'href="/runs/{experiment.runs.get(name="s0-cold").pk}/"' in text
    assert "<dt>model.path</dt><dd>@s0-cold/checkpoint</dd>" in page(reverse("runs:run_settings", args=[run.pk]))
    assert 'data-run-stream="/runs/' in text
    assert "config.json" not in text
    assert reverse("runs:run_cancel", args=[run.pk]) in text


def test_the_config_of_a_waiting_run_cannot_be_downloaded(page, ada):
    run = suite(ada, preset="tiny").runs.get(name="s0-rpt")
    page(reverse("runs:run_config", args=[run.pk]), status=404)


def test_blocked_runs_say_by_whom(page, ada):
    experiment = suite(ada, preset="tiny")
    finish_waiting(experiment, "s0-base")
    services.advance(experiment.pk)
    fail(experiment.runs.get(name="s0-filter"))
    text = words(page(detail(experiment)))
    assert text.count("blocked by s0-filter") == 10  # rpt, the baselines beside it, their evaluations
    assert "Blocked" in text
    assert "waits for s0-cold-filter" in text
    text = words(page(reverse("runs:run_detail", args=[experiment.runs.get(name="s0-rpt").pk])))
    assert "Blocked by s0-filter." in text


def test_what_is_missing_is_run_again_by_one_button(client, page, ada):
    experiment = suite(ada, preset="tiny")
    address = reverse("experiments:experiment_resubmit", args=[experiment.pk])
    assert address not in page(detail(experiment))
    fail(experiment.runs.get(name="s0-base"))
    assert address in page(detail(experiment))
    text = flat(client.post(address, follow=True))
    assert "Submitted again: “s0-base”." in words(text)
    assert experiment.runs.get(name="s0-base").status == Status.QUEUED
    assert address not in text
    assert "Nothing is missing" in words(flat(client.post(address, follow=True)))


def test_resubmitting_needs_a_post_and_a_members_role(client, viewer_client, ada):
    experiment = suite(ada, preset="tiny")
    fail(experiment.runs.get(name="s0-base"))
    address = reverse("experiments:experiment_resubmit", args=[experiment.pk])
    assert viewer_client.get(address).status_code == 405
    assert viewer_client.post(address).status_code == 403
    assert "Run what is missing" not in flat(viewer_client.get(detail(experiment)))
    assert experiment.runs.get(name="s0-base").status == Status.FAILED


def test_all_that_has_not_ended_is_cancelled_by_one_button_that_tells_what_it_ends(client, page, ada):
    experiment = suite(ada, preset="smoke")
    finish_waiting(experiment, "s0-base")
    services.advance(experiment.pk)
    running, _ = start_run(experiment.runs.get(name="s0-filter"))
    address = reverse("experiments:experiment_cancel", args=[experiment.pk])
    text = page(detail(experiment))
    assert address in text
    waiting, queued = (experiment.runs.filter(status=status).count() for status in (Status.WAITING, Status.QUEUED))
    told = f"{waiting + queued + 1} runs ({waiting} waiting, {queued} queued, 1 running)"
    assert f"This ends {told}" in words(text)
    part = page(detail(experiment), headers={"HX-Request": "true", "HX-Target": "runs"})
    assert f'<p id="unended" hx-swap-oob="true">This ends <strong>{told}</strong>.' in part, "the dialog keeps up"
    assert f"Cancellation was requested for {told}." in words(flat(client.post(address, follow=True)))
    assert set(experiment.runs.values_list("status", flat=True)) == {"succeeded", "running", "cancelled"}
    assert services.finish(running, running.attempt, Status.CANCELLED)
    assert "There is nothing to cancel" in words(flat(client.post(address, follow=True)))
    assert address not in page(detail(experiment))


def test_cancelling_all_needs_a_post_and_a_members_role(client, viewer_client, ada):
    experiment = suite(ada, preset="smoke")
    address = reverse("experiments:experiment_cancel", args=[experiment.pk])
    assert viewer_client.get(address).status_code == 405
    assert viewer_client.post(address).status_code == 403
    assert address not in flat(viewer_client.get(detail(experiment)))
    assert not experiment.runs.filter(status=Status.CANCELLED).exists()


def test_a_page_is_asked_again_while_the_suite_goes_on_and_not_when_all_is_blocked(page, ada):
    experiment = suite(ada, preset="tiny")
    assert "every 4s" in page(detail(experiment))
    fail(experiment.runs.get(name="s0-base"))
    assert "every 4s" not in page(detail(experiment))
