"""A form that begins with a config file: read or refused in words, compared with, downloaded again."""

from __future__ import annotations

import json

import pytest
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from rpt_core.config import STAGES
from rpt_core.errors import UserError
from rpt_core.plans.preset import load_preset
from rpt_web.pages.configure.from_file import MOST_BYTES, read_file
from rpt_web.runs import services
from rpt_web.runs.models import Run
from tests.rpt_web.markup import flat
from tests.rpt_web.pages.configure.test_new_run import typed

FILE = reverse("configure:run_from_file")
BASE = load_preset("tiny").run("base").config | {"stage": "ntp", "budget": {"steps": 4}}


@pytest.fixture
def send(client, ada):
    """send(text) -> the answer to a file of this text, chosen for an empty experiment."""
    client.force_login(ada)
    experiment = services.create_experiment("Mine", ada)

    def send(text, name="small base.yaml"):
        file = SimpleUploadedFile(name, text if isinstance(text, bytes) else text.encode())
        return client.post(FILE, {"file": file, "experiment": experiment.pk})

    send.address = f"{FILE}?experiment={experiment.pk}"
    return send


@pytest.mark.parametrize("written", [yaml.safe_dump, json.dumps])
def test_a_file_fills_the_form_is_compared_with_and_submitted(client, send, written, nothing_found):
    text = flat(send(written(BASE)))
    data = typed(text)
    assert data["budget.steps"] == "4"
    assert data["run_name"] == "small-base"
    assert "Nothing differs from small base.yaml" in text
    assert Run.objects.count() == 0
    data["budget.steps"] = "5"
    changed = flat(client.post(send.address, data | {"difference": "1"}))
    assert "1 setting differs from small base.yaml" in changed
    assert client.post(send.address, data).status_code == 302
    run = Run.objects.get()
    assert (run.stage, run.name, run.config["budget"]["steps"]) == ("ntp", "small-base", 5)


def test_the_config_is_downloaded_as_typed_and_begins_a_form_again(client, send):
    data = typed(flat(send(yaml.safe_dump(BASE))))
    answer = client.post(send.address, data | {"budget.steps": "6", "download": "1"})
    assert answer["Content-Disposition"] == 'attachment; filename="config.json"'
    config = STAGES["ntp"].model_validate_json(answer.content)
    assert config.budget.steps == 6
    assert typed(flat(send(answer.content, "config.json")))["budget.steps"] == "6"
    wrong = client.post(send.address, data | {"budget.steps": "0", "download": "1"})
    assert wrong.status_code == 422
    assert "Give a number above 0." in flat(wrong)
    assert Run.objects.count() == 0


def test_the_lines_for_a_shell_stand_with_the_form(send):
    text = flat(send(yaml.safe_dump(BASE)))
    assert ".venv/bin/python -m rpt_core preflight ntp small-base/config.json" in text
    assert ".venv/bin/python -m rpt_core ntp small-base" in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "does not hold a config"),
        ("- a\n", "does not hold a config"),
        ("stage: ntp\nbudget: [", "This is not valid YAML. Look at line 2"),
        ('{"stage": }', "is not valid JSON. Look at line 1, column 11."),
        ("stage: dance\n", "'dance', which is none. The stages are: filter, ntp"),
        ("steps: 3\n", "does not say which stage it is for"),
        (b"\xff\xfe\x00", "is no text in UTF-8"),
        ("a: &x 1\nb: *x\n", "aliases are not allowed"),
        ("stage: ntp\na: " + "[" * 70 + "]" * 70, "nested"),
        (b"#" * (MOST_BYTES + 1), "A config has at most 200,000"),
    ],
)
def test_what_is_no_config_is_refused_in_words(text, words):
    with pytest.raises(UserError, match=words.replace("(", r"\(").replace("[", r"\[")):
        read_file("a.yaml", text if isinstance(text, bytes) else text.encode())


def test_every_wrong_field_of_a_file_is_named_on_the_page(send):
    answer = send(yaml.safe_dump(BASE | {"batch_documents": "many", "stepz": 3}))
    assert answer.status_code == 422
    text = flat(answer)
    assert "small base.yaml is not a config of stage ntp:" in text
    assert "batch_documents: Give a whole number." in text
    assert "stepz: There is no such field." in text


def test_the_stage_is_found_where_only_one_takes_the_settings():
    assert read_file("x.yaml", yaml.safe_dump(load_preset("tiny").run("rpt").config).encode()).planned.stage == "rpt"
