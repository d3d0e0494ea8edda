"""A corpus by the browser: uploaded with bad lines, its fields mapped on real records, checked, read."""

from __future__ import annotations

import contextlib

import pytest
from django.urls import reverse

from tests.end_to_end.chromium import committed, press
from tests.end_to_end.in_chromium.steps import HEADING, done_by_the_quick_worker, pictures
from tests.shown_corpora import write_files

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]


def test_a_corpus_with_bad_lines_is_uploaded_mapped_and_checked(visit, rows, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select

    folder = write_files(tmp_path / "texts")
    with visit(reverse("corpora:corpus_new")) as browser:
        browser.find_element(By.NAME, "name").send_keys("From a laptop")
        press(browser, "form[method=post] button.btn-primary")
        visit.wait(HEADING, "Version 1")
        files = "\n".join(str(path) for path in sorted(folder.iterdir()))
        browser.find_element(By.ID, "upload-files").send_keys(files)
        visit.wait("return document.querySelectorAll('#files .chip.green').length === 2")
        assert browser.execute_script("return document.querySelectorAll('#upload-list li').length") == 0
        pictures(visit, browser, "version-uploaded")

        press(browser, "form[action$='/look'] button")
        visit.wait("return document.querySelector('.job [role=status]')?.textContent.includes('Queued')")
        pictures(visit, browser, "version-looking")
        assert done_by_the_quick_worker().error == ""
        visit.wait("return document.querySelector('#mapping') !== null")  # the page shows what came of it by itself
        Select(browser.find_element(By.NAME, "problem")).select_by_value("question")
        visit.wait("return location.search.includes('problem=question')")
        Select(browser.find_element(By.NAME, "solution")).select_by_value("worked")
        visit.wait("return location.search.includes('solution=worked')")
        visit.wait(
            "return [...document.querySelectorAll('#preview .chip.green')].some((c) => c.textContent === 'Solution')"
        )
        assert "What is 0 times 3" in browser.find_element(By.ID, "preview").text
        pictures(visit, browser, "version-mapping")

        press(browser, "#mapping button[type=submit]")
        visit.wait("return document.querySelector('.job [role=status]')?.textContent.includes('Queued')")
        assert done_by_the_quick_worker().error == ""
        visit.wait("return document.getElementById('bad') !== null")
        bad = [
            [cell.text for cell in row.find_elements(By.TAG_NAME, "td")]
            for row in browser.find_elements(By.CSS_SELECTOR, "[aria-labelledby=bad] tbody tr")
        ]
        assert [row[:2] for row in bad] == [["more.csv", "3"], ["train-00001.jsonl", "21"], ["train-00001.jsonl", "22"]]
        assert "not JSON" in bad[1][2]
        pictures(visit, browser, "version-checked")
        press(browser, ".page-actions .btn-primary")
        visit.wait(HEADING, "New run")
        assert "From a laptop, version 1" in browser.find_element(By.CSS_SELECTOR, ".note.blue").text


def test_an_upload_that_was_cut_off_goes_on_when_the_file_is_chosen_again(visit, rows, tmp_path):
    from selenium.common.exceptions import NoAlertPresentException
    from selenium.webdriver.common.by import By

    from rpt_web.corpora import services
    from rpt_web.corpora.models import Upload

    version = committed(lambda: services.new_version(services.create_corpus("Cut", rows["user"]), rows["user"]))
    data = b'{"text": "a line of a long file"}\n' * 600_000
    (tmp_path / "long.jsonl").write_bytes(data)
    address = reverse("corpora:version_detail", args=[version.corpus_id, version.number])
    path = str(tmp_path / "long.jsonl")

    def upload():
        return committed(lambda: Upload.objects.filter(version=version).first())

    with visit(address) as browser:
        slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 4_000_000}
        browser.execute_cdp_cmd("Network.enable", {})
        browser.execute_cdp_cmd("Network.emulateNetworkConditions", slow)
        browser.find_element(By.ID, "upload-files").send_keys(path)
        visit.wait("return document.querySelector('#upload-list progress')?.value > 0.3")
        browser.execute_script("window.onbeforeunload = null")
        browser.execute_cdp_cmd("Page.navigate", {"url": "about:blank"})
        with contextlib.suppress(NoAlertPresentException):
            browser.switch_to.alert.accept()  # "some of what you did may be lost"
        browser.execute_cdp_cmd("Network.emulateNetworkConditions", slow | {"uploadThroughput": -1})
        browser.get_log("browser")  # Chromium tells that it did not ask, since nobody has touched the page
    begun = visit.until(lambda: (found := upload()) and found.offset > 0 and found)
    assert begun.completed_at is None
    with visit(address) as browser:
        visit.wait("return document.querySelector('#files .chip.amber')?.textContent.includes('so far')")
        browser.find_element(By.ID, "upload-files").send_keys(path)
        visit.wait("return document.querySelectorAll('#files .chip.green').length === 1")
    ended = upload()
    assert ended.pk == begun.pk, "it is the same upload"
    assert (version.folder / "files" / "long.jsonl").read_bytes() == data


def test_a_corpus_is_deleted_after_a_question_that_enter_answers_with_no(visit, rows, tmp_path):
    from selenium.webdriver.common.keys import Keys

    from rpt_web.corpora.models import Corpus
    from tests.shown_corpora import checked_version

    version = committed(lambda: checked_version(rows["user"], tmp_path / "texts"))
    with visit(reverse("corpora:corpus_detail", args=[version.corpus_id])) as browser:
        press(browser, "[data-dialog=delete-dialog]")
        keep = browser.switch_to.active_element
        assert keep.text == "Keep it"
        pictures(visit, browser, "corpus-delete")
        keep.send_keys(Keys.ENTER)
        visit.wait("return !document.getElementById('delete-dialog').open")
        committed(lambda: Corpus.objects.get(pk=version.corpus_id))
        press(browser, "[data-dialog=delete-dialog]")
        press(browser, "#delete-dialog .btn-danger")
        visit.wait("return document.querySelector('.job [role=status]')?.textContent.includes('Queued')")
        assert done_by_the_quick_worker().error == ""
        visit.wait("return document.querySelector('.job')?.textContent.includes('free again')")
        pictures(visit, browser, "corpus-deleted")
        assert not committed(lambda: Corpus.objects.filter(pk=version.corpus_id).exists())
