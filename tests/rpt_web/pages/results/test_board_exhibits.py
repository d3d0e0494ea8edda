"""Boards of the leaderboard and the paper's pages under addresses of their own: numbers, who sees them, no names."""

from __future__ import annotations

import csv
import io

import pytest
from django.urls import reverse

from rpt_web.reports import content, services
from rpt_web.reports.files import copy_of
from rpt_web.results import pins
from rpt_web.results.models import BaselineLead
from rpt_web.teams.models import Team
from tests.factories import make_experiment, make_user
from tests.rpt_web.pages.results import test_leaderboard, test_paper
from tests.rpt_web.results.test_standings import made, measured, refreshed

pytestmark = pytest.mark.django_db
board_rows = test_leaderboard.two
paper_experiments = test_paper.two


def file_address(ref, ending="csv"):
    return reverse("exhibits:exhibit_file", args=[ref, ending])


def rows_of(client, ref):
    answer = client.get(file_address(ref))
    assert answer.status_code == 200, ref
    assert client.get(reverse("exhibits:exhibit_detail", args=[ref])).status_code == 200, ref
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


def paper_refs(experiments):
    keys = ",".join(str(found.pk) for found in experiments)
    rests = ("table-8/table/templates", "figure-5/scaling", "table-1/board/a", "figure-4/averages/a")
    return [f"paper/{keys}/{rest}" for rest in rests]


def anonymous_and_frozen(report, renamed):
    """What an anonymous copy tells once the experiments, and so what is in the database, are called otherwise."""
    services.freeze(report)
    for number, experiment in enumerate(renamed):
        experiment.name = f"Other {number}"
        experiment.save()
    _, parts = copy_of(report, is_anonymous=True)
    return str([part.exhibit.as_json() for part in parts])


def test_a_board_is_a_file_with_the_ranks_and_numbers_of_its_page(page, client, board_rows):
    ref = "board/a/hard/mode=sampled"
    assert file_address(ref) in page("/results/?set=a&mode=sampled").replace("&amp;", "&")
    rows = rows_of(client, ref)
    assert [(row["model"], row["rank"]) for row in rows] == [("expert", "1"), ("rpt", "2"), ("cold", "3"), ("lost", "")]
    assert [float(row["hard"]) for row in rows] == [0.95, 0.9, 0.2, 0.99]
    assert float(rows[1]["gain_hard"]) == pytest.approx(0.7)
    assert rows_of(client, "board/unknown/hard")[0]["model"] == "unknown"
    assert client.get(file_address("board/b/hard", "tex")).status_code == 200


def test_a_board_ranks_as_the_page_with_the_same_baseline_does(page, client, board_rows):
    row = next(found for (name, mode, _), found in board_rows.items() if (name, mode) == ("rpt", "sampled"))
    ref = f"board/a/hard/baseline={row.pk}"
    assert file_address(ref) in page(f"/results/?set=a&baseline={row.pk}")
    assert [found["model"] for found in rows_of(client, ref)][:2] == ["expert", "rpt"]


def test_a_boards_file_has_the_differences_to_its_baseline(page, client, ada, board_rows):
    client.force_login(ada)
    base = board_rows["rpt", "sampled", "a"]
    ref = f"board/a/hard/baseline={base.pk}"
    unpinned = {row["model"]: row for row in sampled_rows(client, ref)}
    assert float(unpinned["expert"]["lead_hard"]) == pytest.approx(0.05)
    assert unpinned["expert"]["lead_hard_low"] == ""
    assert unpinned["expert"]["lead_how"] == "pin the baseline to have the interval computed"
    assert unpinned["rpt"]["lead_hard"] == unpinned["rpt"]["lead_how"] == ""  # the baseline itself
    assert unpinned["lost"]["lead_hard"] == ""  # must not be compared
    pins.pin(base.experiment.team, base, ada)
    pending = {row["model"]: row["lead_how"] for row in sampled_rows(client, ref)}
    assert pending["expert"] == "its interval is being computed"
    test_leaderboard.refreshed(base.experiment)  # as the reaper does
    lead = BaselineLead.objects.get(standing=board_rows["expert", "sampled", "a"], difficulty="hard")
    (found,) = (row for row in sampled_rows(client, ref) if row["model"] == "expert")
    assert (float(found["lead_hard_low"]), float(found["lead_hard_high"])) == (lead.low, lead.high)
    assert found["lead_how"] == "unpaired (Newcombe)"
    assert f"Differences are to “{base.name}”" in page("/results/?set=a")
    for address in ("/results/board.csv?set=a", f"/results/board.csv?set=a&baseline={base.pk}"):
        answer = client.get(address)
        assert b"lead_hard_low" in answer.content, address
    assert "lead_hard" not in rows_of(client, "board/a/hard")[0]


def sampled_rows(client, ref):
    return [row for row in rows_of(client, ref) if row["mode"] == "sampled"]


