"""Several vLLM engines, each a process with GPUs of its own, among which prompts and texts are dealt.

In and out: as `rpt_core.inference.vllm.VllmBackend`, for checkpoints that do not change in training. Prompts are dealt
in the order of their tokens, so that those which begin alike share an engine and its prefix cache; a prompt's seed
hangs on its number, so that the number of engines changes no response beyond rounding. A stop, an error, or the end of
this process ends the engines.
"""

from __future__ import annotations

import os
import signal
import traceback
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from typing import Any

import numpy as np

from rpt_core.config import ModelConfig, SamplingConfig, VllmConfig
from rpt_core.errors import UserError
from rpt_core.inference.entropy import ScoreRule, Scores
from rpt_core.inference.rollout import PromptWithOptions, Rollout
from rpt_core.inference.vllm import VllmBackend, by_prefix, check_rule
from rpt_core.inference.vllm_cpu import is_cpu_build
from rpt_core.seeds import derive_seed
from rpt_core.text.tokens import load_tokenizer

POLL_SECONDS = 0.2
"""A stop is looked for this often."""
GRACE_SECONDS = 20.0
"""For an engine to end by itself."""
_GPUS = "CUDA_VISIBLE_DEVICES"
Call = tuple[str, tuple[Any, ...]]
"""Name of a method of `_methods`, and its arguments."""


class DataParallelBackend:
    """A backend that deals its work out to engines of vLLM, each a process with GPUs of its own."""

    def __init__(
        self, model: ModelConfig, config: VllmConfig, longest: int | None, stop: Callable[[], None], rule: ScoreRule
    ) -> None:
        """Starts all engines at once. Raises UserError when there are too few GPUs or an engine cannot start."""
        check_rule(rule)
        self.tokenizer, self.source, self.stop = load_tokenizer(model.path), model.path, stop
        one = config.model_copy(update={"data_parallel": 1})
        self.engines = [_Engine(gpus, (model, one, longest, rule)) for gpus in _shares_of_gpus(config)]
        weakref.finalize(self, _close, self.engines)
        self._gather(list(range(len(self.engines))))

    def sample(
        self, prompts: Sequence[Sequence[int]], group_size: int, config: SamplingConfig, seed: int
    ) -> list[list[Rollout]]:
        """A group of responses to each prompt, in order. A prompt's seed depends on its number alone."""
        order = by_prefix(prompts)
        parts = [[order[at] for at in part] for part in deal([1] * len(prompts), len(self.engines))]
        calls: list[Call] = [
            ("sample", ([prompts[n] for n in part], group_size, config, [derive_seed(seed, n) for n in part]))
            for part in parts
        ]
        groups: list[list[Rollout]] = [[] for _ in prompts]
        for part, found in zip(parts, self._ask(calls), strict=True):
            for n, group in zip(part, found, strict=True):
                groups[n] = group
        return groups

    def score(self, sequences: Sequence[Sequence[int]]) -> list[Scores]:
        """Entropy and argmax at each token of each sequence, dealt out by length."""
        parts = deal([len(sequence) for sequence in sequences], len(self.engines))
        found = self._ask([("score", ([sequences[n] for n in part],)) for part in parts])
        return [scores for part in found for scores in part]

    def option_log_probs(
        self, questions: Sequence[PromptWithOptions], before_batch: Callable[[int, int], None]
    ) -> list[list[float]]:
        """Total log-prob of each option. Engines do not say how far they are, so before_batch is called once."""
        before_batch(0, sum(len(question.options) for question in questions))
        parts = deal([len(q.prompt_ids) * len(q.options) for q in questions], len(self.engines))
        found = self._ask([("option_log_probs", ([questions[n] for n in part],)) for part in parts])
        return [log_probs for part in found for log_probs in part]

    def follow_checkpoint(self, model: ModelConfig) -> None:
        """Let all engines take over the weights of another checkpoint of the same shape."""
        self._ask([("follow_checkpoint", (model,))] * len(self.engines))
        self.source = model.path

    def _ask(self, calls: Sequence[Call]) -> list[Any]:
        """Each engine's answer to its call."""
        for engine, call in zip(self.engines, calls, strict=True):
            engine.connection.send(call)
        return self._gather(list(range(len(calls))))

    def _gather(self, numbers: Sequence[int]) -> list[Any]:
        """The next answer of each engine. A stop or a failure ends them all."""
        answers: dict[int, Any] = {}
        try:
            while missing := [n for n in numbers if n not in answers]:
                self.stop()
                ready = connection.wait([self.engines[n].connection for n in missing], POLL_SECONDS)
                answers |= {n: self.engines[n].receive() for n in missing if self.engines[n].connection in ready}
        except BaseException:
            _close(self.engines, grace=0.0)
            raise
        return [answers[n] for n in numbers]


