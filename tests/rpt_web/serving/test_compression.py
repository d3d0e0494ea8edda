"""Pages and JSON are gzipped for whoever takes it, streams are not, and what is secret does not show in the length."""

from __future__ import annotations

import gzip

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory

from rpt_web.serving.compression import Gzipped
from tests.rpt_web.api_client import ROOT

pytestmark = pytest.mark.django_db
GZIP = {"Accept-Encoding": "gzip"}


def test_pages_are_sent_gzipped_to_whoever_takes_it(client, ada, experiment):
    client.force_login(ada)
    small, plain = client.get("/", headers=GZIP), client.get("/")
    assert small["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain
    assert b"<h1>Home</h1>" in gzip.decompress(small.content)
    assert len(small.content) < len(plain.content) / 2
    assert "Accept-Encoding" in plain["Vary"]


def test_answers_of_the_api_are_sent_gzipped_too(caller, run):
    response = caller.get(f"{ROOT}/runs/{run.pk}", headers=GZIP)
    assert response["Content-Encoding"] == "gzip"
    assert b'"stage"' in gzip.decompress(response.content)


def test_an_error_is_said_in_words_gzipped_or_not(client):
    response = client.get("/no/such/page", headers=GZIP)
    body = gzip.decompress(response.content) if "Content-Encoding" in response else response.content
    assert response.status_code == 404
    assert b"</html>" in body


def test_streams_are_sent_as_they_are():
    request = RequestFactory().get("/", headers=GZIP)
    lines = (f"data: {number}\n\n" * 100 for number in range(3))
    response = Gzipped(lambda _: StreamingHttpResponse(lines, content_type="text/event-stream"))(request)
    assert "Content-Encoding" not in response
    assert next(iter(response)).startswith(b"data: 0\n\n")


def test_the_same_page_has_many_lengths():
    request = RequestFactory().get("/", headers=GZIP)
    answer = Gzipped(lambda _: HttpResponse("secret " * 100))
    assert len({len(answer(request).content) for _ in range(40)}) > 5


def test_the_token_of_a_form_differs_from_page_to_page(client, ada):
    client.force_login(ada)
    tokens = {client.get("/").content.decode().split('"X-CSRFToken": "')[1].split('"')[0] for _ in range(3)}
    assert len(tokens) == 3
