"""The page Compare: which runs stand there, what differs between their settings, and baskets that a team keeps."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from rpt_core.config import EvaluateConfig, RptConfig
from rpt_web.compare import baskets
from rpt_web.compare.models import Basket, EngineConfig
from rpt_web.runs import services
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import Role, Team
from tests.factories import HOSTILE, make_experiment, make_user
from tests.rpt_web.api_client import CONFIG, ROOT, client_of
from tests.rpt_web.markup import flat

COMPARE = reverse("compare:basket")


@pytest.fixture
def two(experiment, ada):
    """Runs of two experiments that differ in their seed and steps."""
    config = RptConfig.model_validate(CONFIG)
    longer = RptConfig.model_validate({**CONFIG, "seed": 7, "steps": 99, "sampling": {"temperature": 0.5}})
    one = services.submit(experiment, "short", config, ada)
    other = services.submit(make_experiment(ada, "Second"), "long", longer, ada)
    return one, other


def address(*runs, **query):
    return COMPARE + "?runs=" + ",".join(str(getattr(run, "pk", run)) for run in runs) + "".join(
        f"&{name}={value}" for name, value in query.items()
    )  # fmt: skip


def names(text):
    return re.findall(r'class="main-link" href="/runs/\d+/">([^<]+)<', text)


def differing(text):
    return re.findall(r'<th scope="row" class="mono">([^<]+)<', text)


def test_runs_of_two_experiments_stand_side_by_side_and_only_what_differs_is_a_row(page, two):
    text = page(address(*two))
    assert names(text) == ["short", "long"]
    assert differing(text) == ["seed", "steps", "sampling.temperature"]
    assert text.index("baseline") < text.index(">long<")
    assert "+steps: 99" in text


def test_settings_that_only_one_stage_has_are_one_line(client, page, two, experiment, ada):
    settings = {"model": {"path": "m"}, "evaluation": {"positions": "p"}}
    evaluated = services.submit(experiment, "short-eval", EvaluateConfig.model_validate(settings), ada)
    text = page(address(two[0], evaluated))
    assert "grpo.kl_coefficient" not in differing(text)
    assert "stage" in differing(text)
    summary = re.search(r"<summary>(\d+) settings only in rpt</summary>", text)
    assert int(summary[1]) > 20
    assert "<dt>grpo.kl_coefficient</dt>" in text.split(summary[0])[1]
    client.force_login(ada)
    ref = f"compare/{two[0].pk},{evaluated.pk}/settings/frozen"
    table = client.get(reverse("exhibits:exhibit_file", args=[ref, "csv"])).content.decode()
    assert "grpo.kl_coefficient" not in table


@pytest.mark.parametrize("view", ["settings", "curves", "positions"])
def test_a_larger_basket_takes_no_more_queries(page, two, experiment, ada, view):
    configs = [RptConfig.model_validate({**CONFIG, "seed": seed}) for seed in (3, 4)]
    runs = [*two, *(services.submit(experiment, f"seed-{config.seed}", config, ada) for config in configs)]
    page(address(*two, view=view))  # what is asked for once a process
    with CaptureQueriesContext(connection) as small:
        page(address(*two, view=view))
    with CaptureQueriesContext(connection) as large:
        page(address(*runs, view=view))
    assert len(large) == len(small)


def test_an_entry_leads_to_the_basket_with_it_in_front_and_without_it(page, two):
    one, other = two
    text = page(address(one, f"{other.pk}@40", f"{other.pk}:greedy", view="settings"))
    step, mode = f"{other.pk}@40", f"{other.pk}:greedy"
    assert f'href="{COMPARE}?runs={step},{one.pk},{mode}&amp;view=settings"' in text
    assert f'href="{COMPARE}?runs={one.pk},{mode}&amp;view=settings"' in text


def test_a_basket_of_thousands_is_a_page_that_a_browser_can_read(client, ada, two):
    one, _ = two
    entries = ",".join(f"{one.pk}@{step}" for step in range(3000))
    kept = baskets.create(first_team(), "Every step", entries, ada)
    client.force_login(ada)
    answer = client.get(reverse("compare:saved", args=[kept.pk]))
    assert answer.status_code == 200
    assert len(answer.content) < 10_000_000
    assert "So many are changed in the address" in flat(answer)


def test_an_address_that_ignores_thousands_of_names_ignores_the_first_hundred(client, ada, two):
    client.force_login(ada)
    answer = client.get(address(*two, ignore=",".join(["steps", *map(str, range(3000))])))
    assert len(answer.content) < 1_000_000
    assert differing(flat(answer)) == ["seed", "sampling.temperature"]


def test_another_run_becomes_the_baseline_by_a_link(page, two):
    one, other = two
    assert f'href="{address(other, one)}"' in page(address(one, other))
    assert names(page(address(other, one))) == ["long", "short"]


def test_a_setting_is_ignored_by_the_address(page, two):
    text = page(address(*two, ignore="sampling,steps"))
    assert differing(text) == ["seed"]
    assert "ignored:" in text


def test_with_many_runs_each_value_names_those_that_have_it(page, two, experiment, ada):
    more = [services.submit(experiment, f"more-{i}", RptConfig.model_validate(CONFIG), ada) for i in range(8)]
    text = page(address(*two, *more))
    assert "9 runs: 1, 3 to 10" in text
    assert "1 run: 2" in text


def test_a_run_that_is_gone_or_of_another_team_is_told_in_words(page, two):
    elsewhere = Team.objects.create(name="Elsewhere")
    stranger = make_user("stranger", team=elsewhere)
    secret = services.submit(
        services.create_experiment("Secret", stranger, team=elsewhere), "unseen", RptConfig.model_validate(CONFIG), None
    )
    text = page(address(two[0], secret.pk, 987654321, "nonsense"))
    assert names(text) == ["short"]
    assert "unseen" not in text
    assert f"2 runs of this address are not shown: {secret.pk} and 987654321" in text
    assert "“nonsense” is no run" in text


def test_runs_are_found_and_added(page, two):
    one, other = two
    text = page(address(one, q="second"))
    assert f'href="{COMPARE}?runs={one.pk},{other.pk}&amp;q=second"' in text


def test_the_page_of_an_experiment_leads_to_all_its_runs(client, page, two, experiment, ada):
    page(COMPARE)
    answer = client.get(f"{COMPARE}?experiment={experiment.pk}")
    assert answer.url == address(two[0])


def test_a_basket_is_kept_renamed_changed_and_deleted(client, page, two, ada):
    one, other = two
    page(COMPARE)
    client.post(reverse("compare:keep"), {"name": "Both", "runs": f"{one.pk},{other.pk}"})
    kept = Basket.objects.get()
    assert names(page(reverse("compare:saved", args=[kept.pk]))) == ["short", "long"]
    assert "Both" in page(COMPARE)
    changed = page(address(other, one, basket=kept.pk))
    assert "changed, not kept" in changed
    client.post(reverse("compare:change", args=[kept.pk]), {"runs": f"{other.pk}@3"})
    client.post(reverse("compare:change", args=[kept.pk]), {"name": "One"})
    kept.refresh_from_db()
    assert (kept.name, kept.entries) == ("One", f"{other.pk}@3")
    client.post(reverse("compare:delete", args=[kept.pk]))
    assert not Basket.objects.exists()
    assert [change.pgh_label for change in Basket.changes.rel.related_model.objects.order_by("pgh_id")] == [
        *("insert", "update", "update", "delete")
    ]


def test_a_name_is_taken_once_and_an_empty_basket_is_not_kept(client, page, two, ada):
    page(COMPARE)
    baskets.create(first_team(), "Both", str(two[0].pk), ada)
    for values, words in (
        ({"name": "Both", "runs": str(two[0].pk)}, "a basket “Both” already"),
        ({"name": "New", "runs": ""}, "The basket is empty"),
        ({"name": " ", "runs": str(two[0].pk)}, "Give a name"),
        ({"name": "New", "runs": "x"}, "“x” is no run"),
    ):
        answer = client.post(reverse("compare:keep"), values, follow=True)
        assert words in flat(answer)
    assert Basket.objects.count() == 1


def test_who_keeps_a_basket_stays_on_the_tab(client, page, two):
    page(COMPARE)
    dialog = page(address(*two, view="curves")).partition('id="keep-dialog"')[2].partition("</dialog>")[0]
    assert 'name="view" value="curves"' in dialog
    values = {"name": "Both", "runs": f"{two[0].pk},{two[1].pk}", "view": "curves"}
    kept_at = client.post(reverse("compare:keep"), values)["Location"]
    assert kept_at == f"{reverse('compare:saved', args=[Basket.objects.get().pk])}?view=curves"
    assert "&view=curves" in client.post(reverse("compare:keep"), values | {"name": " "})["Location"]


def test_one_run_alone_has_nothing_to_differ_from(page, two):
    text = page(address(two[0]))
    assert "Add another run" in text
    assert "0 settings" not in text
    assert "No setting differs" not in text
    assert "the same in all" not in text


def test_a_viewer_is_offered_no_change(client, two, ada):
    kept = baskets.create(first_team(), "Both", str(two[0].pk), ada)
    client.force_login(make_user("eve", Role.VIEWER))
    text = flat(client.get(reverse("compare:saved", args=[kept.pk])))
    assert "Both" in text
    assert "dialog" not in re.findall(r"<main.*</main>", text, re.S)[0]


def test_hostile_names_and_values_are_escaped(page, two, ada):
    one, other = two
    type(other).objects.filter(pk=other.pk).update(config={**other.config, "template": HOSTILE})
    assert "<script>alert" not in page(address(one, other))


def resolved(run, **values):
    """The run as one of verl, with what verl has made of its config."""
    run.config = run.config | {"engine": "verl"}
    run.save()
    if values:
        EngineConfig.objects.create(run=run, attempt=1, engine="verl", values=values)
    return run


def test_what_the_engine_resolved_is_compared_where_a_run_has_it(page, two):
    one, other = two
    assert "As the engine resolved it" not in page(address(one, other))
    resolved(one, actor={"lr": 0.5, "clip": 0.2}, trainer={"dir": "RUN/verl"})
    resolved(other, actor={"lr": 0.25, "clip": 0.2}, trainer={"dir": "RUN/verl"})
    text = page(address(one, other, of="resolved"))
    assert differing(text) == ["actor.lr"]
    assert "+actor.lr: 0.25" in text
    assert "What reads the config" not in text
    assert "Not stored" not in text


def test_a_run_of_another_engine_has_its_config_there_and_one_that_verl_has_not_started_has_none(page, two):
    one, other = two
    resolved(one, actor={"lr": 0.5})
    text = page(address(one, other, of="resolved"))
    assert "What reads the config as it was run has no other: long, Second." in text
    assert {"actor.lr", "seed", "steps"} <= set(differing(text))
    resolved(other)
    text = page(address(one, other, of="resolved"))
    assert "a retry stores it: long, Second." in text
    assert differing(text) == ["actor.lr"]


def test_the_api_and_the_files_have_what_the_engines_resolved(page, client, ada, two):
    ref = f"compare/{two[0].pk},{two[1].pk}/settings/resolved"
    assert client.get(reverse("exhibits:exhibit_detail", args=[ref])).status_code == 404
    for run, rate in zip(two, (0.5, 0.25), strict=True):
        resolved(run, actor={"lr": rate})
    [row] = client_of(ada).get(f"{ROOT}/compared-settings?runs={two[0].pk},{two[1].pk}&of=resolved").json()
    assert row == {"name": "actor.lr", "values": [0.5, 0.25]}
    file = client.get(reverse("exhibits:exhibit_file", args=[ref, "csv"])).content.decode()
    assert file.splitlines()[1] == "actor.lr,0.5,0.25"
