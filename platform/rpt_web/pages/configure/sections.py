"""Which settings of each stage stand first in its form, under which heading; everything else is in "all settings"."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """Fields that stand together under a heading. A name that ends in a dot takes all fields that begin so."""

    title: str
    words: str
    names: tuple[str, ...]


_BUDGET = ("budget.epochs", "budget.steps", "budget.tokens", "budget.flops", "budget.flops_of")
_CORPUS = Section(
    "Corpus",
    "Documents, and how they are split into training and held-out ones.",
    ("corpus.source", "corpus.paths", "corpus.mapping", "corpus.validation_share", "corpus.max_documents"),
)
_PROXY = Section("Proxy model", "Reads the text: a registered model, or a checkpoint of a run.", ("proxy.path",))
_MODEL = Section("Model", "What it starts from: a registered model, or a checkpoint of a run.", ("model.path",))


def _policy(positions: str) -> Section:
    """The model, and the setting that names its positions."""
    words = "A registered model or a checkpoint of a run, and the positions that a filter run has chosen."
    return Section("Model and positions", words, ("model.path", positions))


_RESPONSES = Section(
    "Responses",
    "How the policy thinks before it predicts.",
    ("sampling.temperature", "sampling.max_response_tokens", "prompt.template", "prompt.completion_tokens"),
)
_POSITIONS = (
    "evaluation.position_set",
    "evaluation.positions_per_difficulty",
    "evaluation.modes",
    "evaluation.samples",
    "evaluation.seed",
)

SECTIONS: dict[str, tuple[Section, ...]] = {
    "filter": (
        _PROXY,
        Section(
            "Positions",
            "The proxy model's entropy at each position, and the positions worth training on.",
            ("keep", "min_entropy_nats", "keep_share", "position_list", "positions_from", "position_sets", "seed"),
        ),
        _CORPUS,
    ),
    "ntp": (
        _MODEL,
        Section("Budget", "Training ends at one limit: fill in exactly one.", _BUDGET),
        Section(
            "Training",
            "Plain next-token prediction.",
            ("batch_documents", "optimiser.learning_rate", "loss_on", "seed"),
        ),
        _CORPUS,
    ),
    "sft": (
        _MODEL,
        Section("Budget", "Training ends at one limit: fill in exactly one.", _BUDGET),
        Section(
            "Training",
            "Teach the response format on traces.",
            ("traces.source", "traces.path", "replay_share", "batch_documents", "optimiser.learning_rate", "seed"),
        ),
    ),
    "rpt": (
        _policy("positions"),
        Section(
            "Training",
            "One step samples a group of responses for each problem and makes one update.",
            ("steps", "batch_problems", "group_size", "optimiser.learning_rate", "seed", "engine"),
        ),
        Section(
            "Reward and choice of problems",
            "What a response earns, and which problems are worth a step.",
            ("reward.kind", "order", "dynamic_sampling.from_step", "grpo.normalise", "grpo.kl_coefficient"),
        ),
        _RESPONSES,
        Section(
            "Evaluation and checkpoints",
            "Held-out positions, standard and reasoning, at the steps you name.",
            ("evaluate_at_steps", "evaluation.positions_per_difficulty", "checkpoint_every_steps"),
        ),
    ),
    "expert_iteration": (
        _policy("positions"),
        Section("Budget", "Training ends at one limit: fill in exactly one. A step is a round.", _BUDGET),
        Section(
            "Training",
            "One round samples a group of responses for each problem and learns the distinct right ones.",
            ("batch_problems", "group_size", "passes", "batch_responses", "optimiser.learning_rate", "order", "seed"),
        ),
        _RESPONSES,
        Section(
            "Evaluation and checkpoints",
            "Held-out positions, standard and reasoning, after the rounds you name.",
            ("evaluate_at_steps", "evaluation.positions_per_difficulty", "checkpoint_every_steps"),
        ),
    ),
    "rlvr": (
        _MODEL,
        Section("Budget", "Training ends at one limit: fill in exactly one.", _BUDGET),
        Section(
            "Training",
            "One step samples a group of responses for each question and makes one update.",
            ("batch_questions", "group_size", "optimiser.learning_rate", "answer_by", "seed"),
        ),
        Section(
            "Questions",
            "Questions with answers that can be checked.",
            ("questions.source", "questions.paths", "questions.mapping", "questions.train_questions",
             "questions.test_questions", "template"),
        ),
        Section(
            "Responses",
            "How the policy thinks before it answers, in training and in the test.",
            ("sampling.temperature", "sampling.max_response_tokens", "test_sampling.temperature",
             "test_sampling.max_response_tokens", "test_samples"),
        ),
    ),
    "evaluate": (
        _policy("evaluation.positions"),
        Section("Evaluation", "One checkpoint on one set of held-out positions.", _POSITIONS),
        _RESPONSES,
    ),
    "templates": (
        _policy("held_out.positions"),
        Section(
            "Templates",
            "All on the same held-out positions; the first one is what the others are compared with.",
            ("templates", "samples", "held_out.position_set", "held_out.positions_per_difficulty", "held_out.seed"),
        ),
        Section("Responses", "How the policy thinks.", ("sampling.temperature", "sampling.max_response_tokens")),
    ),
    "benchmark": (
        _MODEL,
        Section(
            "Questions",
            "Multiple choice: standard compares the options without thinking, reasoning thinks first.",
            ("name", "format", "paths", "per_category", "modes", "answer_as", "template", "seed"),
        ),
        Section("Responses", "How the policy thinks.", ("sampling.temperature", "sampling.max_response_tokens")),
    ),
    "analyse": (
        Section(
            "Analyses",
            "Tables and figures from stored results. In each, `@RUN/outcomes` stands for what another run has made.",
            ("comparisons", "frontiers", "patterns", "patterns.", "scaling", "bootstrap", "seed"),
        ),
    ),
}  # fmt: skip
"""The main settings of each stage."""

GROUP_WORDS = {
    "verl": "Used only with the engine verl.",
    "vllm": "Used only if vLLM samples.",
}
"""When a part of a config counts, if not always."""
