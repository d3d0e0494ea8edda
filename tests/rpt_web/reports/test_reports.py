"""Reports: made, frozen, shared by a link that ends, and anonymous copies that tell nothing of who made them."""

from __future__ import annotations

import io
import json
import re
import socket
import unicodedata
import zipfile
from datetime import timedelta
from tempfile import gettempdir

import pyarrow.parquet as pq
import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pypdf import PdfReader
from pypdf.generic import StreamObject

from rpt_core.errors import UserError
from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import Job
from rpt_web.pages.reports.links import MOST_MISSES
from rpt_web.reports import content, printing, services
from rpt_web.reports.models import ReportLink, TeamReport
from rpt_web.runs.models import Node, RunAttempt
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import Team
from tests.end_to_end.chromium import CHROMIUM
from tests.factories import make_user
from tests.preset_runs import finished_experiment
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.markup import flat
from workers.jobs import execute

pytestmark = [pytest.mark.django_db, pytest.mark.slow]  # a full experiment
NAMES = ("Zebediah", "Quackenbush", "zebediah.q@institute.example", "Vexholm Institute", "Project Narwhal")
HOST, NODE = "gpu-vexholm-07", "node.vexholm.example"
SECRETS = (
    *NAMES,
    "zebediah",
    HOST,
    NODE,
    "/home/zebediah",
    "10.20.30.40",
    "github.com/zebediah",
    "Cards, seed 0",
    "vexholm",
)


@pytest.fixture(scope="module")
def made(django_db_setup, django_db_blocker, redis_server):
    """One experiment for all tests here, of somebody with a name, in a transaction of its own."""
    with django_db_blocker.unblock(), transaction.atomic():
        user = make_user("zebediah")
        user.first_name, user.last_name, user.email = "Zebediah", "Quackenbush", NAMES[2]
        user.save()
        Team.objects.filter(pk=first_team().pk).update(name="Vexholm Institute")
        experiment = finished_experiment(user, steps=20, groups=1)
        Node.objects.create(name=NODE, version="1", last_seen=timezone.now())
        RunAttempt.objects.filter(run__experiment=experiment).update(worker=f"celery@{HOST}")
        yield experiment
        transaction.set_rollback(True)


@pytest.fixture
def ada(made, client):
    client.force_login(made.created_by)
    cache.clear()
    return made.created_by


@pytest.fixture
def rpt(made):
    return made.runs.get(name="rpt")


@pytest.fixture
def report(made, ada, rpt):
    """A curve, a table of the experiment, a response, and a text that tells everything."""
    report = services.create(made.team, "Narwhals by Zebediah", ada)
    services.add_text(
        report,
        "Made by **Zebediah Quackenbush** (zebediah.q@institute.example) of Vexholm Institute for Project Narwhal on "
        f"{HOST} at 10.20.30.40, in /home/zebediah/runs, see https://github.com/zebediah/narwhal and "
        "https://arxiv.org/abs/2506.08007.\n\n<script>alert(1)</script>",
    )
    services.add_ref(report, f"run/{rpt.pk}/metric/reward", "Seen by zebediah.")
    services.add_ref(report, f"experiment/{made.pk}/accuracy")
    services.add_ref(report, f"run/{rpt.pk}/response/{rpt_response(rpt)}")
    services.rename(report, report.title, "Project Narwhal\nNarwhals")
    return report


def rpt_response(rpt):
    from rpt_web.traces.models import Rollout

    return Rollout.objects.filter(run_id=rpt.pk).earliest("id").id


def address(name, *arguments):
    return reverse(f"reports:{name}", args=arguments)


def link_of(client, report, **more):
    client.post(address("report_share", report.pk), {"days": 3, **more})
    page = flat(client.get(address("report_detail", report.pk)))
    found = re.search(r'id="fresh-link">http://testserver(/shared/[^<]+/)<', page)
    assert found
    assert "/shared/" not in flat(client.get(address("report_detail", report.pk))), "a link is shown once"
    return found[1]


