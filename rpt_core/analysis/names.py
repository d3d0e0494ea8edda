"""Names for tables made from headings that people chose."""

from __future__ import annotations

import re
import unicodedata

_LONGEST = 60


def slug(heading: str) -> str:
    """Lower-case ASCII letters, digits and underscores: what may stand in a file's name."""
    plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:_LONGEST] or "unnamed"
