"""The names of verl's files in a run's folder. Loads without torch.

verl/rows.parquet order.npy     the problems, and which of them each draw takes
verl/agent_loops.yaml           how verl asks for responses
verl/checkpoints/global_step_N  verl's own checkpoints, to resume from; the newest one is kept
verl/ledger/step-000005.npz     counts of the ledger at a checkpoint
verl/job.txt                    the job's number on a Ray cluster
verl/attempt-001/               of one attempt: log.txt, metrics.jsonl, dumps/N.jsonl, traces/N-*.jsonl
verl/attempt-001/alive          touched by a stage that watches a job
verl/attempt-001/resolved_config.json   verl's whole configuration, as it resolved it
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from rpt_core.run.folder import RunDir

_STATE = re.compile(r"global_step_(\d+)")
_STEP = re.compile(r"\d+")


class VerlFolder:
    """Paths of one attempt of a run. Making the object creates nothing."""

    def __init__(self, run: RunDir, attempt: int) -> None:
        self.path = run.verl.resolve()
        self.data = self.path / "rows.parquet"
        self.agent_loops = self.path / "agent_loops.yaml"
        self.checkpoints = self.path / "checkpoints"
        self.job = self.path / "job.txt"
        self.attempt = self.path / f"attempt-{attempt:03d}"
        self.alive = self.attempt / "alive"
        self.resolved = self.attempt / "resolved_config.json"
        self.log = self.attempt / "log.txt"
        self.metrics = self.attempt / "metrics.jsonl"
        self.dumps = self.attempt / "dumps"
        self.traces = self.attempt / "traces"

    def create(self) -> None:
        """Make the folders of the attempt, empty."""
        shutil.rmtree(self.attempt, ignore_errors=True)
        for folder in (self.checkpoints, self.dumps, self.traces):
            folder.mkdir(parents=True, exist_ok=True)

    def dump(self, step: int) -> Path:
        """What verl dumped of a step."""
        return self.dumps / f"{step}.jsonl"

    def ledger(self, step: int) -> Path:
        """Counts of the ledger at a checkpoint."""
        return self.path / "ledger" / f"step-{step:06d}.npz"

    def remove_raw(self, step: int) -> None:
        """Remove dumps and traces that nothing goes back to: up to this step, and all of earlier attempts."""
        for folder in (*self.path.glob("attempt-*/dumps"), *self.path.glob("attempt-*/traces")):
            for file in folder.glob("*.jsonl"):
                found = _STEP.match(file.name)
                if folder.parent != self.attempt or (found and int(found[0]) <= step):
                    file.unlink()

    def state(self, step: int) -> Path:
        """verl's checkpoint of a step."""
        return self.checkpoints / f"global_step_{step}"

    def state_steps(self) -> list[int]:
        """Steps of verl's checkpoints, oldest first; the newest may be half written while verl runs."""
        if not self.checkpoints.is_dir():
            return []
        matches = (_STATE.fullmatch(entry.name) for entry in self.checkpoints.iterdir())
        return sorted(int(match[1]) for match in matches if match)

    def remove_states_before(self, step: int) -> None:
        """Remove verl's checkpoints of earlier steps."""
        for earlier in self.state_steps():
            if earlier < step:
                shutil.rmtree(self.state(earlier))

    def remove_states_but(self, step: int | None) -> None:
        """Remove verl's checkpoints, all but that of a step; while verl does not run."""
        for other in self.state_steps():
            if other != step:
                shutil.rmtree(self.state(other))
