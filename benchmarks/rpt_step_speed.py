"""One step of RPT on the small model against one of TRL's GRPOTrainer, in seconds (goal: a third of them).

    python benchmarks/rpt_step_speed.py [--json FILE] [--steps N] [--rounds N] [--threads N ...]

Needs TRL, which `make setup` does not install:

    .venv/bin/pip install -c constraints.txt -c constraints-bench.txt --group bench

Both train the same model (the preset's shape, taught for some seconds to think and to box a digit) from the same
weights on the same prompts: 16 problems of the built-in corpus a step, 8 responses each at temperature 0.8, at most 56
tokens, the prefix-matching reward, group-normalised advantages, the token-mean clipped loss, one AdamW update, no KL
term. Both sides run in one process, by turns, with the same number of threads, float32, and write no checkpoint within
what is timed. Ours is the stage `rpt` as users run it: a step goes from one metrics event to the next, with the Parquet
shard of the responses and the events in it. TRL's goes from the end of one step to the end of the next, with reports,
progress bar, gradient checkpointing and saving off and its optimiser fused; it generates with transformers. The first
step of a round is not counted; of the others the median counts, over all rounds. Where others use the machine too, the
best step and the processor time say more.

The same policy makes equally many tokens on average: a learning rate of 1e-6 leaves it as it is. Tokens are counted on
both sides all the same, and the ratio is also given for each generated token.
"""

from __future__ import annotations

import importlib.util
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))  # set: the number of threads is the benchmark's affair
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from _common import finish, parser, show

from rpt_core.config import ModelConfig, OptimiserConfig, PromptConfig, RptConfig, ScratchConfig
from rpt_core.models.checkpoints import load_model, new_model
from rpt_core.positions.scored import ScoredDocument, positions_writer, to_table
from rpt_core.problems.problem import ProblemSet
from rpt_core.run.context import StageContext
from rpt_core.run.events import EventLog, EventType
from rpt_core.run.folder import RunDir
from rpt_core.text.corpus import Document
from rpt_core.text.new_tokenizer import train_tokenizer
from rpt_core.text.tokens import encode, token_bytes, tokenise, tokenizer_hash
from rpt_core.tiny.corpus import KINDS, TERSE_OPENING, records
from rpt_core.train import rpt
from rpt_core.train.loop import make_optimiser
from rpt_core.train.supervised import Example, accumulate_loss
from rpt_core.train.tiny_traces import read_question, reason
from rpt_core.verdict import judge_response

GOAL_RATIO = 3.0
NOT_RUN = 77
"""Exit code of a test or benchmark that cannot run here; `make bench` goes on."""
PROBLEMS, GROUP_SIZE, MAX_NEW, TEMPERATURE, LEARNING_RATE = 16, 8, 56, 0.8, 1e-6
LESSONS, LESSON_ROWS = 200, 32
"""Updates that teach the model the form of an answer, and examples in each."""


@dataclass
class Steps:
    """What the steps of one side took."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    """Generated in each step."""
    rewards: list[float] = field(default_factory=list)
    """Mean of each step."""
    _last: tuple[float, float] | None = None

    def mark(self) -> None:
        """A step has ended; the first one of a round is only where the next begins."""
        now = time.perf_counter(), time.process_time()
        if self._last is not None:
            self.seconds.append(now[0] - self._last[0])
            self.cpu_seconds.append(now[1] - self._last[1])
        self._last = now

    def start_round(self) -> None:
        """The next mark is a round's first."""
        self._last = None


class TimedLog(EventLog):
    """An event log that notes the end of each step."""

    def __init__(self, path: Path, steps: Steps) -> None:
        super().__init__(path)
        self.steps = steps

    def emit(self, type_: EventType, **data: Any) -> None:
        """Note the end of a step when its metrics are written."""
        super().emit(type_, **data)
        if type_ == EventType.METRICS:
            self.steps.mark()
            self.steps.tokens.append(round(data["values"]["response_tokens_mean"] * PROBLEMS * GROUP_SIZE))
            self.steps.rewards.append(data["values"]["reward_mean"])


def documents(count: int) -> list[Document]:
    """Problems of the built-in corpus with terse solutions."""
    made = (record for record in records("problems", 2 * count, 0) if TERSE_OPENING in record["solution"])
    return [
        Document(record["id"], f"Problem: {record['problem']}\nSolution: {record['solution']}")
        for record, _ in zip(made, range(count), strict=False)
    ]


def key_position(text: str) -> int:
    """Byte offset where a terse solution gives its result."""
    return next(text.index(kind.result) + len(kind.result) + 1 for kind in KINDS if f" {kind.result} " in text)


