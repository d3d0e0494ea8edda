"""Traces narrowed to the positions of a comparison: list, counts, search, queue and API have exactly these."""

from __future__ import annotations

import html
import io
import re
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from django.urls import reverse

from rpt_core.config import RptConfig
from rpt_web.compare import traced
from rpt_web.compare.models import PositionComparison
from rpt_web.compare.positions import POSITION_IDS
from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import Job, JobState
from rpt_web.review.models import ReviewQueue
from rpt_web.runs import services as runs
from rpt_web.searches.models import Search
from rpt_web.teams.models import Team
from rpt_web.traces.groups import position_ids
from rpt_web.traces.models import ResponseGroup, rollout_id
from tests.evaluated_runs import evaluate, made_run
from tests.factories import make_experiment, make_user, record, response_row, start_run, write_shard
from tests.rpt_web.api_client import CONFIG, ROOT, client_of
from tests.rpt_web.markup import flat
from workers import jobs as execution

pytestmark = pytest.mark.django_db(transaction=True)  # the job renews its lease on a connection of its own
A = {("doc1", 0): True, ("doc1", 10): False, ("doc2", 0): False, ("doc2", 10): True, ("doc2", 20): False}
B = {("doc1", 0): True, ("doc1", 10): True, ("doc2", 0): True, ("doc2", 10): False, ("doc2", 20): False}
CELLS = {"both": 1, "gained": 2, "forgotten": 1, "neither": 1, "": 5}


def group_at(run, position, place, number, kind="greedy", step=1):
    document, byte = place
    return ResponseGroup.objects.create(
        run=run, experiment=run.experiment, step=step, kind=kind, group=number, document=document, position_id=position,
        first_rollout=rollout_id(step, kind, number), token_position=byte, samples=1, rewarded=0, pass_rate=0,
        predictions=1, majority_rewarded=False, disagreement=0, tokens_mean=1, tokens_min=1, tokens_max=1, no_box=1,
        domain="sums", difficulty=3,
    )  # fmt: skip


def positions_in(texts):
    """Ids of the positions in texts that these bytes tell from others, by document and byte."""
    keys = {place: (place[0].encode().ljust(16, texts), place[1]) for place in A}
    ids = position_ids(keys.values())
    return {place: ids[key] for place, key in keys.items()}


@pytest.fixture
def made(db, client):
    """A comparison of two runs; a third, `c`, came upon the same positions, and in other texts of the same names."""
    ada = make_user("ada")
    client.force_login(ada)
    first, second = make_experiment(ada, "First"), make_experiment(ada, "Second")
    a, b = evaluate(made_run(first, "a"), A), evaluate(made_run(second, "b"), B)
    c = made_run(second, "c")
    here, elsewhere = positions_in(b"."), positions_in(b"!")
    for number, place in enumerate(A):
        for run in (a, b, c):
            group_at(run, here[place], place, number)
        group_at(b, here[place], place, number, kind="train", step=2)
        group_at(c, elsewhere[place], place, number, step=2)
    return SimpleNamespace(ada=ada, a=a, b=b, c=c, here=here, row=compare(client, a, b))


def compare(client, *runs):
    client.post(reverse("compare:start"), {"runs": ",".join(str(run.pk) for run in runs), "mode": "greedy"})
    work()
    return PositionComparison.objects.latest("id")


def work():
    """Carry out all jobs that wait."""
    for job in Job.objects.filter(state=JobState.QUEUED):
        execution.execute(jobs.claim(job.pk, "a:1"))


def positions_page(client, made, cell):
    return client.get(f"{reverse('compare:positions', args=[made.row.pk])}?cell={cell}").content.decode()


def links(page):
    """To Traces, by their words."""
    found = re.findall(r'<a[^>]*href="(/traces/\?[^"]*)"[^>]*>(?:<svg.*?</svg>)?([^<]*)</a', page, re.S)
    return {words.strip(): html.unescape(address) for address, words in found}


def listed(client, address):
    """Document, byte, run and step of each row; the counts beside them say as many."""
    page = client.get(address).content.decode()
    firsts = re.findall(r'class="main-link" href="/runs/(\d+)/rollouts/(\d+)/', page)
    rows = [ResponseGroup.objects.get(run=run, first_rollout=first) for run, first in firsts]
    counts = flat(client.get(address.replace("/traces/", "/traces/counts/", 1)))
    assert f"{len(rows)} group" in counts
    return sorted((row.document, row.token_position, row.run.name, row.step) for row in rows)


