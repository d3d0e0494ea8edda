"""Multiple choice by category, and runs of several seeds as one row: numbers from the stage's own tables."""

from __future__ import annotations

import csv
import io
import json
import re
from html import unescape
from statistics import mean, stdev

import pytest
from django.urls import reverse

from rpt_core.evaluation.choice_answers import Answer
from rpt_core.evaluation.choice_questions import ChoiceQuestion
from rpt_core.evaluation.choice_tables import ChoiceOutcome, accuracy_rows, choice_table
from rpt_core.run.events import EventLog
from rpt_core.run.folder import RunDir
from rpt_core.run.tables import emit_table
from rpt_core.statistics.intervals import wilson_interval
from rpt_web.reports import content, services
from rpt_web.results import paper, published
from rpt_web.results.models import ResultTable
from rpt_web.results.paper_categories import MOST_CATEGORIES, by_category
from tests.factories import make_experiment
from tests.rpt_web.pages.results.test_paper import address, words
from tests.rpt_web.results.test_standings import made, measured, refreshed

pytestmark = pytest.mark.django_db
T_OF_2 = 4.302652729749462
"""Student's t, 97.5 %, of two degrees of freedom."""


def outcome(number, category, standard, reasoning):
    """A question of four options, the first of which is right."""
    question = ChoiceQuestion(f"{category}-{number}", "?", ("a", "b", "c", "d"), 0, category)
    answer = None if reasoning is None else Answer(0 if reasoning else 1, "a", None)
    return ChoiceOutcome(question, 0 if standard else 1, answer, None if answer is None else 10)


def table_of(tmp_path, outcomes, name="cards"):
    """What the stage writes of these outcomes."""
    run = RunDir(tmp_path / "run")
    run.tables.mkdir(parents=True, exist_ok=True)
    with EventLog(run.path / "events.jsonl") as log:
        emit_table(run, log, choice_table(accuracy_rows(outcomes, 0), f"Multiple choice: {name}", "n: questions.", 80))
    return json.loads(run.table("benchmark").read_text())


def asked(tmp_path, experiment, name, right, format_="supergpqa", **more):
    """A run of the stage that thought `right` of 10 questions of each of two categories right, and chose half."""
    outcomes = [
        outcome(number, category, number < 5, number < own)
        for category, own in zip(("Law", "Military Science"), right, strict=True)
        for number in range(10)
    ]
    run = made(experiment, name, "benchmark", config={"format": format_}, **more)
    data = table_of(tmp_path, outcomes)
    ResultTable.objects.create(run=run, attempt=1, step=80, name="benchmark", title=data["title"], data=data)
    return run


@pytest.fixture
def suite(ada, tmp_path):
    """An experiment with a run of each of three seeds."""
    experiment = make_experiment(ada, "Suite", preset="tiny-paper")
    for seed, right in enumerate(((6, 2), (8, 3), (7, 4))):
        asked(tmp_path, experiment, f"s{seed}-choice", right, copy_seed=seed)
    return experiment


def file_rows(client, ref):
    answer = client.get(reverse("exhibits:exhibit_file", args=[ref, "csv"]))
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


def test_a_row_has_each_category_with_its_interval_and_n(page, suite):
    shown = words(page(address("table-6", [suite])))
    heads = "Run Seeds Mode Law ( %) Military Science ( %) All questions ( %) Mean of the categories ( %)"
    assert heads.replace("( ", "(") in shown.replace("( ", "(")
    law, science, every = (wilson_interval(*counts) for counts in ((6, 10), (2, 10), (8, 20)))
    cells = [
        f"{value:.1f} [{100 * low:.1f}, {100 * high:.1f}] n {n}"
        for value, (low, high), n in ((60, law, 10), (20, science, 10), (40, every, 20))
    ]
    assert f"s0-choice 0 reasoning {' '.join(cells)}" in shown
    assert "s0-choice 0 standard 50.0" in shown


def test_a_number_of_thinking_leads_to_its_responses(page, suite):
    html = unescape(page(address("table-6", [suite])))
    run = suite.runs.get(name="s0-choice")
    of_run = f'href="/traces/?run={run.pk}&step_from=80&step_to=80'
    assert html.count(f'{of_run}&domain=Military+Science"') == 1
    assert html.count(f'{of_run}"') == 2, "of all questions, and the mean of the categories"


def test_the_mean_over_seeds_has_students_interval_beside_rows_of_one_seed(page, client, suite):
    html = page(address("table-6", [suite]))
    shown = words(html)
    assert html.count('"name": "choice, mean of 3 seeds, reasoning"') == 1
    assert '"name": "s0-choice, reasoning"' not in html, "the chart has the mean in place of its seeds"
    assert "Each run is one trained model: the intervals cover the positions, or questions, only." in shown
    assert "A mean over seeds has Student's t interval over these seeds: it covers the noise of training" in shown
    rows = file_rows(client, f"paper/{suite.pk}/table-6/table/benchmark")
    (found,) = (row for row in rows if row["of_run"] == "choice, mean of 3 seeds" and row["mode"] == "reasoning")
    assert found["of_seeds"] == "0 to 2"
    values = [0.6, 0.8, 0.7]
    half = T_OF_2 * stdev(values) / 3**0.5
    assert float(found["category_law"]) == pytest.approx(mean(values))
    assert float(found["category_law_low"]) == pytest.approx(mean(values) - half)
    assert float(found["category_law_high"]) == pytest.approx(mean(values) + half)
    assert found["category_law_n"] == ""
    (alike,) = (row for row in rows if row["of_run"] == "choice, mean of 3 seeds" and row["mode"] == "standard")
    assert (float(alike["category_law"]), alike["category_law_low"]) == (0.5, "")  # all seeds alike
    (single,) = (row for row in rows if row["of_run"] == "s1-choice" and row["mode"] == "reasoning")
    low, _ = wilson_interval(8, 10)
    assert (float(single["category_law_low"]), single["category_law_n"]) == (pytest.approx(low), "10")
    assert f"{100 * (mean(values) - half):.1f}" in shown


