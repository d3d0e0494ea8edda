"""The page of results across experiments: groups, ranks and reasons, a pinned baseline, where its numbers lead."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.urls import reverse

from rpt_web.results import pins
from rpt_web.results.models import BaselineLead, EvaluatedSet, PinnedBaseline
from rpt_web.teams import sharing
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import Role, Team
from tests.factories import make_experiment, make_user
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.markup import flat
from tests.rpt_web.results.test_standings import checkpoint, made, measured, refreshed

pytestmark = pytest.mark.django_db

ADDRESS = "/results/"


@pytest.fixture
def two(ada):
    """Two experiments on one position set, the second also elsewhere in the corpus, and one of unknown positions."""
    first, second = make_experiment(ada, "First"), make_experiment(ada, "Second")
    cold = made(first, "cold", "sft")
    rpt = made(first, "rpt", "rpt", checkpoint(cold, 80), flops=5e11)
    measured(rpt, 0, 0.2)
    measured(rpt, 80, 0.9)
    measured(rpt, 80, 0.1, mode="standard")
    expert = made(second, "expert", "expert_iteration")
    measured(expert, 80, 0.95)
    measured(made(second, "lost", "ntp"), 80, 0.99, no_box=0.7)
    measured(made(second, "other", "rpt"), 80, 0.97, position_set="b")
    measured(made(second, "unknown", "rpt"), 80, 0.98, position_set="")
    for hash_, nats in (("a", 1.5), ("b", 2.0)):
        known = {"positions": 700, "documents": 90, "above_nats": {"hard": nats}, "corpora": ["Cards"]}
        EvaluatedSet.objects.create(team=first_team(), hash=hash_, **known)
    return {**refreshed(first), **refreshed(second)}


def text(html):
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))


def ranks(html):
    """Name and mode of each row with its rank, in the order of the page."""
    rows = re.findall(r"<tr\b.*?</tr>", html.partition("Elsewhere in this corpus")[0], re.DOTALL)
    cells = [text(row) for row in rows if 'class="number rank"' in row]
    return [(words.split()[1], words.split()[0]) for words in cells]


def test_rows_of_both_experiments_are_ranked_together_and_a_lost_format_is_not(page, two):
    html = page(ADDRESS + "?set=a&mode=sampled")
    assert ranks(html) == [("expert", "1"), ("rpt", "2"), ("cold", "3"), ("lost", "–")]
    assert "lost the response format" in html
    assert "70.0 % of its responses have no box" in html  # blanks are folded
    assert "+70.0" in html  # the gain of rpt over its start


def test_each_mode_is_ranked_by_itself_under_its_name(page, two):
    html = page(ADDRESS + "?set=a")
    assert ranks(html) == [("expert", "1"), ("rpt", "2"), ("cold", "3"), ("rpt", "1"), ("lost", "–")]
    heads = [text(head).strip() for head in re.findall(r'<tr class="seed">(.*?)</tr>', html, re.DOTALL)]
    assert heads == ["Reasoning", "Standard", "Not ranked"]
    assert "Ranked by hard positions, within each mode" in html
    assert '<tr class="seed">' not in page(ADDRESS + "?set=a&mode=sampled")


def test_all_groups_are_on_the_first_page_and_never_in_one_ranking(page, two):
    html = page(ADDRESS)
    sections = html.split('<section class="section board"')[1:]
    found = [ranks(part) for part in sections]
    assert len(sections) == 3
    assert [("other", "1")] in found
    assert [("unknown", "–")] in found
    assert "Unknown positions" in html


def test_rows_of_other_thresholds_are_listed_elsewhere_with_the_reason(page, two):
    html = page(ADDRESS + "?set=a")
    beside = html.partition("Elsewhere in this corpus")[2]
    assert "other" in text(beside)
    assert "other thresholds" in beside
    assert "hard above 2 nats" in text(beside)
    assert "Elsewhere in this corpus" not in page(ADDRESS + "?set=unknown")


def test_filters_of_the_address_narrow_the_rows(page, two):
    experiment = two["rpt", "sampled", "a"].experiment_id
    assert [name for name, _ in ranks(page(f"{ADDRESS}?set=a&experiment={experiment}&mode=sampled"))] == ["rpt", "cold"]
    assert [name for name, _ in ranks(page(f"{ADDRESS}?set=a&stage=ntp"))] == ["lost"]
    assert ranks(page(f"{ADDRESS}?set=a&difficulty=easy")) == []
    assert "Nothing fits" in page(f"{ADDRESS}?corpus=Nobody")
    assert "Cards" in page(f"{ADDRESS}?corpus=Cards")


def test_rows_of_one_name_have_the_numbers_of_their_runs(page, ada):
    first, second = make_experiment(ada, "Same"), make_experiment(ada, "Same")
    runs = [made(experiment, "rpt", "rpt") for experiment in (first, second)]
    for run in runs:
        measured(run, 80, 0.9)
    alone = made(second, "alone", "rpt")
    measured(alone, 80, 0.8)
    for experiment in (first, second):
        refreshed(experiment)
    html = page(f"{ADDRESS}?set=a")
    for run in runs:
        assert f">rpt #{run.pk}</a>" in html
        assert f'aria-label="Choose rpt #{run.pk}, reasoning"' in html
    assert ">alone</a>" in html


def test_a_set_that_nobody_has_measured_is_not_found(client, ada):
    client.force_login(ada)
    assert client.get(ADDRESS + "?set=nothing").status_code == 404
    assert "Nothing was evaluated yet" in text(client.get(ADDRESS).content.decode())


def test_every_number_leads_to_its_responses_and_every_row_to_its_run(page, two):
    html = unescape(page(ADDRESS + "?set=a"))
    rpt = two["rpt", "sampled", "a"]
    (run,) = rpt.runs
    assert f'href="/traces/?run={run}&kind=sampled&step_from=80&step_to=80&difficulty=hard"' in html
    assert f'href="{reverse("runs:run_detail", args=[run])}"' in html
    assert f'href="{reverse("experiments:experiment_detail", args=[rpt.experiment_id])}"' in html
    assert re.search(rf'href="/compare/\?runs=\d+@80,{run}@80&mode=sampled"[^>]*>Compare with the first row', html)
    assert f"@80:sampled,{run}@80:standard" in html  # the same model, in another mode than the first row's


def test_ticked_rows_are_compared_and_without_a_tick_the_first(page, client, two):
    html = page(ADDRESS + "?set=a&mode=sampled")
    picks = re.findall(r'type="checkbox" form="pick-a" name="runs" value="([^"]+)"', re.sub(r"\s+", " ", html))
    runs = [f"{two[name, 'sampled', 'a'].runs[0]}@80" for name in ("expert", "rpt", "cold", "lost")]
    assert picks == [f"{run}:sampled" for run in runs]
    first = re.search(r'name="else" value="([^"]+)"', html)[1]
    assert first == ",".join(picks[:3])
    asked = reverse("compare:basket") + f"?else={first}"
    ticked = client.get(f"{asked}&runs={picks[1]}&runs={picks[3]}")["Location"]
    assert ticked == f"/compare/?runs={runs[1]},{runs[3]}&mode=sampled"
    assert client.get(asked)["Location"] == f"/compare/?runs={','.join(runs[:3])}&mode=sampled"
    in_two_modes = client.get(f"{asked}&runs={runs[1]}:standard&runs={picks[1]}")["Location"]
    assert in_two_modes == f"/compare/?runs={runs[1]}:standard,{picks[1]}"


def test_each_row_is_compared_with_the_baseline_of_its_board(page, two):
    base, better = two["rpt", "sampled", "a"], two["expert", "sampled", "a"]
    html = unescape(page(f"{ADDRESS}?set=a&baseline={base.pk}"))
    assert re.search(
        rf'href="/compare/\?runs={base.runs[0]}@80,{better.runs[0]}@80&mode=sampled"[^>]*>Compare with the baseline',
        html,
    )


def test_a_pinned_baseline_gives_differences_with_intervals(page, client, two, ada):
    base, better = two["rpt", "sampled", "a"], two["expert", "sampled", "a"]
    client.force_login(ada)
    answer = client.post(reverse("results:baseline"), {"row": base.pk})
    assert answer["Location"] == "/results/?set=a"
    assert "its interval is being computed" in text(page(ADDRESS + "?set=a"))
    refreshed(base.experiment)  # as the reaper does
    lead = BaselineLead.objects.get(standing=better)
    assert lead.value == pytest.approx(0.05)
    assert lead.how == "unpaired (Newcombe)"
    html = text(page(ADDRESS + "?set=a"))
    assert "Differences are to “rpt”, the team's baseline" in html
    assert "+5.0 to the baseline" in html
    assert "is being computed" not in html
    client.post(reverse("results:baseline"), {"group": "a"})
    assert not PinnedBaseline.objects.exists()


def test_rows_stay_filtered_when_one_is_pinned_and_when_none_is_any_more(page, client, two, ada):
    client.force_login(ada)
    place = reverse("results:baseline") + "?difficulty=hard&mode=sampled"
    assert f'action="{place.replace("&", "&amp;")}"' in page(f"{ADDRESS}?set=a&mode=sampled")
    for values in ({"row": two["rpt", "sampled", "a"].pk}, {"group": "a"}):
        assert client.post(place, values)["Location"] == "/results/?set=a&difficulty=hard&mode=sampled"
    assert client.post(place, {"group": "?"})["Location"] == "/results/?difficulty=hard&mode=sampled"


def test_a_pinned_row_whose_share_was_withdrawn_is_no_baseline_any_more(client, two, ada):
    base, guests = two["rpt", "sampled", "a"], Team.objects.create(name="Guests")
    guest = make_user("guest", Role.MEMBER, team=guests)
    own = make_experiment(guest, "Their own")
    measured(made(own, "theirs", "rpt"), 80, 0.5)
    refreshed(own)
    share = sharing.share("experiment", base.experiment, "Guests", ada)
    pins.pin(guests, base, guest)
    client.force_login(guest)
    assert "Differences are to “rpt”" in text(flat(client.get(ADDRESS + "?set=a")))
    assert client_of(guest).get(f"{ROOT}/leaderboard?set=a").json()["baseline"] == base.pk
    share.delete()
    shown = text(flat(client.get(ADDRESS + "?set=a")))
    assert "theirs" in shown
    assert "“rpt”" not in shown
    assert client_of(guest).get(f"{ROOT}/leaderboard?set=a").json()["baseline"] is None


def test_a_baseline_of_the_address_gives_differences_without_being_pinned(page, two):
    html = text(page(f"{ADDRESS}?set=a&baseline={two['cold', 'sampled', 'a'].pk}"))
    assert "Differences are to “cold”." in html
    assert "+75.0 to the baseline" in html
    assert "pin the baseline to have the interval computed" in html


def test_a_row_of_unknown_positions_is_no_baseline(client, two, ada):
    client.force_login(ada)
    answer = client.post(reverse("results:baseline"), {"row": two["unknown", "sampled", ""].pk}, follow=True)
    assert "cannot be a baseline" in answer.content.decode()
    assert not PinnedBaseline.objects.exists()


def test_a_group_of_odd_letters_has_no_pin_to_take_away(client, two, ada):
    client.force_login(ada)
    for group in ("\x00", "a\x00", "x" * 5000):
        assert client.post(reverse("results:baseline"), {"group": group}).status_code == 302


def test_other_teams_rows_are_not_there(client, two):
    stranger = make_user("stranger", Role.MEMBER, team=Team.objects.create(name="Strangers"))
    client.force_login(stranger)
    assert client.get(ADDRESS + "?set=a").status_code == 404
    row = two["rpt", "sampled", "a"].pk
    assert client.post(reverse("results:baseline"), {"row": row}).status_code == 404


def test_a_long_group_comes_in_pages(page, ada):
    experiment = make_experiment(ada)
    for number in range(23):
        measured(made(experiment, f"run-{number}", "rpt"), 80, number / 100)
    refreshed(experiment)
    first = page(ADDRESS + "?set=a")
    assert len(ranks(first)) == 20
    (more,) = re.findall(r'href="\?(set=a[^"]*after=\d+)"', unescape(first))
    assert ranks(page(f"{ADDRESS}?{more}")) == [("run-2", "21"), ("run-1", "22"), ("run-0", "23")]
    assert len(ranks(page(ADDRESS))) == 6


def test_a_board_is_exported_as_it_is_shown(client, two, ada):
    import csv
    import io

    client.force_login(ada)
    answer = client.get("/results/board.csv?set=a&mode=sampled")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [(row["model"], row["rank"]) for row in rows] == [("expert", "1"), ("rpt", "2"), ("cold", "3"), ("lost", "")]
    assert float(rows[1]["hard"]) == 0.9
    assert float(rows[1]["gain_hard"]) == pytest.approx(0.7)
    assert rows[3]["not_ranked_for"] == "lost the response format"
    assert client.get("/results/board.parquet?set=a").content[:4] == b"PAR1"
    assert client.get("/results/board.csv").status_code == 404
