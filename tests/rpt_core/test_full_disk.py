"""A stage on a disk that gets full: a real one, in memory, which only root can make."""

import errno
import json
import os
import subprocess
import sys

import pytest

from rpt_core.config import ModelConfig
from rpt_core.errors import is_full_disk
from rpt_core.models.checkpoints import load_model
from rpt_core.run.events import EventType
from rpt_core.run.folder import RunDir
from tests.rpt_core import stages

STEPS = 30


def mount(folder, *options):
    return subprocess.run(["mount", "-t", "tmpfs", "-o", *options, "tmpfs", folder], capture_output=True).returncode


@pytest.fixture
def disk(tmp_path):
    """A disk of half a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or mount(folder, "size=600k"):
        pytest.skip("a small disk cannot be mounted here: only root can")
    yield folder
    subprocess.run(["umount", folder], check=True)


def run(folder):
    command = [sys.executable, "-m", "rpt_core", "ntp", folder]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
def test_a_full_disk_is_told_in_words_and_the_run_goes_on_when_there_is_room(tmp_path, disk):
    model = stages.save_taught(tmp_path / "model")
    config = {
        "model": model,
        "corpus": stages.write_corpus(tmp_path / "corpus.jsonl"),
        "budget": {"steps": STEPS},
        "batch_documents": 4,
        "checkpoint_every_steps": 1,
        "keep_checkpoints": STEPS,
    }
    folder = disk / "run"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    done = run(folder)
    assert done.returncode == 2, done.stderr
    assert f"error: The disk of {folder} is full. Free some space there" in done.stderr
    assert not list(folder.rglob("*.partial"))
    [failed] = stages.events(folder, EventType.FAILED)
    assert failed["message"].startswith(f"The disk of {folder} is full.")
    newest = RunDir(folder).newest_checkpoint()
    load_model(ModelConfig(path=str(newest), device="cpu"))

    assert mount(disk, "remount,size=20m") == 0
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert f"{stages.events(folder, EventType.STARTED)[1]['start_step']:06d}" in newest.name
    assert [data["step"] for data in stages.events(folder, EventType.METRICS)][-1] == STEPS


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_known_also_in_a_librarys_words(code):
    assert is_full_disk(OSError(code, os.strerror(code)))
    assert is_full_disk(RuntimeError(f"Error while serializing: I/O error: {os.strerror(code)} (os error {code})"))
    assert not is_full_disk(OSError(errno.EACCES, "Permission denied"))
