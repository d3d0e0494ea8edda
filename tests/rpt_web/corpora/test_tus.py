"""Uploads on a real web server: they go on after whatever broke them, and come out byte for byte."""

from __future__ import annotations

import base64
import hashlib
import random
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from rpt_core.errors import UserError
from rpt_web.corpora import deletion, services, uploads
from rpt_web.corpora.models import Corpus, Upload
from rpt_web.teams.models import Role
from tests.factories import make_user
from tests.rpt_web.corpora.senders import BODY, Sender, encoded, until
from tests.web_server import web_server

pytestmark = pytest.mark.django_db(transaction=True)
DATA = random.Random(1).randbytes(3_000_000)


def session_of(user):
    client = Client()
    client.force_login(user)
    return client.cookies[django_settings.SESSION_COOKIE_NAME].value


@pytest.fixture
def server():
    with web_server() as port:
        yield port


@pytest.fixture
def version(ada):
    return services.new_version(services.create_corpus("Sums", ada), ada)


@pytest.fixture
def sender(server, ada):
    return Sender(server, session_of(ada))


def stored(version, name):
    return (version.folder / "files" / name).read_bytes()


def test_the_server_says_what_it_understands(sender, settings):
    settings.RPT_UPLOAD_BYTES = 12345
    status, headers, _ = sender.ask("OPTIONS", "/corpora/uploads/")
    assert status == 204
    assert headers["Tus-Version"] == "1.0.0"
    assert headers["Tus-Max-Size"] == "12345"
    assert set(headers["Tus-Extension"].split(",")) == {"creation", "expiration", "checksum", "termination"}


def test_a_file_comes_in_parts_and_lies_in_the_folder_of_its_version(sender, version):
    address = sender.begin(version, "part one/a.jsonl", len(DATA))
    status, headers, _ = sender.add(address, 0, DATA[:1_500_000])
    assert (status, headers["Upload-Offset"]) == (204, "1500000")
    assert sender.offset(address) == 1_500_000
    assert not (version.folder / "files" / "part one" / "a.jsonl").exists(), "nothing reads half a file"
    assert sender.add(address, 1_500_000, DATA[1_500_000:])[0] == 204
    assert stored(version, "part one/a.jsonl") == DATA
    assert Upload.objects.get().completed_at is not None
    assert not Upload.objects.get().part.exists()


def test_a_connection_that_is_cut_in_mid_patch_loses_at_most_what_was_under_way(sender, version):
    address = sender.begin(version, "a.jsonl", len(DATA))
    sender.cut_off(address, 0, DATA[:1_200_000], announced=len(DATA))
    offset = until(lambda: sender.offset(address))
    assert 1_000_000 <= offset <= 1_200_000
    assert sender.add(address, offset, DATA[offset:])[0] == 204
    assert stored(version, "a.jsonl") == DATA


def test_what_lies_behind_the_offset_is_sent_again(sender, version):
    address = sender.begin(version, "a.jsonl", len(DATA))
    sender.add(address, 0, DATA[:1000])
    with Upload.objects.get().part.open("ab") as file:
        file.write(b"was under way when the server died")
    assert sender.offset(address) == 1000
    assert sender.add(address, 1000, DATA[1000:])[0] == 204
    assert stored(version, "a.jsonl") == DATA


def test_a_wrong_offset_is_a_conflict_and_changes_nothing(sender, version):
    address = sender.begin(version, "a.jsonl", len(DATA))
    sender.add(address, 0, DATA[:1000])
    for offset in (0, 999, 1001):
        status, _, text = sender.add(address, offset, b"x")
        assert (status, text) == (409, "The file ends at 1,000. Continue there.")
    assert sender.offset(address) == 1000


def test_more_than_the_file_has_left_is_refused(sender, version):
    address = sender.begin(version, "a.jsonl", 10)
    status, headers, _ = sender.add(address, 0, b"0123456789abc")
    assert (status, headers["Upload-Offset"]) == (413, "10")
    assert stored(version, "a.jsonl") == b"0123456789"