def test_the_caption_of_a_file_says_which_noise_each_interval_covers(client, page, suite):
    page(address("table-6", [suite]))
    ref = f"paper/{suite.pk}/table-6/table/benchmark"
    written = client.get(reverse("exhibits:exhibit_file", args=[ref, "tex"])).content.decode()
    assert "Student's t interval over these seeds" in written
    assert "the intervals cover the positions, or questions, only" in written


def test_a_report_keeps_the_table_and_names_what_the_page_names(ada, suite):
    report = services.create(suite.team, "By category", ada)
    services.add_ref(report, f"paper/{suite.pk}/table-6/table/benchmark")
    services.freeze(report)
    exhibit = content.shown_parts(report)[0].exhibit
    assert [row["of_run"] for row in exhibit.table.rows][:3] == ["choice, mean of 3 seeds"] * 2 + ["s0-choice"]
    assert "Military Science" in {column.title for column in exhibit.table.columns}


def test_each_page_has_the_questions_of_its_own_format(page, ada, tmp_path):
    experiment = make_experiment(ada, "Formats", preset="tiny-paper")
    formats = {"table-6": "supergpqa", "table-7": "mmlu_pro", "other-questions": "tiny"}
    for name, format_ in formats.items():
        asked(tmp_path, experiment, f"of-{name}", (6, 2), format_)
    for name in formats:
        shown = words(page(address(name, [experiment])))
        assert re.findall(r"of-[a-z0-9-]+(?= reasoning)", shown) == [f"of-{name}"], name
        assert "mean of" not in shown.lower().replace("mean of the categories", "").replace("have a mean of", "")
    assert "Not in the paper." in words(page(address("other-questions", [experiment])))


def test_the_published_rows_of_tables_6_and_7_stand_beside(page, suite):
    for slug, cells in (("table-6", "35.0 40.0 41.5"), ("table-7", "84.5 72.0 77.5")):
        shown = words(page(address(slug, [suite])))
        assert f"RPT-14B reasoning {cells}" in shown
    assert "the paper prints 32.0 % as overall" in words(page(address("table-6", [suite])))


def test_published_overalls_are_those_of_table_3_and_but_for_one_the_means_of_their_categories():
    table_3 = {line[:2]: line[2:] for line in next(one for one in published.REFERENCES if one.table == "Table 3").lines}
    apart = []
    for place, reference in enumerate(published.BY_CATEGORY):
        for model, mode, *numbers in reference.lines:
            *categories, overall = map(float, numbers)
            assert len(numbers) == len(reference.heads) - 2
            assert overall == float(table_3[model, mode][place])
            if abs(mean(categories) - overall) > 0.1:
                apart.append((reference.table, model, mode, round(mean(categories), 1)))
    assert apart == [("Table 6", "R1-Distill-Qwen-14B", "standard", 31.7)]


def test_categories_of_one_slug_have_columns_of_their_own_and_too_many_are_not_shown(tmp_path):
    few = [outcome(number, category, True, None) for number, category in enumerate(("法律", "医学", "Law", "law"))]
    found = by_category(table_of(tmp_path, few), 1, 80)
    assert len({column["key"] for column in found["columns"]}) == len(found["columns"]) == 7
    assert [row["mode"] for row in found["rows"]] == ["standard"]
    many = [outcome(0, f"c{number}", True, None) for number in range(MOST_CATEGORIES + 1)]
    found = by_category(table_of(tmp_path, many), 1, 80)
    assert [column["label"] for column in found["columns"]] == ["Mode", "All questions", "Mean of the categories"]
    assert "Its 61 categories are too many for columns" in found["caption"]
    assert found["rows"][0]["all_questions"]["n"] == MOST_CATEGORIES + 1


def test_tables_of_one_page_with_other_questions_stand_apart(page, ada, tmp_path):
    experiment = make_experiment(ada, "Two sets", preset="tiny-paper")
    for name in ("first", "second"):
        run = asked(tmp_path, experiment, name, (6, 2), "generic")
        ResultTable.objects.filter(run=run).update(title=f"Multiple choice: {name}")
    html = page(address("other-questions", [experiment]))
    assert html.count('class="data" aria-labelledby="joined-') == 2


def test_averages_of_several_seeds_have_an_interval_over_them(page, client, ada):
    experiment = make_experiment(ada, "Seeds", preset="tiny-paper")
    for seed, value in enumerate((0.5, 0.6, 0.7)):
        run = made(experiment, f"s{seed}-rpt", "rpt", copy_seed=seed)
        for level in ("easy", "medium", "hard"):
            measured(run, 80, value, difficulty=level, position_set=f"set{seed}")
    (row,) = refreshed(experiment).values()
    shown = words(page(address("figure-4", [experiment])))
    half = T_OF_2 * 0.1 / 3**0.5
    assert f"60.0 {60 - 100 * half:.1f} to {60 + 100 * half:.1f}" in shown
    assert "A row of several seeds has Student's t interval over the seeds" in shown
    (found,) = file_rows(client, f"paper/{experiment.pk}/figure-4/averages/{row.group}")
    assert float(found["average_low"]) == pytest.approx(0.6 - half)
    assert found["seeds"] == "0, 1, 2"
    assert paper.averages([row])[0].high == pytest.approx(0.6 + half)
