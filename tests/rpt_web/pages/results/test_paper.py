"""The paper's tables and figures from several experiments: whose rows, what stands beside, what it came from."""

from __future__ import annotations

import re
from html import unescape

import pytest

from rpt_core.config import DIFFICULTIES
from rpt_web.results import paper
from rpt_web.results.models import ResultTable
from rpt_web.runs.models import Experiment
from tests.factories import make_experiment
from tests.rpt_web.results.test_standings import made, measured, refreshed

pytestmark = pytest.mark.django_db


BARS = {
    "kind": "bars",
    "x": "template",
    "y": ["random_at_1"],
    "group": None,
    "x_title": "",
    "y_title": "",
    "x_log": False,
}


def cell(value):
    return {"value": value, "low": 0.3, "high": 0.6, "n": 700}


def words(html):
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))


@pytest.fixture
def two(ada):
    """Two experiments, each with an evaluated run and a table of templates."""
    found = []
    for number, name in enumerate(("First", "Second")):
        experiment = make_experiment(ada, name, preset="tiny-paper")
        run = made(experiment, "rpt", "rpt", flops=5e11)
        for place, level in enumerate(DIFFICULTIES):
            measured(run, 80, 0.9 - 0.3 * place + number / 100, difficulty=level)
        measured(run, 80, 0.1, mode="standard")
        templates = made(experiment, "templates", "templates")
        data = {
            "caption": "n is positions.",
            "columns": [
                {"key": "template", "label": "Template", "kind": "text"},
                {"key": "random_at_1", "label": "Random@1", "kind": "share"},
            ],
            "rows": [{"template": "plain", "random_at_1": cell(0.4 + number / 10)}],
            "chart": BARS,
        }
        ResultTable.objects.create(
            run=templates, attempt=1, step=0, name="templates", title="Prompt templates", data=data
        )
        refreshed(experiment)
        found.append(experiment)
    return found


def address(name, experiments):
    return f"/results/paper/{name}/?experiment={','.join(str(found.pk) for found in experiments)}"


def test_a_table_of_two_experiments_has_the_rows_of_both_and_one_figure(page, two):
    html = page(address("table-8", two))
    shown = words(html)
    for name, value in (("First: templates", "40.0"), ("Second: templates", "50.0")):
        assert re.search(rf"{name} plain {value} \[30.0, 60.0\] n 700", shown)
    assert html.count("<figure") == 2  # theirs, and the published rows
    assert '"name": "First: templates"' in html
    assert "Published: Table 8, arXiv 2506.08007" in shown


def test_one_experiment_is_chosen_first_and_the_other_is_offered(page, two):
    shown = words(page("/results/paper/table-8/"))
    assert "1 experiment: Second" in shown
    assert "First" in shown
    assert "First: templates" not in shown


def test_accuracies_stand_beside_the_published_ones_with_cost_and_origin(page, two):
    html = page(address("table-1", two))
    shown = words(html)
    assert "Published: Table 1, arXiv 2506.08007" in shown
    assert "45.11" in shown
    assert "8 × 10¹¹ FLOPs" in shown or "8e+11" in shown or "8.0" in shown
    assert "small twins of the paper's experiments" in shown
    origins = shown.partition("What it came from")[2]
    for experiment in two:
        assert f"run {experiment.runs.get(name='rpt').pk}, {experiment.name}" in origins


def test_averages_are_the_means_of_the_three_difficulties(page, two):
    shown = words(page(address("figure-4", two)))
    assert "60.0" in shown  # 90, 60 and 30
    assert "61.0" in shown
    assert "34.14" in shown  # of RPT-14B: 45.11, 33.56 and 23.75
    assert paper.published_averages()[3][2] == pytest.approx((0.4511 + 0.3356 + 0.2375) / 3)


def test_curves_of_two_experiments_are_in_one_figure(page, two):
    html = page(address("figure-5", two))
    assert html.count('"name": "hard, First: rpt"') == 1
    assert html.count('"name": "hard, Second: rpt"') == 1
    assert "R² 0.995 easy" in words(html)


def test_experiments_have_figure_5_by_the_evaluations_of_their_rpt_runs(page, two):
    assert not ResultTable.objects.filter(name__startswith="scaling").exists()
    row = words(page("/results/paper/").partition('paper/figure-5/"')[2].partition("</tr>")[0])
    assert row.split()[-1] == "2"
    text = words(page("/results/paper/figure-5/"))
    assert "1 experiment: Second" in text
    assert "Nothing to show yet" not in text


def test_every_page_opens_without_anything(page, ada):
    for found in paper.PAGES:
        assert found.title in page(f"/results/paper/{found.slug}/")
    assert "The paper's tables and figures" in unescape(page("/results/paper/"))
    page("/results/paper/table-99/", status=404)


def test_experiments_of_others_are_not_shown(client, two):
    from rpt_web.teams.models import Role, Team
    from tests.factories import make_user

    client.force_login(make_user("stranger", Role.MEMBER, team=Team.objects.create(name="Strangers")))
    html = client.get(address("table-1", two)).content.decode()
    assert "First" not in html
    assert Experiment.objects.count() == 2