def test_a_part_with_a_checksum_counts_whole_or_not_at_all(sender, version):
    address = sender.begin(version, "a.jsonl", 6)
    good = "sha256 " + base64.b64encode(hashlib.sha256(b"abc").digest()).decode()
    assert sender.add(address, 0, b"abc", Upload_Checksum=good)[0] == 204
    status, headers, text = sender.add(address, 3, b"xyz", Upload_Checksum=good)
    assert (status, headers["Upload-Offset"]) == (460, "3")
    assert "checksum does not fit" in text
    assert sender.offset(address) == 3
    assert sender.add(address, 3, b"abd", Upload_Checksum="crc32 AAAA")[0] == 400


def test_a_file_that_another_request_adds_to_is_locked(sender, version):
    address = sender.begin(version, "a.jsonl", len(DATA))
    first = uploads.open_to_append(Upload.objects.select_related("version").get(), 0)
    assert sender.add(address, 0, b"x")[0] == 423
    first.file.close()
    assert sender.add(address, 0, DATA)[0] == 204
    assert stored(version, "a.jsonl") == DATA


def test_a_slow_sender_holds_no_thread(server, sender, version, settings):
    connections = []
    for number in range(settings.RPT_WEB_THREADS + 4):
        address = sender.begin(version, f"{number}.jsonl", 10)
        connections.append(sender.opened(address, 0, 10))
        connections[-1].sendall(b"1")
    assert sender.ask("GET", "/corpora/")[0] == 200
    for connection in connections:
        connection.close()


@pytest.mark.parametrize(
    ("length", "name", "status", "words"),
    [
        (2_001, "a.jsonl", 413, "is too large: it has 2,001 bytes, and 2,000 of the 2,000 of a version are left"),
        (0, "a.jsonl", 400, "is empty"),
        (5, "../../secret_key", 400, "no part of the path may begin with a dot"),
        (5, "/etc/a.jsonl", 400, "no part of the path may begin with a dot or a slash"),
        (5, "..\\a.jsonl", 400, "no part of the path may begin with a dot"),
        (5, "a/.b/c.jsonl", 400, "no part of the path may begin with a dot"),
        (5, "a.exe", 400, "is not read: files that end in .jsonl"),
        (5, "a\x00.jsonl", 400, "cannot be the name of a file"),
        (5, f"{'a' * 300}.jsonl", 400, "is too long"),
    ],
)
def test_what_cannot_be_uploaded_is_refused_before_it_is_sent(sender, version, settings, length, name, status, words):
    settings.RPT_UPLOAD_BYTES = 2_000
    told = {"Upload-Length": str(length), "Upload-Metadata": encoded(filename=name, version=version.pk)}
    answer = sender.ask("POST", "/corpora/uploads/", **told)
    assert answer[0] == status
    assert words in answer[2]
    assert not Upload.objects.exists()


@pytest.mark.parametrize(("first", "second"), [("a.jsonl", "a.jsonl/b/c.jsonl"), ("a.jsonl/b/c.jsonl", "a.jsonl")])
def test_no_file_takes_the_place_of_a_folder(sender, version, first, second):
    sender.add(sender.begin(version, first, 3), 0, b"abc")
    told = {"Upload-Length": "3", "Upload-Metadata": encoded(filename=second, version=version.pk)}
    status, _, words = sender.ask("POST", "/corpora/uploads/", **told)
    assert (status, "one would be a file and a folder" in words) == (409, True)
    sender.add(sender.begin(version, "a.jsonl-b.jsonl", 3), 0, b"abc")
    assert stored(version, first) == stored(version, "a.jsonl-b.jsonl") == b"abc"


def test_a_file_is_taken_from_no_version_whose_check_began_after_somebody_was_let_in(version, ada):
    upload = uploads.begin(version, "a.jsonl", 1, ada)
    uploads.note(upload, 1)
    services.check(version, {"text": "text"}, ada)
    for late in (lambda: uploads.remove(upload), lambda: uploads.begin(upload.version, "b.jsonl", 1, ada)):
        with pytest.raises(uploads.Taken, match="are being read"):
            late()


