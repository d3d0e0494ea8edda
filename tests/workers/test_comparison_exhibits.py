"""Tables, settings and curves of Compare under addresses of their own: numbers, who sees them, anonymous copies."""

from __future__ import annotations

import csv
import io

import pytest
from django.urls import reverse

from rpt_web.reports import content, services
from rpt_web.reports.files import copy_of, html_file, zip_file
from rpt_web.runs.models import ParentRole, RunParent
from rpt_web.teams.models import Team
from tests.evaluated_runs import evaluate, made_run, random_rights
from tests.factories import make_experiment, make_user
from tests.rpt_web.compare.test_curves import measure
from tests.rpt_web.markup import flat
from tests.workers import test_comparisons
from tests.workers.test_comparisons import A, made, text_of

pytestmark = pytest.mark.django_db(transaction=True)  # the job renews its lease on a connection of its own
ada, client, two = test_comparisons.ada, test_comparisons.client, test_comparisons.two


def refs_of(runs, *rests):
    return [f"compare/{','.join(str(run.pk) for run in runs)}/{rest}" for rest in rests]


def rows_of(client, ref):
    answer = client.get(reverse("exhibits:exhibit_file", args=[ref, "csv"]))
    assert answer.status_code == 200, ref
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


@pytest.fixture
def compared(client, two):
    """Two runs that were compared, with curves and with settings that differ."""
    for run, factor in zip(two, (1, 2), strict=True):
        measure(run, range(1, 6), reward_mean=lambda step, by=factor: step * by / 10)
        run.config = run.config | {"model": {"path": f"/data/models/tiny-{factor}"}, "sampling": {"seed": factor}}
        run.save()
    return made(client, *two)


def test_the_tables_of_a_comparison_hold_its_numbers_and_have_menus(client, two, compared):
    page = text_of(client, *two)
    baseline, matrix, parts = refs_of(two, "baseline/greedy", "matrix/greedy", "parts/greedy")
    for ref in (f"{baseline}/hard", f"{parts}/hard"):  # the page shows hard positions first
        assert reverse("exhibits:exhibit_file", args=[ref, "csv"]) in page, ref
        assert client.get(reverse("exhibits:exhibit_detail", args=[ref])).status_code == 200
    (second,) = (row for row in rows_of(client, baseline) if row["run"].startswith("b") and row["difficulty"] == "hard")
    stored = compared.data["with_baseline"][0]["levels"]["hard"]
    for key, name in (("difference", "value"), ("difference_low", "low"), ("p", "p"), ("gained", "gained")):
        assert float(second[key]) == stored[name], key
    (pair,) = (row for row in rows_of(client, matrix) if row["difficulty"] == "hard")
    assert float(pair["difference"]) == stored["value"]
    assert rows_of(client, parts)


def tex_of(client, ref):
    return client.get(reverse("exhibits:exhibit_file", args=[ref, "tex"])).content.decode()


def test_a_table_has_the_difficulty_that_the_page_shows_or_all_from_easy_to_hard(client, two, compared):
    for name in ("baseline", "matrix", "parts"):
        every, hard = refs_of(two, f"{name}/greedy", f"{name}/greedy/hard")
        levels = [row["difficulty"] for row in rows_of(client, every)]
        assert list(dict.fromkeys(levels)) == ["easy", "medium", "hard"], name
        assert rows_of(client, hard) == [row for row in rows_of(client, every) if row["difficulty"] == "hard"], name
    address = reverse("compare:table_file", args=[compared.pk])
    file = client.get(address, {"table": "baseline", "difficulty": "medium", "file": "csv"}).content.decode()
    assert "medium" in file
    assert "hard" not in file
    assert client.get(address, {"difficulty": "odd"}).status_code == 404


def test_a_paper_gets_the_columns_of_the_page_and_files_get_all(client, two, compared):
    (ref,) = refs_of(two, "baseline/greedy/hard")
    text = tex_of(client, ref)
    (head,) = (line for line in text.splitlines() if line.strip().startswith("Run &"))
    assert head.split(" & ") == [
        "    Run",
        r"Accuracy (\%)",
        "Difference from the baseline (points)",
        "p, Holm",
        "Gained",
        "Forgotten",
        r"Training FLOPs \\",
    ]
    assert "Each run against the baseline, hard positions." in text
    assert "Difference: the run's accuracy minus the baseline's." in text
    assert {"document_low", "design_effect", "both", "p", "no_box"} <= set(rows_of(client, ref)[0])


def test_the_comments_of_a_latex_table_are_read_as_they_are_written(client, two, compared):
    two[1].name = 'b"\nx\u2028\\input{y}'
    two[1].save()
    (ref,) = refs_of(two, "baseline/greedy/hard")
    before, _, after = tex_of(client, ref).partition(r"\begin{table}")
    assert all(line.startswith("%") for line in before.splitlines())
    assert f'% run: {two[1].pk}, b" x \\input{{y}}, stage rpt' in before
    assert "textquotedbl" not in before
    assert '"/data/models/tiny-2"' in before
    assert max(map(len, before.splitlines())) <= 120
    assert r"\input" not in after


