"""The audit trail: what people, commands and hands change is kept, with who it was; heartbeats and steps are not."""

from __future__ import annotations

import json
import sys
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from rpt_web.corpora import registry, uploads
from rpt_web.corpora import services as corpora
from rpt_web.corpora.models import RegisteredModel, Wording
from rpt_web.runs import services
from rpt_web.runs.models import Run, Status
from rpt_web.teams import trail
from rpt_web.teams.audit import program_words
from rpt_web.teams.membership import first_team, join
from rpt_web.teams.models import ApiToken, Invitation, LoginLink, Role, Team, User
from tests.factories import PASSWORD, make_user, start_run
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.markup import flat

ALL = trail.TrailFilters(routine=True)


def told(changes):
    """Each change in one line."""
    return [
        f"{change.who}: {change.noun} {change.title} {change.verb}"
        + "".join(f", {one.name} {one.before}>{one.after}" for one in change.differences)
        for change in changes
    ]


def of(thing):
    return told(trail.of_object(thing))


@pytest.fixture
def head(db):
    return make_user("head", Role.ADMINISTRATOR)


@pytest.fixture
def browser(client, head):
    client.force_login(head)
    return client


def test_a_page_names_its_user(browser, head):
    ada = make_user("ada")
    browser.post(f"/teams/{first_team().pk}/people/{ada.pk}/role", {"role": "viewer"})
    assert of(ada.memberships.get())[0] == "head: membership ada changed, role member>viewer"
    change = trail.of_object(ada.memberships.get())[0]
    assert change.is_person
    assert timezone.now() - change.at < timedelta(minutes=1)


def test_the_api_names_its_user_and_the_token(run, ada):
    client_of(ada).post(f"{ROOT}/runs/{run.pk}/cancel")
    newest = trail.of_object(run)[0]
    assert (newest.who, newest.token) == ("ada", "test")
    assert "status queued>cancelled" in told([newest])[0]


def test_a_bulk_update_and_sql_by_hand_are_seen(run, head):
    Run.objects.filter(pk=run.pk).update(status=Status.LOST)
    assert "status queued>lost" in of(run)[0]
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('pghistory.context_metadata', '', false)")  # as psql comes
        cursor.execute("UPDATE runs_run SET status = 'failed' WHERE id = %s", [run.pk])
        cursor.execute("UPDATE teams_user SET is_superuser = true WHERE id = %s", [head.pk])
    assert of(run)[0] == f"SQL: run {run.name} changed, status lost>failed"
    assert of(head)[0] == "SQL: user head changed, superuser status no>yes"
    assert not trail.of_object(run)[0].is_person
    assert trail.BY_HAND in {change.who for change in trail.of_team(first_team(), trail.TrailFilters()).changes}
    by_hand = trail.of_team(first_team(), trail.TrailFilters(trail.BY_HAND)).changes
    assert [change.kind for change in by_hand] == ["user", "run"]


def test_what_a_stage_does_all_the_time_is_not_kept(run):
    claimed, events = start_run(run)
    before = of(run)
    services.renew(claimed)
    Run.objects.filter(pk=run.pk).update(step=3, progress="x", recorded_seq=7, lease_until=timezone.now(), log_tail="x")
    events.emit("metrics", step=1, values={"loss": 1.5}, flops=1e9)
    from workers.recorder import Recorder

    Recorder(Run.objects.get(pk=run.pk)).record_all()
    assert of(run) == before
    assert "status queued>running" in before[0]


def test_no_secret_is_kept(browser, head):
    browser.post("/account/tokens", {"name": "mine", "scope": "read", "days": 3})
    browser.post(f"/teams/{first_team().pk}/invite", {"role": "member", "days": 3})
    head.set_password(PASSWORD)
    head.email = "head@example.org"
    head.save()
    links = {"join": Invitation.issue(first_team(), Role.MEMBER, head), "login/link": LoginLink.issue(head)}
    new = {"username": "grace", "new_password": PASSWORD, "again": PASSWORD}
    assert [Client().post(f"/{place}/{secret}/", new).status_code for place, secret in links.items()] == [302, 302]
    digests = [found.digest for kind in (ApiToken, Invitation, LoginLink) for found in kind.objects.all()]
    secrets = [*digests, *links.values(), head.password]
    rows = ""
    with connection.cursor() as cursor:
        for model in trail.kinds().values():
            cursor.execute(f"SELECT to_jsonb(kept)::text FROM {model._meta.db_table} AS kept")
            rows += " ".join(row for (row,) in cursor.fetchall())
    assert "head@example.org" in rows, "the tables were read"
    assert not [secret for secret in secrets if secret in rows]
    lines = of(head)
    assert lines[0].endswith("user head new password") or lines[1].endswith("user head new password")
    assert any("email address None>None" in line for line in lines), "that it changed, not to what"
    assert not any("example.org" in line for line in lines)


