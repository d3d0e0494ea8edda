"""The page of nodes: which there are, what they can run, what they lack, and what they work on."""

from __future__ import annotations

import re
import socket
import sys

import pytest

from rpt_core.machine import environments
from rpt_web.runs import nodes, services
from rpt_web.runs.models import Node
from tests.factories import HOSTILE, make_experiment, start_run
from tests.rpt_web.runs.test_queues import rpt

pytestmark = pytest.mark.django_db
FINDINGS = [
    {"area": "machine", "name": "processor", "level": "good", "words": "16 cores, 128 GB of memory", "remedy": ""},
    {"area": "machine", "name": "GPU 0", "level": "good", "words": "NVIDIA H100, 80 GB", "remedy": ""},
    {"area": "engines", "name": "vLLM", "level": "good", "words": "0.24.0", "remedy": ""},
    {"area": "engines", "name": "verl", "level": "note", "words": "not installed", "remedy": "deploy/gpu-node.sh"},
    {"area": "folders", "name": "data", "level": "problem", "words": "cannot be written", "remedy": "chown 1000 /x"},
]


def test_without_a_worker_it_says_how_to_start_one(page):
    text = page("/nodes/")
    assert "No worker yet" in text
    assert "<code>.venv/bin/celery -A rpt_web worker -Q default --loglevel INFO</code>" in text
    assert "celery -A rpt_web worker -Q gpu --loglevel INFO</code>" in text


def test_a_node_shows_what_it_can_and_what_it_lacks(page):
    nodes.register("gpu-node-1", ["gpu", "default"])
    assert "being examined" in page("/nodes/")
    nodes.register("gpu-node-1", ["gpu", "default"], FINDINGS)
    nodes.register("web", ["quick"])
    text = page("/nodes/")
    assert "takes no runs" in text
    assert "being examined" not in text
    for words in (
        "gpu-node-1",
        "listens to default, gpu",
        "NVIDIA H100, 80 GB",
        "16 cores",
        "0.24.0",
        "None at the moment",
    ):
        assert words in text
    wrong, optional, everything = re.split("Optional, or good to know|Everything that was checked", text)
    assert "chown 1000 /x" in wrong.split("What is missing or wrong")[1]
    assert "verl" not in wrong.split("What is missing or wrong")[1]
    assert "<dt>verl</dt><dd>not installed</dd>" in optional
    assert "deploy/gpu-node.sh" not in optional, "nobody is told to install what is not needed"
    assert "deploy/gpu-node.sh" in everything
    assert "No worker listens" not in text


def test_a_node_that_lacks_only_what_is_optional_lacks_nothing(page):
    nodes.register("laptop", ["default"], [found for found in FINDINGS if found["level"] != "problem"])
    text = page("/nodes/")
    assert "Nothing is missing." in text
    assert "What is missing or wrong" not in text


def test_a_node_that_was_not_heard_of_is_silent_and_listens_to_nothing(page):
    nodes.register("gone", ["gpu"])
    assert "Here" in page("/nodes/")
    Node.objects.update(last_seen="2020-01-01T00:00Z")
    for listener in Node.objects.get().listeners.all():
        listener.last_heard = "2020-01-01T00:00Z"
        listener.save()
    text = page("/nodes/")
    assert "Silent" in text
    assert "listens to no queue" in text
    nodes.register("gone", ["gpu"])
    assert "Silent" not in page("/nodes/")
    assert Node.objects.count() == 1


def test_a_node_that_was_silent_for_long_is_forgotten(page):
    nodes.register("gone", ["gpu"])
    Node.objects.update(last_seen="2020-01-01T00:00Z")
    nodes.register("here", ["gpu"])
    assert list(Node.objects.values_list("name", flat=True)) == ["here"]


def test_it_lists_the_runs_that_a_node_works_on_and_no_others(page, ada):
    for name, worker in (("mine", "node-1:17"), ("other", "node-10:17")):
        start_run(services.submit(make_experiment(ada, f"Experiment {name}"), name, rpt(), ada), worker=worker)
    nodes.register("node-1", ["default"])
    text = page("/nodes/")
    assert "Experiment mine" in text
    assert "Experiment other" not in text


def test_a_node_with_another_folder_or_version_is_warned_about(page, monkeypatch):
    nodes.register("right", ["gpu"])
    assert "does not share" not in page("/nodes/")
    with monkeypatch.context() as patch:
        patch.setattr(nodes, "folder_mark", lambda: "another")
        patch.setattr(nodes, "code_version", lambda: "0.0.9")
        nodes.register("wrong", ["gpu"])
    text = page("/nodes/")
    assert text.count("does not share this server&#x27;s data folder") == 1
    assert "version 0.0.9" in text


def test_the_environment_with_engines_is_a_node_beside_the_plain_one(page, monkeypatch):
    host = socket.gethostname()
    for environment, name, words in ((".venv", host, "plain"), (".venv-verl", f"{host} (.venv-verl)", "with verl")):
        monkeypatch.setattr(sys, "prefix", str(environments.ROOT / environment))
        assert nodes.own_name() == name
        finding = {"area": "engines", "name": "verl", "level": "good", "words": words}
        nodes.register(nodes.own_name(), ["gpu"], [finding])
    found = [(node.name, node.findings[0]["words"]) for node in Node.objects.all()]
    assert found == [(host, "plain"), (f"{host} (.venv-verl)", "with verl")]
    assert f"{host} (.venv-verl)" in page("/nodes/")


def test_two_secret_keys_or_two_paths_make_two_marks(settings, tmp_path):
    one = nodes.folder_mark()
    settings.RPT_DATA_DIR = tmp_path
    other = nodes.folder_mark()
    settings.SECRET_KEY = "another"
    assert len({one, other, nodes.folder_mark()}) == 3
    assert settings.SECRET_KEY not in nodes.folder_mark()


def test_findings_are_escaped(page):
    nodes.register("node", ["gpu"], [{"area": "engines", "name": HOSTILE, "level": "good", "words": HOSTILE + "\x00"}])
    text = page("/nodes/")
    assert "<script>alert(" not in text
    assert "&lt;script&gt;alert" in text


def test_the_page_takes_as_many_queries_for_ten_nodes_as_for_one(client, ada, django_assert_max_num_queries):
    client.force_login(ada)
    for number in range(10):
        nodes.register(f"node-{number}", ["gpu"])
    with django_assert_max_num_queries(9):  # 3 of them for the session, the user and their roles
        client.get("/nodes/")


def test_htmx_gets_the_list_alone(page):
    assert "<html" not in page("/nodes/", HTTP_HX_TARGET="nodes", HTTP_HX_REQUEST="true")
