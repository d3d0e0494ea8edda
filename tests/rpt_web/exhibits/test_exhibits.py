"""Exhibits: what a figure or a table shows is what its files hold, and each says what it came from."""

from __future__ import annotations

import csv
import io
import json

import pyarrow.parquet as pq
import pytest
from django.db import transaction
from django.urls import reverse

from rpt_web.exhibits import building
from rpt_web.exhibits.exhibit import from_json
from rpt_web.exhibits.reading import ReadOnce
from rpt_web.exhibits.refs import parsed
from rpt_web.results.models import EvaluatedSet, ResultTable, Standing
from tests.factories import make_user
from tests.preset_runs import finished_experiment
from tests.rpt_web.markup import flat

pytestmark = [pytest.mark.django_db, pytest.mark.slow]  # a full experiment


TABLE = {
    "caption": "Of held-out positions.",
    "columns": [
        {"key": "domain", "label": "Domain", "kind": "text"},
        {"key": "right", "label": "Right", "kind": "share"},
    ],
    "rows": [
        {"domain": "Algebra -> Sums", "right": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 90}},
        {"domain": "Words", "right": None},
    ],
    "chart": {
        "kind": "bars",
        "x": "domain",
        "y": ["right"],
        "group": None,
        "x_title": "",
        "y_title": "",
        "x_log": False,
    },
}


