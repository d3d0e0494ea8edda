"""The token filter against the bare forward pass (goal: 0.9 of its speed) and against a full log-softmax.

    python benchmarks/filter_speed.py [--json FILE] [--tokens N ...] [--threads N]

All three read the same documents with the same random Qwen2 model of 32,000 tokens of vocabulary, in one process, by
turns; the best of several rounds counts. "bare" is `model(ids).logits` and nothing more. "log-softmax" takes the
entropy over the whole vocabulary from the logits of the whole batch, the plain way. Peak memory above the loaded model
is measured in a process of its own for each method and batch size. Linux only.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import torch
from _common import best_times, finish, memory_mib, parser, show
from transformers import Qwen2Config, Qwen2ForCausalLM

from rpt_core.config import FilterConfig
from rpt_core.positions.stage import score

VOCABULARY = 32_000
DOCUMENT_TOKENS = 256
GOAL_RATIO = 0.9
CHUNK = FilterConfig.model_fields["chunk_positions"].default


def proxy_model() -> Any:
    """A small random model in which the vocabulary is the largest part, as in real small models."""
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=2 * DOCUMENT_TOKENS,
    )
    return Qwen2ForCausalLM(config).eval()


def methods(model: Any, tokens: int) -> dict[str, Callable[[], object]]:
    """What is compared, each reading `tokens` tokens in one batch."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, VOCABULARY, (tokens // DOCUMENT_TOKENS, DOCUMENT_TOKENS), generator=generator)
    documents = ids.tolist()

    @torch.inference_mode()
    def bare() -> object:
        return model(input_ids=ids, use_cache=False).logits

    @torch.inference_mode()
    def log_softmax() -> object:
        log_probs = model(input_ids=ids, use_cache=False).logits.log_softmax(-1)
        return -(log_probs.exp() * log_probs).sum(-1)

    def token_filter() -> object:
        return score(model, documents, batch_tokens=tokens, chunk_positions=CHUNK)

    return {"bare": bare, "filter": token_filter, "log-softmax": log_softmax}


def peak_mib(method: str, tokens: int) -> float:
    """Peak memory of one pass above what the loaded model takes, from a fresh process."""
    command = [sys.executable, __file__, "--measure", method, "--tokens", str(tokens)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def measure(method: str, tokens: int) -> None:
    """Print the peak of one method (called in the fresh process)."""
    model = proxy_model()
    methods(model, DOCUMENT_TOKENS)["bare"]()  # libraries make their buffers
    function = methods(model, tokens)[method]
    before, _ = memory_mib()
    function()
    print(memory_mib()[1] - before)


def main() -> None:
    """Measure, show, write."""
    options = parser(__doc__)
    options.add_argument("--tokens", type=int, nargs="+", default=[1024, 4096], help="batch sizes to measure")
    options.add_argument("--repeats", type=int, default=4, help="rounds; the best one counts")
    options.add_argument("--threads", type=int, help="threads of torch (default: its own choice)")
    options.add_argument("--measure", help="print the peak memory of one method and stop")
    chosen = options.parse_args()
    if chosen.measure:
        measure(chosen.measure, chosen.tokens[0])
        return
    torch.set_num_threads(chosen.threads or torch.get_num_threads())
    model = proxy_model()
    figures = {str(tokens): compare(model, tokens, chosen.repeats) for tokens in chosen.tokens}
    finish("filter_speed", {"goal_ratio_to_bare": GOAL_RATIO, "chunk_positions": CHUNK, **figures}, chosen.json)


def compare(model: Any, tokens: int, repeats: int) -> dict[str, Any]:
    """Speed and peak memory of the three at one batch size."""
    functions = methods(model, tokens)
    times = best_times(functions, repeats)
    peak = {name: peak_mib(name, tokens) for name in functions}
    ratio = {name: time.seconds / times["filter"].seconds for name, time in times.items()}
    cpu_ratio = {name: time.cpu_seconds / times["filter"].cpu_seconds for name, time in times.items()}
    speed = {name: tokens / time.seconds for name, time in times.items()}
    rows = [
        [name, f"{speed[name]:,.0f}", f"{ratio[name]:.2f}", f"{cpu_ratio[name]:.2f}", f"{peak[name]:,.0f}"]
        for name in functions
    ]
    title = f"{tokens} tokens in a batch, vocabulary {VOCABULARY}, {torch.get_num_threads()} threads"
    show(title, ["method", "tokens/s", "filter is x times", "by CPU time", "peak MiB above the model"], rows)
    return {
        "tokens_per_second": {name: round(value, 1) for name, value in speed.items()},
        "filter_to_bare": round(ratio["bare"], 3),
        "filter_to_log_softmax": round(ratio["log-softmax"], 3),
        "filter_to_bare_by_cpu_time": round(cpu_ratio["bare"], 3),
        "filter_to_log_softmax_by_cpu_time": round(cpu_ratio["log-softmax"], 3),
        "peak_mib": {name: round(value, 1) for name, value in peak.items()},
        "met": ratio["bare"] >= GOAL_RATIO and ratio["log-softmax"] > 1,
    }


if __name__ == "__main__":
    main()
