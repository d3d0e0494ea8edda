"""What anonymous copies leave out: addresses however they are written, people who have left or had other names. And a
table of agreement stays in its own team."""

from __future__ import annotations

import unicodedata

import pytest

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.reports import services
from rpt_web.reports.anonymous import Blinder, names_of
from rpt_web.reports.files import copy_of
from rpt_web.review import reviews
from rpt_web.review.models import Review
from rpt_web.review.reviews import Draft
from rpt_web.teams.membership import join
from rpt_web.teams.models import Membership, Team, User
from tests.rpt_web.review_rows import make_queue, rows, team

__all__ = ["rows", "team"]


@pytest.mark.parametrize(
    ("text", "blind"),
    [
        ("Code at github.com/vexholm/narwhal.", "Code at [address]"),
        ("[code](//git.vexholm.example/x)", "[code]([address])"),
        ("See www.vexholm.example and Git.Vexholm.Example/x/y?z=1#top", "See [address] and [address]"),
        ("See https://arxiv.org/abs/2506.08007, arxiv.org/abs/2506.08007 and doi.org/10.1/x", None),
        ("At 2001:db8::7:1 and fe80:0:0:0:0:0:0:1, at 12:30:45", "At [host] and [host], at 12:30:45"),
        ("ssh to [2001:db8::7]:22 or 10.1.2.3:22", "ssh to [[host]]:22 or [host]"),
        ("easy/medium/hard, and/or, 1.5/2.5, e.g. a/b, std::vector, loss.mean, 3:1", None),
        ("\\\\server\\share\\x and C:\\Users\\x", "\\[path] and [path]"),
    ],
)
def test_addresses_are_left_out_however_they_are_written(text, blind):
    assert Blinder([]).text(text) == (text if blind is None else blind)


def test_a_name_is_left_out_in_either_spelling_of_its_accents():
    for spelt in ("NFC", "NFD"):
        name = unicodedata.normalize(spelt, "Zoë Ångström")
        for written in ("NFC", "NFD"):
            text = unicodedata.normalize(written, "By Zoë Ångström.")
            assert Blinder([name]).text(text) == "By [left out]."


@pytest.mark.django_db
def test_a_table_of_agreement_goes_into_a_report_of_its_own_team_alone(team):
    queue = make_queue(team.run, team.ada)
    others = Team.objects.create(name="Others")
    join(team.ada, others)
    ref = f"queue/{queue.pk}/agreement/thought/labels"
    seen = access.get_exhibit_or_404(team.ada, ref)
    with pytest.raises(UserError, match="own team"):
        services.add_ref(services.create(others, "Theirs", team.ada), ref, seen=seen)
    assert services.add_ref(services.create(queue.team, "Ours", team.ada), ref, seen=seen).stored


@pytest.mark.django_db
def test_people_who_have_left_and_former_names_are_left_out(team):
    queue = make_queue(team.run, team.ada, reviewers=[team.ada, team.bob], reviewers_per_item=2)
    for review in Review.objects.filter(item__queue=queue).select_related("item__queue__version"):
        reviews.submit(review, Draft(0, {"thought": "sound"}))
    report = services.create(queue.team, "What Oldname found", team.ada)
    ref = f"queue/{queue.pk}/agreement/thought/reviewers"
    services.add_ref(report, ref, "By bob and robert.", access.get_exhibit_or_404(team.eve, ref))
    Team.objects.filter(pk=queue.team_id).update(name="Oldname")
    Team.objects.filter(pk=queue.team_id).update(name="Newname")
    User.objects.filter(pk=team.bob.pk).update(username="robert")
    Membership.objects.filter(user=team.bob).delete()
    title, parts = copy_of(report, is_anonymous=True)
    told = f"{title} {[(part.text, part.exhibit and part.exhibit.as_json()) for part in parts]}"
    assert "Other reviewer" in told
    for name in ("bob", "robert", "ada", "Oldname", "Newname"):
        assert name not in told, name
    User.objects.filter(pk=team.bob.pk).delete()
    assert {"bob", "robert"} <= names_of(report), "also when the account is gone"
