"""Comments: written on a page, tied to a passage, answered, settled, taken back; who reads, writes and is told."""

from __future__ import annotations

import io
import json
import re

import pyarrow.parquet as pq
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from rpt_web import access
from rpt_web.comments import exports, services
from rpt_web.comments.models import Comment
from rpt_web.comments.spans import Span
from rpt_web.comments.subjects import Subject
from rpt_web.comments.texts import response_text
from rpt_web.notices.models import Delivery, Notice, NoticeKind
from rpt_web.review import reviews
from rpt_web.review.models import ItemKind, Review, ReviewItem
from rpt_web.teams import sharing
from rpt_web.traces.models import CorpusPosition, ResponseGroup
from tests.factories import HOSTILE
from tests.rpt_web.markup import flat
from tests.rpt_web.review_rows import make_queue

pytestmark = pytest.mark.django_db


@pytest.fixture
def page_of(client):
    """page_of(user, address) -> the text of a page as they see it."""

    def page_of(user, address, status=200):
        client.force_login(user)
        answer = client.get(address)
        assert answer.status_code == status
        return flat(answer)

    return page_of


def detail(response):
    return reverse("traces:rollout_detail", args=[response[0].pk, response[1]])


def test_a_note_on_a_run_is_written_named_people_are_told_and_it_links_to_runs(client, page_of, run, people):
    client.force_login(people["ada"])
    body = f"@bob, @oda and @nobody. look at #{run.pk} and #99999 <b>now</b>"
    answer = client.post(reverse("comments:on_run", args=[run.pk]), {"body": body}, follow=True)
    text = flat(answer)
    assert answer.redirect_chain[0][0] == f"/runs/{run.pk}/#comment-{Comment.objects.get().pk}"
    assert "No notice went to @oda and @nobody: nobody who may see this has such a name." in text
    assert '<strong class="named">@bob</strong>, @oda and @nobody. look at' in text
    assert f'<a href="/runs/{run.pk}/">#{run.pk}</a> and #99999 &lt;b&gt;now&lt;/b&gt;' in text
    notice = Notice.objects.get()
    assert (notice.user, notice.kind) == (people["bob"], NoticeKind.MENTION)
    assert notice.text == "ada named you in a comment on the run “a”."
    assert "named you in a comment" in page_of(people["bob"], reverse("home:inbox"))
    leads = client.get(reverse("home:notice", args=[notice.pk]))
    assert leads["Location"] == reverse("comments:comment", args=[Comment.objects.get().pk])


def test_a_name_goes_out_by_mail_without_what_was_written(run, people):
    type(people["bob"]).objects.filter(pk=people["bob"].pk).update(email="bob@example.org")
    services.write(Subject(run.experiment, run), "@bob the secret", people["ada"])
    payload = Delivery.objects.get().payload
    assert payload["path"] == f"/comments/{Comment.objects.get().pk}/"
    assert "secret" not in str(payload)


def test_a_reply_tells_those_who_have_written_in_the_thread_and_an_edit_whom_it_names_now(run, people):
    subject = Subject(run.experiment, run)
    first = services.write(subject, "Why?", people["ada"]).comment
    second = services.reply(first, "Because. @vic", people["bob"]).comment
    services.reply(second, "So it is.", people["ada"])
    told = [(notice.user.username, notice.kind) for notice in Notice.objects.order_by("id")]
    assert told == [("vic", "mention"), ("ada", "reply"), ("bob", "reply")]
    assert {comment.thread_id for comment in Comment.objects.exclude(pk=first.pk)} == {first.pk}
    services.edit(second, "Because. @vic @ada", people["bob"])
    assert [notice.user.username for notice in Notice.objects.order_by("id")[3:]] == ["ada"]


def test_a_passage_is_chosen_by_its_place_or_its_words_and_marked(client, page_of, response, people):
    run, key = response
    text, address = response_text(run, key), reverse("comments:on_response", args=[run.pk, key])
    start = text.index("alert")
    client.force_login(people["ada"])
    assert client.post(address, {"body": "this", "start": start, "end": start + 5}).status_code == 302
    assert client.post(address, {"body": "that", "quote": "**bold**"}).status_code == 302
    refused = client.post(address, {"body": "kept words", "quote": "is not there"})
    assert refused.status_code == 422
    assert "The response does not have this passage." in flat(refused)
    assert "kept words</textarea>" in flat(refused)
    shown = page_of(people["vic"], detail(response))
    bold = text.index("**bold**")
    assert f'data-from="{start}" data-to="{start + 5}"' in shown
    assert f'data-from="{bold}" data-to="{bold + 8}"' in shown
    assert "new-comment" not in shown  # a viewer reads
    assert f'data-passages="{len(text.partition("</think>")[0]) + 8}"' in shown
    Comment.objects.filter(start=start).update(start=start + 2, end=start + 7)
    Comment.objects.filter(start=bold).update(quote="gone by now")
    shown = page_of(people["vic"], detail(response))
    assert "The text has changed since; this is where the passage stands now." in shown
    assert f'data-from="{start}"' in shown
    assert "does not have this passage any more" in shown


