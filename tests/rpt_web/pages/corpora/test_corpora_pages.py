"""The pages of corpora: made, mapped on a preview, checked, read; what others may not do is not offered."""

from __future__ import annotations

import json
import re

import pytest

from rpt_core.errors import UserError
from rpt_web.corpora import services
from rpt_web.corpora.models import Corpus, CorpusVersion, RegisteredModel
from rpt_web.jobs import services as jobs
from rpt_web.pages.corpora import views
from rpt_web.runs import nodes
from tests.factories import HOSTILE, make_user
from workers import corpora
from workers.reports import JobReport

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    records = [{"id": f"d{n}", "body": f"Text {n} of {HOSTILE}"} for n in range(40)]
    lines = [json.dumps(record) for record in records]
    (folder / "a.jsonl").write_text("\n".join([*lines[:20], "{broken", *lines[20:]]) + "\n")
    return folder


class Said(JobReport):
    """A report that nobody reads."""

    def __call__(self, *_, **__):
        pass


def carried_out(job):
    claimed = jobs.claim(job.pk, "test:1")
    work = {services.LOOK: corpora.look, services.CHECK: corpora.check}[job.kind]
    jobs.finish(claimed, work(claimed, Said(claimed)))


@pytest.fixture
def version(ada, folder):
    """A version that was looked at."""
    version = services.new_version(services.create_corpus("Sums", ada, licence="CC0", source="us"), ada, str(folder))
    carried_out(services.look(version, ada))
    version.refresh_from_db()
    return version


@pytest.fixture
def checked(version, ada):
    carried_out(services.check(version, {"text": "body", "id": "id"}, ada))
    version.refresh_from_db()
    return version


def address(version, rest=""):
    return f"/corpora/{version.corpus_id}/versions/{version.number}/{rest}"


def test_without_a_corpus_the_list_says_what_to_do(page):
    assert "Make one" in page("/corpora/")


def test_a_corpus_is_made_with_a_version_to_upload_to(client, ada):
    client.force_login(ada)
    answer = client.post("/corpora/new/", {"name": "Sums", "licence": "CC0", "source": "", "notes": "", "path": ""})
    version = CorpusVersion.objects.get()
    assert answer["Location"] == address(version)
    text = client.get(address(version)).text
    assert f'data-version="{version.pk}"' in text
    assert "tus.min" in text


def test_a_path_on_the_server_is_looked_at_at_once(client, ada, folder):
    client.force_login(ada)
    answer = client.post("/corpora/new/", {"name": "Sums", "path": str(folder)}, follow=True)
    assert CorpusVersion.objects.get().job.kind == services.LOOK
    assert "Queued" in answer.text


def test_a_path_that_may_not_be_read_is_refused_and_nothing_is_made(client, ada):
    client.force_login(ada)
    answer = client.post("/corpora/new/", {"name": "Sums", "path": "/etc/passwd"})
    assert answer.status_code == 422
    assert "is not below a folder that runs may read" in answer.text
    assert not Corpus.objects.exists()


def test_an_address_is_refused_with_what_is_allowed_or_is_fetched_by_the_first_job(client, ada, settings):
    settings.RPT_CORPUS_ADDRESSES = ["hf://datasets/ourteam/"]
    client.force_login(ada)
    answer = client.post("/corpora/new/", {"name": "Sums", "path": "hf://datasets/others/sums"})
    assert answer.status_code == 422
    assert "Allowed: hf://datasets/ourteam/." in answer.text
    assert not Corpus.objects.exists()
    answer = client.post("/corpora/new/", {"name": "Sums", "path": "hf://datasets/ourteam/sums"}, follow=True)
    version = CorpusVersion.objects.get()
    assert (version.path, version.job.kind) == ("", services.LOOK)
    assert "To be fetched from" in answer.text
    assert "hf://datasets/ourteam/sums" in answer.text
    assert "tus.min" not in answer.text


def test_the_mapping_is_chosen_on_real_records_and_stands_in_the_address(page, version):
    text = page(address(version))
    assert '<option value="body" selected>' in text
    assert "Text 0 of" in text
    assert "<script>alert" not in text
    text = page(address(version, "?text=id"))
    assert '<option value="id" selected>' in text
    assert '<span class="chip green">Text</span>' in text
    assert "Choose the text, or both" in page(address(version, "?text=&problem=body"))
    part = page(address(version, "?text=gone"), HTTP_HX_TARGET="preview")
    assert part.startswith('<div id="preview"')
    assert "no Text" in part


def test_a_check_is_started_with_the_mapping(client, ada, version):
    client.force_login(ada)
    client.post(address(version, "check"), {"text": "body", "id": "id"})
    version.refresh_from_db()
    assert version.job.arguments["mapping"]["text"] == "body"
    assert version.is_busy
    answer = client.post(address(version, "check"), {"text": "body"}, follow=True)
    assert "It is being read already." in answer.text


def test_a_mapping_without_a_text_is_refused_in_words(client, ada, version):
    client.force_login(ada)
    answer = client.post(address(version, "check"), {"problem": "body"}, follow=True)
    assert "Name either <code>text</code>, or both <code>problem</code> and <code>solution</code>." in answer.text


def test_a_checked_version_shows_its_bad_records_by_file_and_line(page, checked):
    text = page(address(checked))
    assert "a.jsonl" in text
    row = text.partition('id="bad"')[2]
    assert "<td>a.jsonl</td>" in row
    assert '<td class="number">21</td>' in row
    assert "not JSON" in row
    assert f"?run=filter&amp;corpus={checked.pk}" in text
    assert "CC0" in text


