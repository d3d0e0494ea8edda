"""What the size of a vocabulary costs around the model: 150,000 tokens, as real models have, against 600.

    python benchmarks/vocabulary_speed.py [--json FILE]

Around the model. Filter: documents become tokens with their bytes. Sampler: sampled ids become bytes, as every engine
does for each response. Judge: the verdict of each response, and its first token for the first-token reward. Recorder:
responses go from rows to a shard and from there into Postgres (an embedded one, in a temporary folder). Both sizes take
turns on texts of as many tokens, so that the ratio shows what is done again for each text: it should stay near 1.
Reading a vocabulary happens once and is timed by itself.

With the model. A small model (2 layers, 64 dimensions) reads documents for the filter, and samples responses. Its
output layer grows with the vocabulary, and so do these times: the ratio says how much of them the output layer is.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from _common import Timing, best_times, finish, parser, show
from recorder_speed import in_a_new_platform
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from rpt_core.config import SamplingConfig, ScratchConfig
from rpt_core.inference.entropy import score
from rpt_core.inference.transformers import TransformersSampler
from rpt_core.models.checkpoints import new_model
from rpt_core.text.tokens import encode_within, token_bytes, tokenise
from rpt_core.verdict import judge_response

SIZES = {"real": 150_000, "tiny": 600}
DOCUMENTS, RESPONSES, TOKENS = 100, 500, 160
READ, PROMPTS, GROUP_SIZE, SAMPLED = 8, 8, 4, 32
"""Of the model: documents, prompts, responses of a prompt, and their tokens."""
BOXED = b"</think>\\boxed{the}"


def make_tokenizer(size: int) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer with entries that no text of here uses."""
    vocabulary = {letter: n for n, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    vocabulary |= {f"{n:06x}": len(vocabulary) + n for n in range(size - len(vocabulary) - 1)}
    backend = Tokenizer(models.BPE(vocabulary, []))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    backend.add_special_tokens(["<|end|>"])
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|end|>")


def work(tokenizer: PreTrainedTokenizerFast) -> dict[str, Callable[[], object]]:
    """What is done around the model; every letter is a token."""
    rng = random.Random(0)
    texts = ["".join(rng.choices("abc def", k=TOKENS)) for _ in range(RESPONSES)]
    sampled = [tokenise(tokenizer, text).token_ids for text in texts]
    return {
        "filter": lambda: [tokenise(tokenizer, text) for text in texts[:DOCUMENTS]],
        "sampler": lambda: [b"".join(token_bytes(tokenizer, ids, at_start=False)) for ids in sampled],
        "judge": lambda: [
            (judge_response(text.encode() + BOXED, b"the", [1, 2, 3], True), encode_within(tokenizer, "the", False))
            for text in texts
        ],
    }


def with_model(tokenizer: PreTrainedTokenizerFast) -> dict[str, Callable[[], object]]:
    """What the model's passes take; nothing ends a response early but its own end token, which is as likely as any."""
    model = new_model(ScratchConfig(layers=2), tokenizer, seed=0)
    sampler = TransformersSampler(model, tokenizer)
    config = SamplingConfig(max_response_tokens=SAMPLED, temperature=1.0)
    rng = random.Random(1)
    texts = ["".join(rng.choices("abc def", k=TOKENS)) for _ in range(max(READ, PROMPTS))]
    ids = [tokenise(tokenizer, text).token_ids for text in texts]
    return {
        "filter, model": lambda: score(model, ids[:READ]),
        "sampler, model": lambda: sampler.sample(ids[:PROMPTS], GROUP_SIZE, config, seed=0),
    }


def recorder(tokenizers: Mapping[str, PreTrainedTokenizerFast]) -> dict[str, Timing]:
    """Responses of each size from rows to a shard, and from there into the database. Runs inside a new platform."""
    from dataclasses import replace

    from recorder_speed import new_run, sampled_row, write_step

    from rpt_core.run.events import EventLog
    from rpt_core.run.folder import RunDir
    from workers.recorder import Recorder

    rng, functions, logs = random.Random(2), {}, []
    for size, tokenizer in tokenizers.items():
        run = new_run(size)
        logs.append(log := EventLog(RunDir(run.directory).events))
        texts = ["".join(rng.choices("abc def", k=TOKENS)) for _ in range(RESPONSES)]
        data = [b"".join(token_bytes(tokenizer, tokenise(tokenizer, text).token_ids)) for text in texts]
        rows = [replace(sampled_row(1, n, rng), response=text.decode()) for n, text in enumerate(data)]
        steps, recording = count(1), Recorder(run)

        def record(run: Any = run, log: Any = log, rows: Any = rows, steps: Any = steps, to: Any = recording) -> None:
            write_step(run, log, step := next(steps), [replace(row, step=step) for row in rows])
            to.record_all()

        functions[f"recorder {size}"] = record
    times = best_times(functions, repeats=5)
    for log in logs:
        log.close()
    return times


def main() -> None:
    """Measure, show, write."""
    options = parser(__doc__).parse_args()
    functions, reading, tokenizers = {}, {}, {}
    for size, entries in SIZES.items():
        tokenizers[size] = tokenizer = make_tokenizer(entries)
        start = time.perf_counter()
        tokenise(tokenizer, "the first text")
        reading[size] = round(time.perf_counter() - start, 3)
        functions |= {f"{kind} {size}": work_ for kind, work_ in (work(tokenizer) | with_model(tokenizer)).items()}
    times = best_times(functions, repeats=5) | in_a_new_platform(lambda: recorder(tokenizers))
    counts = {"filter": DOCUMENTS, "sampler": RESPONSES, "judge": RESPONSES, "recorder": RESPONSES}
    counts |= {"filter, model": READ, "sampler, model": PROMPTS * GROUP_SIZE}
    figures = {kind: _figures(times, kind, number) for kind, number in counts.items()}
    header = ["for each text", "150,000 tokens, ms", "600 tokens, ms", "ratio"]
    show("Texts of 160 tokens", header, [[kind, *map(str, found.values())] for kind, found in figures.items()])
    note = "Other work ran on the machine: read the ratios, not the times."
    shape = {"sizes": SIZES, "tokens_of_a_text": TOKENS, "tokens_sampled": SAMPLED}
    finish("vocabulary_speed", {**shape, "reading_once_seconds": reading, "note": note, **figures}, options.json)


def _figures(times: dict[str, Timing], kind: str, count: int) -> dict[str, float]:
    """Milliseconds of processor time for each text, and the ratio."""
    real, tiny = (times[f"{kind} {size}"].cpu_seconds / count * 1e3 for size in SIZES)
    return {"real_ms": round(real, 4), "tiny_ms": round(tiny, 4), "ratio": round(real / tiny, 2)}


if __name__ == "__main__":
    main()
