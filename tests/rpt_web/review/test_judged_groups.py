"""Lists of groups by what reviewers said: what was submitted is in them, what somebody has yet to review is not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import QueryDict
from django.utils import timezone

from rpt_web import access
from rpt_web.review import queues, reviews
from rpt_web.review.models import Review, ReviewItem
from rpt_web.review.reviews import Draft
from rpt_web.runs.models import Run
from rpt_web.teams.models import User
from rpt_web.traces import group_lists
from rpt_web.traces.group_filters import GroupFilters
from rpt_web.traces.models import ResponseGroup
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.markup import flat
from tests.rpt_web.review_rows import make_queue

SOUND, LUCKY = {"thought": "sound", "sure": 2}, {"thought": "lucky_guess", "sure": 2}
SHARES = (0.5, 1, 0.5, 0)
QUERIES = ("label=thought:lucky_guess", "reviewer=bob", "disputed=1", "order=-disputed", "label=sure:2&reviewer=bob")


def listed(user, query):
    """Groups of a list as somebody sees it; its count must be the same."""
    filters = access.resolved(user, GroupFilters.from_query(QueryDict(query)))
    rows = group_lists.group_page(access.runs_for(user), filters).rows
    assert group_lists.group_counts(access.runs_for(user), filters).total == len(rows)
    return [row.group for row in rows]


def counts(user, query=""):
    return access.judged_counts(user, access.resolved(user, GroupFilters.from_query(QueryDict(query))))


def submitted(item, user, answers):
    return reviews.submit(reviews.take(item, user), Draft(0, answers))


@pytest.fixture
def shared(team):
    """A queue of 20 responses in 5 groups and more, open to all, each for both; bob has said something of three."""
    queue = make_queue(team.run, team.ada, sample=None, reviewers_per_item=2)
    items = list(queue.items.order_by("group", "number"))
    firsts = {item.group: item for item in reversed(items)}
    chosen = [firsts[group] for group in sorted(firsts)[:3]]
    for item, answers in zip(chosen, (LUCKY, SOUND, LUCKY), strict=True):
        submitted(item, team.bob, answers)
    return queue, chosen


def test_nobody_learns_what_others_said_before_they_have_submitted(team, shared, client):
    first, second, third = (item.group for item in shared[1])
    for query in QUERIES:
        assert listed(team.ada, query) == [], query
    assert counts(team.ada) == {"label": {}, "reviewer": {}, "disputed": {"1": 0}}
    client.force_login(team.ada)
    for page in ("/traces/", "/traces/reviewers/"):
        assert 'value="bob"' not in client.get(page).content.decode()
    assert '<option value="eve" selected>' in flat(client.get("/traces/reviewers/?reviewer=eve")), (
        "what was asked stays"
    )
    assert "<" not in flat(client.get("/traces/counts/reviews/"))
    assert "bob" not in flat(client.get("/traces/counts/"))
    assert client_of(team.ada).get(f"{ROOT}/groups?reviewer=bob").json()["items"] == []
    nothing = {"labels": {}, "reviewers": {}, "disputed": 0}
    assert client_of(team.ada).get(f"{ROOT}/groups/counts/reviews").json() == nothing
    facets = client_of(team.ada).get(f"{ROOT}/groups/counts").json()["facets"]
    assert not any(name.startswith(("label:", "reviewer:", "disputed:")) for name in facets)
    # Eve only reads, and bob sees what he has said himself.
    assert listed(team.eve, "reviewer=bob") == [third, second, first]
    labels = {"sure:2": 3, "thought:lucky_guess": 2, "thought:sound": 1}
    assert counts(team.eve) == {"label": labels, "reviewer": {"bob": 3}, "disputed": {"1": 0}}
    assert listed(team.bob, "label=thought:lucky_guess&order=step") == [first, third]
    assert listed(team.bob, "disputed=1") == []


def test_what_is_submitted_and_not_to_be_reviewed_any_more_is_listed_counted_and_walked_through(team, shared, client):
    queue, chosen = shared
    first, second, third = (item.group for item in chosen)
    for item in queue.items.filter(group__in=[first, second]):
        submitted(item, team.ada, SOUND)  # all of the two groups, so that nothing of them waits for her
    reviews.note_seen(access.seen_reviews(team.ada, queue), team.ada)  # and she takes none of them back
    assert listed(team.ada, "reviewer=bob") == [second, first]
    assert listed(team.ada, "label=thought:lucky_guess") == [first]
    assert listed(team.ada, "label=thought:sound&reviewer=ada&order=step") == [first, second]
    assert listed(team.ada, "disputed=1") == listed(team.ada, "order=-disputed") == [first]
    assert counts(team.ada) == {
        "label": {"sure:2": 2, "thought:sound": 2, "thought:lucky_guess": 1},
        "reviewer": {"ada": 2, "bob": 2},
        "disputed": {"1": 1},
    }
    assert counts(team.ada, "label=thought:lucky_guess")["reviewer"] == {"ada": 1, "bob": 1}
    assert client_of(team.ada).get(f"{ROOT}/groups/counts/reviews").json() == {
        "labels": {"sure:2": 2, "thought:sound": 2, "thought:lucky_guess": 1},
        "reviewers": {"ada": 2, "bob": 2},
        "disputed": 1,
    }
    client.force_login(team.ada)
    assert 'hx-get="/traces/counts/reviews/?difficulty=hard"' in client.get("/traces/?difficulty=hard").content.decode()
    assert 'hx-get="/traces/reviewers/"' in client.get("/traces/?reviewer=bob").content.decode()
    offered = flat(client.get("/traces/reviewers/?reviewer=bob"))
    assert '<option value="ada">ada</option><option value="bob" selected>bob</option>' in offered
    said = client.get("/traces/counts/reviews/?kind=train")
    lucky, disputed = 'Lucky guess</span>&nbsp;<span class="figures muted">1<', "disputed by reviewers</span>&nbsp;<"
    assert f'<a href="/traces/?kind=train&amp;label=thought%3Alucky_guess"><span class="clip">{lucky}' in flat(said)
    assert f'<a href="/traces/?kind=train&amp;disputed=1"><span class="clip">{disputed}' in flat(said)
    draft = reviews.take(queue.items.get(pk=chosen[2].pk), team.ada)
    reviews.save_draft(draft, Draft(0, LUCKY))
    assert listed(team.ada, "label=thought:lucky_guess&reviewer=ada") == [], "a draft does not count"
    queues.close(queue)
    assert listed(team.ada, "reviewer=bob") == [third, second, first]


def test_whoever_is_in_no_team_is_told_of_no_reviewers(team, shared):
    assert access.reviewers_offered(team.eve) == ["bob"]
    mallory = User.objects.create_user("mallory")
    assert access.reviewers_offered(mallory) == []
    assert counts(mallory) == {}
    assert access.reviewers_offered(AnonymousUser()) == []


def test_an_item_in_another_queue_keeps_its_group_hidden(team, shared):
    queue, chosen = shared
    ReviewItem.objects.filter(queue=queue).update(submitted=2)  # nobody takes anything of it any more
    ReviewItem.objects.filter(pk__in=[item.pk for item in chosen]).update(dispute=0.5)
    first, second, third = (item.group for item in chosen)
    assert listed(team.ada, "reviewer=bob") == [third, second, first]
    assert counts(team.ada)["disputed"] == {"1": 3}
    other = make_queue(team.run, team.ada, sample=None, reviewers=[team.ada])
    other.items.exclude(group__in=[second]).delete()
    assert listed(team.ada, "reviewer=bob") == [third, first]
    both = {"thought:lucky_guess": 2, "sure:2": 2}
    assert counts(team.ada) == {"label": both, "reviewer": {"bob": 2}, "disputed": {"1": 2}}
    other.items.update(kind="pair", group=None)
    other.kind, other.source = "pair", {"first": None, "second": {"run": team.run.pk, "step": 1, "kind": "train"}}
    other.save()
    assert listed(team.ada, "reviewer=bob") == []


def test_the_most_disputed_come_first_page_by_page(team, shared):
    queue, _ = shared
    groups = sorted(set(queue.items.values_list("group", flat=True)))
    ReviewItem.objects.filter(queue=queue).update(submitted=2, dispute=None)
    for number, group in enumerate(groups):
        item = queue.items.filter(group=group).first()
        Review.objects.update_or_create(
            item=item, reviewer=team.bob, defaults={"submitted_at": timezone.now() - timedelta(hours=1)}
        )
        ReviewItem.objects.filter(pk=item.pk).update(dispute=SHARES[number % 4])
    expected = [group for share in (1, 0.5) for group in reversed(groups) if SHARES[groups.index(group) % 4] == share]
    filters = access.resolved(team.eve, GroupFilters.from_query(QueryDict("order=-disputed")))
    runs, found, after = Run.objects.all(), [], ""
    while True:
        page = group_lists.group_page(runs, filters, after=after, limit=1)
        found += page.rows
        if not (after := page.next):
            break
    assert [row.group for row in found] == expected
    middle = ResponseGroup.objects.get(pk=found[1].pk)
    assert [row.pk for row in group_lists.neighbours(runs, filters, middle)] == [found[0].pk, found[2].pk]
    unjudged = ResponseGroup.objects.filter(run_id=team.run.pk).exclude(pk__in=[row.pk for row in found]).first()
    assert group_lists.neighbours(runs, filters, unjudged) == (None, None)


def test_filters_by_reviews_need_somebody_who_looks(team):
    with pytest.raises(ValueError, match=r"access\.resolved"):
        group_lists.group_page(Run.objects.all(), GroupFilters.from_query(QueryDict("reviewer=bob")))
    assert client_of(team.ada).get(f"{ROOT}/groups?label=x").status_code == 422


def test_what_the_database_cannot_hold_is_in_no_list(team):
    caller = client_of(team.ada)
    for name in ("document", "domain", "reviewer"):
        for path in ("groups", "groups/counts", "groups/counts/reviews"):
            assert caller.get(f"{ROOT}/{path}?{name}=%00").status_code == 200
    search = {"text": "the", "traces": {"document": "a\x00"}}
    assert caller.post(f"{ROOT}/searches", search, "application/json").status_code == 422
