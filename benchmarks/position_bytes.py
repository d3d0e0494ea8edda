"""Bytes that a scored token of a filter run takes on disk, on texts that every installation has.

    python benchmarks/position_bytes.py [--json FILE]

The texts are modules of Python's own library, in the tokens of a new byte-level tokenizer of 400 and of 8,000 tokens.
Entropies are drawn from a gamma distribution: a number takes the same room whatever model it comes from.
"""

from __future__ import annotations

import sysconfig
import tempfile
from pathlib import Path

import numpy as np
from _common import finish, parser, show

from rpt_core.positions.scored import ROW_GROUP_DOCUMENTS, ScoredDocument, positions_writer, to_table
from rpt_core.text.corpus import Document
from rpt_core.text.new_tokenizer import train_tokenizer
from rpt_core.text.tokens import tokenise

VOCABULARIES = (400, 8000)
DOCUMENTS, CHARACTERS = 400, 8000


def texts() -> list[str]:
    """Beginnings of modules."""
    modules = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[:DOCUMENTS]
    return [text for path in modules if len(text := path.read_text(errors="ignore")[:CHARACTERS]) > 500]


def bytes_per_token(found: list[str], vocabulary: int) -> dict[str, float]:
    """Size of the file of positions for each token, and of the text itself."""
    tokenizer, rng = train_tokenizer(iter(found), vocabulary), np.random.default_rng(0)
    documents = []
    for number, text in enumerate(found):
        tokenised = tokenise(tokenizer, text)
        entropies = rng.gamma(0.6, 1.2, len(tokenised.token_ids)).astype(np.float32)
        kept = np.flatnonzero(entropies > 1).tolist()
        document = Document(str(number), tokenised.text)
        documents.append(ScoredDocument(document, tokenised.token_ids, tokenised.byte_offsets, entropies, 1, kept))
    tokens = sum(len(document.token_ids) for document in documents)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "positions.parquet"
        with positions_writer(path, "") as writer:
            for start in range(0, len(documents), ROW_GROUP_DOCUMENTS):
                writer.write_table(to_table(documents[start : start + ROW_GROUP_DOCUMENTS]))
        size = path.stat().st_size
    return {"tokens": tokens, "text_bytes": sum(map(len, found)) / tokens, "stored_bytes": size / tokens}


def main() -> int:
    """Measure and show."""
    asked = parser(__doc__).parse_args()
    found = texts()
    rows = {str(vocabulary): bytes_per_token(found, vocabulary) for vocabulary in VOCABULARIES}
    shown = [[name, *(f"{value:,.1f}" for value in row.values())] for name, row in rows.items()]
    show("Positions on disk", ["tokens in the vocabulary", "tokens", "text bytes", "stored bytes"], shown)
    finish("position_bytes", {"vocabularies": rows}, asked.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
