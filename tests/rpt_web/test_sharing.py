"""Something is shared with another team, read-only: who sees it then, what runs may read, and no more after."""

from __future__ import annotations

import pytest

from rpt_core.config import NtpConfig
from rpt_core.config.reads import Reading, Reads
from rpt_core.errors import UserError
from rpt_core.problems.prompts import template_text
from rpt_core.run.folder import RunDir
from rpt_web import access
from rpt_web.corpora import deletion, registry, services, wordings
from rpt_web.corpora.models import CorpusVersion
from rpt_web.runs import own_plans, reach
from rpt_web.runs import services as runs
from rpt_web.runs.models import Checkpoint, Run
from rpt_web.teams import sharing, trail
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import Role, Share, Team
from tests.factories import make_user
from tests.rpt_web.api_client import ROOT, RUNNABLE, client_of
from tests.rpt_web.markup import flat
from tests.rpt_web.world import PLAN

pytestmark = pytest.mark.django_db


@pytest.fixture
def head(db):
    return make_user("head", Role.ADMINISTRATOR)


@pytest.fixture
def guests(head):
    """Another team, with a member."""
    first_team()
    return Team.objects.create(name="Guests")


@pytest.fixture
def guest(guests):
    return make_user("guest", team=guests)


@pytest.fixture
def corpus(head):
    return services.create_corpus("Sums", head)


@pytest.fixture
def version(corpus, head):
    """A version with an uploaded file that runs may read."""
    from django.utils import timezone

    version = services.new_version(corpus, head)
    (version.folder / "files").mkdir(parents=True)
    (version.folder / "files/a.jsonl").write_text('{"text": "One and one is two."}\n')
    CorpusVersion.objects.filter(pk=version.pk).update(checked_at=timezone.now(), mapping={"text": "text"})
    version.refresh_from_db()
    return version


def config(version):
    return NtpConfig.model_validate(RUNNABLE | {"corpus": services.corpus_setting(version)})


def again(user):
    """As the next request has them."""
    return type(user).objects.get(pk=user.pk)


def test_an_administrator_shares_on_the_page_and_withdraws(client, head, corpus, guests, guest):
    client.force_login(head)
    place = f"/corpora/{corpus.pk}/"
    answer = client.post(f"/share/corpus/{corpus.pk}", {"team": "Nobody"}, follow=True)
    assert "There is no team named" in answer.text
    with pytest.raises(UserError, match="There is no team named"):
        sharing.share("corpus", corpus, "Guests\x00", head)
    answer = client.post(f"/share/corpus/{corpus.pk}", {"team": "Team"}, follow=True)
    assert "It belongs to Team already" in answer.text
    assert not Share.objects.exists()
    for _ in range(2):
        answer = client.post(f"/share/corpus/{corpus.pk}", {"team": " Guests "})
        assert answer["Location"] == place
    share = Share.objects.get()
    assert "Withdraw" in flat(client.get(place))
    client.force_login(guest)
    text = flat(client.get(place))
    assert "shared by Team" in text
    assert "Withdraw" not in text
    assert "New version" not in text
    assert "shared by Team" in flat(client.get("/corpora/"))
    client.force_login(head)
    assert "shared by" not in flat(client.get(place))
    assert client.post(f"/shares/{share.pk}/withdraw")["Location"] == place
    client.force_login(guest)
    assert client.get(place).status_code == 404
    assert "Sums" not in flat(client.get("/corpora/"))


def test_members_of_the_owning_team_see_with_whom_it_is_shared_and_change_nothing(client, head, corpus, guests):
    sharing.share("corpus", corpus, "Guests", head)
    client.force_login(make_user("ada"))
    text = flat(client.get(f"/corpora/{corpus.pk}/"))
    assert "Guests" in text
    assert "Share read-only" not in text


def test_lists_of_pages_and_api_mark_what_is_shared(client, head, guests, guest, settings, tmp_path):
    experiment = runs.create_experiment("Theirs", head)
    run = runs.submit(experiment, "a", NtpConfig.model_validate(RUNNABLE), head)
    Checkpoint.objects.create(run=run, attempt=1, step=1, path="checkpoints/x", bytes=1, created_at=run.created_at)
    model = registry.register_checkpoint(run.checkpoints.get(), "small", head)
    wording = wordings.create(first_team(), "template", "mine", template_text("v0"), head).wording
    corpus = services.create_corpus("Sums", head)
    plan = own_plans.create(first_team(), "Two runs", PLAN, head)
    for kind, thing in zip(sharing.KINDS, (experiment, corpus, model, wording, plan), strict=True):
        sharing.share(kind, thing, "Guests", head)
    client.force_login(guest)
    lists = ("/experiments/", "/corpora/", "/models/", "/wordings/", "/plans/")
    for place in (*lists, f"/experiments/{experiment.pk}/", f"/models/{model.pk}/"):
        assert "shared by Team" in flat(client.get(place)), place
    caller, own = client_of(guest), client_of(head)
    for place in ("experiments", "corpora", "models", "wordings"):
        (item,) = caller.get(f"{ROOT}/{place}").json()["items"]
        assert (item["team_id"], item["shared_by"]) == (first_team().pk, "Team"), place
        assert own.get(f"{ROOT}/{place}").json()["items"][0]["shared_by"] is None
    assert caller.get(f"{ROOT}/experiments/{experiment.pk}").json()["shared_by"] == "Team"
    assert access.those_who_see(run.pk, [guest.pk, head.pk]) == {guest.pk, head.pk}
    answer = caller.post(f"{ROOT}/experiments/{experiment.pk}/cancel")
    assert answer.status_code == 403
    assert "shares it read-only" in answer.json()["detail"]