def test_what_is_gone_keeps_its_trail(browser, head):
    experiment = services.create_experiment("Gone", head)
    pk = experiment.pk
    experiment.delete()
    lines = told(trail.of_team(first_team(), ALL).changes)
    assert [line.partition(": ")[2] for line in lines if "Gone" in line][:2] == [
        "experiment Gone removed",
        "experiment Gone made, team None>Team, name None>Gone, state None>open, tags None>[], seed None>0, "
        "created by None>head",
    ]
    text = flat(browser.get(f"/teams/{first_team().pk}/trail/"))
    assert f"/experiments/{pk}/" not in text, "and no link to it"


def test_a_team_sees_its_own_trail_alone(run, ada):
    other = Team.objects.create(name="Other")
    cy = make_user("cy", team=other)
    theirs = services.create_experiment("Theirs", cy, team=other)
    ApiToken.issue(cy, "cy's token", timedelta(days=1))
    mine, its = (told(trail.of_team(team, ALL).changes) for team in (first_team(), other))
    assert any(run.name in line for line in mine)
    assert any("Theirs" in line for line in its)
    assert not [line for line in mine if "Theirs" in line or " cy" in line or "Other" in line]
    assert not [line for line in its if f"run {run.name}" in line or "ada" in line]
    join(ada, other)
    assert any("user ada" in line for line in told(trail.of_team(other, ALL).changes))
    assert theirs.team == other


def test_pages_go_on_by_key_without_a_gap(db):
    team, ada = first_team(), make_user("ada")
    for number in range(2 * trail.PER_PAGE + 7):
        services.create_experiment(f"E{number}", ada)
    every, before = [], None
    while True:
        page = trail.of_team(team, ALL, before)
        every += page.changes
        if page.older is None:
            break
        before = trail.TrailKey.parse(str(page.older))
        assert before == page.older
    assert len(every) == len({str(change.key) for change in every})
    assert {f"E{number}" for number in range(2 * trail.PER_PAGE + 7)} <= {change.title for change in every}
    assert [change.at for change in every] == sorted((change.at for change in every), reverse=True)


def test_changes_of_the_same_instant_are_on_one_page_each(db):
    team = first_team()
    for number in range(trail.PER_PAGE + 3):
        services.create_experiment(f"E{number}", None)
    for model in trail.kinds().values():
        model.objects.update(pgh_created_at=timezone.now().replace(microsecond=0))
    pages = [trail.of_team(team, ALL)]
    while (older := pages[-1].older) is not None:
        pages.append(trail.of_team(team, ALL, older))
    keys = [str(change.key) for page in pages for change in page.changes]
    assert len(keys) == len(set(keys)) > trail.PER_PAGE
    made = {change.title for page in pages for change in page.changes if change.kind == "experiment"}
    assert {f"E{number}" for number in range(trail.PER_PAGE + 3)} <= made


@pytest.mark.parametrize("zone", ["+23:59", "-23:59", "+00:00"])
def test_a_key_may_stand_in_any_time_zone(browser, zone):
    key = f"2026-01-01T00:00:00{zone}~run~1"
    assert browser.get(f"/teams/{first_team().pk}/trail/", {"before": key}).status_code == 200


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        "2026-01-01~run~1",
        "0001-01-01T00:00:00+14:00~run~1",
        "2026-01-01T00:00:00+00:00~run~x",
        "~~",
        "9" * 400,
    ],
)
def test_a_key_that_is_none_is_taken_as_not_asked(browser, key):
    assert trail.TrailKey.parse(key) is None
    assert browser.get(f"/teams/{first_team().pk}/trail/", {"before": key}).status_code == 200


def test_the_page_filters_by_who_and_what(browser, run, ada):
    start_run(run)
    Run.objects.filter(pk=run.pk).update(title="By a command")
    client_of(ada).post(f"{ROOT}/experiments", {"name": "By Ada"}, "application/json")
    address = f"/teams/{first_team().pk}/trail/"
    text = flat(browser.get(address))
    assert "By Ada" in text
    assert "By a command" in text
    assert "by the token “test”" in text
    of_ada = flat(browser.get(address, {"who": "ada"}))
    assert "By Ada" in of_ada
    assert "By a command" not in of_ada
    runs = flat(browser.get(address, {"kind": "run"}))
    assert "By a command" in runs
    assert "By Ada" not in runs
    assert '<option value="run" selected>' in runs
    assert browser.get(address, {"kind": "nothing", "who": "\x00"}).status_code == 200


def test_a_thing_shows_its_trail_on_its_page(page, run):
    for address in (f"/runs/{run.pk}/", f"/experiments/{run.experiment_id}/"):
        assert "Who did what" in page(address)
    assert 'hx-get="/trail/run/' in page(f"/runs/{run.pk}/")
    assert f'run <a class="main-link" href="/runs/{run.pk}/">{run.name}</a> made' in page(f"/trail/run/{run.pk}/")
    page(f"/trail/user/{run.pk}/", status=404)


