"""A call with an Idempotency-Key happens once, however often it is sent, and a refusal leaves nothing."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from rpt_web.api import repeating
from rpt_web.reports import services
from rpt_web.runs.models import Experiment
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import RepeatableCall
from tests.factories import make_user
from tests.rpt_web.api_client import ROOT, client_of

PATH = f"{ROOT}/experiments"


def post(client, body, key="a key"):
    return client.post(PATH, body, "application/json", headers={"Idempotency-Key": key})


@pytest.mark.django_db
def test_a_repeated_call_gets_the_first_answer_and_does_nothing(ada):
    client = client_of(ada)
    first, second = (post(client, {"name": "Once"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert second["Content-Type"] == first["Content-Type"]
    assert second["Idempotency-Repeated"] == "true"
    assert Experiment.objects.count() == 1
    assert post(client, {"name": "Once"}, "another key").status_code == 201  # names may repeat
    assert Experiment.objects.count() == 2


@pytest.mark.django_db
def test_the_key_of_another_call_is_refused_and_that_of_another_user_is_free(ada):
    client = client_of(ada)
    post(client, {"name": "One"})
    refused = post(client, {"name": "Two"})
    assert refused.status_code == 422
    assert "another address or body" in refused.json()["detail"]
    assert post(client_of(make_user("grace")), {"name": "Two"}).status_code == 201


@pytest.mark.django_db
def test_a_refused_call_may_be_sent_again_with_its_key(ada):
    client = client_of(ada)
    assert post(client, {"nam": "Slip"}).status_code == 422
    assert not RepeatableCall.objects.exists()
    assert post(client, {"name": "Right"}).status_code == 201


@pytest.mark.django_db
def test_a_key_without_a_valid_token_and_one_that_is_too_long(client, ada):
    assert post(client, {"name": "Nobody's"}).status_code == 401
    assert "200" in post(client_of(ada), {"name": "Long"}, "k" * 201).json()["detail"]


@pytest.mark.django_db
def test_answers_are_forgotten_after_a_day(ada):
    client = client_of(ada)
    post(client, {"name": "Once"})
    assert repeating.forget_old() == 0
    RepeatableCall.objects.update(made_at=timezone.now() - timedelta(hours=25))
    assert repeating.forget_old() == 1


@pytest.mark.django_db
def test_the_secret_of_a_link_is_stored_sealed_and_told_again(ada, settings):
    report = services.create(first_team(), "Shared", ada)
    client, path = client_of(ada), f"{ROOT}/reports/{report.pk}/links"
    first, second = (
        client.post(path, {"days": 3}, "application/json", headers={"Idempotency-Key": "link"}) for _ in range(2)
    )
    assert first.status_code == second.status_code == 201
    assert second.json() == first.json()
    secret = first.json()["address"].rstrip("/").rpartition("/")[2]
    assert len(secret) > 20
    stored = bytes(RepeatableCall.objects.get().body)
    assert secret.encode() not in stored
    settings.SECRET_KEY = "another"
    late = client.post(path, {"days": 3}, "application/json", headers={"Idempotency-Key": "link"})
    assert late.status_code == 409
    assert "secret key is another one now" in late.json()["detail"]
    assert report.links.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_at_once_are_one(ada):
    clients, answers = [client_of(ada) for _ in range(4)], []

    def send(client):
        answers.append(post(client, {"name": "At once"}))
        connection.close()

    threads = [threading.Thread(target=send, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert Experiment.objects.count() == 1
