"""What speaks against a submit: pre-flight looks at what is to be submitted, red blocks and amber asks.

In: the config of a run, or a plan. Out: findings, or Blocked and NeedsConfirmation, which whoever submits gets to see.
Pages and API look here before they call `runs.services`; later attempts, and whoever has a shell, need no check. What a
run of a plan has yet to make is not missed. A check that does not come to its end (a minute, a gigabyte) says nothing
about the run, so it asks; while too many checks run, the submit waits for some time and is then refused
(`preflight.TooManyChecks`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from rpt_core.config import StageConfig
from rpt_core.config.reads import readings
from rpt_core.errors import UserError
from rpt_core.machine.requirements import gpu_memories
from rpt_core.plans.preset import Preset, missing
from rpt_web.runs import checks, preflight
from rpt_web.runs.models import GPU_QUEUE
from rpt_web.runs.queues import queue_for
from rpt_web.runs.reach import Teams

PATIENCE_SECONDS = 20
"""How long a submit waits for other checks to end."""
WITHOUT_GPU, WITH_GPU = "cpu-2", "h200"
"""What a run is checked for when nobody says: of machines with a GPU the one with most memory on a device."""


@dataclass(frozen=True)
class Finding:
    """Something that speaks against a run, or against some runs of a plan."""

    level: Literal["error", "warning"]
    field: str
    message: str
    runs: tuple[str, ...] = ()
    """Names of the runs of a plan."""
    limit: str = ""
    source: str = ""
    """Where the limit comes from."""

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"level": self.level, "field": self.field, "message": self.message, "runs": list(self.runs)}


class HeldBack(UserError):
    """Findings that keep a submit back."""

    def __init__(self, words: str, findings: Sequence[Finding]) -> None:
        super().__init__(words)
        self.findings = list(findings)


class Blocked(HeldBack):
    """Some are red: what was to be submitted would fail."""


class NeedsConfirmation(HeldBack):
    """All are amber: it may be submitted all the same."""


def of_config(config: StageConfig, hardware: str, teams: Teams) -> list[Finding]:
    """What speaks against a run. Raises TooManyChecks while too many checks run."""
    references = [reading for reading in readings(config) if reading.value.startswith("@")]
    words = "{} stands for what another run of a plan makes, and this run is not part of a plan. Give the path itself."
    ours = [Finding("error", reading.field, words.format(reading.value)) for reading in references]
    return [*ours, *_of([("", config)], hardware, teams)]


def of_plan(preset: Preset, seed: int, hardware: str, teams: Teams) -> list[Finding]:
    """The same for a plan, whose copies for several seeds are alike: one is looked at.

    Raises UserError for a config that cannot be right, too.
    """
    seeds = [seed if planned.seed is None else planned.seed for planned in preset.runs]
    configs = [checks.rehearsed(planned, of) for planned, of in zip(preset.runs, seeds, strict=True)]
    named = [(planned.name, config) for planned, config in zip(preset.runs, configs, strict=True)]
    return [*(Finding("warning", "", words) for words in missing(preset)), *_of(named, hardware, teams)]


def require(findings: Sequence[Finding], *, anyway: bool) -> None:
    """Raises Blocked for red findings, and NeedsConfirmation for others unless it is to continue anyway."""
    if any(finding.level == "error" for finding in findings):
        raise Blocked("This would fail, so it was not submitted. Fix what was found, and submit it again.", findings)
    if findings and not anyway:
        raise NeedsConfirmation(
            "This has not been submitted yet. Look at what was found, and fix it or submit anyway.", findings
        )


def usual_hardware(config: Mapping[str, Any] | Sequence[Any], preset: str = "") -> str:
    """What a run of such a config, or of a preset, is checked for when nobody says."""
    return WITH_GPU if queue_for(config, preset) == GPU_QUEUE or gpu_memories() else WITHOUT_GPU


def _of(named: Sequence[tuple[str, StageConfig]], hardware: str, teams: Teams) -> list[Finding]:
    asked = [(config.stage, config.model_dump(mode="json")) for _, config in named]
    try:
        reports = preflight.reports(asked, hardware, teams, patience_seconds=PATIENCE_SECONDS)
    except preflight.TooManyChecks:
        raise
    except UserError as error:
        return [
            Finding(
                "warning",
                "",
                f"It is not known whether anything would go wrong, because the check did not finish. {error}",
            )
        ]
    return of_reports([(name, report) for (name, _), report in zip(named, reports, strict=True)])


def of_reports(named: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Finding]:
    """What pre-flight's reports of some runs say, each thing once with the names of its runs; errors first."""
    told: dict[Finding, list[str]] = {}
    for name, report in named:
        for problem in report["problems"]:
            of = {name: problem.get(name, "") for name in ("limit", "source")}
            finding = Finding(problem["level"], problem["field"], problem["message"], **of)
            told.setdefault(finding, []).append(name)
    found = [replace(finding, runs=tuple(filter(None, names))) for finding, names in told.items()]
    return sorted(found, key=lambda finding: finding.level)  # errors before warnings