def test_parts_are_moved_changed_and_removed_by_the_page(client, report):
    parts = list(report.parts.values_list("pk", flat=True))
    client.post(address("part_move", report.pk, parts[0]), {"by": "1"})
    assert list(report.parts.values_list("pk", flat=True)) == [parts[1], parts[0], *parts[2:]]
    client.post(address("part_move", report.pk, parts[1]), {"by": "-1"})
    assert report.parts.first().pk == parts[1], "the first stays where it is"
    client.post(address("part_change", report.pk, parts[0]), {"text": "Other words."})
    client.post(address("part_remove", report.pk, parts[2]))
    page = flat(client.get(address("report_detail", report.pk)))
    assert "Other words." in page
    for dialog, form in (("remove-1", "part_remove"), ("delete-dialog", "report_delete")):
        assert f'data-dialog="{dialog}"' in page
        asked = page.partition(f'id="{dialog}"')[2].partition("</dialog>")[0]
        named = [report.pk, parts[1]] if form == "part_remove" else [report.pk]
        assert f'action="{address(form, *named)}"' in asked, "only the dialog's own button does it"
        assert page.count(f'action="{address(form, *named)}"') == 1
    assert list(report.parts.values_list("place", flat=True)) == [1, 2, 3]
    client.post(address("part_add", report.pk), {"ref": "run/999999/metric/reward"})
    assert "not there or another team" in flat(client.get(address("report_detail", report.pk)))
    assert report.parts.count() == 3


def test_a_frozen_report_keeps_its_numbers_and_is_not_changed(client, report, rpt):
    services.freeze(report)
    rpt.metrics.filter(step=1).delete()
    kept = content.shown_parts(report)[1].exhibit
    assert kept.table.rows[0]["step"] == 1
    with pytest.raises(UserError, match="frozen"):
        services.add_text(report, "More.")
    part = report.parts.first()
    client.post(address("part_change", report.pk, part.pk), {"text": "Changed."})
    part.refresh_from_db()
    assert part.text != "Changed."
    services.thaw(report)
    assert content.shown_parts(report)[1].exhibit.table.rows[0]["step"] == 2


def test_what_several_parts_need_of_a_run_is_read_once(report, rpt):
    with CaptureQueriesContext(connection) as before:
        content.shown_parts(report)
    services.add_ref(report, f"run/{rpt.pk}/metric/outcomes")
    with CaptureQueriesContext(connection) as after:
        parts = content.shown_parts(report)
    assert parts[-1].exhibit.table.rows
    assert len(after) == len(before)


def test_a_report_holds_nothing_of_another_team(report, made):
    other = services.create(Team.objects.create(name="Others"), "Theirs", made.created_by)
    for ref in ("run/{}/metric/reward", "run/{}/evaluations"):
        with pytest.raises(UserError, match="own team"):
            services.add_ref(other, ref.format(made.runs.get(name="rpt").pk))


def test_a_link_is_read_without_a_login_until_it_is_withdrawn(client, report):
    place = link_of(client, report)
    stranger = Client()
    answer = stranger.get(place)
    page = flat(answer)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert "noindex" in answer["X-Robots-Tag"]
    assert 'data-figure="part-2"' in page
    assert "Zebediah Quackenbush" in page
    assert "<script>alert" not in page
    assert "topbar" not in page
    assert "/experiments/" not in page, "it leads nowhere else"
    assert stranger.get(f"{place}report.zip").status_code == 200
    assert stranger.get(f"{place}report.exe").status_code == 404
    assert ReportLink.objects.filter(digest__in=[place.split("/")[2]]).count() == 0, "the secret is not stored"
    client.post(address("link_withdraw", report.pk, report.links.get().pk))
    for gone in (place, f"{place}report.html"):
        assert stranger.get(gone).status_code == 404


def test_the_team_comments_on_a_report_and_readers_of_a_link_do_not_see_it(client, report, ada):
    client.post(reverse("comments:on_report", args=[report.pk]), {"body": "Is n the same?"})
    assert "Is n the same?" in flat(client.get(address("report_detail", report.pk)))
    found = client_of(ada).get(f"{ROOT}/comments?report={report.pk}").json()["items"]
    assert [comment["report_id"] for comment in found] == [report.pk]
    assert client.get(reverse("comments:comment", args=[found[0]["id"]]))["Location"].startswith(
        f"/reports/{report.pk}/"
    )
    assert "Is n the same?" not in flat(Client().get(link_of(client, report)))


def test_a_link_expires_and_guesses_are_refused(client, report):
    place = link_of(client, report)
    report.links.update(expires_at=timezone.now() - timedelta(seconds=1))
    stranger = Client()
    assert stranger.get(place).status_code == 404
    statuses = [stranger.get(f"/shared/guess-{number}/").status_code for number in range(MOST_MISSES + 1)]
    assert statuses[0] == 404
    assert statuses[-1] == 429
    report.links.update(expires_at=timezone.now() + timedelta(days=1))
    assert stranger.get(place).status_code == 429
    cache.clear()
    assert stranger.get(place).status_code == 200


