"""The door to what a config may read: roots, links, kinds of files, hub names, addresses."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from rpt_core.config import STAGES, BenchmarkConfig, RptConfig
from rpt_core.config.reads import Reading, Reads, readings
from rpt_core.errors import UserError
from rpt_core.plans.preset import load_preset, preset_names
from rpt_web.runs import reach, services
from rpt_web.runs.models import Run
from tests.factories import make_experiment


@pytest.fixture
def data(settings, tmp_path):
    """A data folder with its secret and its default roots, and nothing else allowed."""
    data = tmp_path / "data"
    settings.RPT_DATA_DIR = data
    settings.RPT_READ_ROOTS = [data / name for name in ("corpora", "models", "templates")]
    settings.RPT_HUB_MODELS = None
    for root in (data / "runs", *settings.RPT_READ_ROOTS):
        root.mkdir(parents=True)
    (data / "secret_key").write_text("s")
    (data / "corpora/a.jsonl").write_text("{}\n")
    return data


def why_not(path: object, kind: Reads = Reads.DATA) -> str:
    return reach.why_not(Reading("f", str(path), kind))


def test_files_and_folders_below_a_root_may_be_read(data, tmp_path):
    for path in (data / "corpora/a.jsonl", data / "corpora", data / "runs/1/positions", data / "models/not-there"):
        assert why_not(path) == ""
    (data / "corpora/inside.jsonl").symlink_to(data / "corpora/a.jsonl")
    assert why_not(data / "corpora/inside.jsonl") == ""


@pytest.mark.parametrize("kind", [Reads.DATA, Reads.RUN, Reads.TEMPLATE, Reads.KEYWORDS, Reads.MODEL])
def test_nothing_else_may_and_the_refusal_does_not_tell_what_is_there(data, tmp_path, kind):
    (tmp_path / "there").write_text("x")
    said = set()
    for path in (
        tmp_path / "there",
        tmp_path / "nowhere",
        data / "secret_key",
        data / "other",
        f"/proc/{os.getpid()}/environ",
    ):
        words = why_not(path, kind)
        assert "is not below a folder that runs may read" in words
        assert str(data / "corpora") in words
        said.add(words.replace(str(path), ""))
    assert len(said) == 1


def test_the_data_folder_and_proc_stay_closed_below_a_root_around_them(data, settings):
    settings.RPT_READ_ROOTS = [Path("/"), data]
    assert why_not("/etc/hostname") == ""
    for path in (data / "secret_key", data, f"/proc/{os.getpid()}/environ", "/dev/zero"):
        assert "is not below" in why_not(path)
    settings.RPT_READ_ROOTS = [data / "shared"]
    assert why_not(data / "shared/x") == ""


def test_links_count_by_where_they_lead(data, tmp_path):
    link = data / "corpora/link.jsonl"
    link.symlink_to(data / "secret_key")
    assert "is not below" in why_not(link)
    assert "'link.jsonl'" in why_not(data / "corpora")
    assert "leads out of the folders" in why_not(data / "corpora")
    link.unlink()
    (data / "corpora/inner").symlink_to(data / "models")
    (data / "models/link").symlink_to(tmp_path)
    assert "leads out of the folders" in why_not(data / "corpora")


def test_a_circle_of_links_ends(data):
    (data / "corpora/round").symlink_to(data / "corpora")
    assert why_not(data / "corpora") == ""


def test_only_regular_files_are_read(data):
    os.mkfifo(data / "corpora/pipe.jsonl")
    assert "is not a regular file" in why_not(data / "corpora/pipe.jsonl")
    assert "is not a regular file" in why_not(data / "corpora")
    (data / "models/zero").symlink_to("/dev/zero")
    assert "is not below" in why_not(data / "models/zero")


def test_a_folder_with_too_many_files_is_refused(data, monkeypatch):
    monkeypatch.setattr(reach, "MOST_ENTRIES", 3)
    for number in range(5):
        (data / f"corpora/{number}.jsonl").touch()
    assert "holds more than 3 files" in why_not(data / "corpora")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "The path is empty"),
        ("  ", "The path is empty"),
        ("/x\x00y", "characters that cannot be seen"),
        ("/x\u202ey", "characters that cannot be seen"),
        ("/a/../b", "holds `..`"),
        ("s3://bucket/texts", "is an address, and files alone are read"),
        ("/" + "n" * 300, "is too long"),
        ("/" + "é" * 200, "is too long"),
        ("/n" * 600, "is too long"),
    ],
)
def test_what_cannot_be_a_path_is_refused_in_words(data, path, words):
    assert words in why_not(path)
    assert len(why_not(path)) < 400


def test_built_in_names_are_no_paths(data):
    assert why_not("v0", Reads.TEMPLATE) == why_not("paper", Reads.KEYWORDS) == ""
    assert "is not below" in why_not("v99", Reads.TEMPLATE)


def test_hub_names_are_an_administrators_list(data, settings):
    assert why_not("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", Reads.MODEL) == ""
    words = why_not("someone/else", Reads.MODEL)
    assert "'someone/else' may not be fetched from a hub" in words
    assert "RPT_HUB_MODELS" in words
    settings.RPT_HUB_MODELS = ["someone/*"]
    assert why_not("someone/else", Reads.MODEL) == ""
    assert why_not("someone/../../etc", Reads.MODEL) != ""
    assert "is not below" in why_not("platform/rpt_web", Reads.MODEL), "a folder here is no hub's model"
    settings.RPT_HUB_MODELS = []
    assert "Allowed: none" in why_not("someone/else", Reads.MODEL)


def test_addresses_are_an_administrators_list(data, settings):
    address = "http://127.0.0.1:8265"
    assert "A worker may not contact 'http://127.0.0.1:8265'. Allowed: none." in why_not(address, Reads.ADDRESS)
    settings.RPT_RAY_ADDRESSES = [address]
    assert why_not(address, Reads.ADDRESS) == ""


@pytest.mark.parametrize("name", preset_names())
def test_shipped_presets_may_be_submitted_with_the_defaults(data, name):
    for run in load_preset(name).runs:
        assert reach.refusals(run.rehearse(0), is_plan=True) == []


def test_a_file_that_a_preset_requires_may_be_read_only_where_it_lies(data, settings):
    assert why_not("data/omni_math.jsonl") == ""
    assert why_not(settings.ROOT / "data/omni_math.jsonl") == ""
    assert "is not below" in why_not("data/other.jsonl")


def test_in_a_plan_references_are_left_alone_and_only_those(data):
    config = RptConfig.model_validate({"model": {"path": "@base/checkpoint"}, "positions": "@../../etc"})
    assert [field for field, _ in reach.refusals(config, is_plan=True)] == ["positions"]
    assert [field for field, _ in reach.refusals(config)] == ["model.path", "positions"]


def test_every_field_that_reads_is_refused_by_its_name(data):
    config = BenchmarkConfig.model_validate({"model": {"path": "/m"}, "paths": ["/p", "/q"], "template": "/t"})
    assert [field for field, _ in reach.refusals(config)] == ["model.path", "paths.0", "paths.1", "template"]
    with pytest.raises(UserError, match=re.escape("`paths.0`: '/p' is not below")):
        reach.require(config)


def test_no_stage_reads_by_default(data):
    """The defaults of all stages pass, whatever has to be given beside them."""
    for model in STAGES.values():
        for reading in readings(model.model_construct()):
            assert reach.why_not(reading) == "", reading


def test_a_run_that_names_a_foreign_file_is_not_submitted(data, db):
    experiment = make_experiment(None)
    config = RptConfig.model_validate(
        {
            "model": {"path": str(data / "models/m")},
            "positions": "@base/positions",
            "prompt": {"template": str(data / "secret_key")},
        }
    )
    with pytest.raises(UserError, match=r"`positions`.*`prompt\.template`"):
        services.submit(experiment, "a", config, None)
    assert not Run.objects.exists()


def test_a_suite_that_names_a_foreign_file_is_not_submitted(data, db):
    from tests.suite_graphs import BASE, LEFT, plan

    left = LEFT.model_copy(update={"config": LEFT.config | {"positions": "/etc"}})
    base = BASE.model_copy(
        update={"config": BASE.config | {"positions": str(data / "runs/p"), "model": {"path": str(data / "models/m")}}}
    )
    with pytest.raises(UserError, match=r"The run 'left' of the plan cannot run. `positions`: '/etc' is not below"):
        services.submit_suite(make_experiment(None), plan(base, left), None)
    assert not Run.objects.exists()
