"""What the tests of pre-flight share: configs of a short RPT run, and the fields that a report speaks of.

The fixtures `model` and `filtered` are in conftest.py.
"""

from rpt_core.config import STAGES
from rpt_core.preflight import hardware

CPU = hardware("cpu-2")


def rpt(model, positions, **more):
    """Config of a short RPT run of a model on positions."""
    config = {
        "stage": "rpt",
        "model": model,
        "positions": positions,
        "steps": 4,
        "batch_problems": 2,
        "group_size": 3,
        "prompt": {"template": "plain", "max_prompt_tokens": 60},
        "sampling": {"max_response_tokens": 20},
        **more,
    }
    return STAGES["rpt"].model_validate(config)


def fields(report, level="error"):
    """Fields of a report's problems of one level, in its order."""
    return [problem.field for problem in report.problems if problem.level == level]
