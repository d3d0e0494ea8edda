"""How far pre-flight's estimates are off: FLOPs, seconds and rollouts of the runs of the preset `smoke`.

Plays the preset in a folder (a minute or a few), or takes one that was played (`--folder`), and compares each run's
stored compute and time with what pre-flight says of its config on two CPU cores. Seconds are those between the first
event and the last, so without the start of the process; on a machine that does other work they are upper bounds.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from _common import finish, parser, show

from rpt_core.config import STAGES
from rpt_core.files import read_json
from rpt_core.plans.play import main as play
from rpt_core.plans.preset import load_preset
from rpt_core.plans.report import seconds
from rpt_core.preflight import check, hardware
from rpt_core.run.events import EventType, read_events
from rpt_core.run.folder import RunDir

PRESET = "smoke"


def compared(folder: Path) -> dict[str, dict[str, float | None]]:
    """Estimates (typical) and measurements of each run that loads a model."""
    machine = without_start(hardware("cpu-2"))
    found = {}
    for run in load_preset(PRESET).runs:
        of = RunDir(folder / run.name)
        report = check(STAGES[run.stage].model_validate(read_json(of.config)), machine)
        events = list(read_events(of.events))
        ends = [event.data["result"] for event in events if event.type == EventType.FINISHED]
        if report.typical is None or not ends:
            continue
        measured, trains = ends[-1].get("flops"), run.stage in ("ntp", "sft", "rpt", "rlvr")
        found[run.name] = {
            "flops_estimated": report.typical.flops if trains else None,
            "flops_measured": measured if trains else None,
            "percent_off": round(100 * (report.typical.flops / measured - 1), 1) if trains and measured else None,
            "seconds_estimated": round(report.typical.seconds, 1),
            "seconds_measured": round(seconds(events), 1),
        }
    return found


def without_start(machine):
    """The machine without the start of a process, which events do not see."""
    return machine.model_copy(update={"start_seconds": 0})


def main() -> int:
    """Play, compare, show."""
    options = parser(__doc__)
    options.add_argument("--folder", type=Path, help="where the preset was played")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = asked.folder or Path(place) / "runs"
        if asked.folder is None and play([PRESET, str(folder)]):
            return 1
        found = compared(folder)
    rows = [
        [name, *("–" if value is None else f"{value:.4g}" for value in numbers.values())]
        for name, numbers in found.items()
    ]
    show("Pre-flight against what was", ["run", "FLOPs est.", "FLOPs", "% off", "s est.", "s"], rows)
    finish("preflight_estimates", {"preset": PRESET, "runs": found}, asked.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