def test_a_model_that_lost_the_response_format_is_flagged_wherever_it_is_compared(client, two, compared):
    assert "lost the response format" not in text_of(client, *two)
    two[1].evaluations.filter(difficulty="hard").update(no_box=0.978)
    assert "lost the response format" in text_of(client, *two)
    assert "Most responses have no box (97.8" in text_of(client, *two)
    hard, easy = refs_of(two, "baseline/greedy/hard", "baseline/greedy/easy")
    assert [row["validity"] for row in rows_of(client, hard)] == [
        "",
        "lost the response format (97.8\u00a0% without a box)",
    ]
    assert "& Validity" in tex_of(client, hard)
    assert "a missing answer counts as wrong" in tex_of(client, hard)
    assert "Validity" not in tex_of(client, easy)
    report = services.create(two[0].experiment.team, "Flagged", make_user("bob"))
    services.add_ref(report, hard)
    title, parts = copy_of(report, is_anonymous=True)
    assert "lost the response format" in html_file(title, parts, None).decode()


@pytest.mark.parametrize(
    ("effect", "is_said"), [(0.7, False), (1.0, False), (1.004, False), (1.3, True), (None, False)]
)
def test_documents_are_said_to_widen_an_interval_only_where_they_do(client, two, compared, effect, is_said):
    for level in compared.data["with_baseline"][0]["levels"].values():
        level["effect"] = effect
    compared.save()
    assert ("Documents widen the interval" in text_of(client, *two)) == is_said