@pytest.mark.parametrize("cell", CELLS)
def test_each_cell_opens_what_the_two_wrote_at_exactly_its_positions(client, made, cell):
    to = links(positions_page(client, made, cell))
    wanted = [place for place in A if cell in ("", cell_of(place))]
    assert len(wanted) == CELLS[cell]
    assert listed(client, to["Read in Traces"]) == sorted((*place, name, 1) for place in wanted for name in "ab")
    assert listed(client, to["b"]) == sorted((*place, "b", 1) for place in wanted)
    assert listed(client, to["a"]) == sorted((*place, "a", 1) for place in wanted)


def cell_of(place):
    cells = {(True, True): "both", (True, False): "forgotten", (False, True): "gained", (False, False): "neither"}
    return cells[A[place], B[place]]


def compared(client, made, cell):
    """The address of all responses at a cell's positions."""
    return re.sub(r"\?.*&compared=", "?compared=", links(positions_page(client, made, cell))["b"])


def test_in_every_run_the_positions_are_those_of_the_same_text(client, made):
    rows = listed(client, compared(client, made, "gained"))
    assert rows == sorted((*place, *more) for place in (("doc1", 10), ("doc2", 0)) for more in ALL)


ALL = (("a", 1), ("b", 1), ("b", 2), ("c", 1))


def test_the_list_says_which_positions_they_are_and_keeps_them(client, made):
    address = compared(client, made, "forgotten")
    page = client.get(address).content.decode()
    words = "hard positions that “a” at step 1 gets right and “b” at step 1 does not, reasoning, greedy"
    assert words in html.unescape(re.sub(r"\s+", " ", page))
    assert f'name="compared" value="{made.row.pk}:a=0&amp;b=1&amp;difficulty=hard&amp;cell=forgotten"' in page
    assert f'hx-get="{html.escape(address.replace("/traces/", "/traces/counts/"))}"' in page
    counts = client.get(address.replace("/traces/", "/traces/counts/")).content.decode()
    of_kind = re.search(r'href="(/traces/\?[^"]*kind=train[^"]*)"', counts)[1]
    assert listed(client, html.unescape(of_kind)) == [("doc2", 10, "b", 2)]


def test_a_domain_a_token_and_both_ways_round_are_part_of_the_name(client, made):
    page = client.get(
        f"{reverse('compare:positions', args=[made.row.pk])}?a=1&b=0&cell=gained&domain=dates&type=number"
    )
    to = links(page.content.decode())["Read in Traces"]
    assert listed(client, to) == sorted(("doc2", 10, name, 1) for name in "ab")
    assert "domain dates; next token number" in flat(client.get(to))


QUERIES = {"": 5, "cell=gained": 2, "a=1&b=0&cell=gained": 1, "domain=sums": 2, "domain=": 0, "length=x": 0}
QUERIES |= {"type=punctuation&cell=neither": 1, "type=number&cell=neither": 0}


def test_places_are_those_of_the_positions(made):
    for query, count in QUERIES.items():
        asked = traced.set_named(made.row, f"{made.row.pk}:{query}")
        assert asked.places() == [(one.document, one.byte_offset) for one in asked.positions()], query
        assert len(asked.places()) == count, query


def test_the_ids_of_its_positions_are_kept_with_a_comparison_and_looked_up_for_an_older_one(
    made, django_assert_num_queries
):
    for cell in CELLS:
        ids = sorted(made.here[place] for place in A if cell in ("", cell_of(place)))
        asked = traced.set_named(made.row, f"{made.row.pk}:cell={cell}")
        assert asked.stored_ids() == ids
        with django_assert_num_queries(1):
            assert traced.position_ids(asked) == ids
    for outcomes in made.row.outcomes.all():
        table = pq.read_table(io.BytesIO(outcomes.rows)).drop_columns([POSITION_IDS])
        file = io.BytesIO()
        pq.write_table(table, file)
        made.row.outcomes.filter(pk=outcomes.pk).update(rows=file.getvalue())
    for cell in CELLS:
        asked = traced.set_named(made.row, f"{made.row.pk}:cell={cell}")
        assert asked.stored_ids() is None
        assert traced.position_ids(asked) == sorted(made.here[p] for p in A if cell in ("", cell_of(p)))


