"""One way to reach an object: people see what is their team's, by their roles they change it, nobody else gets in."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import Http404

from rpt_web import access
from rpt_web.runs import services
from rpt_web.runs.models import Experiment, Run
from rpt_web.teams.membership import first_team, join
from rpt_web.teams.models import Role, Team, User
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def other_team():
    return Team.objects.create(name="Other")


@pytest.fixture
def run():
    experiment = services.create_experiment("Access", None)
    return Run.objects.create(experiment=experiment, name="a", stage="rpt", config={}, code_version="x")


def asks(run):
    return (access.get_run_or_404, run.pk), (access.get_experiment_or_404, run.experiment_id)


@pytest.mark.parametrize("role", Role)
def test_everybody_of_the_team_sees_everything_and_viewers_change_nothing(run, role):
    user = make_user("u", role)
    Run.objects.update(created_by=user)
    assert access.get_run_or_404(user, run.pk) == run
    assert access.get_experiment_or_404(user, run.experiment_id) == run.experiment
    can_change = role != Role.VIEWER
    assert access.can_change(user, run.experiment.team_id) is can_change
    assert access.can_steer(user, access.get_run_or_404(user, run.pk)) is can_change
    for get, key in asks(run):
        if can_change:
            assert get(user, key, to_change=True)
        else:
            with pytest.raises(PermissionDenied, match="Ask an administrator"):
                get(user, key, to_change=True)


@pytest.mark.parametrize("role", Role)
def test_people_of_another_team_see_nothing(run, other_team, role):
    user = make_user("u", role, team=other_team)
    assert_sees_nothing(user, run)
    assert access.those_who_see(run.pk, [user.pk]) == set()
    assert access.experiments_to_change(user).count() == 0
    own = services.create_experiment("Own", user) if role != Role.VIEWER else None
    assert list(access.experiments_for(user)) == [own] * (own is not None)


def test_somebody_in_two_teams_has_two_roles(run, other_team):
    user = join(make_user("u", Role.VIEWER), other_team).user
    theirs = services.create_experiment("Theirs", user)
    assert theirs.team == other_team, "where they may change something"
    assert set(access.experiments_for(user)) == {theirs, run.experiment}
    assert list(access.experiments_to_change(user)) == [theirs]
    assert access.get_experiment_or_404(user, theirs.pk, to_change=True)
    with pytest.raises(PermissionDenied):
        access.get_experiment_or_404(user, run.experiment_id, to_change=True)
    assert access.get_team_or_404(user, first_team().pk)
    with pytest.raises(PermissionDenied, match="Only an administrator"):
        access.get_team_or_404(user, other_team.pk, to_administer=True)


def test_a_member_steers_their_own_runs_and_an_administrator_all_of_the_team(run, other_team):
    member, head = make_user("m"), make_user("h", Role.ADMINISTRATOR)
    of_other = make_user("o", Role.ADMINISTRATOR, team=other_team)
    assert [access.can_steer(user, run) for user in (member, head, of_other)] == [False, True, False]
    assert access.steered_by(member, run.experiment) == member
    assert access.steered_by(head, run.experiment) is None
    with pytest.raises(PermissionDenied, match="submitted by a program"):
        access.get_run_or_404(member, run.pk, to_change=True)
    assert access.get_run_or_404(head, run.pk, to_change=True)


def test_a_server_administrator_administers_every_team(run, other_team):
    root = User.objects.create_superuser("root")
    assert access.roles_of(root) == {first_team(): Role.ADMINISTRATOR, other_team: Role.ADMINISTRATOR}
    assert access.get_run_or_404(root, run.pk, to_change=True)
    assert access.get_team_or_404(root, other_team.pk, to_administer=True)
    assert access.those_who_see(run.pk, [root.pk]) == {root.pk}


@pytest.mark.parametrize("user", [AnonymousUser(), User(username="gone", is_active=False)])
def test_others_see_nothing(run, user):
    assert_sees_nothing(user, run)


def test_somebody_who_is_deactivated_or_in_no_team_sees_nothing(run):
    gone = make_user("gone")
    User.objects.filter(pk=gone.pk).update(is_active=False)
    assert_sees_nothing(User.objects.get(pk=gone.pk), run)
    assert access.those_who_see(run.pk, [gone.pk]) == set()
    assert_sees_nothing(make_user("alone", None), run)
    root = User.objects.create_superuser("root", is_active=False)
    assert_sees_nothing(root, run)


def assert_sees_nothing(user, run):
    assert not access.can_change(user, run.experiment.team_id)
    assert not access.can_steer(user, run)
    assert not access.experiments_for(user).filter(pk=run.experiment_id).exists()
    assert not access.runs_for(user).filter(pk=run.pk).exists()
    assert not access.rollouts_for(user, run).exists()
    for get, key in (*asks(run), (access.get_team_or_404, run.experiment.team_id)):
        with pytest.raises(Http404):
            get(user, key)
    with pytest.raises(Http404):
        access.get_rollout_or_404(user, run.pk, 1)


def test_what_is_not_there_is_not_found(run):
    user = make_user("u")
    with pytest.raises(Http404):
        access.get_run_or_404(user, run.pk + 1)
    with pytest.raises(Http404):
        access.get_rollout_or_404(user, run.pk, 1)


def test_an_experiment_needs_a_team():
    from django.db import IntegrityError

    with pytest.raises(IntegrityError, match="team_id"):
        Experiment.objects.create(name="of nobody")
