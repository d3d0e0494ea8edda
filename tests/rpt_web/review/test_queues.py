"""Queues and reviews: what is drawn, who gets what, and that nothing is lost or doubled."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.notices.models import Notice
from rpt_web.review import progress, reviews
from rpt_web.review.models import Review, ReviewItem
from rpt_web.review.reviews import Draft
from rpt_web.traces.models import Rollout
from tests.rpt_web.review_rows import make_queue

SOUND, LUCKY = {"thought": "sound"}, {"thought": "lucky_guess"}


def drawn(queue):
    return list(queue.items.order_by("number").values_list("rollout_id", flat=True))


def take(queue, user):
    return reviews.take_next(queue, user)


def submit(queue, user, answers=SOUND, **more):
    review = take(queue, user)
    return reviews.submit(review, Draft(review.version, answers, **more))


def test_a_seed_draws_the_same_items_and_another_one_others(team):
    first, again, other = (make_queue(team.run, team.ada, sample=8, seed=seed) for seed in (0, 0, 1))
    assert drawn(first) == drawn(again)
    assert drawn(first) != drawn(other)
    assert len(set(drawn(first))) == 8
    assert first.source["found"] == 20


def test_a_queue_holds_what_passes_the_filter_with_what_joins_it_to_the_rollouts(team):
    queue = make_queue(team.run, team.ada, "reward=0", sample=None)
    assert set(queue.items.values_list("reward", flat=True)) == {0.0}
    item = queue.items.first()
    assert (item.run_id, item.rollout_kind, item.step) == (team.run.pk, "train", 1)
    with pytest.raises(UserError, match="Nothing passes"):
        make_queue(team.run, team.ada, "step=1&reason=empty&reward=1")


def test_assigned_items_are_shared_evenly_and_only_the_overlap_is_looked_at_twice(team):
    queue = make_queue(team.run, team.ada, sample=10, reviewers=[team.ada, team.bob], reviewers_per_item=2, overlap=0.4)
    assert list(queue.items.order_by("number").values_list("wanted", flat=True)) == [2] * 4 + [1] * 6
    assert [line.assigned for line in progress.of_reviewers(queue)] == [7, 7]
    assert progress.of_queues([queue], team.ada)[queue.pk].wanted == 14
    told = Notice.objects.filter(queue=queue)
    assert [notice.user_id for notice in told] == [team.bob.pk], "not who made it"
    assert "ada has given you items" in told[0].text


def test_the_numbers_of_one_queue_are_those_of_all_and_of_each_reviewer(team):
    queue = make_queue(team.run, team.ada, sample=3, reviewers=[team.bob, team.ada], reviewers_per_item=2)
    submit(queue, team.ada, seconds=4.0, is_flagged=True)
    known, people = progress.of_queue(queue, team.ada)
    assert known == progress.of_queues([queue], team.ada)[queue.pk]
    assert known == progress.QueueProgress(wanted=6, submitted=1, items=3, own_submitted=1, own_open=2)
    assert people == [
        progress.ReviewerLine("ada", submitted=1, assigned=3, seconds=4.0, flagged=1),
        progress.ReviewerLine("bob", submitted=0, assigned=3, seconds=None, flagged=0),
    ]
    assert progress.of_queue(queue, team.eve)[0] == progress.QueueProgress(wanted=6, submitted=1, items=3)


def test_viewers_and_too_few_people_are_no_reviewers(team):
    with pytest.raises(UserError, match="eve cannot review"):
        make_queue(team.run, team.ada, reviewers=[team.ada, team.eve])
    with pytest.raises(UserError, match="2 reviewers for each item cannot be assigned to 1 person"):
        make_queue(team.run, team.ada, reviewers=[team.ada], reviewers_per_item=2)


def test_a_queue_open_to_all_gives_an_item_to_one_person_at_a_time(team):
    queue = make_queue(team.run, team.ada, sample=2)
    first, second = take(queue, team.ada), take(queue, team.bob)
    assert first.item_id != second.item_id
    assert take(queue, team.ada).pk == first.pk, "it resumes where it was left"
    with pytest.raises(UserError, match="Somebody else has this item"):
        reviews.take(second.item, team.ada)
    Review.objects.filter(pk=second.pk).update(held_until=timezone.now() - timedelta(seconds=1))
    assert reviews.take(second.item, team.ada).item_id == second.item_id, "released after a while"
    late = reviews.submit(second, Draft(0, SOUND))
    assert late.is_submitted, "what was begun in time is not lost"


def test_nothing_is_left_after_the_last_item(team):
    queue = make_queue(team.run, team.ada, sample=1)
    submit(queue, team.ada)
    assert take(queue, team.bob) is None
    assert progress.of_queues([queue], team.bob)[queue.pk].is_done


def test_a_draft_that_is_sent_twice_counts_once_and_an_older_one_changes_nothing(team):
    review = take(make_queue(team.run, team.ada), team.ada)
    draft = Draft(0, SOUND, note="a", seconds=4.5)
    assert reviews.save_draft(review, draft).version == 1
    assert reviews.save_draft(review, draft).version == 1, "its answer got lost on the way"
    with pytest.raises(reviews.StaleReview, match="another tab") as raised:
        reviews.save_draft(review, Draft(0, LUCKY))
    assert raised.value.review.answers == SOUND
    saved = reviews.submit(review, Draft(1, LUCKY))
    assert reviews.submit(review, Draft(1, LUCKY)).version == saved.version == 2
    assert ReviewItem.objects.get(pk=review.item_id).submitted == 1
    with pytest.raises(reviews.StaleReview, match="submitted this item already"):
        reviews.save_draft(review, Draft(2, SOUND))


def test_a_review_without_a_required_answer_is_not_submitted(team):
    review = take(make_queue(team.run, team.ada), team.ada)
    with pytest.raises(UserError, match="needs an answer"):
        reviews.submit(review, Draft(0, {"sure": 2}))
    assert not Review.objects.get(pk=review.pk).is_submitted


def test_the_last_review_is_taken_back_until_its_reviewer_has_seen_what_others_said(team):
    queue = make_queue(team.run, team.ada, reviewers=[team.ada, team.bob], reviewers_per_item=2)
    first, last = submit(queue, team.ada), submit(queue, team.ada)
    assert not reviews.take_back(first)
    assert reviews.take_back(last)
    assert ReviewItem.objects.get(pk=last.item_id).submitted == 0
    assert not reviews.take_back(first), "lists have told of it what others said, since it was not the last"
    again = submit(queue, team.ada, LUCKY)
    assert again.pk == last.pk
    reviews.note_seen(access.seen_reviews(team.ada, queue), team.ada)
    assert not reviews.take_back(again)


def test_what_others_said_is_seen_by_whoever_has_submitted_or_does_not_review(team):
    queue = make_queue(team.run, team.ada, reviewers=[team.ada, team.bob], reviewers_per_item=2)
    review = submit(queue, team.ada)

    def seen(user):
        return set(access.seen_reviews(user, queue).values_list("pk", flat=True))

    assert seen(team.ada) == {review.pk}
    assert seen(team.bob) == set()
    responses = list(Rollout.objects.filter(run_id=team.run.pk))
    assert {row.id for row in responses if access.is_blind_on(team.bob, row)} == set(drawn(queue))
    assert seen(team.eve) == {review.pk}, "viewers review nothing"
    submit(queue, team.bob)
    assert len(seen(team.bob)) == 2
    assert not access.is_blind_on(team.bob, next(row for row in responses if row.id == review.item.rollout_id))


def test_who_could_still_take_an_item_is_blind_for_it(team):
    queue = make_queue(team.run, team.ada, sample=1, reviewers_per_item=2)
    submit(queue, team.ada)
    assert not access.seen_reviews(team.bob, queue).exists()
    ReviewItem.objects.filter(queue=queue).update(wanted=1)
    assert access.seen_reviews(team.bob, queue).count() == 1, "nothing is left to be taken"
