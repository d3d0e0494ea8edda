"""The stable address of a position."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import reverse

from rpt_web.traces.models import CorpusPosition, ResponseGroup


def place_of(position: CorpusPosition) -> str:
    """Its page."""
    text_hash = bytes(position.text_hash).hex()
    if position.byte_offset < 0:
        return reverse("positions:question", args=[text_hash])
    return reverse("positions:position", args=[text_hash, position.byte_offset])


def query_of(group: ResponseGroup) -> str:
    """What names a group in the address."""
    return urlencode({"run": group.run_id, "step": group.step, "kind": group.kind, "group": group.group})
