"""What the API gives of the documents that a filter run has scored."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from rpt_web.api.plain import PlainSchema


class SplitOut(PlainSchema):
    """A split that a filter run has scored; `summary` is as `rpt_core.positions.summary` has it, empty for old runs."""

    split: str
    documents: int
    positions: int
    kept: int
    by_difficulty: dict[str, int]
    above_nats: dict[str, float]
    summary: dict[str, Any]


class DocumentOut(PlainSchema):
    """A scored document, without its tokens."""

    row: int
    id: str
    domain: str
    tokens: int
    positions: int
    kept: int
    mean_nats: float | None = Field(description="Mean entropy at its positions; null without any.")
