"""A run's rollouts: the list with its filters and pages, and one response."""

from __future__ import annotations

import re

import pytest
from django.db import connection

from rpt_web.runs.models import Run
from rpt_web.traces import queries
from rpt_web.traces.models import IDS_OF_A_STEP, RolloutShard, rollout_id
from rpt_web.traces.partitions import ensure_partition, partition_name
from tests.factories import make_experiment
from tests.preset_runs import finish_run
from tests.rpt_web.markup import flat
from tests.rpt_web.pages.traces.shown_rollouts import detail_address, list_address, rollouts


def walk(run, filters, size):
    """All ids by following `next`, and by following `previous` back from the last page."""
    forward, pages, after = [], [], None
    while True:
        page = queries.rollout_page(rollouts(run), filters, after=after)
        pages.append(page)
        forward += [row.id for row in page.rows]
        if page.next is None:
            break
        after = page.next
    backward, page = [row.id for row in pages[-1].rows], pages[-1]
    while page.previous is not None:
        page = queries.rollout_page(rollouts(run), filters, before=page.previous)
        backward = [row.id for row in page.rows] + backward
    return forward, backward


@pytest.mark.parametrize("size", [1, 7, 50, 1000])
@pytest.mark.parametrize(
    "filters",
    [
        queries.Filters(),
        queries.Filters(step=3),
        queries.Filters(kind="greedy"),
        queries.Filters(reward="0", kind="train"),
        queries.Filters(reason="match", step=6),
        queries.Filters(finish="length"),
    ],
)
def test_pages_hold_every_rollout_once_in_both_directions(run, monkeypatch, filters, size):
    monkeypatch.setattr(queries, "ROLLOUTS_PER_PAGE", size)
    steps = filters.apply(rollouts(run)).values_list("step", "id")
    expected = [key for _, key in sorted(steps, key=lambda row: (-row[0], row[1]))]
    forward, backward = walk(run, filters, size)
    assert forward == expected
    assert backward == expected


def test_pages_go_by_key_and_never_by_offset(run, django_assert_num_queries):
    with django_assert_num_queries(1) as found:
        queries.rollout_page(rollouts(run), queries.Filters(), after=rollout_id(5, "train", 3))
    assert "OFFSET" not in found.captured_queries[0]["sql"]


@pytest.fixture
def large(ada):
    """A run with 300,000 rollouts in 500 steps; the 6,000 of the reason `empty` all stand in its first 10 steps."""
    run = Run.objects.create(experiment=make_experiment(ada), name="large", stage="rpt", config={}, code_version="x")
    ensure_partition(run.pk)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO traces_rollout (run_id, id, attempt, step, kind, "row", "group", sample, document, "position",
                entropy_nats, reward, reason, finish_reason, prompt_tokens, response_tokens, completion, preview)
            SELECT %s, step::bigint * %s + k, 1, step, 'train', k, k / 8, k %% 8, 'd' || k, 9, 1.7, k %% 3,
                CASE WHEN step <= 10 THEN 'empty' WHEN k %% 3 > 0 THEN 'match' ELSE 'mismatch' END,
                'stop', 40, 60, '7', 'so'
            FROM generate_series(1, 500) step, generate_series(0, 599) k
            """,
            [run.pk, IDS_OF_A_STEP],
        )
        cursor.execute(f"ANALYZE {partition_name(run.pk)}")
    return run


def rows_read(query):
    """How many rows each node of a query's plan has really read, and whether one of them was sorted."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query['sql']}")
        nodes = [cursor.fetchone()[0][0]["Plan"]]
    for node in nodes:
        nodes += node.get("Plans", [])
    read = sum(node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in nodes if "Relation Name" in node)
    return read, [node["Node Type"] for node in nodes]


def test_an_index_serves_every_page_of_a_large_run(large, django_assert_num_queries):
    middle = rollout_id(250, "train", 299)
    for filters in [
        queries.Filters(kind="train"),
        queries.Filters(kind="train", reward="1"),
        queries.Filters(reason="mismatch"),
        queries.Filters(reason="empty"),
        queries.Filters(step=250),
    ]:
        for key in ({}, {"after": middle}, {"before": middle}):
            with django_assert_num_queries(1) as found:
                queries.rollout_page(rollouts(large), filters, **key)
            read, nodes = rows_read(found.captured_queries[0])
            assert "Index Scan" in nodes
            assert not {"Sort", "Incremental Sort", "Seq Scan", "Bitmap Heap Scan"} & set(nodes), (filters, key, nodes)
            assert read <= 4 * queries.ROLLOUTS_PER_PAGE, (filters, key, nodes)
        with django_assert_num_queries(2) as found:
            queries.neighbours(rollouts(large), filters, middle)
        assert all(rows_read(query)[0] <= 10 for query in found.captured_queries)


def test_filters_are_read_from_the_address_and_nonsense_is_left_out():
    read = queries.Filters.from_query
    assert read({"kind": "greedy", "step": "20", "reward": "1", "reason": "no_box", "finish": "length"}) == (
        queries.Filters("greedy", 20, "1", "no_box", "length")
    )
    nonsense = {"kind": "x", "step": "-1", "reward": "2", "reason": "'; DROP", "finish": "", "step2": "1"}
    assert read(nonsense) == queries.Filters()
    assert read({"step": "9" * 30}) == queries.Filters()
    assert queries.Filters(step=0, reward="0").query(after=7) == "kind=all&step=0&reward=0&after=7"
    assert read({}, "train").kind == read({"kind": "x"}, "train").kind == "train"
    assert read({"kind": "all"}, "train").kind == "all"


