"""One way to reach an object: active users see everything, viewers change nothing, nobody else gets in."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import Http404

from rpt_web import access
from rpt_web.runs import services
from rpt_web.runs.models import Run
from rpt_web.teams.models import Role, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def run():
    experiment = services.create_experiment("Access", None)
    return Run.objects.create(experiment=experiment, name="a", stage="rpt", config={}, code_version="x")


@pytest.mark.parametrize(("role", "can_change"), [(Role.MEMBER, True), (Role.VIEWER, False)])
def test_every_active_user_sees_everything_and_viewers_change_nothing(run, role, can_change):
    user = User.objects.create_user("u", role=role)
    Run.objects.update(created_by=user)
    assert access.get_run_or_404(user, run.pk) == run
    assert access.get_experiment_or_404(user, run.experiment_id) == run.experiment
    assert access.can_change(user) is can_change
    for get, key in ((access.get_run_or_404, run.pk), (access.get_experiment_or_404, run.experiment_id)):
        if can_change:
            assert get(user, key, to_change=True)
        else:
            with pytest.raises(PermissionDenied, match="Ask an administrator"):
                get(user, key, to_change=True)


def test_an_administrator_may_change_whatever_the_role():
    assert access.can_change(User.objects.create_superuser("root", role=Role.VIEWER))


@pytest.mark.parametrize("user", [AnonymousUser(), User(username="gone", is_active=False)])
def test_others_see_nothing(run, user):
    assert not access.can_change(user)
    assert not access.runs_for(user).exists()
    assert not access.rollouts_for(user, run).exists()
    for get, key in ((access.get_run_or_404, run.pk), (access.get_experiment_or_404, run.experiment_id)):
        with pytest.raises(Http404):
            get(user, key)
    with pytest.raises(Http404):
        access.get_rollout_or_404(user, run.pk, 1)


def test_what_is_not_there_is_not_found(run):
    user = User.objects.create_user("u")
    with pytest.raises(Http404):
        access.get_run_or_404(user, run.pk + 1)
    with pytest.raises(Http404):
        access.get_rollout_or_404(user, run.pk, 1)
