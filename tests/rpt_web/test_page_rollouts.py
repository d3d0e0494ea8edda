"""A run's rollouts: the list with its filters and pages, and one response."""

from __future__ import annotations

import pytest
from django.db import connection
from django.urls import reverse

from rpt_web.runs.models import Run
from rpt_web.traces import queries
from rpt_web.traces.models import IDS_OF_A_STEP, Rollout, RolloutShard, rollout_id
from rpt_web.traces.partitions import ensure_partition, partition_name
from tests.factories import HOSTILE, make_experiment
from tests.preset_runs import finish_run, hostile_id, running_rpt
from tests.suite_runs import finish_waiting, suite


@pytest.fixture
def run(ada):
    """An RPT run with 6 steps of 3 groups, hostile responses in the first, evaluations at 0 and 5."""
    experiment = make_experiment(ada)
    for name in ("base", "filter", "cold-filter", "cold"):
        finish_run(experiment, name, ada)
    return running_rpt(experiment, ada, done=6, groups=3)[0]


def list_address(run, query=""):
    return reverse("traces:rollout_list", args=[run.pk]) + query


def detail_address(run, key, query=""):
    return reverse("traces:rollout_detail", args=[run.pk, key]) + query


def rollouts(run):
    return Rollout.objects.filter(run_id=run.pk)


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
    assert kinds_shown(text) == (50, 0)
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
    assert '<span class="sign">␠</span>' in text


def test_the_step_choice_tells_the_share_that_was_rewarded(page, run):
    rewarded = rollouts(run).filter(step=6, kind="train", reward__gt=0).count()
    assert f">6 ({100 * rewarded / 24:.0f} %)</option>" in page(list_address(run))


def test_filters_and_pages_are_links_that_keep_each_other(page, run, monkeypatch):
    monkeypatch.setattr(queries, "ROLLOUTS_PER_PAGE", 5)
    keys = sorted(queries.Filters(step=6, kind="train").apply(rollouts(run)).values_list("id", flat=True))
    text = page(list_address(run, f"?kind=train&step=6&after={keys[4]}"))
    assert f'href="?kind=train&amp;step=6&amp;before={keys[5]}"' in text
    assert f'href="?kind=train&amp;step=6&amp;after={keys[9]}"' in text
    assert detail_address(run, keys[5], "?kind=train&amp;step=6") in text


def test_htmx_gets_only_the_table(page, run):
    text = page(list_address(run), headers={"HX-Request": "true", "HX-Target": "rollouts"})
    assert text.startswith('<div id="rollouts">')


def test_nothing_that_passes_is_said_and_can_be_undone(page, run):
    assert "No response passes these filters" in page(list_address(run, "?step=99"))
    assert 'href="?kind=all">Show all' in page(list_address(run, "?step=99"))
    empty = make_experiment(run.created_by, "none")
    other = finish_run(empty, "base", run.created_by)
    assert "No rollouts yet" in page(list_address(other))


def test_the_number_of_queries_is_fixed(page, run, django_assert_num_queries):
    with django_assert_num_queries(6):  # session, user, run, may see it, page, shards
        page(list_address(run))


def test_a_rightful_prediction_is_shown_with_its_verdict_and_numbers(page, run):
    key = rollouts(run).filter(kind="train", reason="match", step=6).values_list("id", flat=True).first()
    text = page(detail_address(run, key))
    assert "The one byte agrees and ends where the first token ends." in text
    for label in ("Advantage", "Mean log-prob", "Entropy there", "The group's predictions", "Chain of thought"):
        assert label in text
    assert '<mark class="box"' in text
    assert "context ends" in text
    assert "&lt;think&gt;" in text


def test_the_context_is_marked_where_it_ends_with_its_last_blank_shown(page, run):
    text = page(detail_address(run, rollout_id(6, "train", 0)))
    assert 'Solution:<span class="sign">␠</span><span class="here"' in text


def test_the_context_of_a_question_is_marked_by_the_template_that_its_stage_names(page, run):
    Run.objects.filter(pk=run.pk).update(config={"template": run.config["prompt"]["template"]})
    text = page(detail_address(run, rollout_id(6, "train", 0)))
    assert 'Solution:<span class="sign">␠</span><span class="here"' in text


@pytest.mark.parametrize("sample", range(4))
def test_hostile_responses_stay_text(page, run, sample):
    text = page(detail_address(run, hostile_id(sample, groups=3)))
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "<b>" not in text
    assert "**bold**" in text
    assert "{{ 7|add:1 }}" in text
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "&lt;script&gt;alert" in text


def test_hostile_previews_and_documents_stay_text_in_the_list(page, run):
    text = page(list_address(run, "?step=1&reason=mismatch&kind=train"))
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


