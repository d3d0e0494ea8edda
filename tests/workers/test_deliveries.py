"""What goes out: e-mails by a real mail server, signed posts to a real receiver, and addresses that are refused."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import socket
import socketserver
import threading
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_string, policy

import pytest
from django.utils import timezone

from rpt_core.errors import UserError
from rpt_web.notices import choices, deliveries, hooks
from rpt_web.notices.models import Alarm, AlarmKind, Delivery, NoticeKind
from rpt_web.notices.services import tell
from rpt_web.runs import services
from rpt_web.runs.alarms import raise_alarm
from rpt_web.teams.membership import first_team
from tests.factories import make_user
from workers import reaper, tasks, webhooks
from workers.deliveries import send_due

pytestmark = pytest.mark.django_db


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted; answers what the path says."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append((dict(self.headers), body))
        status = int(self.path.rpartition("/")[2] or 204)
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/204")
        self.end_headers()

    def log_message(self, *_):
        pass


class MailServer(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs; refuses whoever is called `gone`."""

    def handle(self):
        self._say("220 here")
        while line := self.rfile.readline().decode().strip():
            word = line[:4].upper()
            if word == "DATA":
                self._say("354 go on")
                lines = iter(lambda: self.rfile.readline().decode(), ".\r\n")
                self.server.mails.append("".join(lines))
            self._say("550 gone" if word == "RCPT" and "gone@" in line else "221 bye" if word == "QUIT" else "250 ok")
            if word == "QUIT":
                return

    def _say(self, text):
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def receiver(settings):
    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    server.posts = []
    server.address = f"http://127.0.0.1:{server.server_port}/hooks"
    settings.RPT_WEBHOOK_ADDRESSES = [server.address]
    with serving(server):
        yield server


@pytest.fixture
def mail_server(settings):
    server = socketserver.TCPServer(("127.0.0.1", 0), MailServer)
    server.mails = []
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.RPT_MAILS, settings.EMAIL_HOST, settings.EMAIL_PORT = True, "127.0.0.1", server.server_address[1]
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.RPT_PUBLIC_URL = "https://rpt.example.org"
    with serving(server):
        yield server


@pytest.fixture
def ada(db):
    user = make_user("ada")
    user.email = "ada@example.org"
    user.save()
    return user


@pytest.fixture
def run(ada):
    from rpt_core.config import RptConfig
    from tests.rpt_web.api_client import CONFIG

    experiment = services.create_experiment("Cards", ada)
    return services.submit(experiment, "rpt", RptConfig.model_validate(CONFIG), ada)


def due_again():
    Delivery.objects.filter(ended_at=None).update(due_at=timezone.now() - timedelta(seconds=1))


def test_an_alarm_comes_by_mail_to_its_owner_with_a_link(mail_server, run, ada):
    raise_alarm(run, AlarmKind.STALLED, "k", "It has shown no sign of life\r\nBcc: everybody@example.org for 20 min.")
    tasks.deliver()
    (text,) = mail_server.mails
    mail = message_from_string(text, policy=policy.default)
    assert (mail["To"], mail["Bcc"], mail["Auto-Submitted"]) == ("ada@example.org", None, "auto-generated")
    assert "no sign of life" in str(mail["Subject"])
    assert f"https://rpt.example.org/runs/{run.pk}/" in text
    delivery = Delivery.objects.get()
    assert (delivery.went_out, delivery.answer, delivery.tries) == (True, "Sent to ada@example.org.", 1)
    assert send_due() == 0


def test_people_get_by_mail_what_they_have_chosen(mail_server, run, ada):
    tell([ada.pk], NoticeKind.SUCCEEDED, "It succeeded.", run_id=run.pk)
    choices.choose(ada, ["succeeded", "nonsense"])
    tell([ada.pk], NoticeKind.SUCCEEDED, "Another one succeeded.", run_id=run.pk)
    tell([ada.pk], NoticeKind.FAILED, "It failed.", run_id=run.pk)
    bob, off = make_user("bob"), make_user("off")
    off.is_active, off.email = False, "off@example.org"
    off.save()
    tell([bob.pk, off.pk], NoticeKind.ALARM, "Without an address, and switched off.", run_id=run.pk)
    send_due()
    assert [message_from_string(mail)["Subject"] for mail in mail_server.mails] == ["RPT: Another one succeeded."]


def test_what_cannot_be_mailed_is_tried_a_few_times_and_then_given_up(settings, mail_server, run, ada):
    tell([ada.pk], NoticeKind.ALARM, "One.", run_id=run.pk)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings.EMAIL_PORT = closed.getsockname()[1]
        for tried in range(1, deliveries.MOST_TRIES + 1):
            due_again()
            assert send_due() == 1
            found = Delivery.objects.get()
            assert found.tries == tried
            assert (found.ended_at is not None) == (tried == deliveries.MOST_TRIES)
    assert not found.went_out
    assert "cannot be reached" in found.answer
    settings.EMAIL_PORT = mail_server.server_address[1]
    ada.email = "gone@example.org"
    ada.save()
    tell([ada.pk], NoticeKind.ALARM, "Two.", run_id=run.pk)
    settings.RPT_MAILS = False
    tell([ada.pk], NoticeKind.ALARM, "Three.", run_id=run.pk)
    settings.RPT_MAILS = True
    send_due()
    assert not Delivery.objects.filter(ended_at=None).exists()
    assert Delivery.objects.filter(answer="The mail server does not take this address.").count() == 2


