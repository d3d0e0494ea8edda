r"""Judging answers to questions: the content of the last box after the thought, against reference answers.

In: a response, the reference answers of which any counts. Out: a Verdict of rpt_core.verdict with the reasons match,
mismatch, empty and no_box. Answers are compared as texts without blanks around them; `math_verify` then also compares
them as mathematics, so that 1/2 is \frac{1}{2} and 0.5 (the paper names no checker; this is the usual one).

A response is hostile input, so the library works in a process of its own (`rewards.math_answers`) that is ended when
one comparison takes too much CPU time. Such an answer is a mismatch and is counted in `given_up`; answers of more than
MAX_CHARACTERS are not tried. Loads without torch and numpy.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from types import TracebackType
from typing import IO, Literal, cast

from rpt_core.verdict import Reason, Verdict, judge_response

MAX_CHARACTERS = 1000
"""Of an answer; the longest reference answers of public data have a few hundred."""
CPU_SECONDS = 5.0
"""For one comparison; ordinary ones take a few milliseconds."""
REMEMBERED = 65536
"""Comparisons whose result is kept: the responses of a group often give the same answer."""


class AnswerJudge:
    """Judges responses. Use as a context manager, or call `close`: it may hold a process."""

    def __init__(self, by: Literal["math_verify", "exact"], cpu_seconds: float = CPU_SECONDS) -> None:
        self.given_up = 0
        """Responses whose answer could not be compared in time."""
        self._library = _Library(cpu_seconds) if by == "math_verify" else None
        self._are_equal = lru_cache(REMEMBERED)(self._compare)

    def judge(self, response: bytes, references: Sequence[str], finished: bool = True) -> Verdict:
        """The verdict on a response. `finished` is False when the length limit cut it: that counts as no box."""
        first = references[0].encode()
        found = judge_response(response, first, [len(first)], finished)
        if found.prediction is None or not found.prediction.strip():
            return Verdict(0.0, "no_box" if found.prediction is None else "empty", found.prediction)
        equal = self._are_equal(found.prediction.decode(errors="replace").strip(), tuple(references))
        self.given_up += equal is None
        reason: Reason = "match" if equal else "mismatch"
        return Verdict(float(bool(equal)), reason, found.prediction, _first_difference(found.prediction, first))

    def close(self) -> None:
        """End the library's process."""
        if self._library is not None:
            self._library.close()

    def __enter__(self) -> AnswerJudge:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _compare(self, prediction: str, references: tuple[str, ...]) -> bool | None:
        """Whether the prediction equals a reference; None when that could not be found out."""
        if any(prediction == reference.strip() for reference in references):
            return True
        if self._library is None or len(prediction) > MAX_CHARACTERS:
            return False
        return self._library.is_equal(prediction, references)


def _first_difference(prediction: bytes, reference: bytes) -> int | None:
    """First byte at which an answer is not the reference as it is written; None when it is."""
    if prediction == reference:
        return None
    pairs = enumerate(zip(prediction, reference, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(prediction), len(reference)))


class _Library:
    """The process that compares; started when first needed, and again after it was ended."""

    def __init__(self, cpu_seconds: float) -> None:
        self._seconds = cpu_seconds
        self._process: subprocess.Popen[str] | None = None

    def is_equal(self, prediction: str, references: Sequence[str]) -> bool | None:
        """The library's verdict; None when it ran out of time."""
        process = self._process or self._start()
        request = {"prediction": prediction, "references": list(references), "seconds": self._seconds}
        try:
            _pipe(process.stdin).write(json.dumps(request) + "\n")
            _pipe(process.stdin).flush()
            line = _pipe(process.stdout).readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.close()
            return None
        return bool(json.loads(line))

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        # A session of its own: a TERM for the stage's process group lets the stage finish its step, judging included.
        # When the stage is gone, the process finds the end of its input.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rpt_core.rewards.math_answers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        if not _pipe(self._process.stdout).readline():
            raise RuntimeError("the process that compares answers did not start; its output is in the log")
        return self._process


def _pipe(pipe: IO[str] | None) -> IO[str]:
    return cast("IO[str]", pipe)  # Popen was given PIPE
