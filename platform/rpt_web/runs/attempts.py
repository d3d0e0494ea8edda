"""Which code, worker and time each attempt of a run had: written at its claim, read by the pages and the API.

In: runs. Out: rows, words. Attempts from before this was kept have no row: of these only the code is known that the run
was submitted with.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from rpt_core.words import listed
from rpt_web.runs.models import Experiment, Run, RunAttempt


def note(run: Run, gpus: Sequence[int] | None = None) -> None:
    """Keep what a run that was just claimed is worked on by, and with which GPUs of its node (1 query)."""
    assert run.started_at is not None
    RunAttempt.objects.create(
        run=run,
        number=run.attempt,
        code_version=run.attempt_code_version,
        worker=run.worker,
        gpus=gpus,
        started_at=run.started_at,
    )


def attempts_of(run: Run) -> list[RunAttempt]:
    """The attempts of a run that were kept, oldest first (1 query)."""
    return list(run.attempts.order_by("number"))


def gpus_of(run: Run) -> list[int] | None:
    """The GPUs that the newest attempt has; None where its node has none to lease (1 query)."""
    found: list[int] | None = run.attempts.filter(number=run.attempt).values_list("gpus", flat=True).first()
    return found


def newest_code(run: Run) -> str:
    """The code of the newest attempt, or, where that is not known, what the run was submitted with."""
    return run.attempt_code_version or run.code_version


def newest_code_title(run: Run) -> str:
    """What `newest_code` is the code of."""
    if run.attempt_code_version:
        return f"Version of the code of attempt {run.attempt}"
    submitted = "Version of the code that submitted it"
    return f"{submitted}; that of its attempts was not kept" if run.attempt else submitted


def other_code(attempts: Iterable[RunAttempt]) -> str:
    """That a run's attempts, oldest first, had different code; "" where they had the same."""
    parts = [(code, [found.number for found in group]) for code, group in groupby(attempts, lambda a: a.code_version)]
    if len(parts) < 2:
        return ""
    shown = ", then ".join(f"{code} ({_numbers(numbers)})" for code, numbers in parts)
    return f"Continued by other code: {shown}. Its numbers may differ from those of a single version."


def continued_by_other_code(experiment: Experiment) -> list[tuple[str, str]]:
    """The runs of an experiment whose attempts had different code: name and words (1 query)."""
    rows = (
        RunAttempt.objects.filter(run__experiment=experiment)
        .select_related("run")
        .only("number", "code_version", "run__name")
    )
    by_run = groupby(rows.order_by("run_id", "number"), lambda attempt: attempt.run.name)
    return [(name, words) for name, found in by_run if (words := other_code(found))]


def _numbers(numbers: list[int]) -> str:
    return f"attempt{'s' if len(numbers) > 1 else ''} {listed(map(str, numbers))}"