def test_hostile_words_stay_text(page_of, response, people):
    run, key = response
    services.write(Subject(run.experiment, run, key), f"{HOSTILE} \u202eright \x1b[31m", people["ada"])
    shown = page_of(people["bob"], detail(response))
    assert "<script>alert" not in shown
    assert "\u202e" not in shown
    assert "\\u202Eright \\x1B[31m" in shown


def test_a_thread_is_settled_and_opened_again(client, page_of, run, people):
    thread = services.write(Subject(run.experiment, run), "Done?", people["ada"]).comment
    client.force_login(people["bob"])
    client.post(reverse("comments:resolve", args=[thread.pk]))
    assert "1 resolved thread" in page_of(people["vic"], reverse("runs:run_detail", args=[run.pk]))
    client.force_login(people["ada"])
    client.post(reverse("comments:reopen", args=[thread.pk]))
    assert "resolved thread" not in page_of(people["vic"], reverse("runs:run_detail", args=[run.pk]))


def test_what_is_taken_back_is_gone_but_for_its_replies_and_the_trail_keeps_it(client, page_of, run, people):
    subject = Subject(run.experiment, run)
    thread = services.write(subject, "@bob my secret", people["ada"]).comment
    services.reply(thread, "an answer", people["bob"])
    client.force_login(people["bob"])
    assert client.post(reverse("comments:delete", args=[thread.pk])).status_code == 403
    assert client.post(reverse("comments:edit", args=[thread.pk]), {"body": "mine"}).status_code == 403
    client.force_login(people["ada"])
    assert client.post(reverse("comments:delete", args=[thread.pk])).status_code == 302
    shown = page_of(people["vic"], reverse("runs:run_detail", args=[run.pk]))
    assert "secret" not in shown
    assert "an answer" in shown
    assert "Deleted." in shown
    assert not Notice.objects.filter(kind=NoticeKind.MENTION).exists()
    assert list(thread.changes.order_by("pgh_id").values_list("body", flat=True))[:2] == ["@bob my secret", ""]
    trail = page_of(people["vic"], reverse("teams:team_trail", args=[thread.team_id]))
    assert "comment" in trail
    assert "secret" not in trail
    alone = services.write(subject, "alone", people["ada"]).comment
    services.delete(alone)
    assert not Comment.objects.filter(pk=alone.pk).exists()


def test_guests_read_what_is_shared_others_nothing_and_neither_writes(client, page_of, response, people):
    run, key = response
    comment = services.write(Subject(run.experiment, run, key), "For those who see it, @gus.", people["ada"])
    assert comment.untold == ["gus"]
    page_of(people["gus"], detail(response), 404)
    sharing.share("experiment", run.experiment, "Guests", people["ada"])
    assert "For those who see it" in page_of(people["gus"], detail(response))
    page_of(people["oda"], reverse("comments:comment", args=[comment.comment.pk]), 404)
    assert not access.comments_for(people["oda"]).exists()
    client.force_login(people["gus"])
    answer = client.post(reverse("comments:reply", args=[comment.comment.pk]), {"body": "x"})
    assert answer.status_code == 403
    assert "another team" in flat(answer)
    assert services.edit(comment.comment, "@gus look", people["ada"]).untold == []


def test_an_experiment_has_notes_too_and_empty_ones_are_refused(client, page_of, experiment, people):
    client.force_login(people["bob"])
    address = reverse("comments:on_experiment", args=[experiment.pk])
    assert "The comment is empty. Write something." in flat(client.post(address, {"body": " \r\n"}))
    assert "has 10,001 characters" in flat(client.post(address, {"body": "x" * 10_001}))
    client.post(address, {"body": "One line\r\nand another"})
    shown = page_of(people["vic"], reverse("experiments:experiment_detail", args=[experiment.pk]))
    assert re.search("One line\\s+and another", shown)
    assert Comment.objects.get().body == "One line\nand another"


