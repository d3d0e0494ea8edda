"""A run's log on its page: the last lines shown harmlessly, fetched again when new ones come, and all as a file."""

from __future__ import annotations

import os

import pytest
from django.urls import reverse

from rpt_core.run.folder import RunDir
from rpt_web.runs import logs
from rpt_web.runs.models import Status
from rpt_web.text import on_a_terminal
from tests.factories import HOSTILE
from tests.rpt_web.markup import flat

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),  # the test's client is not asynchronous
]
LINES = "loading\n\x1b[32mready\x1b[0m\nstep 1\rstep 2\rstep 3\n"


@pytest.fixture
def log(run):
    """The log of a run, with some lines."""
    path = RunDir(run.directory).log
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(LINES)
    return path


def lines_of(client, run, query=""):
    return client.get(reverse("runs:run_log", args=[run.pk]) + query, headers={"HX-Target": "log"})


def whole(client, run):
    response = client.get(reverse("runs:run_log_file", args=[run.pk]))
    return response, b"".join(response)


@pytest.mark.parametrize("status", [Status.RUNNING, Status.SUCCEEDED, Status.CANCELLED, Status.FAILED, Status.LOST])
def test_the_log_can_be_read_in_every_state(client, ada, run, log, status):
    type(run).objects.filter(pk=run.pk).update(status=status)
    client.force_login(ada)
    assert reverse("runs:run_log", args=[run.pk]) in flat(client.get(reverse("runs:run_detail", args=[run.pk])))
    page = flat(client.get(reverse("runs:run_log", args=[run.pk])))
    assert reverse("runs:run_log_file", args=[run.pk]) in page
    assert ">loading\nready\nstep 3</pre>" in page
    text = flat(lines_of(client, run))
    assert ">loading\nready\nstep 3</pre>" in text
    assert "This is the whole log." in text
    response, body = whole(client, run)
    assert body == log.read_bytes()
    assert response["Content-Disposition"] == f'attachment; filename="run-{run.pk}-log.txt"'
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"


def test_a_run_without_a_log_says_so(client, ada, run):
    client.force_login(ada)
    assert "Nothing has been written yet." in flat(lines_of(client, run))
    assert whole(client, run)[1] == b""


def test_only_new_lines_are_sent(client, ada, run, log):
    client.force_login(ada)
    key = logs.tail_of(run).key
    assert f'hx-get="{reverse("runs:run_log", args=[run.pk])}?seen={key}"' in flat(lines_of(client, run))
    assert lines_of(client, run, f"?seen={key}").status_code == 204
    with log.open("a") as file:
        file.write("more\n")
    assert "more</pre>" in flat(lines_of(client, run, f"?seen={key}"))


def test_lines_are_searched_for_and_the_address_keeps_the_text(client, ada, run, log):
    log.write_text("".join(f"Loss {number} <b>\n" for number in range(1000)) + "other\n")
    log.with_name("stage.log.old").write_text("a loss before\n\n")
    client.force_login(ada)
    text = flat(client.get(reverse("runs:run_log", args=[run.pk], query={"q": "LOSS 99"})))
    assert 'value="LOSS 99"' in text
    assert '<span class="line-number">102</span>Loss 99 &lt;b&gt;' in text
    assert "11 lines of 1,003 with “LOSS 99”." in text
    assert "other" not in text.partition('id="log"')[2].partition("</pre>")[0]
    assert f"?seen={logs.key_of(run)}&amp;q=LOSS+99" in text
    assert "The last 300 of 1,001 lines" in flat(lines_of(client, run, "?q=loss"))
    assert "0 lines of 1,003 with “nowhere”." in flat(lines_of(client, run, "?q=nowhere"))


def test_hostile_lines_stay_text(client, ada, run, log):
    log.write_text(
        f"{HOSTILE}\n\x1b]0;title\x07\x1b]8;;https://evil.example\x07here\x1b]8;;\x07\x00\u202egnp\x1b\n\x9b31m\n"
    )
    client.force_login(ada)
    text = flat(lines_of(client, run))
    assert "<script>alert" not in text
    assert "evil.example" not in text
    assert not any(character in text for character in "\x1b\x07\x00\u202e\x9b")
    assert "\\u202e" in text.lower()


def test_the_end_of_a_long_log_is_shown_from_the_start_of_a_line(run, log):
    log.write_text("".join(f"line {number}\n" for number in range(200_000)))
    tail = logs.tail_of(run)
    lines = tail.text.split("\n")
    assert (lines[0], lines[-1]) == ("line 199700", "line 199999")
    assert (tail.lines, tail.is_all, tail.size_bytes) == (logs.TAIL_LINES, False, log.stat().st_size)


def test_one_endless_line_is_cut(run, log):
    log.write_text("x" * 1_000_000)
    assert len(logs.tail_of(run).text) == logs.TAIL_BYTES


def test_what_was_set_aside_belongs_to_the_log(client, ada, run, log):
    log.with_name("stage.log.old").write_text("first\nsecond\n")
    client.force_login(ada)
    assert ">first\nsecond\nloading\n" in flat(lines_of(client, run))
    assert whole(client, run)[1] == b"first\nsecond\n" + log.read_bytes()


def test_a_link_or_a_pipe_instead_of_a_log_is_not_followed(client, ada, run, log, tmp_path):
    (tmp_path / "secret").write_text("secret")
    client.force_login(ada)
    for put in (lambda: log.symlink_to(tmp_path / "secret"), lambda: os.mkfifo(log), log.mkdir):
        log.unlink()
        put()
        assert "Nothing has been written yet." in flat(lines_of(client, run))
        assert whole(client, run)[1] == b""


def test_a_terminals_text_is_read_as_it_would_look():
    assert on_a_terminal("a\r\nb\r\n") == "a\nb\n"
    assert on_a_terminal(" 10 %\r 20 %\r") == " 20 %"
    assert on_a_terminal("\x1b[1;31mred\x1b[K\x1b(B\x1b[?25l") == "red"
    assert on_a_terminal("\x1b]0;a title\x1b\\text \x1bP1;2q\x1b\\") == "text "
    assert on_a_terminal("\x1b]never closed") == ""