def test_the_number_of_queries_does_not_grow(run, ada, django_assert_max_num_queries):
    with django_assert_max_num_queries(4 * len(trail.kinds()) + 4):
        trail.of_team(first_team(), ALL)
    for number in range(60):
        services.create_experiment(f"E{number}", ada)
    with django_assert_max_num_queries(4 * len(trail.kinds()) + 4):
        trail.of_team(first_team(), ALL)


def test_somebody_who_joins_by_a_link_is_named(browser, head):
    secret = Invitation.issue(first_team(), Role.MEMBER, head)
    guest = {"username": "grace", "new_password": PASSWORD, "again": PASSWORD}
    Client().post(f"/join/{secret}/", guest)
    assert of(User.objects.get(username="grace"))[-1].startswith("grace: user grace made")


def test_a_program_names_itself(db):
    words = {
        ("/srv/manage.py", "invite", "ada"): "manage.py invite",
        ("/usr/bin/celery", "-A", "x", "worker"): "worker",
        ("/srv/manage.py", "reaper", "--once"): "reaper",
        ("script.py", "x"): "script.py",
    }
    assert {arguments: program_words(arguments) for arguments in words} == words
    team = Team.objects.create(name="By a test")
    (context,) = trail.kinds()["team"].objects.filter(pgh_obj=team.pk).values_list("pgh_context", flat=True)
    assert context == {"program": program_words(sys.argv)}


def test_a_worker_and_the_reaper_are_left_out_until_they_are_asked_for(run):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('pghistory.context_metadata', %s, false)", [json.dumps({"program": "worker"})]
        )
    start_run(run)
    line = f"worker: run {run.name} changed, status queued>running"
    assert line not in told(trail.of_team(first_team(), trail.TrailFilters()).changes)
    assert line in told(trail.of_team(first_team(), ALL).changes)
    assert line in told(trail.of_team(first_team(), trail.TrailFilters(who="worker")).changes)
    assert line in of(run)


def test_what_people_do_in_a_browser_is_in_a_teams_trail_without_asking(browser):
    with connection.cursor() as cursor:  # the web server's connections name no program
        cursor.execute("SELECT set_config('pghistory.context_metadata', '', false)")
    browser.post(f"/teams/{first_team().pk}/rename", {"name": "Cards"})
    (context,) = trail.kinds()["team"].objects.filter(name="Cards").values_list("pgh_context", flat=True)
    assert "program" not in context
    line = "head: team Cards changed, name Team>Cards"
    assert line in told(trail.of_team(first_team(), trail.TrailFilters()).changes)


def test_models_wordings_and_files_are_in_the_trail_of_their_team(browser, head, tmp_path, settings):
    settings.RPT_HUB_MODELS = ["*"]
    browser.post("/models/", {"path": "some/model", "name": "Chatty"})
    text = "{context} </think> \\boxed{}"
    browser.post("/wordings/new/", {"name": "mine", "text": text})
    browser.post(f"/wordings/{Wording.objects.get().pk}/", {"text": f"{text}!"})
    version = corpora.new_version(corpora.create_corpus("Texts", head), head)
    uploads.note(uploads.begin(version, "a.jsonl", 9, head), 4)
    lines = told(trail.of_team(first_team(), ALL).changes)
    by_kind = {what: [line for line in lines if f": {what} " in line] for what in ("model", "wording", "file")}
    assert {what: len(found) for what, found in by_kind.items()} == {"model": 1, "wording": 3, "file": 1}
    assert "head: model Chatty made, team None>Team, name None>Chatty" in by_kind["model"][0]
    assert by_kind["wording"][0].startswith("head: wording version mine, version 2 made, wording None>mine")
    assert f"version None>version 1 of corpus {version.corpus_id}" in by_kind["file"][0]
    model = RegisteredModel.objects.get()
    registry.store_card(model.pk, model.job, {"facts": {}, "faults": [], "loads": True})
    assert len(of(model)) == 1, "what a worker finds is no change of the model"
    assert "Chatty" in flat(browser.get(f"/trail/registeredmodel/{model.pk}/"))
    for page in (f"/models/{model.pk}/", f"/wordings/{Wording.objects.get().pk}/", f"/corpora/{version.corpus_id}/"):
        assert "Who did what" in flat(browser.get(page))


def test_a_page_of_the_trail_reads_no_kinds_that_are_not_on_it(run, ada, django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        found = trail.of_team(run.experiment.team, trail.TrailFilters()).changes
    assert {"run", "experiment"} <= {change.kind for change in found}
    assert len(trail.kinds()) > 25
