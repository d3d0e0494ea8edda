"""The page of a position: the same place in two runs, with its text, its filmstrip, and one group's responses."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.test import Client

from rpt_core.config import RptConfig
from rpt_core.text.names import text_digest
from rpt_web.runs import services
from rpt_web.runs.models import ParentRole, Run, RunParent
from rpt_web.teams.models import Team
from rpt_web.traces.filmstrip import MOST_STEPS
from rpt_web.traces.models import CorpusPosition, ResponseGroup
from tests.factories import HOSTILE, make_experiment, make_user, record, response_row, start_run, write_shard
from tests.rpt_web.api_client import CONFIG, ROOT, client_of
from tests.rpt_web.markup import flat
from tests.scored_files import make_filter_run, scored_document

pytestmark = pytest.mark.django_db
TEXT = f"One {HOSTILE} text of a few words, and some more of them. " * 3
DOCUMENT = scored_document("one", TEXT)
TOKEN = 20
OFFSET = DOCUMENT.byte_offsets[TOKEN]
HASH = text_digest(TEXT.encode())
ENDS = [end - OFFSET for end in DOCUMENT.byte_offsets[TOKEN + 1 : TOKEN + 9]]
DUE = TEXT.encode()[OFFSET : OFFSET + ENDS[-1]]


def rows(step, *predictions, offset=OFFSET):
    """A group's responses, each with what its box holds."""
    shared = {"context": TEXT[:20], "completion": DUE, "boundaries": ENDS, "document": "one", "position": TOKEN}
    return [
        replace(
            response_row(step, 0, sample, thought=f"wait, {HOSTILE}", answer=f"\\boxed{{{said}}}", **shared),
            text_hash=HASH,
            byte_offset=offset,
        )
        for sample, said in enumerate(predictions)
    ]


RIGHT, WRONG = DUE[: ENDS[0]].decode(), "no"


@pytest.fixture
def experiment(ada):
    return make_experiment(ada)


@pytest.fixture
def runs(ada, experiment):
    """Two runs that read one filter run: the first solves the position, forgets it; the second never does."""
    scored, _ = make_filter_run(experiment, ada, [("one", TEXT)])
    made = []
    for name, steps in (("a", [[WRONG] * 3, [RIGHT, WRONG, RIGHT], [WRONG] * 3]), ("b", [[WRONG, "x", WRONG]])):
        run, events = start_run(services.submit(experiment, name, RptConfig.model_validate(CONFIG), ada))
        for step, said in enumerate(steps, 1):
            write_shard(run, events, "train", step, rows(step, *said))
        record(run)
        RunParent.objects.create(run=run, role=ParentRole.READS, parent=scored)
        made.append(run)
    return made


def address(query=""):
    return f"/positions/{HASH.hex()}/{OFFSET}/{query}"


def test_a_position_shows_its_text_its_runs_and_a_group(page, runs):
    text = page(address())
    assert "2 runs, 4 groups of responses" in text
    assert f"Token {TOKEN} of {len(DOCUMENT.token_ids)} in the token map" in text
    assert '<span class="here" title="The position' in text
    assert all(f'<a href="/runs/{run.pk}/">{run.name}</a> <span class="below">training</span>' in text for run in runs)
    assert "first solved here" in text
    assert "solved before and forgotten here" in text
    assert "b, step 1, training" in text  # the newest run's newest group
    assert "<script>alert" not in text
    assert "“no” instead of" in text
    solved = page(address(f"?run={runs[0].pk}&step=2&kind=train&group=0"))
    assert "a, step 2, training" in solved
    assert "2 of 3" in solved
    assert "right: 1 token" in solved
    assert '<span class="chip blue">2 ×</span> the same in' in solved
    assert '<mark class="pattern"' in solved


def test_rows_of_runs_of_one_name_have_their_numbers(page, runs):
    other = make_experiment(runs[0].created_by, "Another")
    Run.objects.filter(pk=runs[1].pk).update(name="a", experiment=other)
    text = page(address())
    assert all(f'<a href="/runs/{run.pk}/">a #{run.pk}</a>' in text for run in runs)


def test_a_response_leads_to_its_position_and_back(page, runs):
    from rpt_web.traces.models import rollout_id

    key = rollout_id(2, "train", 0)
    text = page(f"/runs/{runs[0].pk}/rollouts/{key}/")
    assert f'href="{address(f"?run={runs[0].pk}&amp;step=2&amp;kind=train&amp;group=0")}"' in text
    assert f"/runs/{runs[0].pk}/rollouts/{key}/" in page(address(f"?run={runs[0].pk}&step=2&kind=train&group=0"))


def test_without_a_scored_text_the_prompt_and_the_completion_stand_for_it(page, runs):
    RunParent.objects.all().delete()
    text = page(address())
    assert "no filter run here has this text" in text
    assert '<span class="tok due">' in text


def test_a_question_has_a_page_as_well_and_what_is_not_there_has_none(page, runs):
    position = CorpusPosition.objects.create(text_hash=HASH, byte_offset=-1)
    ResponseGroup.objects.filter(run=runs[1]).update(position=position, entropy_nats=None)
    assert "<h1>Question</h1>" in page(f"/positions/{HASH.hex()}/question/")
    for wrong in (f"/positions/{HASH.hex()}/999/", "/positions/xyz/1/", f"/positions/{HASH.hex()}/{10**12}/"):
        assert "A response leads to its position." in page(wrong, status=404)


def test_others_see_only_what_their_runs_did_there(page, runs):
    stranger = Client()
    stranger.force_login(make_user("mallory", team=Team.objects.create(name="Others")))
    assert stranger.get(address()).status_code == 404
    own = make_experiment(make_user("eve", team=Team.objects.create(name="Eves")))
    type(own).objects.filter(pk=own.pk).update(team=Team.objects.get(name="Others"))
    type(runs[1]).objects.filter(pk=runs[1].pk).update(experiment=own)
    ResponseGroup.objects.filter(run=runs[1]).update(experiment=own)
    text = flat(stranger.get(address()))
    assert "1 run, 1 group of responses" in text
    assert "no filter run here has this text" in text


def test_the_api_gives_a_position_and_its_groups(runs, ada):
    caller, position = client_of(ada), CorpusPosition.objects.get(byte_offset=OFFSET)
    found = caller.get(f"{ROOT}/positions/{position.pk}").json()
    assert (found["text_hash"], found["byte_offset"]) == (HASH.hex(), OFFSET)
    assert found["runs"] == sorted(run.pk for run in runs)
    groups = caller.get(f"{ROOT}/positions/{position.pk}/groups?run={runs[0].pk}").json()["items"]
    assert [(group["step"], group["rewarded"]) for group in groups] == [(1, 0), (2, 2), (3, 0)]


def test_a_long_history_shows_its_newest_steps(page, runs):
    group = ResponseGroup.objects.filter(run=runs[0]).latest("id")
    for step in range(100, 100 + MOST_STEPS + 5):
        group.pk, group.step = None, step
        group.save()
    text = page(address())
    assert f"{8} earlier steps are left out" in text
    assert "Its responses are not in the database any more." in page(
        address(f"?run={runs[0].pk}&step=120&kind=train&group=0")
    )