@pytest.mark.parametrize("beyond", [0, 1])
def test_neighbours_obey_the_filters_in_the_order_of_the_list(page, run, beyond):
    filters = queries.Filters(reason="mismatch", kind="train")
    found = [row.id for row in queries.rollout_page(rollouts(run), filters).rows]
    query = "?kind=train&amp;reason=mismatch"
    last = max(place for place, key in enumerate(found) if key >= rollout_id(6, "train", 0))
    place = last + beyond  # the last of the newest step, or the first of the step before
    text = page(detail_address(run, found[place], query.replace("&amp;", "&")))
    before, after = (f'href="{detail_address(run, found[place + step])}{query}">' for step in (-1, 1))
    assert text.index(before) < text.index(after)


def test_the_group_stands_side_by_side_with_each_thought(page, run):
    text = page(detail_address(run, rollout_id(6, "train", 8)))
    assert text.count('class="card member ') == 8
    assert text.count("(this one)") == 1
    for member in rollouts(run).filter(step=6, kind="train", group=1):
        assert detail_address(run, member.id) in text


def test_the_votes_of_a_group_count_each_prediction_once(page, run):
    from rpt_web.traces.views import _votes

    group = list(rollouts(run).filter(step=6, kind="train", group=0))
    votes = _votes(group)
    assert sum(times for _, times, _ in votes) == 8
    assert len({prediction for prediction, _, _ in votes}) == len(votes)
    assert [times for _, times, _ in votes] == sorted((times for _, times, _ in votes), reverse=True)


def test_the_same_position_is_followed_over_the_steps(page, run):
    text = page(detail_address(run, rollout_id(0, "sampled", 0)))
    assert "Same position, other steps" in text
    assert detail_address(run, rollout_id(5, "sampled", 0)) in text


def test_more_than_a_few_other_steps_are_shown_on_request_and_all_are_there(page, run, monkeypatch):
    first = rollouts(run).get(id=rollout_id(0, "sampled", 0))
    for step in range(100, 112):
        first.id, first.step = rollout_id(step, "sampled", 0), step
        first.save(force_insert=True)
    text = page(detail_address(run, rollout_id(0, "sampled", 0)))
    assert "13 responses" in text
    assert text.count('class="more-row"') == 5
    assert "Show all 13" in text
    assert all(detail_address(run, rollout_id(step, "sampled", 0)) in text for step in (5, *range(100, 112)))
    monkeypatch.setattr(queries, "SAME_POSITION_LIMIT", 10)
    assert "the first 10 responses" in page(detail_address(run, rollout_id(0, "sampled", 0)))


def test_without_its_shard_a_response_shows_what_the_database_keeps(page, run):
    key = rollout_id(6, "train", 0)
    (run.directory / "rollouts" / "train-000006.parquet").unlink()
    text = page(detail_address(run, key))
    assert "The full text is not there." in text
    assert rollouts(run).get(id=key).preview.strip()[:5] in text


def test_a_damaged_shard_is_no_error(page, run):
    (run.directory / "rollouts" / "train-000006.parquet").write_bytes(b"PAR1 not really")
    assert "The full text is not there." in page(detail_address(run, rollout_id(6, "train", 0)))


def test_an_unknown_rollout_is_not_found(page, run):
    page(detail_address(run, rollout_id(700, "train", 0)), status=404)
    page(detail_address(run, 2**63 - 1), status=404)
    page(detail_address(run, 2**70), status=404)


def test_the_detail_takes_a_fixed_number_of_queries(page, run, django_assert_num_queries):
    with django_assert_num_queries(10):
        page(detail_address(run, rollout_id(6, "train", 0)))


def test_the_hostile_text_really_is_in_the_shard():
    assert "<script>" in HOSTILE
    assert "onerror" in HOSTILE


def test_an_answer_to_a_question_is_compared_as_a_whole(page, ada):
    experiment = suite(ada, seeds=(0,))
    for name in ("s0-base", "s0-cold-filter", "s0-cold", "s0-rlvr-cold"):
        finish_waiting(experiment, name)
    run = experiment.runs.get(name="s0-rlvr-cold")
    assert 'href="/runs/' in page(reverse("runs:run_detail", args=[run.pk]))
    found = rollouts(run).filter(reason="mismatch").first()
    text = page(detail_address(run, found.id))
    assert "Answer against the reference" in text
    assert "The answer does not equal the reference." in text
    assert "<dt>Earned in training</dt><dd>0</dd>" in text
    assert "byte-grid" not in text
    assert "Entropy there" not in text
    assert f"{found.document}</span>:0" not in page(list_address(run))


def test_one_token_is_told_in_the_singular(page, run):
    Rollout.objects.filter(run_id=run.pk, step=6).update(response_tokens=1, prompt_tokens=1)
    text = page(detail_address(run, rollout_id(6, "train", 0)))
    assert text.count("1 token<") >= 3
    assert "1 tokens" not in text