class _Engine:
    """A child process with an engine, and the pipe to it."""

    def __init__(self, gpus: str | None, arguments: tuple[ModelConfig, VllmConfig, int | None, ScoreRule]) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, *arguments))
        with _only(gpus):
            self.process.start()
        theirs.close()

    def receive(self) -> Any:
        """The engine's answer. Raises what the engine could not do."""
        try:
            kind, answer = self.connection.recv()
        except (EOFError, ConnectionError) as error:
            self.process.join(GRACE_SECONDS)
            raise RuntimeError(f"an engine's process ended with code {self.process.exitcode}") from error
        if kind == "refused":
            raise UserError(answer)
        if kind == "failed":
            raise RuntimeError(f"an engine failed:\n{answer}")
        return answer


def deal(sizes: Sequence[int], parts: int) -> list[range]:
    """Cut things into runs of about equal size, in their order; some are empty when there are few."""
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    cuts = [int(np.searchsorted(ends, total * part / parts, side="right")) for part in range(1, parts)]
    return [range(start, end) for start, end in zip([0, *cuts], [*cuts, len(sizes)], strict=True)]


def _serve(
    pipe: connection.Connection, model: ModelConfig, config: VllmConfig, longest: int | None, rule: ScoreRule
) -> None:
    """The child: answers calls until the pipe closes."""
    for signum in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group; the parent decides
        signal.signal(signum, signal.SIG_IGN)
    methods: dict[str, Callable[..., Any]] = {}

    def answer(call: Call | None) -> tuple[str, Any]:
        try:
            if call is None:
                methods.update(_methods(VllmBackend(model, config, longest, _end_with_parent, rule)))
                return "done", None
            return "done", methods[call[0]](*call[1])
        except UserError as error:
            return "refused", str(error)
        except Exception:
            return "failed", traceback.format_exc()

    try:
        pipe.send(answer(None))
        while True:
            pipe.send(answer(pipe.recv()))
    except (EOFError, ConnectionError):
        return


def _methods(backend: VllmBackend) -> dict[str, Callable[..., Any]]:
    return {
        "sample": backend.sample_with_seeds,
        "score": backend.score,
        "option_log_probs": lambda questions: backend.option_log_probs(questions, lambda done, total: None),
        "follow_checkpoint": backend.follow_checkpoint,
    }


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None and not parent.is_alive():
        raise SystemExit("the stage's process has ended")


def _close(engines: Sequence[_Engine], grace: float = GRACE_SECONDS) -> None:
    for engine in engines:
        engine.connection.close()
        if not grace:
            engine.process.kill()
    for engine in engines:
        engine.process.join(grace or GRACE_SECONDS)
        if engine.process.is_alive():
            engine.process.kill()


def _shares_of_gpus(config: VllmConfig) -> list[str | None]:
    """The GPUs of each engine, as CUDA_VISIBLE_DEVICES names them; None on a CPU."""
    if is_cpu_build():
        return [None] * config.data_parallel
    import torch

    named = os.environ.get(_GPUS)
    gpus = [str(n) for n in range(torch.cuda.device_count())] if named is None else named.split(",")
    each = config.tensor_parallel
    if len(gpus) < config.data_parallel * each:
        raise UserError(
            f"`vllm.data_parallel` {config.data_parallel} times `vllm.tensor_parallel` {each} needs "
            f"{config.data_parallel * each} GPUs, but there are {len(gpus)}. Lower one of them."
        )
    return [",".join(gpus[at * each : (at + 1) * each]) for at in range(config.data_parallel)]


@contextmanager
def _only(gpus: str | None) -> Iterator[None]:
    """Processes started meanwhile see only these GPUs: their environment must say so before they import torch."""
    before = os.environ.get(_GPUS)
    if gpus is not None:
        os.environ[_GPUS] = gpus
    try:
        yield
    finally:
        if gpus is not None:
            os.environ.pop(_GPUS)
            os.environ.update({} if before is None else {_GPUS: before})
