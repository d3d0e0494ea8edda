"""What the web loads must not drag torch in: checked in a fresh interpreter."""

import subprocess
import sys

import pytest

HEAVY = ["torch", "numpy", "transformers", "tokenizers", "scipy", "pandas"]


def loaded_after(statement, watched):
    code = f"{statement}\nimport sys\nprint([name for name in {watched!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return result.stdout.strip()


@pytest.mark.parametrize(
    "module",
    [
        "config",
        "run.events",
        "run.folder",
        "run.products",
        "run.tables",
        "verdict",
        "problems.prompts",
        "plans.preset",
        "machine.requirements",
        "rewards.answers",
        "errors",
    ],
)
def test_the_light_modules_load_without_torch_and_numpy(module):
    assert loaded_after(f"import rpt_core.{module}", HEAVY) == "[]"


def test_all_light_modules_together_load_without_torch_and_numpy():
    assert loaded_after("from rpt_core import config, verdict; from rpt_core.run import events, folder", HEAVY) == "[]"


@pytest.mark.parametrize(
    "module",
    [
        "run.rollout_files",
        "text.corpus",
        "positions.scored",
        "positions.sets",
        "positions.lists",
        "evaluation.outcomes",
        "train.monitors",
        "train.ledger",
        "train.dynamic_sampling",
        "train.problem_order",
        "statistics.intervals",
        "analysis.scaling",
        "analysis.scaling_tables",
        "analysis.patterns",
        "analysis.pattern_tables",
        "analysis.entropy_curve",
        "analysis.stage",
    ],
)
def test_reading_results_needs_no_torch(module):
    assert loaded_after(f"import rpt_core.{module}", ["torch", "transformers", "tokenizers"]) == "[]"


def test_the_check_itself_sees_what_is_loaded():
    assert loaded_after("import numpy", HEAVY) == "['numpy']"
