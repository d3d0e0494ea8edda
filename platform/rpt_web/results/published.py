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
