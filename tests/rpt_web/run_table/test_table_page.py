"""The page of the table: what it shows, its views, its files, and what is done with ticked runs."""

from __future__ import annotations

import csv
import io
from urllib.parse import urlencode

import pyarrow.parquet as pq
import pytest

from rpt_web.run_table import saved
from rpt_web.run_table.models import SavedView
from rpt_web.run_table.rows import AskedTable
from rpt_web.runs.models import Run
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import Role
from tests.factories import make_user
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.markup import flat

pytestmark = pytest.mark.django_db
TABLE = "/runs/table/"
ODD = ("\x00", "-1", "9" * 30, "²", "<b>&\"'", "\ud83d", "[", "a" * 3000, "seed=1e400", "config.a=NaN", "config.a<[")
ODD += ("created>9999-12-31T23:59-23:59", "tags=\x00", "name=\ud83d", "config.-1", "config.seed.0.-5")
SHOWN = "columns=seed,config.steps,metric.reward_mean.last,accuracy.hard.greedy"


def test_the_table_shows_values_intervals_and_dashes(page, runs):
    text = page(f"{TABLE}?{SHOWN}&where=name~a&sort=-metric.reward_mean.last")
    assert text.index(">a2<") < text.index(">a1<") < text.index(">a0<")
    assert ">b0<" not in text
    assert f'href="/runs/{runs["a1"].pk}/curves/">0.6</a>' in text
    assert "50.0 to 70.0, n 100, step 10" in text
    assert 'aria-sort="descending"' in text
    assert '<span class="faint">–</span>' in page(f"{TABLE}?{SHOWN}&where=name=queued")


def test_what_cannot_be_shown_is_said(page, runs):
    assert "Did you mean &#x27;seed&#x27;?" in page(f"{TABLE}?columns=sede")
    assert "No run fits" in page(f"{TABLE}?where=seed=77")


@pytest.mark.parametrize("name", ["columns", "where", "group", "sort", "after", "type", "view", "q"])
def test_no_odd_value_in_an_address_breaks_a_page(client, ada, runs, name):
    client.force_login(ada)
    for odd in ODD:
        query = urlencode({name: odd}, errors="surrogatepass")
        statuses = [client.get(f"{TABLE}{part}?{query}").status_code for part in ("", "file", "columns/")]
        assert max(statuses) < 500, odd


def test_hostile_names_and_values_are_escaped(page, runs):
    Run.objects.filter(name="a0").update(name="<script>x</script>", tags=["<b>"], config={"model": {"path": "<i>"}})
    text = page(f"{TABLE}?columns=tags,config.model.path,name")
    assert "<script>x" not in text
    assert "<b>" not in text
    assert "<i>" not in text


def test_groups_lead_to_their_members(page, runs):
    text = page(f"{TABLE}?columns=metric.reward_mean.last&group=config.steps")
    assert "3 groups of 6 runs" in text
    assert "where=config.steps%3D10" in text
    assert "0.3516 to 0.8484, n 3" in text


def test_files_are_exactly_what_is_shown(client, ada, runs):
    client.force_login(ada)
    query = f"{SHOWN}&where=name~a&sort=metric.reward_mean.last"
    answer = client.get(f"{TABLE}file?{query}&type=csv")
    lines = list(csv.reader(io.StringIO(answer.content.decode())))
    assert lines[0][:5] == ["id", "name", "seed", "config.steps", "metric.reward_mean.last"]
    assert [line[1] for line in lines[1:]] == ["a0", "a1", "a2"]
    table = pq.read_table(io.BytesIO(client.get(f"{TABLE}file?{query}&type=parquet").content))
    assert table["metric.reward_mean.last"].to_pylist() == [0.5, 0.6, 0.7]
    assert table["accuracy.hard.greedy_n"].to_pylist() == [100, 100, 100]
    assert client.get(f"{TABLE}file?{query}&type=exe").status_code == 404
    assert client.get(f"{TABLE}file?columns=sede").status_code == 422


def test_columns_are_found_by_words(page, runs):
    text = page(f"{TABLE}columns/?q=reward+last")
    assert 'value="metric.reward_mean.last"' in text
    assert "config.steps" not in text
    assert '<option value="accuracy.hard.greedy">' in page(f"{TABLE}columns/?as=options")


def test_a_view_is_saved_shown_changed_and_deleted(client, ada, runs):
    client.force_login(ada)
    answer = client.post("/runs/views/new", {"name": "Seeds", "query": f"{SHOWN}&group=config.steps"})
    view = SavedView.objects.get()
    assert answer.headers["Location"] == f"{TABLE}?view={view.pk}"
    assert "3 groups of 6 runs" in flat(client.get(answer.headers["Location"]))
    change = f"/runs/views/{view.pk}"
    text = flat(client.get(f"{TABLE}?{SHOWN}&view={view.pk}"))
    assert "(changed)" in text
    client.post(change, {"do": "update", "query": "columns=seed"})
    client.post(change, {"do": "rename", "name": "Just seeds"})
    client.post(change, {"do": "default"})
    view.refresh_from_db()
    assert (view.query, view.name, view.is_default) == ("columns=seed", "Just seeds", True)
    assert "Just seeds" in flat(client.get(TABLE))
    assert "Your table" not in flat(client.get(f"{TABLE}?view="))
    client.post(change, {"do": "delete"})
    assert not SavedView.objects.exists()


def test_one_name_is_taken_once_and_a_wrong_view_is_refused(client, ada, runs):
    client.force_login(ada)
    for query in ("columns=seed", "columns=seed", "columns=sede"):
        client.post("/runs/views/new", {"name": "Seeds", "query": query})
    assert SavedView.objects.count() == 1


