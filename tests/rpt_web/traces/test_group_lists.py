"""Lists of groups against the same groups filtered and sorted in Python, page after page and back again."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from django.http import QueryDict

from rpt_web.notices.models import Alarm
from rpt_web.runs import services
from rpt_web.runs.models import Run
from rpt_web.traces import group_lists
from rpt_web.traces.group_filters import ORDER_WORDS, ORDERS, GroupFilters
from rpt_web.traces.ready_lists import READY_LISTS
from tests.rpt_web.traces.groups_made import make_groups, make_runs

pytestmark = pytest.mark.django_db
LEVELS = {"easy": 1, "medium": 2, "hard": 3}
KEPT = {
    "kind=sampled": lambda g: g.kind == "sampled",
    "difficulty=medium": lambda g: (g.difficulty or 0) >= 2,
    "difficulty=hard&solved=none": lambda g: g.difficulty == 3 and g.rewarded == 0,
    "solved=some": lambda g: 0 < g.pass_rate < 1,
    "solved=all": lambda g: g.pass_rate == 1,
    "solved=any": lambda g: g.rewarded > 0,
    "solved=not_all": lambda g: g.pass_rate < 1,
    "reason=no_box": lambda g: g.no_box > 0,
    "reason=empty": lambda _: False,
    "finish=length": lambda g: g.cut > 0,
    "finish=stop": lambda g: g.cut == 0,
    "document=d1&domain=algebra": lambda g: (g.document, g.domain) == ("d1", "algebra"),
    "document=d1&token=3": lambda g: (g.document, g.token_position) == ("d1", 3),
    "boxes=2": lambda g: g.boxes >= 2,
    "white_space=1": lambda g: g.white_space > 0,
    "pattern=reflection": lambda g: bool((g.patterns or 0) & 2),
    "pattern=deduction": lambda g: g.patterns == 34,
    "step_from=2&step_to=3.5": lambda g: 2 <= g.step <= 3,
    "entropy_from=0.75&entropy_to=1.25": lambda g: g.entropy_nats in (0.75, 1.25),
    "samples_from=1.5": lambda g: g.samples >= 2,
    "samples_to=1": lambda g: g.kind == "greedy",
    "pass_from=0.5&tokens_to=20": lambda g: g.pass_rate >= 0.5 and g.tokens_mean <= 20,
    "mark=forgotten": lambda g: g.forgotten,
    "mark=first_solved": lambda g: g.first_solved,
    "mark=greedy_alone": lambda g: g.greedy_alone,
    "kind=nonsense&step_from=x&boxes=-1&order=sideways&entropy_to=nan": lambda _: True,
    f"run={'0' * 12}{'9' * 5000}&token={'0' * 12}{'9' * 20}&boxes={'9' * 12}": lambda _: True,
}


@pytest.fixture
def ground():
    mine, others = (services.create_experiment(name, None) for name in ("Mine", "Others"))
    runs = make_runs(mine, "a", "b", "c")
    groups = make_groups([*runs, *make_runs(others, "x")])
    Alarm.objects.create(run=runs[0], kind="monitor", key="k", step=3)
    return Run.objects.filter(experiment=mine), [group for group in groups if group.experiment_id == mine.pk]


def asked(query):
    return GroupFilters.from_query(QueryDict(query))


def walked(runs, filters, limit=7):
    """The ids of all pages, forwards; and of the way back from the last page."""
    pages, after = [], ""
    while True:
        page = group_lists.group_page(runs, filters, after=after, limit=limit)
        pages.append(page)
        if not page.next:
            break
        after = page.next
    back, before = [], pages[-1].previous
    while before:
        page = group_lists.group_page(runs, filters, before=before, limit=limit)
        back = [*(row.pk for row in page.rows), *back]
        before = page.previous
    forwards = [row.pk for page in pages for row in page.rows]
    assert back == forwards[: len(back)]
    assert len(back) == (len(forwards) - len(pages[-1].rows))
    return forwards


def test_every_filter_gives_what_python_gives_with_its_counts(ground):
    runs, groups = ground
    for query, keep in KEPT.items():
        kept = [group for group in groups if keep(group)]
        assert walked(runs, asked(query)) == [group.pk for group in reversed(kept)], query
        counts = group_lists.group_counts(runs, asked(query))
        assert (counts.total, counts.is_exact, counts.is_more) == (len(kept), True, False), query
        assert counts.facets["solved:none"] == sum(group.rewarded == 0 for group in kept)
        assert counts.facets["difficulty:medium"] == sum((group.difficulty or 0) >= 2 for group in kept)
        assert counts.facets["pattern:deduction"] == sum(group.patterns == 34 for group in kept)
        assert sum(counts.runs.values()) == len(kept)
    assert sum(bool(list(filter(keep, groups))) for keep in KEPT.values()) == len(KEPT) - 1  # but for empty boxes


def test_every_order_goes_through_all_rows_with_equal_values_too(ground):
    runs, groups = ground
    for order in set(ORDER_WORDS) - {"-disputed"}:
        name, falls = ORDERS[order.removeprefix("-")], order.startswith("-")
        there = [group for group in groups if getattr(group, name) is not None]
        by_key = sorted(there, key=lambda group: (getattr(group, name), group.pk), reverse=falls)
        assert walked(runs, asked(f"order={order}")) == [group.pk for group in by_key], order


def test_runs_alarms_and_the_latest_at_a_position(ground):
    runs, groups = ground
    first, _, third = runs.order_by("id")
    chosen = {group.pk for group in groups if group.run_id in (first.pk, third.pk)}
    assert set(walked(runs, asked(f"run={first.pk},{third.pk}&run=0"))) == chosen
    foreign = Run.objects.exclude(pk__in=runs).get()
    assert walked(runs, asked(f"run={foreign.pk}")) == walked(runs, asked("experiment=999999")) == []
    alarmed = {group.pk for group in groups if (group.run_id, group.step) == (first.pk, 3)}
    assert set(walked(runs, asked("alarm=1"))) == alarmed
    last = {}
    for group in groups:
        place = (group.run_id, group.document, group.token_position, group.kind)
        last[place] = max(last.get(place, 0), group.step)
    forgotten = [group for group in groups if group.forgotten]
    latest = {g.pk for g in forgotten if last[g.run_id, g.document, g.token_position, g.kind] == g.step}
    assert set(walked(runs, asked("mark=forgotten_now"))) == latest
    assert 0 < len(latest) < sum(group.forgotten for group in groups)


def test_all_wrong_means_several_responses_at_hard_positions(ground):
    runs, groups = ground
    (ready,) = [ready for ready in READY_LISTS if ready.name.startswith("All wrong")]
    wrong = {group.pk: group.samples for group in groups if group.difficulty == 3 and group.rewarded == 0}
    assert 1 in wrong.values()
    found = walked(runs, asked(GroupFilters().query(**ready.query)))
    assert set(found) == {pk for pk, samples in wrong.items() if samples > 1}


def test_neighbours_obey_the_filter_and_queries_come_back_as_they_were(ground):
    runs, groups = ground
    for ready in READY_LISTS:
        filters = GroupFilters().query(**ready.query)
        assert asked(filters).query() == filters
    filters = asked("solved=none&order=-entropy")
    ids = walked(runs, filters)
    by_id = {group.pk: group for group in groups}
    before, after = group_lists.neighbours(runs, filters, by_id[ids[5]])
    assert (before.pk, after.pk) == (ids[4], ids[6])
    assert group_lists.neighbours(runs, filters, by_id[ids[0]])[0] is None


def test_beyond_what_is_counted_a_sample_of_the_whole_table_is_as_good(ground, monkeypatch):
    runs, groups = ground
    monkeypatch.setattr(group_lists, "MOST_COUNTED", 100)
    counts = group_lists.group_counts(runs, asked(""))
    assert (counts.total, counts.is_exact) == (len(groups), True)  # the sample is the table
    monkeypatch.setattr(group_lists, "FEWEST_SAMPLED", 1000)
    counts = group_lists.group_counts(runs, asked(""))
    assert (counts.total, counts.is_more, counts.facets) == (100, True, {})


@pytest.mark.parametrize("most", [10_000, 5])
def test_the_positions_of_a_comparison_are_all_there_whether_few_or_many_groups_are_at_them(ground, monkeypatch, most):
    runs, groups = ground
    monkeypatch.setattr(group_lists, "MOST_COUNTED", most)
    monkeypatch.setattr(group_lists, "FEWEST_SAMPLED", 1)
    wanted = sorted({group.position_id for group in groups})[2:5]
    for query, keep in {"": lambda _: True, "kind=sampled": KEPT["kind=sampled"]}.items():
        for order in set(ORDER_WORDS) - {"-disputed"}:
            filters = replace(asked(f"{query}&order={order}"), compared="1:", compared_ids=wanted)
            name, falls = ORDERS[order.removeprefix("-")], order.startswith("-")
            there = [g for g in groups if g.position_id in wanted and keep(g) and getattr(g, name) is not None]
            by_key = sorted(there, key=lambda group: (getattr(group, name), group.pk), reverse=falls)
            assert walked(runs, filters) == [group.pk for group in by_key], (query, order)
            counts = group_lists.group_counts(runs, filters)
            assert 5 < counts.total == len(there)  # with `most` 5 from the sample, which is the table
            assert counts.facets["solved:none"] == sum(group.rewarded == 0 for group in there)
            assert counts.runs == Counter(group.run_id for group in there)
    nowhere = replace(asked(""), compared="1:", compared_ids=[])
    assert walked(runs, nowhere) == []
    assert group_lists.group_counts(runs, nowhere).total == 0


def test_of_many_groups_the_first_look_says_only_that_they_are_many(ground):
    runs, groups = ground
    run_sql, values = runs.order_by().values("id").query.sql_with_params()
    every = f"SELECT {group_lists._COUNTED} FROM traces_responsegroup g WHERE g.run_id IN ({run_sql})"
    all_of_them = group_lists._tally(every, list(values), len(groups))
    assert all_of_them.facets["solved:none"] == sum(group.rewarded == 0 for group in groups)
    too_many = group_lists._tally(every, list(values), len(groups) - 1)
    assert too_many.total == len(groups)
    assert not any(too_many.facets.values())
    assert too_many.domains == too_many.runs == {}


def test_runs_may_each_have_a_step_of_their_own(ground):
    runs, groups = ground
    first, second, _ = runs.order_by("id")
    foreign = Run.objects.exclude(pk__in=runs).get()
    query = f"at={first.pk}@2,{second.pk}@4&at={foreign.pk}@1,nonsense,{first.pk}@"
    chosen = [group for group in groups if (group.run_id, group.step) in ((first.pk, 2), (second.pk, 4))]
    assert len(chosen) == 20
    assert walked(runs, asked(query)) == [group.pk for group in reversed(chosen)]
    assert group_lists.group_counts(runs, asked(query)).total == 20
    written = f"at={first.pk}%402%2C{second.pk}%404%2C{foreign.pk}%401"
    assert asked(query).query() == written
    assert asked(written) == asked(query)
