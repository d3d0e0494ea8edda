"""The table of runs under an address of its own: what the page shows, who sees it, anonymous copies."""

from __future__ import annotations

import csv
import io

import pytest
from django.urls import reverse

from rpt_web.exhibits import runs_tables
from rpt_web.reports import content, services
from rpt_web.reports.files import copy_of
from rpt_web.run_table.rows import AskedTable
from rpt_web.runs.models import Run
from rpt_web.teams.models import Team
from tests.factories import make_user

pytestmark = pytest.mark.django_db
QUERY = "columns=seed,metric.reward_mean.last,accuracy.hard.greedy&where=name~a&sort=-metric.reward_mean.last"
REF = "runs/table/columns=seed,metric.reward_mean.last,accuracy.hard.greedy&where=name~a&sort=-metric.reward_mean.last"


def rows_of(client, ref):
    answer = client.get(reverse("exhibits:exhibit_file", args=[ref, "csv"]))
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


def test_the_table_is_a_file_of_what_its_page_shows(page, client, runs):
    text = page(f"/runs/table/?{QUERY}").replace("&amp;", "&")
    assert reverse("exhibits:exhibit_file", args=[REF, "csv"]) in text
    assert client.get(reverse("exhibits:exhibit_detail", args=[REF])).status_code == 200
    rows = rows_of(client, REF)
    assert [(row["name"], float(row["metric.reward_mean.last"])) for row in rows] == [
        ("a2", 0.7),
        ("a1", 0.6),
        ("a0", 0.5),
    ]
    assert (float(rows[0]["accuracy.hard.greedy"]), rows[0]["accuracy.hard.greedy_n"]) == (0.7, "100")
    (group,) = rows_of(client, "runs/table/columns=metric.reward_mean.last&where=name~a&group=config.steps")
    assert float(group["metric.reward_mean.last"]) == pytest.approx(0.6)


def test_what_cannot_be_read_or_is_too_much_has_no_ref(client, ada, runs):
    client.force_login(ada)
    for rest in ("columns=sede", "where=seed<", f"columns={'seed,' * 100}"):
        assert client.get(reverse("exhibits:exhibit_detail", args=[f"runs/table/{rest}"])).status_code == 404, rest
    assert runs_tables.ref(AskedTable.of(), 5)
    assert runs_tables.ref(AskedTable.of(), runs_tables.MOST_ROWS + 1) == ""
    assert runs_tables.ref(AskedTable.of([f"config.{number}.{'x' * 30}" for number in range(20)]), 5) == ""


def test_another_team_and_its_reports_see_none_of_the_rows(client, runs):
    other = Team.objects.create(name="Elsewhere")
    client.force_login(make_user("stranger", team=other))
    assert rows_of(client, REF) == []
    assert not content.data_of(other.pk, REF).table.rows


def test_an_anonymous_copy_has_no_experiment_person_path_or_id(ada, experiment, runs):
    experiment.name = "Narwhal"
    experiment.save()
    Run.objects.filter(pk=runs["a1"].pk).update(config={"model": {"path": "somebody/model"}}, error="in /home/ada/x")
    report = services.create(experiment.team, "Runs", ada)
    columns = "columns=experiment,team,by,error,code_version,config.model.path,metric.reward_mean.last"
    services.add_ref(report, f"runs/table/{columns}&where=name~a&where=config.model.path!=acme/secret")
    services.add_ref(report, f"runs/table/{columns}&group=experiment")
    services.freeze(report)
    live = str([part.exhibit.as_json() for part in content.shown_parts(report)])
    secrets = ("Narwhal", "somebody/model", "acme/secret", "/home/ada")
    assert all(secret in live for secret in secrets)
    experiment.name = "Otherwise"
    experiment.save()
    _, parts = copy_of(report, is_anonymous=True)
    told = str([part.exhibit.as_json() for part in parts])
    for secret in (*secrets, f"'{ada.username}'"):
        assert secret not in told, secret
    keys = {column.key for part in parts for column in part.exhibit.table.columns}
    assert keys.isdisjoint({"experiment", "team", "by", "error"})
    assert "code_version" in keys
    table = parts[0].exhibit.table
    assert sorted(row["id"] for row in table.rows) == [1, 2, 3]
    assert {row["name"] for row in table.rows} == {"a0", "a1", "a2"}