def test_the_list_and_the_corpus_show_the_newest_checked_version(page, checked, ada):
    services.new_version(checked.corpus, ada)
    text = page("/corpora/")
    assert "1 of 2" in text
    assert "Sums" in page("/corpora/?q=sum")
    assert "No corpus has" in page("/corpora/?q=else")
    text = page(f"/corpora/{checked.corpus_id}/")
    assert "Checked" in text
    assert "Not checked" in text


def test_documents_are_listed_found_and_read(page, checked):
    text = page(address(checked, "documents/"))
    assert text.count('class="main-link"') == 40
    assert "<script>alert" not in text
    found = page(address(checked, "documents/?q=TEXT+17+of"))
    assert found.count('class="main-link"') == 1
    assert "All 40 documents were searched." in found
    text = page(address(checked, "documents/17/"))
    assert "Text 17 of &lt;script&gt;" in text
    page(address(checked, "documents/40/"), status=404)


def test_a_run_is_begun_from_the_corpus(page, checked, experiment):
    text = page(f"/runs/new/?preset=tiny&run=base&corpus={checked.pk}")
    assert checked.place in text
    assert "Sums, version 1" in text
    assert f'name="corpus" value="{checked.pk}"' in text


def test_a_filter_run_of_the_corpus_takes_a_registered_model_and_no_other_run(page, checked, experiment):
    model = RegisteredModel.objects.create(team=experiment.team, name="Own proxy", source="folder", path="/models/own")
    text = page(f"/runs/new/?run=filter&corpus={checked.pk}")
    assert 'value="tiny" selected' in text, "the preset of a plain new run"
    assert "does not fit this machine" not in text
    before_the_fold = text.partition("All other settings")[0]
    assert re.search(rf'<option value="{model.path}"\s+selected', before_the_fold)
    assert re.search(r'name="corpus.validation_share"[^>]*value="0.05"', text)
    panel = text.partition('id="difference"')[2].partition("</dl>")[0]
    assert "Nothing differs" not in panel
    for name in ("proxy.path", "corpus.source", "corpus.paths", "corpus.validation_share", "positions_from"):
        assert f">{name}</a>" in panel, name


def test_a_file_of_the_preset_is_not_missed_where_another_corpus_is_read(page, checked, experiment):
    missed = "data/omni_math.jsonl, which does not exist"
    assert missed in page("/runs/new/?preset=small&run=filter").partition('id="settings"')[0]
    text = page(f"/runs/new/?preset=small&run=filter&corpus={checked.pk}").partition('id="settings"')[0]
    assert "It reads" in text
    assert missed not in text


def test_runs_that_read_it_are_listed(page, checked, experiment, ada):
    from rpt_core.config import NtpConfig
    from rpt_web.runs import services as runs

    config = NtpConfig.model_validate(
        {"stage": "ntp", "scratch": {}, "corpus": services.corpus_setting(checked), "budget": {"steps": 1}}
    )
    runs.submit(experiment, "reads it", config, ada)
    assert "reads it" in page(address(checked))


def test_others_see_it_and_change_nothing(client, version):
    client.force_login(make_user("grace"))
    text = client.get(address(version)).text
    assert "Check the whole corpus" not in text
    assert "New version" not in client.get(f"/corpora/{version.corpus_id}/").text
    for place in ("look", "check"):
        assert client.post(address(version, place)).status_code == 403
    for place in ("edit/", "versions/new"):
        assert client.get(f"/corpora/{version.corpus_id}/{place}").status_code == 403


def test_a_viewer_makes_none(viewer_client):
    assert viewer_client.get("/corpora/new/").status_code == 403
    assert "New corpus" not in viewer_client.get("/corpora/").text


def test_a_corpus_is_described_anew(client, ada, version):
    client.force_login(ada)
    client.post(f"/corpora/{version.corpus_id}/edit/", {"name": "Differences", "licence": "MIT"})
    version.corpus.refresh_from_db()
    assert (version.corpus.name, version.corpus.licence, version.corpus.source) == ("Differences", "MIT", "")
    answer = client.post(f"/corpora/{version.corpus_id}/edit/", {"name": "a\u202eb"})
    assert answer.status_code == 422


def test_many_versions_are_paged(page, ada, monkeypatch):
    monkeypatch.setattr(views, "PER_PAGE", 3)
    corpus = services.create_corpus("Sums", ada)
    for _ in range(7):
        services.new_version(corpus, ada)
    place, shown = f"/corpora/{corpus.pk}/", []
    for after in ("", "?after=5", "?after=2"):
        text = page(place + after)
        shown.append([int(number) for number in re.findall(r">Version (\d+)</a>", text)])
        assert ('href="?after=' in text) == (after != "?after=2")
        assert (">Newest</a>" in text) == bool(after)
    assert shown == [[7, 6, 5], [4, 3, 2], [1]]
    assert "No older version" in page(f"{place}?after=1")
    assert ">Version 7</a>" in page(f"{place}?after={'9' * 18}")


def test_files_come_before_a_look(ada):
    version = services.new_version(services.create_corpus("Sums", ada), ada)
    with pytest.raises(UserError, match="There is no file yet"):
        services.look(version, ada)
    version.uploads.create(name="a.jsonl", length=3, created_by=ada)
    with pytest.raises(UserError, match="There is no file yet"):
        services.look(version, ada)


def test_a_job_of_somebody_else_is_not_shown(client, ada, folder):
    nodes.register("here", ["quick"])
    version = services.new_version(services.create_corpus("Sums", ada), ada, str(folder))
    services.look(version, ada)
    client.force_login(make_user("grace"))
    assert "ada has it read at the moment" in client.get(address(version)).text
