"""Runs with an evaluation on disk and in the database, made of answers by hand."""

from __future__ import annotations

import random

import pyarrow.parquet as pq

from rpt_core.run.folder import RunDir
from rpt_core.statistics.intervals import wilson_interval
from rpt_core.text.names import text_digest
from rpt_web.results.models import Evaluation
from rpt_web.runs.models import Run
from tests.rpt_core.evaluation.outcome_files import row, write_old_outcomes, write_outcomes

LEVELS = ("easy", "medium", "hard")


def evaluate(run, rights, step=1, mode="greedy", flops=1e12, seed=0, is_old=False, **more):
    """Evaluate a run: rights are {(document, byte): whether it is right}; every position is in all levels.

    is_old: the file is of a version that stored no hashes of texts.
    """
    rows = [_row(place, right, mode, **more) for place, right in rights.items()]
    path = RunDir(run.directory).evaluation(step)
    path.parent.mkdir(parents=True, exist_ok=True)
    (write_old_outcomes if is_old else write_outcomes)(path, rows)
    value, n = sum(rights.values()) / len(rights), len(rights)
    low, high = wilson_interval(value * n, n)
    Evaluation.objects.filter(run=run, step=step, mode=mode).delete()
    for level in LEVELS:
        Evaluation.objects.create(
            run=run,
            attempt=1,
            step=step,
            mode=mode,
            difficulty=level,
            n=n,
            value=value,
            low=low,
            high=high,
            flops=flops,
        )
    return run


def evaluate_in_two_modes(run, rights, standard, step=1):
    """Evaluate a run with thinking (greedy) and without, in one file as the stage writes it."""
    evaluate(run, rights, step)
    path, n = RunDir(run.directory).evaluation(step), len(standard)
    rows = [
        one | {"standard": standard[one["document"], one["byte_offset"]], "standard_prediction": b"s",
               "standard_entropy_nats": 1.0}
        for one in pq.read_table(path).to_pylist()
    ]  # fmt: skip
    write_outcomes(path, rows)
    value = sum(standard.values()) / n
    low, high = wilson_interval(value * n, n)
    found = {"attempt": 1, "n": n, "value": value, "low": low, "high": high, "flops": 1e12}
    for level in LEVELS:
        Evaluation.objects.create(run=run, step=step, mode="standard", difficulty=level, **found)
    return run


def write_found(run, step, positions=80, seed=0):
    """What an evaluation of a run found without thinking and with it, on disk alone."""
    draw = random.Random(seed)
    write_outcomes(RunDir(run.directory).evaluation(step), [_found(draw, place) for place in range(positions)])


def made_run(experiment, name, seed=0, stage="rpt", **more):
    """A run that has ended."""
    values = {"stage": stage, "config": {"stage": stage, "seed": seed}, "code_version": "x", "status": "succeeded"}
    return Run.objects.create(experiment=experiment, name=name, seed=seed, **(values | more))


def random_rights(share, documents=60, each=4, seed=0):
    """Answers at the same positions whatever the share; positions of a document are alike."""
    generator = random.Random(seed)
    found = {}
    for document in range(documents):
        lean = generator.choice((-0.3, 0.3))
        for place in range(each):
            found[f"doc{document}", 10 * place] = generator.random() < share + lean
    return found


def _found(draw, place):
    token = draw.choice((b" seven", b"42", b" the", b")"))
    without, thinking = draw.random() < 0.4, draw.random() < 0.6
    return row(
        f"card-{place // 3:05}", 40 * (place % 3), domain=draw.choice(("sums", "dates")), next_token=token,
        entropy_nats=draw.uniform(1.5, 3), standard=without, standard_entropy_nats=draw.uniform(0, 2), greedy=thinking,
        greedy_tokens=draw.randrange(5, 80), standard_prediction=token if without else b" a",
        greedy_prediction=token if thinking else draw.choice((None, b" 7 ")),
    )  # fmt: skip


def text_of(document):
    """The hash of a document's text, unless a test gives it another one."""
    return text_digest(document.encode())


def _row(place, right, mode, texts=None, domains=None, hashes=None):
    document, byte = place
    domain = (domains or {}).get(document, "sums" if int(document[3:] or 0) % 2 else "dates")
    token = (texts or {}).get(place, (b" word", b"42", b", ")[byte // 10 % 3])
    return row(
        document, byte, domain=domain, next_token=token, **{mode: right},
        text_hash=(hashes or {}).get(document, text_of(document)),
        **({"greedy_tokens": 10, "greedy_prediction": token if right else b"?"} if mode == "greedy" else {}),
        **({"standard_entropy_nats": 1.0, "standard_prediction": token} if mode == "standard" else {}),
    )  # fmt: skip
