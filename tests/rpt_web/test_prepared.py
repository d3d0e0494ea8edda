"""Queries that are written once give what Django gives."""

import pytest
from django.contrib.sessions.backends.db import SessionStore as InDatabase
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from rpt_web.prepared import Given, Prepared
from rpt_web.teams.models import Membership, Role, Team, User
from rpt_web.teams.session_store import SessionStore

pytestmark = pytest.mark.django_db


def test_values_are_put_in_each_time_and_what_is_missing_is_an_error():
    first, second = (Team.objects.create(name=f"t'{n}%s", quota_bytes=n) for n in (1, 2))
    written = []

    def query():
        written.append(1)
        return Team.objects.filter(name=Given("name"), quota_bytes__gte=Given("least")).values_list("pk", "name")

    teams = Prepared(query)
    assert teams.rows(name="t'1%s", least=1) == [(first.pk, "t'1%s")]
    assert teams.rows(name="t'2%s", least=0) == [(second.pk, "t'2%s")]
    assert teams.rows(name="t'2%s", least=3) == teams.rows(0, name="t'2%s", least=0) == []
    assert written == [1]
    with pytest.raises(KeyError, match="least"):
        teams.rows(name="x")


@pytest.mark.parametrize("is_superuser", [True, False])
def test_own_roles_are_whole_teams_with_the_role_in_one_query(is_superuser):
    ada = User.objects.create_user("ada", is_superuser=is_superuser)
    teams = [Team.objects.create(name=name, quota_bytes=2**40, keep_checkpoints_days=3) for name in "ba"]
    Membership.objects.create(user=ada, team=teams[0], role=Role.MEMBER)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        roles = ada.own_roles
        fields = [
            {field.attname: getattr(team, field.attname) for field in Team._meta.concrete_fields} for team in roles
        ]
    assert len(queries) == 1
    expected = list(Team.objects.order_by("name") if is_superuser else teams[:1])
    assert list(roles) == expected
    assert fields == [{name: value for name, value in vars(team).items() if name[0] != "_"} for team in expected]
    assert set(roles.values()) == {Role.ADMINISTRATOR if is_superuser else Role.MEMBER}
    assert not any(team.is_shown or team._state.adding for team in roles)


def test_a_session_is_what_django_would_read_and_one_that_has_run_out_is_none():
    kept = InDatabase()
    kept["who"] = "ada"
    kept.save()
    assert dict(SessionStore(kept.session_key).items()) == {"who": "ada"}
    Session.objects.update(expire_date=timezone.now())
    for store in (SessionStore, InDatabase):
        late = store(kept.session_key)
        assert (dict(late.items()), late.session_key) == ({}, None)