def told(content_of):
    """Which of the secrets stand in some bytes, in any case."""
    text = content_of.decode("utf-8", "replace").lower()
    return [secret for secret in SECRETS if secret.lower() in text]


def test_an_anonymous_copy_tells_no_name_host_path_or_address_anywhere(client, report, rpt):
    rpt.evaluations.update(position_set="ab" * 16)
    named = client.get(address("report_file", report.pk, "html")).content
    assert len(told(named)) > 5, "with names it tells them"
    assert b"ab" * 16 in named
    place = link_of(client, report, anonymous="1")
    stranger = Client()
    page, html = stranger.get(place), stranger.get(f"{place}report.html")
    archive = zipfile.ZipFile(io.BytesIO(stranger.get(f"{place}report.zip").content))
    members = {name: archive.read(name) for name in archive.namelist()}
    assert {"report.html", "data/02-part-2.parquet", "data/02-part-2.tex", "data/04-response.json"} <= set(members)
    assert all(item.date_time == (1980, 1, 1, 0, 0, 0) for item in archive.infolist())
    everything = {"page": page.content, "html": html.content, **members}
    headers = " ".join(f"{name}: {value}" for answer in (page, html) for name, value in answer.items())
    everything |= {"names": " ".join(members).encode(), "headers": headers.encode()}
    assert {name: told(data) for name, data in everything.items() if told(data)} == {}
    folder = str(rpt.directory.parent.parent)
    code = rpt.attempt_code_version or rpt.code_version
    for name, data in everything.items():
        assert folder.encode() not in data, name
        assert code.encode() not in data, name
        assert b"ab" * 16 not in data, name
    table = pq.read_table(io.BytesIO(members["data/02-part-2.parquet"]))
    came_from = json.loads(table.schema.metadata[b"came_from"])
    assert ["run", "1, run 1, stage rpt"] in came_from
    assert not [key for key, data in (table.schema.metadata or {}).items() if told(data)]
    assert b"https://arxiv.org/abs/2506.08007" in page.content, "the paper may be named"
    own = table["reward_mean"].to_pylist()
    assert own == [values["reward_mean"] for values in rpt.metrics.order_by("step").values_list("values", flat=True)]


def pdf_of(report, *, is_anonymous):
    """The report as Chromium prints it, read."""
    job = printing.ask(report, report.created_by, is_anonymous=is_anonymous)
    execute(jobs.claim(job.pk, "test"))
    printed = printing.newest(report, is_anonymous=is_anonymous)
    assert printed is not None, Job.objects.get(pk=job.pk).error
    return PdfReader(io.BytesIO(bytes(printed.content)))


def texts_of(value):
    """All texts of an object of a PDF, those in its streams included; what it refers to is an object of its own."""
    if isinstance(value, StreamObject) and value.get("/Subtype") != "/Image":
        yield value.get_data().decode("latin-1")
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_of(item)
    elif isinstance(value, bytes):
        yield value.decode("latin-1")
    elif isinstance(value, str):
        yield value


def said_in(reader):
    """What a PDF says on its pages and anywhere else."""
    objects = [reader.get_object(number) for number in range(1, reader.trailer["/Size"])]
    texts = [*(page.extract_text() for page in reader.pages), *(text for found in objects for text in texts_of(found))]
    return squeezed(" ".join(texts))


