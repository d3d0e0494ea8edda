"""Numbers that the paper published, shown beside a team's own and always marked: "Reinforcement Pre-Training",
arXiv 2506.08007. Read by the results page only."""

from __future__ import annotations

from dataclasses import dataclass

TABLE_1_SOURCE = "Table 1, arXiv 2506.08007"
SCALING_SOURCE = "Eq. 5 and Fig. 5, arXiv 2506.08007"


@dataclass(frozen=True)
class PublishedRow:
    """One row of Table 1: next-token accuracy as fractions of 1. The paper gives no intervals."""

    model: str
    mode: str
    easy: float
    medium: float
    hard: float


TABLE_1 = (
    PublishedRow("Qwen2.5-14B", "standard", 0.4190, 0.3003, 0.2065),
    PublishedRow("R1-Distill-Qwen-14B", "standard", 0.4160, 0.2946, 0.2043),
    PublishedRow("R1-Distill-Qwen-14B", "reasoning", 0.0331, 0.0166, 0.0141),
    PublishedRow("RPT-14B", "reasoning", 0.4511, 0.3356, 0.2375),
)

SCALING_R2 = {"easy": 0.995, "medium": 0.997, "hard": 0.989}


@dataclass(frozen=True)
class Reference:
    """A published table, to stand beside a team's own of that kind: shares in %, as the paper printed them."""

    table: str
    title: str
    stage: str
    """The stage whose tables are of this kind."""
    heads: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    words: str

    @property
    def source(self) -> str:
        """Where it was published."""
        return f"{self.table}, arXiv 2506.08007"

    @property
    def rows(self) -> list[list[tuple[str, bool]]]:
        """The lines' cells, each with whether it is a number."""
        return [[(cell, "%" in head) for head, cell in zip(self.heads, line, strict=True)] for line in self.lines]


REFERENCES = (
    Reference(
        "Table 2",
        "Fine-tuning on questions",
        "rlvr",
        ("Model", "before RLVR (%)", "after RLVR (%)"),
        (
            ("R1-Distill-Qwen-14B", "51.2", "52.7"),
            ("R1-Distill-Qwen-14B + continual NTP on the same corpus", "10.7", "13.0"),
            ("RPT-14B", "56.3", "58.3"),
        ),
        "Skywork-OR1, 256 training and 200 test questions, 15 epochs; at most 32k tokens at temperature 0.6.",
    ),
    Reference(
        "Table 3",
        "Multiple choice",
        "benchmark",
        ("Model", "Mode", "SuperGPQA (%)", "MMLU-Pro (%)"),
        (
            ("R1-Distill-Qwen-14B", "standard", "32.0", "48.4"),
            ("R1-Distill-Qwen-32B", "standard", "37.2", "56.5"),
            ("R1-Distill-Qwen-14B", "reasoning", "36.1", "68.9"),
            ("RPT-14B", "reasoning", "39.0", "71.1"),
        ),
        "Zero-shot, at most 12,288 tokens at temperature 0.8; 200 questions of each category.",
    ),
    Reference(
        "Table 8",
        "Prompt templates",
        "templates",
        ("Template", "Random@1 (%)", "Pass@8 (%)"),
        (
            ("v0, used for training", "3.0", "8.5"),
            ("v1", "5.7", "11.0"),
            ("v2", "5.7", "16.0"),
            ("v3", "5.3", "11.0"),
            ("v4", "4.0", "9.0"),
            ("v5", "4.4", "12.5"),
            ("v6", "6.0", "19.0"),
        ),
        "R1-Distill-Qwen-14B before any training. The wordings are the paper's; those measured here are our own, made "
        "from the same clauses.",
    ),
)


def reference_for(stage: str) -> Reference | None:
    """The published table of the kind that a stage makes."""
    return next((reference for reference in REFERENCES if reference.stage == stage), None)
