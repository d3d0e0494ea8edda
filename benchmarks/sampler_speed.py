"""The sampler against `transformers.generate`, in tokens per second (goal: 3 times).

    python benchmarks/sampler_speed.py [--json FILE] [--rounds N] [--threads N]

Both sample groups of responses from the same random model: same prompts, group size, temperature, length limit, end
tokens, in one process and by turns; the best of several rounds counts. A random model rarely ends by itself, so one
token in twenty of the vocabulary is an end token: lengths are ragged, 17 tokens on average with a limit of 48. Only
useful tokens count, up to and with the first end token of a row. `generate` gets the whole batch at once, padded on
the left, and its own sampling (no top-k, no top-p).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import torch
from _common import best_times, finish, parser, show
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from rpt_core.config import SamplingConfig
from rpt_core.inference.transformers import TransformersSampler
from rpt_core.text.new_tokenizer import train_tokenizer

GOAL_RATIO = 3.0
GROUP_SIZE = 8
TEMPERATURE = 0.8
MAX_NEW = 48
END_EVERY = 20
"""One token in so many ends a response."""
PAD = 1


@dataclass(frozen=True)
class Setting:
    """A model and the prompts it gets."""

    name: str
    prompts: int
    prompt_tokens: tuple[int, int]
    """Shortest and longest prompt."""
    vocabulary: int
    hidden: int
    layers: int
    heads: int
    shared_heads: int
    """Heads of keys and values."""

    def model(self) -> Any:
        """A random model whose responses end at random."""
        torch.manual_seed(0)
        config = Qwen2Config(
            vocab_size=self.vocabulary,
            hidden_size=self.hidden,
            intermediate_size=3 * self.hidden,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.shared_heads,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
        )
        model = Qwen2ForCausalLM(config).eval()
        model.generation_config.eos_token_id = list(range(0, self.vocabulary, END_EVERY))
        model.generation_config.pad_token_id = PAD
        return model

    def make_prompts(self) -> list[list[int]]:
        """Random prompts of random lengths."""
        rng = random.Random(0)
        lengths = (rng.randint(*self.prompt_tokens) for _ in range(self.prompts))
        return [[rng.randrange(2, self.vocabulary) for _ in range(length)] for length in lengths]


SETTINGS = (
    Setting("0.2M, as in the demo", 16, (30, 60), 400, 64, 3, 2, 2),
    Setting("0.2M, larger batch", 64, (30, 60), 400, 64, 3, 2, 2),
    Setting("3M, shared heads", 16, (40, 160), 4000, 192, 6, 6, 2),
)


class Contest:
    """Both ways of sampling in one setting."""

    def __init__(self, setting: Setting, tokenizer: PreTrainedTokenizerFast) -> None:
        self.model, self.prompts = setting.model(), setting.make_prompts()
        self.sampler = TransformersSampler(self.model, tokenizer)
        self.config = SamplingConfig(
            temperature=TEMPERATURE, max_response_tokens=MAX_NEW, batch_rows=setting.prompts * GROUP_SIZE
        )

    def ours(self) -> int:
        """Sample once; returns the useful tokens."""
        groups = self.sampler.sample(self.prompts, GROUP_SIZE, self.config, seed=0)
        return sum(len(rollout.token_ids) for group in groups for rollout in group)

    @torch.inference_mode()
    def generate(self) -> int:
        """The same with `generate`."""
        torch.manual_seed(0)
        width = max(map(len, self.prompts))
        ids = torch.tensor([[*[PAD] * (width - len(prompt)), *prompt] for prompt in self.prompts])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in self.prompts])
        made = self.model.generate(
            ids,
            attention_mask=mask,
            do_sample=True,
            temperature=TEMPERATURE,
            top_k=0,
            top_p=1.0,
            num_return_sequences=GROUP_SIZE,
            max_new_tokens=MAX_NEW,
        )
        is_end = torch.isin(made[:, width:], torch.tensor(self.sampler.end_ids)).int()
        lengths = torch.where(is_end.any(1), is_end.argmax(1) + 1, is_end.shape[1])
        return int(lengths.sum())


def measure(setting: Setting, tokenizer: PreTrainedTokenizerFast, rounds: int) -> dict[str, Any]:
    """Useful tokens per second of both, by the clock and by processor time, and the ratios."""
    contest = Contest(setting, tokenizer)
    tokens = {"ours": contest.ours(), "generate": contest.generate()}
    times = best_times({"ours": contest.ours, "generate": contest.generate}, rounds)
    clock = {name: tokens[name] / times[name].seconds for name in tokens}
    cpu = {name: tokens[name] / times[name].cpu_seconds for name in tokens}
    rows = setting.prompts * GROUP_SIZE
    return {
        "setting": setting.name,
        "rows": rows,
        "mean_response_tokens": tokens["ours"] / rows,
        "tokens_per_second": clock,
        "tokens_per_cpu_second": cpu,
        "ratio": clock["ours"] / clock["generate"],
        "cpu_ratio": cpu["ours"] / cpu["generate"],
    }


def report(results: list[dict[str, Any]]) -> None:
    """The table on the terminal."""
    rows = [
        (
            result["setting"],
            str(result["rows"]),
            f"{result['mean_response_tokens']:.1f}",
            f"{result['tokens_per_second']['generate']:,.0f}",
            f"{result['tokens_per_second']['ours']:,.0f}",
            f"{result['ratio']:.2f}",
            f"{result['cpu_ratio']:.2f}",
        )
        for result in results
    ]
    header = ("model", "rows", "tokens each", "generate", "ours", "ratio", "by CPU time")
    show(f"useful tokens per second; goal: ratio {GOAL_RATIO:g}", header, rows)


def main() -> None:
    """Run all settings."""
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=5, help="repetitions, of which the fastest counts")
    options.add_argument("--threads", type=int, help="threads of PyTorch (default: its own choice)")
    arguments = options.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    tokenizer = train_tokenizer(["a text"], 270)
    results = [measure(setting, tokenizer, arguments.rounds) for setting in SETTINGS]
    report(results)
    figures = {"threads": torch.get_num_threads(), "goal_ratio": GOAL_RATIO, "results": results}
    finish("sampler_speed", figures, arguments.json)


if __name__ == "__main__":
    main()