def squeezed(text):
    """Without white space and ligatures: in a PDF, lines break names and the ff of a name may be one letter."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).lower()


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
def test_an_anonymous_pdf_tells_no_name_host_path_or_time_on_its_pages_or_in_its_metadata(report, rpt, settings):
    named = pdf_of(report, is_anonymous=False)
    said = said_in(named)
    missing = [secret for secret in SECRETS if squeezed(secret) not in said]
    assert missing == [NODE], "with names it tells them, and what is searched is what is told"
    assert named.metadata.title == "Narwhals by Zebediah"
    blind = pdf_of(report, is_anonymous=True)
    said = said_in(blind)
    assert [secret for secret in SECRETS if squeezed(secret) in said] == []
    folders = (str(rpt.directory.parent.parent), str(settings.RPT_DATA_DIR), gettempdir(), "file:")
    assert [folder for folder in folders if squeezed(folder) in said] == []
    assert (rpt.attempt_code_version or rpt.code_version).lower() not in said
    assert "https://arxiv.org/abs/2506.08007" in said, "the paper may be named"
    assert "accuracybydifficulty" in said, "its tables are there"
    assert set(blind.metadata) <= {"/Title", "/Creator", "/Producer", "/CreationDate", "/ModDate"}, "no author"
    assert blind.metadata.title == "[left out] by [left out]"
    assert blind.metadata.producer.startswith("Skia/PDF")
    assert socket.gethostname() not in str(blind.metadata)
    assert {blind.metadata["/CreationDate"], blind.metadata["/ModDate"]} == {"D:19800101000000+00'00'"}
    assert blind.xmp_metadata is None


def test_an_anonymous_pdf_is_printed_again_when_other_words_are_left_out(client, report):
    for is_anonymous in (False, True):
        printing.store(report, b"%PDF-", is_anonymous=is_anonymous)
    form = {"title": report.title, "hidden_words": report.hidden_words}
    client.post(address("report_edit", report.pk), form | {"title": "Another title"})
    assert not Job.objects.filter(kind=printing.KIND).exists(), "the words are the same"
    before = TeamReport.objects.get(pk=report.pk)
    told = client.post(address("report_edit", report.pk), form | {"hidden_words": "Walrus"}, follow=True)
    assert "The anonymous PDF left out other words, so it is printed again." in flat(told)
    job = Job.objects.get(kind=printing.KIND)
    assert job.arguments == {"report": report.pk, "anonymous": True}
    assert list(report.pdfs.values_list("is_anonymous", flat=True)) == [False]
    with pytest.raises(UserError, match="was changed while it was printed"):
        printing.store(before, b"%PDF-", is_anonymous=True)
    printing.store(before, b"%PDF-", is_anonymous=False)
    client.post(address("report_edit", report.pk), form | {"hidden_words": "Walrus\nSeal"})
    assert Job.objects.filter(kind=printing.KIND).count() == 1, "there was no anonymous PDF"


@pytest.mark.parametrize(
    ("asked", "is_anonymous"), [("1", True), ("true", True), ("x", True), ("0", False), ("", False)]
)
def test_files_and_pdfs_read_alike_whether_the_anonymous_copy_is_asked_for(client, report, asked, is_anonymous):
    for is_blind in (False, True):
        printing.store(report, b"%PDF-blind" if is_blind else b"%PDF-named", is_anonymous=is_blind)
    file = client.get(address("report_file", report.pk, "html"), {"anonymous": asked})
    assert (b"Zebediah" not in file.content) == is_anonymous
    pdf = client.get(address("report_pdf", report.pk), {"anonymous": asked})
    assert (pdf.content == b"%PDF-blind") == is_anonymous
    client.post(address("report_pdf", report.pk), {"anonymous": asked})
    assert Job.objects.get(kind=printing.KIND).arguments["anonymous"] == is_anonymous


def test_the_html_file_needs_nothing_from_elsewhere(client, report):
    html = client.get(address("report_file", report.pk, "html")).content.decode()
    fetched = re.findall(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=", html)
    assert fetched == []
    assert "default-src 'none'" in html
    assert not re.search(r"url\(|@import", re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1])


def test_the_api_does_what_the_page_does(made, ada, rpt):
    api = client_of(ada)
    asked = {"content_type": "application/json"}
    made_report = api.post(f"{ROOT}/reports", {"title": "By a program"}, **asked).json()
    one = f"{ROOT}/reports/{made_report['id']}"
    detail = api.post(f"{one}/parts", {"ref": f"run/{rpt.pk}/metric/reward"}, **asked).json()
    assert detail["parts"][0]["exhibit"]["columns"][0]["key"] == "step"
    assert api.post(f"{one}/parts", {"ref": "run/1/nothing"}, **asked).status_code == 422
    assert api.post(f"{one}/freeze", {"frozen": True}, **asked).json()["frozen_at"]
    assert api.post(f"{one}/parts", {"text": "More."}, **asked).status_code == 422
    link = api.post(f"{one}/links", {"days": 2, "anonymous": True}, **asked).json()
    place = link["address"].removeprefix("http://testserver")
    assert Client().get(place).status_code == 200
    other = api.post(f"{one}/links", {"days": 1}, **asked).json()
    listed = api.get(f"{one}/links").json()["items"]
    assert [found["id"] for found in listed] == [other["id"], link["id"]]
    assert [found["is_anonymous"] for found in listed] == [False, True]
    assert "address" not in listed[0]
    assert api.delete(f"{one}/links/{link['id']}").status_code == 204
    assert [found["id"] for found in api.get(f"{one}/links").json()["items"]] == [other["id"]]
    assert Client().get(place).status_code == 404
    assert api.get(f"{one}/file?ending=zip").content[:2] == b"PK"
    assert [found["id"] for found in api.get(f"{ROOT}/reports").json()["items"]] == [made_report["id"]]
