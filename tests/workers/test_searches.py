"""A search by its job, on its page and by the API: hits come in, it can be stopped, others see what they may."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from rpt_core.config import RptConfig
from rpt_core.run.folder import RunDir
from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import JobState
from rpt_web.review import reviews
from rpt_web.review.reviews import Draft
from rpt_web.runs import services as runs
from rpt_web.searches import services
from rpt_web.searches.models import Search
from rpt_web.teams.models import Role, Team
from rpt_web.traces.models import ResponseGroup, rollout_id
from tests.factories import hostile_rows, make_experiment, make_user, record, response_row, start_run, write_shard
from tests.rpt_web.api_client import CONFIG, ROOT, client_of
from tests.rpt_web.markup import flat
from tests.rpt_web.review_rows import make_queue
from workers import jobs as execution
from workers import searches

pytestmark = pytest.mark.django_db(transaction=True)  # the job renews its lease on a connection of its own
WORD = "however"


def rows(step, thoughts):
    shared = {"context": "Say ", "answer": "\\boxed{a}", "completion": b"a", "boundaries": [1]}
    return [response_row(step, 0, sample, thought=thought, **shared) for sample, thought in enumerate(thoughts)]


@pytest.fixture
def ada(db):
    return make_user("ada")


@pytest.fixture
def run(ada):
    """Two steps: the second with hostile responses, and an evaluation."""
    experiment = make_experiment(ada)
    claimed, events = start_run(runs.submit(experiment, "a", RptConfig.model_validate(CONFIG), ada))
    write_shard(claimed, events, "train", 1, rows(1, ["However it is", "no", "x however, however"]))
    write_shard(claimed, events, "train", 2, hostile_rows(2, 0))
    write_shard(claimed, events, "greedy", 2, rows(2, ["however"]))
    record(claimed)
    return claimed


@pytest.fixture
def client(client, ada):
    client.force_login(ada)
    return client


def started(client, run, text=WORD, **more):
    """The search that the form starts."""
    answer = client.post("/searches/", {"text": text, "mode": "words", "place": "response", "runs": [run.pk]} | more)
    assert answer.status_code == 302, flat(answer)
    return Search.objects.latest("id")


def done(search):
    execution.execute(jobs.claim(search.job_id, "a:1"))
    search.refresh_from_db()
    return search


def test_hits_of_the_newest_steps_come_first_and_open_the_responses(client, run):
    search = started(client, run)
    text = flat(client.get(f"/searches/{search.pk}/"))
    assert "It starts as soon as the quick worker is free." in text
    assert 'hx-trigger="every 1s"' in text
    done(search)
    assert [(hit.step, hit.kind, hit.sample) for hit in search.hits.all()] == [
        (2, "greedy", 0), (1, "train", 0), (1, "train", 2)
    ]  # fmt: skip
    text = flat(client.get(f"/searches/{search.pk}/"))
    assert "3 hits in 8 responses." in text
    assert "<mark>However</mark> it is&lt;/think&gt;" in text
    assert "2 times" in text
    assert "every 1s" not in text
    assert f"/runs/{run.pk}/rollouts/{rollout_id(1, 'train', 2)}/?search={search.pk}" in text
    assert "<mark" in flat(client.get(f"/runs/{run.pk}/rollouts/{rollout_id(1, 'train', 0)}/?search={search.pk}"))
    assert WORD in flat(client.get("/searches/"))


def test_filters_choose_files_and_rows(client, run):
    assert done(started(client, run, kind="train")).hits.count() == 2
    assert done(started(client, run, first_step=2)).hits.count() == 1
    assert done(started(client, run, reward="0")).hits.count() == 0
    text = flat(client.get(f"/searches/{Search.objects.latest('id').pk}/"))
    assert "Nothing was found" in text
    assert "1 run, not rewarded" in text
    assert done(started(client, run, mode="expression", text=r"x\s+how\w+")).hits.get().sample == 2
    assert done(started(client, run, text="say", place="prompt")).hits.count() == 2
    assert done(started(client, run, runs=[], experiment=run.experiment_id)).hits.count() == 3


def test_a_list_of_traces_is_searched_with_all_its_filters_and_leads_back_to_it(client, run):
    ResponseGroup.objects.filter(run_id=run.pk, step=1).update(patterns=8)
    query = f"run={run.pk}&kind=train&step_from=1&step_to=1&pattern=hypothesis"
    listed = client.get(f"/traces/?{query}").content.decode()
    address = re.search(r'href="(/searches/\?traces=[^"]*)"', listed)[1]
    form = client.get(address).content.decode()
    assert "some thought has words of hypothesis" in form
    sent = re.search(r'name="traces" value="([^"]*)"', form)[1].replace("&amp;", "&")
    search = done(started(client, run, runs=[], traces=sent))
    assert {(hit.step, hit.kind) for hit in search.hits.all()} == {(1, "train")}
    assert search.hits.count() == 2
    text = flat(client.get(f"/searches/{search.pk}/"))
    back = 'href="/traces/?' + search.filters["traces"].replace("&", "&amp;")
    for words in ("some thought has words of hypothesis, step 1", back):
        assert words in text
    assert "traces: run" in flat(client.get("/searches/"))
    everywhere = done(started(client, run, runs=[], traces="order=-newest"))
    assert everywhere.hits.count() == 3
    nothing = {"text": WORD, "mode": "words", "place": "response", "traces": "domain=nowhere"}
    assert "No group of responses is in this list." in flat(client.post("/searches/", nothing))


def test_hostile_hits_stay_text(client, run):
    search = done(started(client, run, text="script", mode="phrase"))
    text = flat(client.get(f"/searches/{search.pk}/"))
    assert "&lt;<mark>script</mark>&gt;alert" in text
    assert "<script>alert" not in text


def test_the_form_says_what_is_wrong_and_keeps_what_was_chosen(client, run):
    shared = {"mode": "expression", "place": "response"}
    answer = client.post("/searches/", shared | {"text": "(", "runs": [run.pk]})
    assert answer.status_code == 422
    assert "The expression is not one of RE2: missing ): (" in flat(answer)
    assert "checked" in flat(answer)
    for more, words in (
        ({}, "No run is chosen."),
        ({"runs": [run.pk + 1]}, "There is no run"),
        ({"runs": [run.pk], "first_step": 9, "last_step": 1}, "The first step, 9, comes after the last, 1."),
        ({"runs": [run.pk], "first_step": 9}, "These runs have no responses of this kind and these steps."),
    ):
        assert words in flat(client.post("/searches/", shared | {"text": "a+"} | more))
    for _ in range(services.MOST_AT_ONCE):
        started(client, run)
    many = client.post("/searches/", shared | {"text": "a+", "runs": [run.pk]})
    assert "3 of your searches are still reading" in flat(many)


def test_a_search_is_stopped_and_an_unreadable_file_is_left_out(client, run):
    search = started(client, run)
    client.post(f"/searches/{search.pk}/stop")
    search.job.refresh_from_db()
    assert search.job.state == JobState.CANCELLED
    assert "were read" in flat(client.get(f"/searches/{search.pk}/"))
    assert "It has ended already." in flat(client.post(f"/searches/{search.pk}/stop", follow=True))
    RunDir(run.directory).rollout_shard("train", 1).write_bytes(b"damaged")
    assert done(started(client, run)).hits.count() == 1
    text = flat(client.get(f"/searches/{Search.objects.latest('id').pk}/"))
    assert "1 file of responses could not be read and is left out" in text


def test_a_running_search_hears_that_it_is_to_stop(client, run, monkeypatch):
    search = started(client, run)
    job = jobs.claim(search.job_id, "a:1")
    monkeypatch.setattr("workers.reports.LONGEST_PAUSE_SECONDS", 0.01)
    jobs.request_cancel(job, None)
    held = searches._wait
    monkeypatch.setattr(searches, "_read", lambda *_: held(searches.Future(), 0.05))
    monkeypatch.setattr(services, "shards_of", lambda search: list(search_shards(run)) * 400)
    execution.execute(job)
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def search_shards(run):
    return run.shards.select_related("run")


def test_the_api_starts_reads_and_stops(run, ada):
    caller = client_of(ada)
    body = {"text": WORD, "runs": [run.pk], "kind": "train"}
    made = caller.post(f"{ROOT}/searches", body, content_type="application/json").json()
    assert (made["state"], made["matching"], made["team_id"]) == ("queued", 0, run.experiment.team_id)
    done(Search.objects.get(pk=made["id"]))
    address = f"{ROOT}/searches/{made['id']}"
    assert [caller.get(address).json()[name] for name in ("state", "read", "of", "matching")] == ["succeeded", 7, 7, 2]
    page = caller.get(f"{address}/hits?limit=1").json()
    assert (page["items"][0]["match"], page["items"][0]["run"], page["next"]) == ("However", run.pk, 1)
    assert caller.get(f"{address}/hits?after=1").json()["items"][0]["times"] == 2
    assert caller.post(f"{address}/stop").status_code == 409
    wrong = caller.post(f"{ROOT}/searches", body | {"text": "(", "mode": "expression"}, content_type="application/json")
    assert "RE2" in wrong.json()["errors"]["text"]
    assert caller.get(f"{ROOT}/searches").json()["items"][0]["matching"] == 2


def test_a_search_within_reviews_is_seen_by_its_author_alone(client, run, ada):
    body = {"text": WORD, "traces": {"kind": "train", "reviewer": "bob"}}
    caller, bob = client_of(ada), make_user("bob")
    none = caller.post(f"{ROOT}/searches", body, content_type="application/json")
    assert none.json()["errors"] == {"traces": services.NO_LIST}
    queue = make_queue(run, ada, sample=1, reviewers=[bob])
    item = queue.items.get()
    reviews.submit(reviews.take(item, bob), Draft(0, {"thought": "sound"}))
    made = caller.post(f"{ROOT}/searches", body, content_type="application/json").json()
    assert made["filters"]["traces"] == "kind=train&reviewer=bob"
    search = done(Search.objects.get(pk=made["id"]))
    assert {hit.group for hit in search.hits.all()} <= {item.group}
    assert search.job.result["of"] == run.shards.get(kind="train", step=item.step).rows
    assert "you alone see it" in flat(client.get(f"/searches/{search.pk}/"))
    client.force_login(bob)
    assert client.get(f"/searches/{search.pk}/").status_code == 404
    both = caller.post(f"{ROOT}/searches", body | {"runs": [run.pk]}, content_type="application/json")
    odd = caller.post(f"{ROOT}/searches", {"text": "a", "traces": {"nonsense": 1}}, content_type="application/json")
    assert (both.status_code, odd.status_code) == (422, 422)


def test_the_team_sees_it_strangers_do_not_and_old_ones_are_forgotten(client, run):
    search = done(started(client, run))
    client.force_login(make_user("eve", Role.VIEWER))
    assert "3 hits" in flat(client.get(f"/searches/{search.pk}/"))
    assert client.post(f"/searches/{search.pk}/stop").status_code == 403
    client.force_login(make_user("mallory", team=Team.objects.create(name="Others")))
    assert client.get(f"/searches/{search.pk}/").status_code == 404
    assert services.forget_old() == 0
    Search.objects.update(created_at=timezone.now() - timedelta(days=services.KEPT_DAYS + 1))
    assert services.forget_old() == 1