def write_ground(folder: Path, problems: int) -> None:
    """A taught model, and positions as a filter run leaves them: one for each document, at its result."""
    texts = documents(problems)
    tokenizer = train_tokenizer([document.text for document in texts], ScratchConfig().vocab_size)
    model = new_model(ScratchConfig(), tokenizer, seed=0)
    teach(model, tokenizer, texts)
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    scored = []
    for document in texts:
        tokenised = tokenise(tokenizer, document.text)
        entropies = np.full(len(tokenised.token_ids), 2.0, np.float32)
        kept = tokenised.byte_offsets.index(key_position(document.text))
        scored.append(ScoredDocument(document, tokenised.token_ids, tokenised.byte_offsets, entropies, 1, [kept]))
    with positions_writer(folder / "positions" / "train.parquet", tokenizer_hash(tokenizer)) as writer:
        writer.write_table(to_table(scored))


def teach(model: Any, tokenizer: Any, texts: Sequence[Document]) -> None:
    """Make the model answer in the right form; what it answers is as good as a guess."""
    optimiser = make_optimiser(list(model.parameters()), OptimiserConfig(learning_rate=5e-3, weight_decay=0))
    rng = random.Random(0)
    for _ in range(LESSONS):
        rows = []
        for document in rng.sample(texts, LESSON_ROWS):
            context = document.text[: key_position(document.text)]
            asked = read_question(context)
            assert asked is not None
            prompt = [*encode(tokenizer, context), *encode(tokenizer, "<think>")]
            response = [*encode(tokenizer, reason(rng, *asked)), tokenizer.eos_token_id]
            rows.append(Example([*prompt, *response], len(prompt)))
        accumulate_loss(model, rows, 100_000)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()


def run_ours(folder: Path, name: str, count: int, steps: Steps) -> None:
    """The stage for so many steps."""
    run = RunDir(folder / name)
    config = RptConfig.model_validate(
        {
            "model": {"path": str(folder / "model"), "device": "cpu"},
            "positions": str(folder / "positions"),
            "steps": count,
            "batch_problems": PROBLEMS,
            "group_size": GROUP_SIZE,
            "prompt": {"template": "plain", "max_prompt_tokens": 256},
            "sampling": {"temperature": TEMPERATURE, "max_response_tokens": MAX_NEW},
            "optimiser": {"learning_rate": LEARNING_RATE, "max_grad_norm": 1.0, "weight_decay": 0},
            "checkpoint_every_steps": count + 1,
        }
    )
    run.create(config)
    steps.start_round()
    with TimedLog(run.events, steps) as log:
        rpt.run(config, StageContext(run, log))


def run_trl(folder: Path, name: str, count: int, steps: Steps) -> None:
    """TRL's trainer for so many steps."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            steps.mark()

    def reward(completion_ids: list[list[int]], **columns: Any) -> list[float]:
        """Of the tokens' bytes: the text that TRL passes on has lost `</think>`, a special token."""
        judged = zip(completion_ids, columns["truth"], columns["ends"], strict=True)
        found = [judge_tokens(tokenizer, ids, bytes.fromhex(truth), ends) for ids, truth, ends in judged]
        steps.tokens.append(sum(map(len, completion_ids)))
        steps.rewards.append(sum(found) / len(found))
        return found

    model, tokenizer = load_model(ModelConfig(path=str(folder / "model"), device="cpu"))
    config = GRPOConfig(
        output_dir=str(folder / name),
        per_device_train_batch_size=PROBLEMS * GROUP_SIZE,
        gradient_accumulation_steps=1,
        num_generations=GROUP_SIZE,
        max_completion_length=MAX_NEW,
        temperature=TEMPERATURE,
        top_p=1.0,
        top_k=0,
        beta=0.0,
        num_iterations=1,
        loss_type="dapo",
        scale_rewards="group",
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        weight_decay=0.0,
        max_grad_norm=1.0,
        optim="adamw_torch_fused",
        max_steps=count,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        logging_strategy="no",
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=reward,
        args=config,
        train_dataset=Dataset.from_list(prompts(folder, tokenizer)),
        processing_class=tokenizer,
        callbacks=[Clock()],
    )
    steps.start_round()
    trainer.train()


def judge_tokens(tokenizer: Any, ids: list[int], completion: bytes, ends: list[int]) -> float:
    """The prefix-matching reward of a response in tokens."""
    ended = ids[-1] == tokenizer.eos_token_id
    data = b"".join(token_bytes(tokenizer, ids[:-1] if ended else ids, at_start=False))
    return judge_response(data, completion, ends, ended).reward