def kinds_shown(text):
    """How many responses of training, and of evaluations."""
    evaluations = text.count('<span class="below">evaluation, ')
    return text.count('data-label="Reward"') - evaluations, evaluations


def test_the_newest_training_responses_come_first_and_evaluations_on_request(page, run):
    text = page(list_address(run))
    assert '<option value="train" selected>training</option>' in text
    assert kinds_shown(text) == (40, 0)
    assert text.index("Step 6, group 0, response 0<") < text.index("Step 6, group 0, response 1<")
    assert text.index("Step 6, group 0, response 7<") < text.index("Step 6, group 1, response 0<")
    assert text.index("Step 6, group 2, response 7<") < text.index("Step 5, group 0, response 0<")
    assert kinds_shown(page(list_address(run, "?kind=sampled")))[0] == 0
    training, evaluations = kinds_shown(page(list_address(run, "?kind=all&step=5")))
    assert training == 24
    assert evaluations > 0


def test_a_run_that_only_evaluates_shows_its_evaluations(page, run):
    rollouts(run).filter(kind="train").delete()
    RolloutShard.objects.filter(run=run, kind="train").delete()
    text = page(list_address(run))
    assert '<option value="all" selected>all</option>' in text
    assert "training</option>" not in text
    training, evaluations = kinds_shown(text)
    assert training == 0
    assert evaluations > 0


def test_the_list_shows_prediction_against_truth(page, run):
    text = page(list_address(run, "?step=6&kind=train"))
    first = rollouts(run).filter(step=6, kind="train").order_by("id").first()
    assert f"Step 6, group {first.group}, response {first.sample}</a>" in text
    assert text.count('data-label="Reward"') == 24
    assert '<span class="sign">·</span>' in text


def test_the_step_choice_tells_the_share_that_was_rewarded(page, run):
    rewarded = rollouts(run).filter(step=6, kind="train", reward__gt=0).count()
    assert f">6 ({100 * rewarded / 24:.0f} %)</option>" in page(list_address(run))


def step_choices(text):
    choices = re.search(r'<select[^>]* name="step">(.*?)</select>', text)[1]
    return [value for value in re.findall(r'<option value="(\d*)"', choices) if value], "selected" in choices


def test_the_steps_to_choose_from_are_those_of_the_kind(page, run):
    assert step_choices(page(list_address(run, "?kind=train"))) == (["6", "5", "4", "3", "2", "1"], False)
    assert step_choices(page(list_address(run, "?kind=sampled"))) == (["5", "0"], False)
    assert step_choices(page(list_address(run, "?kind=all")))[0] == ["6", "5", "4", "3", "2", "1", "0"]
    assert step_choices(page(list_address(run, "?kind=sampled&step=5"))) == (["5", "0"], True)


def test_another_kind_without_the_step_shows_all_its_steps_and_the_address_says_so(client, ada, run):
    client.force_login(ada)
    htmx = {"HX-Request": "true", "HX-Target": "rollouts"}
    response = client.get(list_address(run, "?kind=sampled&step=6&reward=1"), headers=htmx)
    text = flat(response)
    assert kinds_shown(text)[1] > 0
    assert step_choices(text) == (["5", "0"], False)
    assert '<div class="field" id="step-field" hx-swap-oob="true">' in text
    assert response["HX-Push-Url"] == list_address(run, "?kind=sampled&reward=1")


def test_a_kind_that_the_run_lacks_is_left_out(page, run):
    RolloutShard.objects.filter(run=run, kind="greedy").delete()
    assert '<option value="train" selected>training</option>' in page(list_address(run, "?kind=greedy"))


def test_filters_and_pages_are_links_that_keep_each_other(page, run, monkeypatch):
    monkeypatch.setattr(queries, "ROLLOUTS_PER_PAGE", 5)
    keys = sorted(queries.Filters(step=6, kind="train").apply(rollouts(run)).values_list("id", flat=True))
    text = page(list_address(run, f"?kind=train&step=6&after={keys[4]}"))
    assert f'href="?kind=train&amp;step=6&amp;before={keys[5]}"' in text
    assert f'href="?kind=train&amp;step=6&amp;after={keys[9]}"' in text
    assert detail_address(run, keys[5], "?kind=train&amp;step=6") in text


def test_htmx_gets_only_the_table_and_the_steps(page, run):
    text = page(list_address(run), headers={"HX-Request": "true", "HX-Target": "rollouts"})
    assert text.startswith('<div id="rollouts">')
    assert text.count("<select") == 1


def test_nothing_that_passes_is_said_and_can_be_undone(page, run):
    text = page(list_address(run, "?kind=sampled&reward=1&reason=mismatch"))
    assert "No response matches these filters" in text
    assert 'href="?kind=all">Show all' in text
    empty = make_experiment(run.created_by, "none")
    other = finish_run(empty, "base", run.created_by)
    assert "No rollouts yet" in page(list_address(other))


def test_the_number_of_queries_is_fixed(page, run, django_assert_num_queries):
    with django_assert_num_queries(12):  # session, user, roles, the inbox, run, page, shards; five for the head
        page(list_address(run))


def test_hostile_previews_and_documents_stay_text_in_the_list(page, run):
    text = page(list_address(run, "?step=1&reason=mismatch&kind=train"))
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