@pytest.fixture(scope="module")
def made(django_db_setup, django_db_blocker, redis_server):
    """One experiment for all tests here, in a transaction of its own."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield finished_experiment(make_user("ada"), steps=20, groups=0)
        transaction.set_rollback(True)


@pytest.fixture
def experiment(made, client):
    client.force_login(made.created_by)
    return made


@pytest.fixture
def rpt(experiment):
    return experiment.runs.get(name="rpt")


def file(client, ref, ending):
    answer = client.get(reverse("exhibits:exhibit_file", args=[ref, ending]))
    assert answer.status_code == 200, ref
    return answer.content


def read_csv(content):
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_a_ref_is_read_or_refused():
    assert str(parsed("run/12/table/3/by/domain")) == "run/12/table/3/by/domain"
    for wrong in ("", "run", "run/12", "run/12/", "run/x/metric/loss", "user/1/name", "run/-1/metric/loss", "run/²/a"):
        assert parsed(wrong) is None, wrong
    assert parsed(f"run/1/{'x' * 400}") is None


def test_each_kind_has_its_data_and_keeps_it_as_json(experiment, rpt):
    table = ResultTable.objects.create(run=rpt, attempt=1, step=20, name="by_domain", title="By domain", data=TABLE)
    refs = ["metric/reward", "metric/outcomes", "accuracy/sampled", "evaluations"]
    found = [building.of_run(rpt, rest, ReadOnce()) for rest in refs]
    found += [building.of_run(table.run, f"table/{table.step}/{table.name}", ReadOnce())]
    found += [building.of_experiment(experiment, rest, ReadOnce()) for rest in ("accuracy", f"scaling/{rpt.pk}")]
    domains = found[4].table
    assert [column.key for column in domains.columns] == ["domain", "right", "right_low", "right_high", "right_n"]
    assert domains.values() == [["Algebra › Sums", 0.5, 0.4, 0.6, 90], ["Words", None, None, None, None]]
    for exhibit in found:
        assert exhibit is not None
        assert exhibit.table.rows, exhibit.ref
        assert exhibit.sources, exhibit.ref
        assert parsed(exhibit.ref) is not None
        again = from_json(json.loads(json.dumps(exhibit.as_json())))
        assert again.as_json() == exhibit.as_json()
    for rest in (
        "metric/nothing",
        "accuracy/nothing",
        "table/0/nothing",
        "table/x/y",
        "evaluations/x",
        "entropy/a/b/c",
    ):
        assert building.of_run(rpt, rest, ReadOnce()) is None, rest
    assert building.of_experiment(experiment, f"scaling/{rpt.pk + 1000}", ReadOnce()) is None


def test_the_files_hold_the_numbers_of_the_evaluations(client, rpt):
    rows = read_csv(file(client, f"run/{rpt.pk}/evaluations", "csv"))
    stored = {(row.step, row.difficulty): row for row in rpt.evaluations.filter(mode="sampled")}
    own = [row for row in rows if row["mode"] == "reasoning"]
    assert len(own) == len({step for step, _ in stored})
    for row in own:
        for level in ("easy", "medium", "hard"):
            cell = stored[int(row["step"]), level]
            assert float(row[level]) == cell.value
            assert (float(row[f"{level}_low"]), float(row[f"{level}_high"])) == (cell.low, cell.high)
            assert int(row[f"{level}_n"]) == cell.n
    table = pq.read_table(io.BytesIO(file(client, f"run/{rpt.pk}/evaluations", "parquet")))
    assert table["hard"].to_pylist() == [float(row["hard"]) for row in rows]
    came_from = dict(json.loads(table.schema.metadata[b"came_from"]))
    assert came_from["run"].startswith(f"{rpt.pk}, rpt")
    assert came_from[f"code version of run {rpt.pk}"] == rpt.attempt_code_version
    assert "evaluation.positions_per_difficulty" in came_from[f"positions of run {rpt.pk}"]


def test_the_table_of_an_experiment_has_what_its_page_writes(client, experiment):
    page = flat(client.get(reverse("results:experiment_results", args=[experiment.pk])))
    ref = f"experiment/{experiment.pk}/accuracy"
    rows = read_csv(file(client, ref, "csv"))
    assert rows
    for row in rows:
        assert f"{100 * float(row['hard']):.1f}" in page
        assert f"{100 * float(row['hard_low']):.1f} to {100 * float(row['hard_high']):.1f}" in page
    for ending in ("csv", "parquet", "tex"):
        assert reverse("exhibits:exhibit_file", args=[ref, ending]) in page
    assert r"\toprule" in file(client, ref, "tex").decode()


def test_the_curve_of_a_metric_is_that_of_the_run(client, rpt):
    rows = read_csv(file(client, f"run/{rpt.pk}/metric/reward", "csv"))
    stored = dict(rpt.metrics.order_by("step").values_list("step", "values"))
    assert {int(row["step"]): float(row["reward_mean"]) for row in rows} == {
        step: values["reward_mean"] for step, values in stored.items()
    }


def test_every_figure_and_table_of_a_page_has_a_menu_that_leads_on(client, rpt):
    for tab in ("run_curves", "run_evaluations", "run_monitors", "run_groups"):
        page = flat(client.get(reverse(f"runs:{tab}", args=[rpt.pk])))
        menus = page.count('class="menu export-menu')
        assert menus >= page.count('class="plot'), tab
        assert page.count('class="came-from"') == menus, tab
    exhibit = flat(client.get(reverse("exhibits:exhibit_detail", args=[f"run/{rpt.pk}/metric/reward"])))
    assert "Code version" in exhibit
    assert 'data-export="svg"' in exhibit
    part = flat(client.get(reverse("exhibits:came_from", args=[f"run/{rpt.pk}/metric/reward"])))
    assert "evaluation.positions_per_difficulty" in part


def test_it_names_the_position_sets_as_the_leaderboard_knows_them(client, rpt):
    ref = f"run/{rpt.pk}/metric/reward"
    rpt.evaluations.update(position_set="ab" * 16)
    own = {"experiment": rpt.experiment, "key": "k", "name": "x", "mode": "sampled", "n": 700}
    Standing.objects.create(group="cd" * 16, sets=["ab" * 16], **own)
    known = {"positions": 700, "documents": 90, "above_nats": {"hard": 1.5}, "corpora": ["Cards"]}
    EvaluatedSet.objects.create(team=rpt.experiment.team, hash="ab" * 16, **known)
    part = flat(client.get(reverse("exhibits:came_from", args=[ref])))
    assert f'href="{reverse("results:leaderboard")}?set={"cd" * 16}"' in part
    assert "Cards: 700 positions of 90 documents; hard above 1.5 nats" in part
    built = building.of_run(rpt, "metric/reward", ReadOnce())
    assert from_json(built.as_json()).sources == built.sources
    table = pq.read_table(io.BytesIO(file(client, ref, "parquet")))
    came_from = dict(json.loads(table.schema.metadata[b"came_from"]))
    assert came_from[f"position set of run {rpt.pk}"].startswith(f"{'ab' * 16} Cards")
    rpt.evaluations.update(position_set="")
    assert "Position set" not in flat(client.get(reverse("exhibits:came_from", args=[ref])))


def test_what_is_not_there_is_a_404_that_says_so(client, rpt):
    for ref in (f"run/{rpt.pk}/metric/nothing", f"run/{rpt.pk + 1000}/metric/reward", "x/1/y"):
        assert client.get(reverse("exhibits:exhibit_detail", args=[ref])).status_code == 404
    assert client.get(reverse("exhibits:exhibit_file", args=[f"run/{rpt.pk}/metric/reward", "xlsx"])).status_code == 404


def test_rows_are_written_harmlessly_and_a_long_text_has_room():
    from rpt_web.exhibits.shown import WrittenRow
    from rpt_web.pages.templatetags.exhibits import SHORT_TEXT, table_rows
    from rpt_web.results.tables import Written

    cells = [Written('<b>"&', False), Written(None, True), Written("7", True, "[<6, 8]", "9")]
    row = table_rows([WrittenRow([*cells, Written("w" * SHORT_TEXT, False), Written("w" * 41, False)], False)])
    assert row == (
        '<tr><td>&lt;b&gt;&quot;&amp;</td><td class="number"><span class="faint">–</span></td>'
        '<td class="number">7 <span class="small muted">[&lt;6, 8]</span> <span class="small faint">n 9</span></td>'
        f'<td>{"w" * 40}</td><td class="long-text">{"w" * 41}</td></tr>'
    )
    assert table_rows([WrittenRow([], True)]) == '<tr class="more-row"></tr>'
