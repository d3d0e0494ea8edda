"""The number beside the inbox's sign: that of the unread lines that the inbox would show, up to a limit."""

from __future__ import annotations

import pytest

from rpt_web import access
from rpt_web.comments import services as comments
from rpt_web.comments.subjects import Subject
from rpt_web.notices import services as notices
from rpt_web.notices.models import Notice, NoticeKind
from rpt_web.teams.models import Team
from tests import factories


@pytest.fixture
def told(ada, experiment, run):
    """Of each kind of notice one that ada may read of; and of each kind one about what she may not see (any more)."""
    bob, theirs = factories.make_user("bob"), Team.objects.create(name="Theirs")
    hidden = factories.make_experiment(bob, "Theirs", team=theirs)
    far = comments.write(Subject(hidden), "Look.", bob).comment
    near = comments.write(Subject(experiment), "Look.", bob).comment
    abouts = [{}, {"run_id": run.pk}, {"experiment_id": experiment.pk}, {"comment_id": near.pk}]
    abouts += [{"experiment_id": hidden.pk}, {"comment_id": far.pk}]
    Notice.objects.all().delete()
    for about in abouts:
        notices.tell([ada.pk, bob.pk], NoticeKind.FAILED, "Look.", **about)
    return ada


def listed(user):
    return access.notices_for(user).filter(read_at=None).count()


def test_it_is_the_number_of_lines_that_the_inbox_shows(told, django_assert_max_num_queries):
    with django_assert_max_num_queries(4):
        assert access.count_unread(told, 100) == listed(told) == 4
    notices.mark_read(access.notices_for(told).filter(comment=None))
    assert access.count_unread(told, 100) == listed(told) == 1


@pytest.mark.parametrize("most", range(1, 8))
def test_it_ends_at_the_limit_whether_or_not_others_may_not_be_seen(told, most):
    assert access.count_unread(told, most) == min(most, 4)
