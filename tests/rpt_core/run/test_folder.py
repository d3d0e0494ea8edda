"""The folder of a run."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rpt_core.config import CorpusConfig, FilterConfig, ModelConfig
from rpt_core.errors import UserError
from rpt_core.run.folder import RunDir

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
        "import sys\nfrom rpt_core.errors import UserError\nfrom rpt_core.run.folder import RunDir\n"
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
        "import os, sys\nfrom rpt_core.run.folder import RunDir\n"
        "with RunDir(sys.argv[1]).locked():\n    os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == -9
    with RunDir(tmp_path).locked():
        pass


NAMES = re.compile(
    r"events\.jsonl|stage\.(log|pid)|ledger\.parquet|traces\.jsonl|-solved\.jsonl|not_finite/|position_lists/|"
    r"(checkpoints|evaluations|tables|sets)/|rollouts/[a-z{]|step-\{|\.partial"
)
MAY_SAY = {
    "platform/rpt_web/api/prompts.py": "an address, no file",
    "platform/rpt_web/api/removal.py": "an address, no file",
    "platform/rpt_web/api/run_files.py": "addresses of the API, no files",
    "platform/rpt_web/pages/review/urls.py": "addresses of pages, no files",
    "platform/rpt_web/pages/models/urls.py": "an address of a page, no file",
    "platform/rpt_web/pages/runs/files.py": "names of downloads",
    "platform/rpt_web/pages/runs/table_cells.py": "an address of a page, no file",
    "platform/rpt_web/pages/runs/urls.py": "addresses of pages, no files",
    "rpt_core/client/client.py": "addresses of the API, no files",
    "rpt_core/client/exporting.py": "a user's own files",
    "rpt_core/client/login.py": "a user's own file",
    "rpt_core/files.py": "files that are not complete",
    "rpt_core/run/folder.py": "the names",
    "rpt_core/verl_backend/folder.py": "verl's own",
}


def test_no_other_module_knows_the_names():
    root = Path(__file__).parents[3]
    files = [
        file for folder in ("rpt_core", "workers", "platform", "scripts") for file in (root / folder).rglob("*.py")
    ]
    asked = [file for file in files if file.parent.name != "migrations"]
    found = {file.relative_to(root).as_posix() for file in asked if any(map(NAMES.search, spoken(file)))}
    assert found <= MAY_SAY.keys()
    assert "rpt_core/run/folder.py" in found


def spoken(file):
    """A module's texts, docstrings left out."""
    tree = ast.parse(file.read_text())
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    yield from (node.value for node in texts if id(node) not in said)
    yield from (ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr))