def test_what_others_wrote_is_absent_until_the_response_is_reviewed(client, page_of, response, people):
    run, key = response
    queue = make_queue(run, people["ada"], sample=None, reviewers=[people["bob"]], reviewers_per_item=1)
    services.write(Subject(run.experiment, run, key), "It is a lucky guess, @bob.", people["ada"])
    assert "You have yet to review this response" in page_of(people["bob"], detail(response))
    shown = page_of(people["bob"], f"{detail(response)}?anyway=1")
    assert "lucky guess" not in shown
    assert "What others wrote on it is shown when you have submitted it." in shown
    assert "named you" not in page_of(people["bob"], reverse("home:inbox"))
    assert not access.comments_for(people["bob"]).exists()
    assert "lucky guess" in page_of(people["vic"], detail(response))
    item = queue.items.get(rollout_id=key)
    review = Review.objects.select_related("item__queue__version").get(item=item)
    reviews.submit(review, reviews.Draft(0, {"thought": "sound"}))
    assert "lucky guess" in page_of(people["bob"], detail(response))
    assert "named you" in page_of(people["bob"], reverse("home:inbox"))
    others = ReviewItem.objects.filter(queue=queue, group=item.group).exclude(pk=item.pk)
    others.update(kind=ItemKind.GROUP)  # as of a queue of groups, of which the response is in one
    assert not access.comments_for(people["bob"]).exists()
    assert access.comments_for(people["vic"]).exists()
    assert "lucky guess" not in page_of(people["bob"], f"{detail(response)}?anyway=1")
    services.write(Subject(run.experiment, run, key), "It guesses well.", people["bob"])
    shown = page_of(people["bob"], f"{detail(response)}?anyway=1")
    assert "It guesses well." in shown
    assert "lucky guess" not in shown
    # Each run's responses are a table of their own, and Postgres would look at them all to plan the inbox of any page.
    assert "traces_rollout" not in str(access.notices_for(people["bob"]).query)


def test_comments_are_taken_along_with_what_joins_them_to_the_rollouts(client, response, people):
    run, key = response
    services.write(Subject(run.experiment, run, key), "=1+1 of a spreadsheet", people["ada"], Span(0, 1, "<"))
    services.write(Subject(run.experiment), "On all of it", people["bob"])
    client.force_login(people["vic"])
    place = {ending: reverse("comments:export", args=[run.experiment_id, ending]) for ending in exports.FORMATS}
    first, second = map(json.loads, client.get(place["jsonl"]).content.decode().splitlines())
    assert (first["rollout"], first["step"], first["kind"], first["row"], first["quote"]) == (key, 1, "train", 0, "<")
    assert (second["run"], second["quote"], second["author"]) == (None, None, "bob")
    assert "'=1+1 of a spreadsheet" in client.get(place["csv"]).content.decode()
    table = pq.read_table(io.BytesIO(client.get(place["parquet"]).content))
    assert table.column("text").to_pylist() == ["=1+1 of a spreadsheet", "On all of it"]
    assert client.get(place["csv"].replace("csv", "xls")).status_code == 404


def test_comments_on_a_position_are_those_of_the_readers_team(client, page_of, response, people):
    run, _ = response
    position = CorpusPosition.objects.create(text_hash=bytes(16), byte_offset=3)
    ResponseGroup.objects.filter(run_id=run.pk).update(position=position)
    sharing.share("experiment", run.experiment, "Guests", people["ada"])
    place = reverse("positions:position", args=[bytes(16).hex(), 3])
    write = reverse("comments:on_position", args=[position.pk])
    for name in ("ada", "gus"):
        client.force_login(people[name])
        answer = client.post(write, {"body": f"by {name}, @bob"})
        assert answer["Location"].startswith(f"{place}#comment-")
    shown = page_of(people["vic"], place)
    assert "by ada" in shown
    assert "by gus" not in shown
    shown = page_of(people["gus"], place)
    assert "by gus, @bob" in shown
    assert "by ada" not in shown
    assert [notice.user.username for notice in Notice.objects.all()] == ["bob"]
    assert page_of(people["bob"], reverse("home:inbox")).count("named you in a comment on a position") == 1


def test_reviews_are_asked_only_of_comments_on_what_is_reviewed(client, run, response, people):
    client.force_login(people["ada"])

    def asked(address):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        return any("review_reviewitem" in query["sql"] for query in queries)

    assert asked(detail(response))
    assert not asked(reverse("runs:run_detail", args=[run.pk]))


def test_comments_on_a_position_are_hidden_from_whoever_has_yet_to_review_it(page_of, response, people):
    run, _ = response
    position = CorpusPosition.objects.create(text_hash=bytes(16), byte_offset=3)
    ResponseGroup.objects.filter(run_id=run.pk).update(position=position)
    queue = make_queue(run, people["ada"], sample=None, reviewers=[people["bob"]], reviewers_per_item=1)
    queue.items.update(kind=ItemKind.POSITION, place=position)  # as of a queue of positions
    subject = Subject(position=position, of_team=run.experiment.team_id)
    services.write(subject, "It is a lucky guess.", people["ada"])
    services.write(subject, "It guesses well.", people["bob"])
    place = reverse("positions:position", args=[bytes(16).hex(), 3])
    assert "lucky guess" in page_of(people["vic"], place)
    shown = page_of(people["bob"], f"{place}?anyway=1")
    assert "It guesses well." in shown
    assert "lucky guess" not in shown
