"""What the form says while somebody types: a table of what is red and amber, with limits and where they come from."""

from __future__ import annotations

import html
import re

import pytest

from rpt_web.runs import preflight
from rpt_web.runs.models import Run
from tests.factories import make_experiment
from tests.preset_runs import finish_runs
from tests.rpt_web.markup import flat
from tests.rpt_web.pages.configure.test_new_run import NEW, typed


@pytest.fixture
def address(ada):
    experiment = make_experiment(ada, seed=7)
    finish_runs(experiment, ada)
    return f"{NEW}?preset=tiny&run=rpt&experiment={experiment.pk}"


@pytest.fixture
def rows(page, client, address):
    """rows(changes) -> the cells of each row of the table, as text."""

    def rows(**changes):
        answer = client.post(address, typed(page(address)) | {"difference": "1"} | changes)
        assert answer.status_code == 200
        text = html.unescape(flat(answer))
        assert 'id="findings" hx-swap-oob="true"' in text
        lines = re.findall(r"<tr>(.*?)</tr>", text, re.S)[1:]
        cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.S) for line in lines]
        return [[re.sub(r"\\s+", " ", re.sub("<[^>]+>", "", cell)).strip() for cell in line] for line in cells]

    return rows


def test_settings_that_are_right_have_no_table(rows):
    assert rows() == []


def test_each_kind_of_limit_says_where_it_comes_from(rows):
    found = rows(
        **{
            "group_size": "1",
            "steps": "x",
            "optimiser.learning_rate": "7",
            "grpo.minibatch_groups": "5",
            "evaluation.modes": [],
            "positions": "@nobody/positions",
            "run_name": "cold",
        }
    )
    by_field = {line[0].split()[-1]: line[1:] for line in found}
    assert by_field["group_size"] == ["Give a number of at least 2.", "at least 2", "what the setting can be"]
    assert by_field["steps"][0] == "Give a whole number."
    assert by_field["optimiser.learning_rate"][1:] == ["at most 1", "largest numbers that make sense"]
    assert by_field["grpo.minibatch_groups"][2] == "settings that go together"
    assert by_field["positions"][2] == "the runs of the experiment"
    assert by_field["run_name"] == [
        "This experiment already has a run named 'cold'. Choose another name.",
        "–",
        "the form",
    ]
    assert Run.objects.count() == 4


def test_what_may_not_be_read_is_told_without_being_opened(rows):
    [line] = rows(**{"positions": "@other", "positions:path": "/etc"})
    assert "is not below a folder that runs may read" in line[1]
    assert line[3] == "what runs may read"


def test_a_need_that_is_met_in_name_only_is_doubtful(rows):
    Run.objects.filter(name="cold").update(stage="ntp")
    [line] = rows()
    assert line[0] == "doubtful all together"
    assert "“cold” of this experiment is of stage ntp, and that of the preset of stage sft" in line[1]
    assert line[3] == "the preset tiny"


def test_a_person_has_one_check_at_a_time(page, client, ada, address, nothing_found):
    data = typed(page(address)) | {"check": "1"}
    with preflight._alone(ada.pk):
        answer = client.post(address, data)
    assert answer.status_code == 503
    assert "It was not checked. A check of yours is running already." in flat(answer)
    with preflight._alone(ada.pk + 1):
        assert client.post(address, data).status_code == 200
