"""The folder of a run."""

import os
import subprocess
import sys

import pytest

from rpt_core.config import CorpusConfig, FilterConfig, ModelConfig
from rpt_core.errors import UserError
from rpt_core.run_dir import RunDir, read_json, write_whole

CONFIG = FilterConfig(corpus=CorpusConfig(source="tiny"), proxy=ModelConfig(path="proxy"), seed=7)


def test_a_config_is_read_as_it_was_written(tmp_path):
    run = RunDir(tmp_path / "new" / "run")
    run.create(CONFIG)
    assert run.read_config("filter") == CONFIG


def test_making_the_object_makes_no_folder(tmp_path):
    RunDir(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_config_of_another_stage_or_a_damaged_one_is_refused(tmp_path):
    run = RunDir(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        run.read_config("filter")
    run.create(CONFIG)
    with pytest.raises(UserError, match=r"looks like a config of stage filter, not of rpt"):
        run.read_config("rpt")
    with pytest.raises(UserError, match=r"There is no stage 'train'\. The stages are: filter"):
        run.read_config("train")
    run.config.write_text("{")
    with pytest.raises(UserError, match=r"is not valid JSON: .* line 1 column 2"):
        run.read_config("filter")


def test_only_complete_checkpoints_count_and_the_newest_is_by_number(tmp_path):
    run = RunDir(tmp_path)
    assert run.newest_checkpoint() is None
    for name in ("step-000005", "step-000100", "step-1000000", "step-000200.partial", "step-7", "other"):
        (run.checkpoints / name).mkdir(parents=True)
    assert run.checkpoint_steps() == [5, 100, 1_000_000]
    assert run.newest_checkpoint() == run.checkpoint(1_000_000)


def test_paths_in_events_are_below_the_run(tmp_path):
    run = RunDir(tmp_path)
    assert run.relative(run.rollout_shard("train", 12)) == "rollouts/train-000012.parquet"
    assert run.relative(run.evaluation(3)) == "evaluations/step-000003.parquet"


def test_a_locked_run_is_refused_to_another_process_and_free_afterwards(tmp_path):
    run = RunDir(tmp_path / "run")
    code = (
        "import sys\nfrom rpt_core.errors import UserError\nfrom rpt_core.run_dir import RunDir\n"
        "try:\n    with RunDir(sys.argv[1]).locked():\n        print('free')\n"
        "except UserError as error:\n    print(error)"
    )

    def try_lock():
        return subprocess.run([sys.executable, "-c", code, str(run.path)], capture_output=True, text=True).stdout

    with run.locked():
        assert "Another process is running" in try_lock()
    assert try_lock() == "free\n"


def test_a_lock_of_a_killed_process_is_free(tmp_path):
    code = (
        "import os, sys\nfrom rpt_core.run_dir import RunDir\n"
        "with RunDir(sys.argv[1]).locked():\n    os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == -9
    with RunDir(tmp_path).locked():
        pass


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "file.json"
    write_whole(path, b"old")
    assert path.read_bytes() == b"old"

    def fail(_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, b"new, but only in part")
    assert path.read_bytes() == b"old"
    monkeypatch.undo()
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert [file.name for file in path.parent.iterdir()] == ["file.json"]


def test_json_that_is_no_object_is_refused(tmp_path):
    (tmp_path / "a.json").write_text('{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(UserError, match="JSON object"):
        read_json(tmp_path / "a.json")