def test_settings_and_curves_hold_what_the_page_shows(client, two, compared):
    settings, curves, gap = refs_of(
        two, "settings/frozen", "curves/metric=reward_mean", "curves/metric=reward_mean&minus=1"
    )
    rows = {row["setting"]: row for row in rows_of(client, settings)}
    assert [rows["sampling.seed"][f"run_{run.pk}"] for run in two] == ["1", "2"]
    assert "stage" not in rows  # the same in both
    assert {row["setting"] for row in rows_of(client, f"{settings}/model,sampling")}.isdisjoint(rows)
    points = rows_of(client, curves)
    assert [float(row["y"]) for row in points if row["series"].startswith("b")] == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert [float(row["y"]) for row in rows_of(client, gap)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    for view, ref in (("settings", settings), ("curves", curves)):
        page = flat(client.get(f"{reverse('compare:basket')}?runs={','.join(str(run.pk) for run in two)}&view={view}"))
        assert reverse("exhibits:exhibit_file", args=[ref, "csv"]) in page


def test_what_is_not_seen_or_not_made_is_a_404(client, two, compared):
    seen, *others = refs_of(
        two,
        *(
            "baseline/greedy",
            "baseline/sampled",
            "baseline/x",
            "baseline/greedy/x",
            "baseline/greedy/",
            "settings/x",
            "curves/metric=x",
            "curves/x",
            "nothing/x",
        ),
    )
    address = reverse("exhibits:exhibit_detail", args=[seen])
    assert client.get(address).status_code == 200
    for ref in (*others, f"compare/{two[0].pk},999999/settings/frozen", f"compare/{two[0].pk},/settings/frozen"):
        assert client.get(reverse("exhibits:exhibit_detail", args=[ref])).status_code == 404, ref
    client.force_login(make_user("stranger", team=Team.objects.create(name="Elsewhere")))
    for ref in refs_of(two, "baseline/greedy", "settings/frozen", "curves/metric=reward_mean"):
        assert client.get(reverse("exhibits:exhibit_detail", args=[ref])).status_code == 404, ref


def test_a_frozen_report_keeps_them_and_an_anonymous_copy_names_no_experiment_and_no_path(client, two, compared):
    experiments = [run.experiment for run in two]
    for experiment, name in zip(experiments, ("Narwhal", "Walrus"), strict=True):
        experiment.name = name
        experiment.save()
    report = services.create(two[0].experiment.team, "Compared", make_user("bob"))
    for ref in refs_of(two, "baseline/greedy", "settings/frozen", "curves/metric=reward_mean"):
        services.add_ref(report, ref)
    services.freeze(report)
    before = [part.exhibit.as_json() for part in content.shown_parts(report)]
    for experiment, name in zip(experiments, ("Cat", "Dog"), strict=True):
        experiment.name = name  # what it was called when the report was frozen must not be told, either
        experiment.save()
    two[1].delete()
    assert [part.exhibit.as_json() for part in content.shown_parts(report)] == before
    assert "Narwhal" in str(before)
    title, parts = copy_of(report, is_anonymous=True)
    told = str([part.exhibit.as_json() for part in parts])
    for secret in ("Narwhal", "Walrus", "/data/models", f"({two[0].pk})", f"run_{two[0].pk}'"):
        assert secret not in told or secret in ("(1)", "run_1'"), secret
    assert "[path]" in told
    assert zip_file(title, parts, report.frozen_at)


@pytest.fixture
def seeds(client, ada):
    """Two models of three seeds each, compared."""
    experiment = make_experiment(ada, "Narwhal")
    runs = [
        evaluate(made_run(experiment, f"s{seed}-{name}", seed, copy_seed=seed), random_rights(share, seed=seed))
        for name, share in (("base", 0.4), ("rpt", 0.6))
        for seed in range(3)
    ]
    return runs, made(client, *runs)


def test_seeds_together_are_an_exhibit_of_what_the_page_shows(client, seeds):
    runs, comparison = seeds
    (ref,) = refs_of(runs, "seeds/greedy/hard")
    page = text_of(client, *runs)
    assert reverse("exhibits:exhibit_file", args=[ref, "csv"]) in page
    rows = [row for row in rows_of(client, ref) if row["difficulty"] == "hard"]
    first, second = comparison.data["groups"]["hard"]
    assert [(row["model"], row["seeds"]) for row in rows] == [("base", "3"), ("rpt", "3")]
    assert rows[0]["difference"] == ""
    assert float(rows[0]["accuracy_low"]) == first["low"]
    found = second["difference"]
    for key, name in (("difference", "value"), ("difference_high", "high"), ("bootstrap_low", "bootstrap_low")):
        assert float(rows[1][key]) == found[name], key
    assert rows[1]["runs"] == ", ".join(f"{run.pk}@1" for run in runs[3:])
    caption = content.data_of(runs[0].experiment.team_id, ref).caption
    assert "Student's t over the seeds covers the noise of training" in caption
    report = services.create(runs[0].experiment.team, "Seeds", make_user("bob"))
    services.add_ref(report, ref)
    services.freeze(report)
    told = str([part.exhibit.as_json() for part in copy_of(report, is_anonymous=True)[1]])
    assert "Narwhal" not in told
    assert "1@1, 2@1, 3@1" in told


def test_without_seeds_there_is_no_such_exhibit(client, two, compared):
    (ref,) = refs_of(two, "seeds/greedy")
    assert client.get(reverse("exhibits:exhibit_detail", args=[ref])).status_code == 404


def test_the_noise_floor_is_an_exhibit_with_its_evaluations(client, two, compared):
    (ref,) = refs_of(two, "noise/greedy")
    address = reverse("exhibits:exhibit_detail", args=[ref])
    assert client.get(address).status_code == 404
    assert address not in text_of(client, *two)
    again = []
    for seed, right in ((1, True), (2, False)):
        run = made_run(two[0].experiment, f"again-{seed}", seed, stage="evaluate")
        RunParent.objects.create(run=run, role=ParentRole.START, parent=two[0], step=1)
        again.append(evaluate(run, {**A, ("doc1", 10): right}))
    assert address in text_of(client, *two)
    rows = {row["difficulty"]: row for row in rows_of(client, ref)}
    assert set(rows) == {"easy", "medium", "hard"}
    assert (rows["hard"]["models"], rows["hard"]["evaluations"]) == ("1", "2")
    assert float(rows["hard"]["deviation"]) == pytest.approx(0.25 / 2**0.5)
    assert float(rows["hard"]["floor"]) == pytest.approx(1.959964 * 0.25)
    shown = flat(client.get(address))
    for run in again:
        assert reverse("runs:run_detail", args=[run.pk]) in shown
    assert f"{reverse('reports:report_list')}?ref=" in shown


def test_another_teams_report_does_not_show_them(two, compared):
    other = Team.objects.create(name="Elsewhere")
    for ref in refs_of(two, "baseline/greedy", "settings/frozen", "curves/metric=reward_mean"):
        assert content.data_of(other.pk, ref) is None
        assert content.data_of(two[0].experiment.team_id, ref) is not None


@pytest.mark.parametrize(("state", "words"), [("running", "running"), ("waiting", "waiting")])
def test_what_is_still_being_evaluated_is_said_to_be(client, two, state, words):
    run = made_run(two[0].experiment, "late", stage="evaluate", status=state)
    said = f"It is still being evaluated ({words}). It can be compared once that has ended."
    assert said in text_of(client, two[0], run)
    run.status = "failed"
    run.save()
    text = text_of(client, two[0], run)
    assert "still being evaluated" not in text
    assert "It was not evaluated position by position. Evaluate it" in text


def test_positions_of_runs_of_one_name_are_told_apart(client, two, compared):
    two[1].name = "a"
    two[1].save()
    text = flat(client.get(reverse("compare:positions", args=[compared.pk])))
    assert f"<h1>a #{two[1].pk} against a #{two[0].pk}</h1>" in text
    assert f'data-label="a #{two[0].pk}"' in text