def test_what_comes_after_its_version_or_corpus_was_deleted_is_told_so(version, ada):
    corpus = version.corpus
    Corpus.objects.filter(pk=corpus.pk).delete()
    for late in (
        lambda: uploads.begin(version, "a.jsonl", 1, ada),
        lambda: services.look(version, ada),
        lambda: services.new_version(corpus, ada),
        lambda: deletion.ask(corpus, ada),
    ):
        with pytest.raises(UserError, match="has just been deleted"):
            late()


def test_the_limit_is_for_all_files_of_a_version_together(sender, version, settings):
    settings.RPT_UPLOAD_BYTES = 2_000
    sender.begin(version, "a.jsonl", 1_500)
    told = {"Upload-Length": "501", "Upload-Metadata": encoded(filename="b.jsonl", version=version.pk)}
    assert sender.ask("POST", "/corpora/uploads/", **told)[0] == 413
    sender.begin(version, "b.jsonl", 500)
    sender.begin(version, "a.jsonl", 1_500)  # again: the first one is given up


def test_a_request_that_is_none_of_the_protocol_is_told_so(sender, version):
    address = sender.begin(version, "a.jsonl", 10)
    assert sender.ask("PATCH", address, body=b"x", Upload_Offset=0, Content_Type="text/plain")[0] == 415
    assert sender.ask("PATCH", address, body=b"x", **BODY)[0] == 400
    status, headers, _ = sender.ask("HEAD", address, Tus_Resumable="0.2.2")
    assert (status, headers["Tus-Version"]) == (412, "1.0.0")
    assert sender.ask("GET", address)[0] == 405
    assert sender.ask("POST", "/corpora/uploads/", Upload_Length=5, Upload_Metadata="filename %%%")[0] == 400


def test_only_who_may_change_the_corpus_sends_and_only_from_our_pages(server, sender, version):
    address = sender.begin(version, "a.jsonl", 10)
    told = {"Upload-Length": "5", "Upload-Metadata": encoded(filename="b.jsonl", version=version.pk)}
    for user in (make_user("grace"), make_user("eve", Role.VIEWER)):
        other = Sender(server, session_of(user))
        assert other.ask("POST", "/corpora/uploads/", **told)[0] == 403
        assert other.add(address, 0, b"x")[0] == 403
        assert other.ask("HEAD", address)[0] == 403
    nobody = Sender(server, "none")
    assert nobody.add(address, 0, b"x")[0] == 302
    forged = Sender(server, sender.headers["Cookie"].partition("sessionid=")[2].partition(";")[0])
    forged.headers["X-CSRFToken"] = "b" * 32
    assert forged.add(address, 0, b"x")[0] == 403
    assert sender.offset(address) == 0


def test_an_upload_is_given_up(sender, version):
    address = sender.begin(version, "a.jsonl", 10)
    sender.add(address, 0, b"abc")
    part = Upload.objects.get().part
    assert sender.ask("DELETE", address)[0] == 204
    assert not part.exists()
    assert sender.ask("HEAD", address)[0] == 404


def test_uploads_that_nobody_goes_on_with_are_forgotten(sender, version, settings):
    kept, old, whole = (sender.begin(version, f"{name}.jsonl", 3) for name in ("kept", "old", "whole"))
    sender.add(old, 0, b"a")
    sender.add(whole, 0, b"abc")
    part = Upload.objects.get(name="old.jsonl").part
    long_ago = timezone.now() - timedelta(days=settings.RPT_UPLOAD_DAYS, hours=1)
    Upload.objects.exclude(name="kept.jsonl").update(touched_at=long_ago)
    assert uploads.clean_up() == 1
    assert not part.exists()
    assert sorted(Upload.objects.values_list("name", flat=True)) == ["kept.jsonl", "whole.jsonl"]
    assert stored(version, "whole.jsonl") == b"abc"
    assert sender.offset(kept) == 0


def test_a_version_that_is_checked_takes_no_more(sender, version):
    address = sender.begin(version, "a.jsonl", 10)
    version.checked_at = timezone.now()
    version.save()
    assert sender.add(address, 0, b"x")[0] == 409
    assert sender.ask("DELETE", address)[0] == 409
    told = {"Upload-Length": "5", "Upload-Metadata": encoded(filename="b.jsonl", version=version.pk)}
    assert sender.ask("POST", "/corpora/uploads/", **told)[0] == 409