def test_what_is_no_board_or_another_teams_is_a_404(client, ada, board_rows):
    client.force_login(ada)
    for ref in ("board/zz/hard", "board/a/simple", "board/a/hard/what=1", "board/a/hard/experiment=x"):
        assert client.get(file_address(ref)).status_code == 404, ref
    elsewhere = Team.objects.create(name="Elsewhere")
    assert content.data_of(elsewhere.pk, "board/a/hard") is None
    client.force_login(make_user("stranger", team=elsewhere))
    assert client.get(file_address("board/a/hard")).status_code == 404


def test_an_anonymous_copy_of_a_frozen_board_has_no_experiment_name(ada, board_rows):
    experiments = {found.experiment for found in board_rows.values()}
    for experiment, name in zip(experiments, ("Narwhal", "Walrus"), strict=True):
        experiment.name = name
        experiment.save()
    report = services.create(next(iter(experiments)).team, "A board", ada)
    services.add_ref(report, "board/a/hard")
    assert "Narwhal" in str(content.shown_parts(report)[0].exhibit.as_json())
    told = anonymous_and_frozen(report, experiments)
    assert "Narwhal" not in told
    assert "Walrus" not in told
    assert "expert" in told
    assert f"'{board_rows['expert', 'sampled', 'a'].runs[0]}@80'" not in told or "'1@80'" in told


def test_the_papers_tables_and_figures_are_files_of_what_the_pages_show(page, client, paper_experiments):
    table, scaling, board, averages = refs = paper_refs(paper_experiments)
    for name, ref in zip(("table-8", "figure-5", "table-1", "figure-4"), refs, strict=True):
        assert file_address(ref) in page(test_paper.address(name, paper_experiments)), ref
    rows = rows_of(client, table)
    assert [(row["of_run"], float(row["random_at_1"])) for row in rows] == [
        ("First: templates", 0.4),
        ("Second: templates", 0.5),
    ]
    assert {row["random_at_1_n"] for row in rows} == {"700"}
    assert sorted(float(row["average"]) for row in rows_of(client, averages)) == pytest.approx([0.6, 0.61])
    assert {row["experiment"] for row in rows_of(client, board)} == {"First", "Second"}
    points = {row["series"]: float(row["y"]) for row in rows_of(client, scaling)}
    assert points["hard, First: rpt"] == pytest.approx(0.3)


def test_the_fits_beside_the_curves_are_a_file_with_their_means(page, client, ada):
    experiment = make_experiment(ada, "Suite")
    steps = ((20, 1e9), (40, 2e9), (60, 4e9), (80, 8e9), (100, 1.6e10))
    for seed in range(2):
        run = made(experiment, f"s{seed}-rpt", "rpt", copy_seed=seed)
        for step, flops in steps:
            value = 0.8 - seed / 50 - 0.5 * (flops / 1e9) ** -(0.8 + seed / 10)
            measured(run, step, value, flops=flops, n=2000)
    refreshed(experiment)
    ref = f"paper/{experiment.pk}/figure-5/fits"
    assert file_address(ref) in page(test_paper.address("figure-5", [experiment]))
    rows = rows_of(client, ref)
    assert [row["fit_of"] for row in rows] == ["rpt, mean of 2 seeds", "s0-rpt", "s1-rpt"]
    mean, *each = rows
    for key in ("alpha", "p_star"):
        assert float(mean[key]) == pytest.approx(sum(float(row[key]) for row in each) / 2), key
        assert float(mean[f"{key}_low"]) < float(mean[key]) < float(mean[f"{key}_high"]), key
    assert {row["points"] for row in each} == {"5"}
    assert float(each[0]["p_star_low"]) <= float(each[0]["p_star"]) <= float(each[0]["p_star_high"])
    assert client.get(file_address(f"paper/{experiment.pk}/figure-5/fits/x")).status_code == 404


def test_the_papers_figures_are_seen_by_who_sees_all_of_their_experiments(client, ada, paper_experiments):
    client.force_login(ada)
    keys = ",".join(str(found.pk) for found in paper_experiments)
    for rest in (
        "table-8/table/nothing",
        "table-8/scaling",
        "table-9/table/x",
        "table-1/board/zz",
        "figure-5/scaling/x",
    ):
        assert client.get(file_address(f"paper/{keys}/{rest}")).status_code == 404, rest
    elsewhere = Team.objects.create(name="Elsewhere")
    paper_experiments[1].team = elsewhere
    paper_experiments[1].save()
    client.force_login(make_user("stranger", team=elsewhere))
    for ref in paper_refs(paper_experiments):
        assert client.get(file_address(ref)).status_code == 404, ref
        assert content.data_of(elsewhere.pk, ref) is None
    assert client.get(file_address(paper_refs(paper_experiments[1:])[0])).status_code == 200


def test_anonymous_copies_of_the_papers_figures_name_no_experiment(ada, paper_experiments):
    for experiment, name in zip(paper_experiments, ("Narwhal", "Walrus"), strict=True):
        experiment.name = name
        experiment.save()
    report = services.create(paper_experiments[0].team, "Of the paper", ada)
    for ref in paper_refs(paper_experiments):
        services.add_ref(report, ref)
    told = anonymous_and_frozen(report, paper_experiments)
    assert "Narwhal" not in told
    assert "Walrus" not in told
    assert "templates" in told