def test_a_comparison_that_one_may_not_see_has_no_positions(client, made):
    address = compared(client, made, "gained")
    team = Team.objects.create(name="Elsewhere")
    zoe = make_user("zoe", team=team)
    own = made_run(make_experiment(zoe, "Theirs", team=team), "own")
    group_at(own, made.here["doc1", 10], ("doc1", 10), 0)
    client.force_login(zoe)
    assert listed(client, f"/traces/?run={own.pk}") == [("doc1", 10, "own", 1)]
    for query in (address, f"/traces/?compared={10**9}", f"/traces/?compared={made.row.pk}:a=7"):
        page = flat(client.get(query))
        assert "No group matches these filters" in page
        assert "which is not there" in page
        assert listed(client, query) == []
    query = address.partition("?")[2]
    assert client_of(zoe).get(f"{ROOT}/groups?{query}").json()["items"] == []


@pytest.fixture
def written(made):
    """A run with responses on disk, a group at each position."""
    claimed, events = start_run(runs.submit(made.c.experiment, "d", RptConfig.model_validate(CONFIG), made.ada))
    shared = {"context": "Say ", "answer": "\\boxed{a}", "completion": b"a", "boundaries": [1]}
    rows = [response_row(1, number, 0, thought=f"however {number}", **shared) for number in range(len(A))]
    write_shard(claimed, events, "greedy", 1, rows)
    record(claimed)
    for number, place in enumerate(A):
        of_it = ResponseGroup.objects.filter(run_id=claimed.pk, group=number)
        assert of_it.update(document=place[0], position=made.here[place]) == 1
    return claimed


def test_from_a_response_the_way_goes_on_to_the_next_of_these_positions(client, made, written):
    query = compared(client, made, "gained").partition("?")[2] + f"&run={written.pk}"
    first, last = (list(A).index(place) for place in A if cell_of(place) == "gained")
    walk = client.get(f"/traces/beside/{written.pk}/{rollout_id(1, 'greedy', first)}/?{query}").content.decode()
    assert re.findall(r"/rollouts/(\d+)/", walk) == [str(rollout_id(1, "greedy", last))]
    assert "gets right and “a” at step 1 does not" in re.sub(r"\s+", " ", walk)


def test_a_search_reads_exactly_these_groups_and_is_its_authors_own(client, made, written):
    page = client.get(f"{compared(client, made, 'gained')}&run={written.pk}").content.decode()
    address = html.unescape(re.search(r'href="(/searches/\?traces=[^"]*)"', page)[1])
    form = client.get(address).content.decode()
    sent = html.unescape(re.search(r'name="traces" value="([^"]*)"', form)[1])
    client.post("/searches/", {"text": "however", "mode": "words", "place": "response", "traces": sent})
    work()
    search = Search.objects.get()
    assert {hit.group for hit in search.hits.all()} == {
        list(A).index(place) for place in A if cell_of(place) == "gained"
    }
    text = flat(client.get(f"/searches/{search.pk}/"))
    assert "gets right and “a” at step 1 does not" in text
    assert "you alone see it" in text
    client.force_login(make_user("bob"))
    assert client.get(f"/searches/{search.pk}/").status_code == 404


def test_a_queue_and_the_api_have_the_same_groups(client, made):
    address = compared(client, made, "gained")
    query = f"{address.partition('?')[2]}&run={made.b.pk}&kind=greedy"
    caller = client_of(made.ada)
    items = caller.get(f"{ROOT}/groups?{query}").json()["items"]
    assert sorted((item["document"], item["token_position"]) for item in items) == [("doc1", 10), ("doc2", 0)]
    assert caller.get(f"{ROOT}/groups/counts?{query}").json()["total"] == 2
    assert caller.get(f"{ROOT}/groups?compared=nonsense").status_code == 422
    form = {"name": "Won", "label_set": "built-in", "seed": 1, "reviewers_per_item": 1, "overlap_percent": 100}
    assert client.post(f"{reverse('review:queue_of_groups')}?{query}", form | {"unit": "group"}).status_code == 302
    of_page = ReviewQueue.objects.get()
    body = {"name": "Won by API", "traces": query, "unit": "group"}
    answer = caller.post(f"{ROOT}/queues", body, content_type="application/json")
    assert answer.status_code == 201, answer.content
    for queue in (of_page, ReviewQueue.objects.exclude(pk=of_page.pk).get()):
        found = queue.items.values_list("run", "step", "document", "position")
        assert sorted(found) == [(made.b.pk, 1, "doc1", 10), (made.b.pk, 1, "doc2", 0)]
