"""A run with responses, its people, and a team that the experiment is shared with."""

from __future__ import annotations

import pytest


@pytest.fixture
def response(run, ada):
    """(run, id of a hostile response) of a run of ada's."""
    from rpt_web.traces.models import Rollout
    from tests.factories import hostile_rows, record, start_run, write_shard

    claimed, events = start_run(run)
    write_shard(claimed, events, "train", 1, hostile_rows(1, 0))
    record(claimed)
    return claimed, Rollout.objects.filter(run_id=run.pk).earliest("id").id


@pytest.fixture
def people(ada):
    """Somebody of each kind: of the team, who only looks, of a team that it is shared with, of another one."""
    from rpt_web.teams.models import Role, Team
    from tests.factories import make_user

    guests, others = Team.objects.create(name="Guests"), Team.objects.create(name="Others")
    return {
        "ada": ada,
        "bob": make_user("bob"),
        "vic": make_user("vic", Role.VIEWER),
        "gus": make_user("gus", Role.MEMBER, team=guests),
        "oda": make_user("oda", Role.MEMBER, team=others),
    }