def test_without_a_mail_server_mail_is_given_up_at_once(settings, run, ada):
    settings.RPT_MAILS = False
    tell([ada.pk], NoticeKind.ALARM, "One.", run_id=run.pk)
    assert send_due() == 1
    assert "RPT_SMTP_URL" in Delivery.objects.get().answer


def test_an_alarm_is_posted_with_a_signature_that_the_receiver_can_check(receiver, run, ada):
    team = first_team()
    secret = hooks.set_hook(team, receiver.address, False, ada)
    assert hooks.set_hook(team, f"{receiver.address}/204", False, ada) == "", "the secret stays"
    raise_alarm(run, AlarmKind.MONITOR, "k", "No box.", step=7, metric="share_no_box", value=0.8, limit=0.5)
    send_due()
    (headers, body) = receiver.posts[0]
    signed = headers["X-RPT-Timestamp"].encode() + b"." + body
    mac = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    assert headers["X-RPT-Signature"] == f"sha256={mac}"
    told = json.loads(body)
    assert (told["event"], told["text"], told["team"]) == ("alarm", "No box.", team.name)
    assert told["alarm"] == {"kind": "monitor", "step": 7, "metric": "share_no_box", "value": 0.8, "limit": 0.5}
    assert told["run"]["name"] == "rpt"
    assert told["run"]["url"].endswith(f"/runs/{run.pk}/")
    answers = Delivery.objects.exclude(webhook=None).values_list("went_out", "answer")
    assert list(answers) == [(True, "127.0.0.1 answered with the status 204.")]
    assert raise_alarm(run, AlarmKind.MONITOR, "k", "No box.") is None
    assert hooks.renew_secret(team) != secret
    assert Alarm.objects.count() == 1


@pytest.mark.parametrize(("path", "words"), [("500", "the status 500"), ("302", "a redirect (302), which is not")])
def test_a_receiver_that_fails_or_sends_elsewhere_is_tried_again(receiver, run, ada, path, words):
    hooks.set_hook(first_team(), f"{receiver.address}/{path}", True, ada)
    hooks.test_hook(first_team())
    for _ in range(2):
        due_again()
        send_due()
    assert len(receiver.posts) == 2, "nothing was followed"
    found = Delivery.objects.get()
    assert (found.tries, found.ended_at, found.went_out) == (2, None, False)
    assert words in found.answer


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/x",
        "ftp://example.org/x",
        "https://",
        "https://user:secret@example.org/",
        "https://example.org/#x",
        "https://exa mple.org/",
        "https://example.org:99999/",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest",
        "https://[fe80::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
    ],
)
def test_an_address_that_is_not_public_is_refused_when_it_is_stored(address, ada):
    with pytest.raises(UserError):
        hooks.set_hook(first_team(), address, False, ada)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1"])
def test_a_name_that_stands_for_this_machine_is_refused_when_it_is_resolved(host):
    with pytest.raises(UserError, match="private network"):
        webhooks.post(f"https://{host}/", b"{}", {})


def test_a_connection_that_ended_up_in_a_private_network_is_not_used(receiver):
    connection = webhooks._Connection("public.example", receiver.server_port, "127.0.0.1", is_tls=False, is_open=False)
    with pytest.raises(UserError, match="private network"):
        connection.post("/", b"{}", {})
    assert receiver.posts == []


def test_only_what_lies_below_a_listed_beginning_is_open(settings):
    settings.RPT_WEBHOOK_ADDRESSES = ["http://10.0.0.7:8065/hooks/", "https://chat.internal"]
    for fits in ("http://10.0.0.7:8065/hooks/a", "https://chat.internal/x", "https://chat.internal:443/"):
        assert hooks.checked_address(fits) == fits
    for misfit in (
        "http://10.0.0.7:8065/hooks-2",
        "http://10.0.0.7:8065/hooks/../x",
        "http://10.0.0.7/hooks/a",
        "https://chat.internal.evil.example@10.0.0.7/",
        "https://10.0.0.7:8065/hooks/a",
    ):
        with pytest.raises(UserError):
            hooks.checked_address(misfit)
    assert not hooks.is_listed("https://chat.internal.evil.example/")


def test_the_reaper_wakes_a_worker_for_what_is_due(redis_server, run, ada):
    from rpt_web.celery import app
    from rpt_web.jobs.models import QUICK_QUEUE

    def waiting():
        with app.connection_for_read() as connection:
            return connection.default_channel.client.llen(QUICK_QUEUE)

    with app.connection_for_write() as connection:
        connection.default_channel.client.delete(QUICK_QUEUE)
    reaper.send_deliveries()
    assert waiting() == 0
    tell([ada.pk], NoticeKind.ALARM, "One.", run_id=run.pk)
    due_again()
    reaper.send_deliveries()
    reaper.send_deliveries()
    assert waiting() == 1
    assert app.tasks[deliveries.DELIVER] is not None
    with app.connection_for_write() as connection:
        connection.default_channel.client.delete(QUICK_QUEUE)