def prompts(folder: Path, tokenizer: Any) -> list[dict[str, Any]]:
    """The problems as records with the true continuation in them; TRL tokenises their text again, to the same ids."""
    problems = ProblemSet.load(
        folder / "positions", "train", tokenizer, PromptConfig(template="plain", max_prompt_tokens=256)
    )
    chosen = [problems.problem(int(index)) for index in problems.kept()]
    assert all(tokenizer(problem.prompt)["input_ids"] == problem.prompt_ids for problem in chosen)
    return [
        {"prompt": problem.prompt, "truth": problem.completion.hex(), "ends": problem.boundaries} for problem in chosen
    ]


def compare(threads: int, count: int, rounds: int) -> dict[str, Any]:
    """Both sides by turns with a number of threads."""
    torch.set_num_threads(threads)
    load = os.getloadavg()[0]
    sides = {"ours": (run_ours, Steps()), "TRL": (run_trl, Steps())}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_ground(folder, PROBLEMS * count)
        for turn in range(rounds):
            for name, (run, steps) in sides.items():
                run(folder, f"{name}-{turn}", count, steps)
    return {
        "threads": threads,
        "load": [round(load, 2), round(os.getloadavg()[0], 2)],
        "machine_was_shared": load > 1 or os.getloadavg()[0] > threads + 1,
        **figures({name: steps for name, (_, steps) in sides.items()}),
    }


def figures(sides: dict[str, Steps]) -> dict[str, Any]:
    """Medians over steps, means of tokens and rewards, ratios."""
    seconds = {name: statistics.median(steps.seconds) for name, steps in sides.items()}
    cpu = {name: statistics.median(steps.cpu_seconds) for name, steps in sides.items()}
    tokens = {name: statistics.mean(steps.tokens) for name, steps in sides.items()}
    ratio, by_tokens = seconds["TRL"] / seconds["ours"], tokens["ours"] / tokens["TRL"]
    return {
        "steps_counted": {name: len(steps.seconds) for name, steps in sides.items()},
        "seconds_per_step": {name: round(value, 4) for name, value in seconds.items()},
        "best_seconds": {name: round(min(steps.seconds), 4) for name, steps in sides.items()},
        "cpu_seconds_per_step": {name: round(value, 4) for name, value in cpu.items()},
        "tokens_per_step": {name: round(value, 1) for name, value in tokens.items()},
        "reward_mean": {name: round(statistics.mean(steps.rewards), 4) for name, steps in sides.items()},
        "ratio": round(ratio, 2),
        "ratio_for_each_token": round(ratio * by_tokens, 2),
        "best_ratio": round(min(sides["TRL"].seconds) / min(sides["ours"].seconds), 2),
        "cpu_ratio": round(cpu["TRL"] / cpu["ours"], 2),
        "met": ratio >= GOAL_RATIO,
    }


def report(result: dict[str, Any]) -> None:
    """The table of one number of threads."""
    rows = [
        [
            name,
            f"{result['seconds_per_step'][name]:.3f}",
            f"{result['best_seconds'][name]:.3f}",
            f"{result['cpu_seconds_per_step'][name]:.3f}",
            f"{result['tokens_per_step'][name]:,.0f}",
            f"{result['reward_mean'][name]:.3f}",
        ]
        for name in ("ours", "TRL")
    ]
    title = (
        f"{PROBLEMS} x {GROUP_SIZE} responses, {result['threads']} threads: ratio {result['ratio']:.2f} "
        f"({result['ratio_for_each_token']:.2f} for each token, {result['best_ratio']:.2f} for the best step, "
        f"{result['cpu_ratio']:.2f} by CPU time), "
        f"goal {GOAL_RATIO:g}"
    )
    show(title, ["one step", "seconds", "best", "CPU seconds", "tokens", "reward"], rows)


def main() -> None:
    """Measure, show, write."""
    options = parser(__doc__)
    options.add_argument("--steps", type=int, default=8, help="steps of a round; the first is not counted")
    options.add_argument("--rounds", type=int, default=3, help="rounds of each side, by turns")
    options.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads to try")
    chosen = options.parse_args()
    if importlib.util.find_spec("trl") is None:
        print(
            "TRL is not installed, so there is nothing to compare with. Install it beside the platform with\n"
            "    .venv/bin/pip install -c constraints.txt -c constraints-bench.txt --group bench\nand start again.",
            file=sys.stderr,
        )
        sys.exit(NOT_RUN)
    results = [compare(threads, chosen.steps, chosen.rounds) for threads in chosen.threads]
    for result in results:
        report(result)
    finish("rpt_step_speed", {"goal_ratio": GOAL_RATIO, "trl": version("trl"), "results": results}, chosen.json)


if __name__ == "__main__":
    main()
