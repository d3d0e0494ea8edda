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


_SUPERGPQA = (
    "Agronomy",
    "Economics",
    "Education",
    "Engineering",
    "History",
    "Law",
    "Literature and Arts",
    "Management",
    "Medicine",
    "Military Science",
    "Philosophy",
    "Science",
    "Sociology",
)
_MMLU_PRO = (
    "Biology",
    "Business",
    "Chemistry",
    "Computer Science",
    "Economics",
    "Engineering",
    "Health",
    "History",
    "Law",
    "Math",
    "Other",
    "Philosophy",
    "Physics",
    "Psychology",
)


def _line(model: str, mode: str, numbers: str) -> tuple[str, ...]:
    return model, mode, *numbers.split()


BY_CATEGORY = (
    Reference(
        "Table 6",
        "SuperGPQA by category",
        "benchmark",
        ("Model", "Mode", *(f"{name} (%)" for name in (*_SUPERGPQA, "Overall"))),
        (
            _line(
                "R1-Distill-Qwen-14B",
                "standard",
                "30.0 38.0 32.0 31.0 24.5 26.0 28.5 39.0 35.5 36.0 37.0 24.0 30.1 32.0",
            ),
            _line(
                "R1-Distill-Qwen-32B",
                "standard",
                "32.5 39.5 43.0 34.0 29.5 31.0 28.5 41.5 43.5 49.0 44.5 29.5 38.5 37.2",
            ),
            _line(
                "R1-Distill-Qwen-14B",
                "reasoning",
                "31.0 41.0 32.0 34.5 29.0 31.0 29.5 39.5 38.5 39.5 44.0 41.5 39.2 36.1",
            ),
            _line("RPT-14B", "reasoning", "35.0 40.0 41.5 40.5 30.5 32.0 29.0 36.0 44.5 41.0 49.0 47.0 42.0 39.0"),
        ),
        "Zero-shot, in the setting of Table 3. The categories of R1-Distill-Qwen-14B in the standard mode have a mean "
        "of 31.7 %; the paper prints 32.0 % as overall.",
    ),
    Reference(
        "Table 7",
        "MMLU-Pro by category",
        "benchmark",
        ("Model", "Mode", *(f"{name} (%)" for name in (*_MMLU_PRO, "Overall"))),
        (
            _line(
                "R1-Distill-Qwen-14B",
                "standard",
                "72.5 42.5 34.0 46.5 58.0 44.0 57.5 54.0 37.0 36.5 50.0 48.5 34.5 62.0 48.4",
            ),
            _line(
                "R1-Distill-Qwen-32B",
                "standard",
                "82.5 46.0 39.0 55.5 74.0 52.0 68.0 62.5 47.0 46.0 54.0 53.5 42.5 68.5 56.5",
            ),
            _line(
                "R1-Distill-Qwen-14B",
                "reasoning",
                "85.0 65.5 74.5 75.0 81.5 52.0 70.0 61.5 42.0 86.0 65.0 62.5 80.0 64.5 68.9",
            ),
            _line("RPT-14B", "reasoning", "84.5 72.0 77.5 76.0 78.5 53.5 74.0 63.0 44.5 91.5 66.0 63.5 82.5 68.0 71.1"),
        ),
        "Zero-shot, in the setting of Table 3.",
    ),
)
"""Of the stage `benchmark`, whose own counterpart is Table 3; these stand on pages of their own."""


def reference_for(stage: str) -> Reference | None:
    """The published table of the kind that a stage makes."""
    return next((reference for reference in REFERENCES if reference.stage == stage), None)