def test_a_private_view_is_its_owners_and_a_shared_one_the_teams(client, ada):
    team, grace, eve = first_team(), make_user("grace"), make_user("eve", Role.ADMINISTRATOR)
    own = saved.create(team, ada, "own", AskedTable.of(["seed"]))
    shared = saved.create(team, ada, "shared", AskedTable.of(["seed"]), is_shared=True)
    client.force_login(grace)
    assert client.get(f"{TABLE}?view={own.pk}").status_code == 404
    assert client.get(f"{TABLE}?view={shared.pk}").status_code == 200
    assert client.post(f"/runs/views/{shared.pk}", {"do": "rename", "name": "x"}).status_code == 403
    client.force_login(ada)
    assert client.post(f"/runs/views/{shared.pk}", {"do": "default"}).status_code == 403
    client.force_login(eve)
    assert client.post(f"/runs/views/{shared.pk}", {"do": "default"}).status_code == 302
    assert client.post(f"/runs/views/{own.pk}", {"do": "delete"}).status_code == 404


def test_ones_own_default_comes_before_the_teams_and_there_is_one_of_each(ada):
    team = first_team()
    shared = [saved.create(team, ada, name, AskedTable.of(), is_shared=True) for name in "ab"]
    own = [saved.create(team, ada, name, AskedTable.of()) for name in "cd"]
    for view in (*shared, *own):
        saved.make_default(view)
    assert set(SavedView.objects.filter(is_default=True).values_list("name", flat=True)) == {"b", "d"}
    views = list(SavedView.objects.all())
    assert saved.default_among(views, [team]).name == "d"
    assert saved.default_among([view for view in views if view.is_shared], [team]).name == "b"
    assert saved.default_among([], [team]) is None
    saved.change(own[1], is_shared=True)
    assert not SavedView.objects.get(name="d").is_default


def test_ticked_runs_are_tagged_compared_and_cancelled(client, ada, runs):
    client.force_login(ada)
    keys = [runs[name].pk for name in ("a1", "a0", "queued")]
    sent = {"run": keys, "from": "table", "query": SHOWN}
    answer = client.post("/runs/change", sent | {"do": "tag", "tags": "Paper,  second  try"})
    assert answer.headers["Location"] == f"{TABLE}?{SHOWN}"
    assert Run.objects.get(name="a0").tags == ["paper", "second try"]
    client.post("/runs/change", sent | {"do": "untag", "tags": "paper"})
    assert Run.objects.get(name="a1").tags == ["second try"]
    answer = client.post("/runs/change", sent | {"do": "compare"})
    assert answer.headers["Location"] == f"/compare/?runs={','.join(str(key) for key in sorted(keys))}"
    client.post("/runs/change", sent | {"do": "cancel"})
    assert Run.objects.get(name="queued").status == "cancelled"


def test_tags_of_one_run_are_written_on_its_page_and_kept_in_the_trail(client, ada, runs):
    client.force_login(ada)
    run = runs["a0"]
    client.post(f"/runs/{run.pk}/tags", {"tags": "paper, best"})
    run.refresh_from_db()
    assert run.tags == ["paper", "best"]
    text = flat(client.get(f"/runs/{run.pk}/"))
    assert "where=tags%3Dpaper" in text
    client.post(f"/runs/{run.pk}/tags", {"tags": ",".join(f"t{number}" for number in range(13))})
    run.refresh_from_db()
    assert run.tags == ["paper", "best"], "13 are too many"
    assert Run.changes.rel.related_model.objects.filter(pgh_obj=run.pk, tags=["paper", "best"]).exists()


def test_a_viewer_tags_nothing(viewer_client, runs):
    assert viewer_client.post(f"/runs/{runs['a0'].pk}/tags", {"tags": "x"}).status_code == 403
    viewer_client.post("/runs/change", {"run": [runs["a0"].pk], "do": "tag", "tags": "x"})
    assert Run.objects.get(name="a0").tags == []


def test_the_api_gives_the_same_and_keeps_views(caller, runs):
    asked = f"{ROOT}/runs/table?{SHOWN}&where=name~a&where=seed>0&sort=metric.reward_mean.last&limit=1"
    first = caller.get(asked).json()
    assert (first["total"], first["items"][0]["name"], first["items"][0]["accuracy.hard.greedy_low"]) == (2, "a1", 0.5)
    second = caller.get(f"{asked}&after={first['next']}").json()
    assert (second["items"][0]["name"], second["next"]) == ("a2", None)
    assert caller.get(f"{ROOT}/runs/table?columns=sede").status_code == 422
    names = [found["name"] for found in caller.get(f"{ROOT}/runs/table/columns?q=metric+kl").json()]
    assert names == ["metric.kl.last", "metric.kl.min", "metric.kl.max"]
    made = caller.post(f"{ROOT}/views", {"name": "v", "query": "columns=seed"}, "application/json").json()
    changed = {"name": "w", "is_default": True}
    assert caller.post(f"{ROOT}/views/{made['id']}", changed, "application/json").json()["is_default"]
    assert [view["name"] for view in caller.get(f"{ROOT}/views").json()["items"]] == ["w"]
    assert caller.delete(f"{ROOT}/views/{made['id']}").status_code == 204
    tagged = caller.post(f"{ROOT}/runs/{runs['a0'].pk}/tags", {"tags": ["One"]}, "application/json").json()
    assert tagged["tags"] == ["one"]


def test_other_teams_runs_are_in_no_table(runs):
    from rpt_web.teams.models import Team

    zoe = make_user("zoe", team=Team.objects.create(name="Others"))
    answer = client_of(zoe).get(f"{ROOT}/runs/table").json()
    assert answer["items"] == []
    assert client_of(zoe).get(f"{ROOT}/runs/table/columns?q=metric.").json() == []
