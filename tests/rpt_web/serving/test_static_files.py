"""Static files have lasting names and a gzipped twin; a changed file gets another name; their folder is made whole."""

from __future__ import annotations

import gzip
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.templatetags.static import static

from rpt_web.serving import static_files

pytestmark = pytest.mark.django_db
SCRIPT = settings.ROOT / "static" / "js" / "run.js"


@pytest.fixture(autouse=True)
def listed_once(settings):
    """As served to people: the other tests look for a file when it is asked for."""
    settings.WHITENOISE_AUTOREFRESH = False


@pytest.fixture
def checkout(tmp_path, settings):
    """A few static files of our own."""
    folder = tmp_path / "checkout"
    (folder / "css").mkdir(parents=True)
    (folder / "img").mkdir()
    (folder / "img" / "mark.svg").write_text("<svg/>")
    (folder / "css" / "page.css").write_text('body { background: url("../img/mark.svg") }\n' * 100)
    settings.STATICFILES_DIRS = [folder]
    finders.get_finder.cache_clear()
    yield folder
    finders.get_finder.cache_clear()


def test_a_page_names_static_files_that_browsers_keep_for_good(client):
    names = re.findall(r'(?:src|href)="(/static/[^"#]+)', client.get("/login/").content.decode())
    assert len(names) > 4
    for name in names:
        response = client.get(name)
        assert response.status_code == 200, name
        assert re.search(r"\.[0-9a-f]{12}\.\w+$", name)
        assert "immutable" in response["Cache-Control"]
        assert response["X-Content-Type-Options"] == "nosniff"


def test_static_files_are_sent_gzipped_to_whoever_takes_it(client):
    plain = client.get(static("js/run.js"))
    assert "Content-Encoding" not in plain
    assert plain.content == SCRIPT.read_bytes()
    small = client.get(static("js/run.js"), headers={"Accept-Encoding": "gzip, br"})
    assert small["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.content) == plain.content
    assert int(small["Content-Length"]) == len(small.content) < len(plain.content) / 2
    assert "Accept-Encoding" in small["Vary"]


def test_a_name_without_the_hash_answers_too_but_is_not_kept_for_long(client):
    assert client.get("/static/js/run.js")["Cache-Control"] == "max-age=60, public"


def test_a_part_of_a_file_and_its_head_can_be_asked_for(client):
    part = client.get(static("js/run.js"), headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.content) == (206, SCRIPT.read_bytes()[:10])
    head = client.head(static("js/run.js"))
    assert (head.content, int(head["Content-Length"])) == (b"", SCRIPT.stat().st_size)


def test_a_changed_file_gets_another_name_and_the_old_one_stays(checkout, tmp_path):
    before = static_files.collected(tmp_path / "static")
    assert static_files.collected(tmp_path / "static") == before
    (checkout / "img" / "mark.svg").write_text("<svg><g/></svg>")
    after = static_files.collected(tmp_path / "static")
    assert after != before
    [old], [new] = (list((folder / "css").glob("page.*.css")) for folder in (before, after))
    assert old.name != new.name, "it names a file that has changed"
    assert re.search(r"mark\.[0-9a-f]{12}\.svg", new.read_text())


def test_only_the_newest_versions_are_kept(checkout, tmp_path):
    made = []
    for number in range(7):
        (checkout / "img" / "mark.svg").write_text("<svg/>" * number)
        made.append(static_files.collected(tmp_path / "static"))
        os.utime(made[-1], (number, number))
    assert {path.name for path in (tmp_path / "static").iterdir()} == {path.name for path in made[-5:]}


def test_many_processes_may_make_the_folder_at_once(checkout, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: static_files.collected(tmp_path / "static"), range(4)))
    assert len(set(folders)) == 1
    assert [path.name for path in (tmp_path / "static").iterdir()] == [folders[0].name]


def test_a_folder_that_cannot_be_made_leaves_nothing_half(checkout, tmp_path):
    (checkout / "css" / "page.css").write_text('body { background: url("gone.svg") }')
    with pytest.raises(ValueError, match=r"gone\.svg"):
        static_files.collected(tmp_path / "static")
    assert list((tmp_path / "static").iterdir()) == []
    shutil.rmtree(tmp_path / "static")