def test_a_run_reads_what_is_shared_and_is_refused_in_words_when_that_is_withdrawn(head, guests, guest, version):
    mine = runs.create_experiment("Mine", again(guest), team=guests)
    words = "it is another team's and not shared"
    with pytest.raises(UserError, match=words):
        runs.submit(mine, "too early", config(version), guest)
    share = sharing.share("corpus", version.corpus, "Guests", head)
    queued = runs.submit(mine, "a", config(version), guest)
    waiting = Run.objects.create(
        experiment=mine,
        name="b",
        stage="ntp",
        status="waiting",
        config={},
        plan=config(version).model_dump(mode="json"),
    )
    share.delete()
    runs.advance(mine.pk)
    waiting.refresh_from_db()
    assert waiting.status == "failed"
    assert words in waiting.error
    with pytest.raises(UserError, match=words):
        reach.require(config(version), teams=[queued.experiment.team_id])


def test_the_worker_looks_again_when_it_starts_a_run(head, guests, guest, version, monkeypatch):
    from workers import runner

    share = sharing.share("corpus", version.corpus, "Guests", head)
    mine = runs.create_experiment("Mine", again(guest), team=guests)
    run = runs.submit(mine, "a", config(version), guest)
    share.delete()
    runner.execute(runs.claim(run.pk, "here"))
    run.refresh_from_db()
    assert run.status == "failed"
    assert "it is another team's and not shared" in run.error


def test_pre_flight_shows_nothing_of_what_is_not_shared(head, guests, guest, version):
    body = {"config": RUNNABLE | {"corpus": services.corpus_setting(version)}}
    found = client_of(guest).post(f"{ROOT}/preflight", body, "application/json").json()
    assert any("another team's" in problem["message"] for problem in found["problems"])
    assert found["first_prompt"] is None


def test_a_shared_model_opens_its_checkpoint_and_no_more_of_the_run(head, guests):
    run = runs.submit(runs.create_experiment("Theirs", head), "a", NtpConfig.model_validate(RUNNABLE), head)
    for step in (1, 2):
        path = RunDir(run.directory).checkpoint(step)
        path.mkdir(parents=True)
        row = {"path": f"checkpoints/{path.name}", "bytes": 1, "created_at": run.created_at}
        Checkpoint.objects.create(run=run, attempt=1, step=step, **row)
    sharing.share("model", registry.register_checkpoint(run.checkpoints.get(step=1), "", head), "Guests", head)
    for step, may in ((1, True), (2, False)):
        reading = Reading("model.path", str(RunDir(run.directory).checkpoint(step)), Reads.MODEL)
        assert (reach.why_not(reading, [guests.pk]) == "") is may
        assert reach.why_not(reading, [first_team().pk]) == ""
    positions = Reading("positions", str(run.directory / "positions"), Reads.RUN)
    assert "another team's" in reach.why_not(positions, [guests.pk])


@pytest.mark.parametrize("kind", ["runs", "corpora", "wordings"])
def test_the_folder_of_all_of_a_kind_is_no_teams(settings, head, kind):
    (settings.RPT_DATA_DIR / kind).mkdir(exist_ok=True)
    assert "another team's" in reach.why_not(
        Reading("paths", str(settings.RPT_DATA_DIR / kind), Reads.DATA), [first_team().pk]
    )


def test_what_other_teams_read_is_not_deleted_and_not_named(head, guests, guest, version):
    sharing.share("corpus", version.corpus, "Guests", head)
    runs.submit(runs.create_experiment("Mine", again(guest), team=guests), "secret", config(version), guest)
    with pytest.raises(UserError, match="1 run of other teams"):
        deletion.ask(version.corpus, head)


def test_the_trail_of_the_owning_team_keeps_sharing_and_withdrawing(client, head, corpus, guests):
    client.force_login(head)
    client.post(f"/share/corpus/{corpus.pk}", {"team": "Guests"})
    client.post(f"/shares/{Share.objects.get().pk}/withdraw")
    removed, made = (
        change for change in trail.of_team(first_team(), trail.TrailFilters()).changes if change.kind == "share"
    )
    assert [(found.who, found.verb, found.title) for found in (made, removed)] == [
        ("head", "made", "Sums"),
        ("head", "removed", "Sums"),
    ]
    assert ("shared with", "Guests") in [(one.name, one.after) for one in made.differences]
    assert client.get(f"/teams/{first_team().pk}/trail/").status_code == 200
    assert not [change for change in trail.of_team(guests, trail.TrailFilters()).changes if change.kind == "share"]
