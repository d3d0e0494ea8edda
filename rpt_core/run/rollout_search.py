"""Searching the texts of rollouts: words, a phrase, or an expression of RE2, in the Parquet shards of a run.

In: what is looked for, which rows count, shards. Out: how many rows match, and the first of them with the match in its
surroundings. Columns that say nothing are not read: first the small ones that decide which rows count, then the text of
those row groups in which some do. Of a long row group one part after the other is in memory. Expressions are RE2's
(pyarrow), whose time grows with the text and not with the expression. Prompts are looked at once for each group.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rpt_core.errors import UserError, said

Mode = Literal["words", "phrase", "expression"]
Place = Literal["response", "prompt"]
LONGEST = 500
"""Characters of what is looked for."""
PART_BYTES = 8 << 20
"""Of text, unpacked, that are looked at together."""
AROUND = 90
"""Characters shown on each side of a match."""
LONGEST_MATCH = 300
_FACTS = ("step", "group", "sample", "reward", "reason", "finish_reason")


@dataclass(frozen=True)
class SoughtText:
    """What is looked for. Words may stand anywhere, all of them; a phrase stands as it is written, but for blanks."""

    text: str
    mode: Mode = "words"
    ignore_case: bool = True
    place: Place = "response"

    def patterns(self) -> tuple[str, ...]:
        """RE2's expressions, each of which must match. Raises UserError for what is no search."""
        return _checked(self)


@dataclass(frozen=True)
class RowFilter:
    """Which rows count; None and empty for all."""

    is_rewarded: bool | None = None
    reason: str = ""
    finish_reason: str = ""
    groups: NDArray[np.int32] | None = field(default=None, compare=False)
    """Numbers of the groups whose responses count."""

    def columns(self) -> list[str]:
        """What decides."""
        named = {"reward": self.is_rewarded is not None, "reason": self.reason, "finish_reason": self.finish_reason}
        return [name for name, is_needed in (named | {"group": self.groups is not None}).items() if is_needed]

    def mask(self, table: pa.Table) -> Any:
        """For each row whether it counts; None when all do."""
        masks = []
        if self.is_rewarded is not None:
            compare = pc.greater if self.is_rewarded else pc.less_equal
            masks.append(compare(table["reward"], 0))
        for name in ("reason", "finish_reason"):
            if wanted := getattr(self, name):
                masks.append(pc.equal(table[name], wanted))
        if self.groups is not None:
            masks.append(pc.is_in(table["group"], pa.array(self.groups, table["group"].type)))
        found = None
        for mask in masks:
            found = mask if found is None else pc.and_(found, mask)
        return found


@dataclass(frozen=True)
class Hit:
    """A row that matches: its first match with what stands around it, and how often the first expression matches."""

    row: int
    step: int
    group: int
    sample: int
    reward: float | None
    reason: str
    before: str
    match: str
    after: str
    times: int


@dataclass
class ShardHits:
    """What came of a shard."""

    rows: int = 0
    """Looked at, those that do not count included."""
    matching: int = 0
    hits: list[Hit] = field(default_factory=list)


def search_shard(
    path: Path,
    wanted: SoughtText,
    counts: RowFilter,
    limit: int,
    check: Callable[[int], None] = lambda rows: None,
) -> ShardHits:
    """Search one file. `limit`: hits that are described, the first ones. `check` hears of rows that are done, and may
    raise to end it. Raises OSError or ValueError (pyarrow's errors) for a file that cannot be read.
    """
    found, patterns = ShardHits(), wanted.patterns()
    last_group = None
    with pq.ParquetFile(path, read_dictionary=["prompt"] if wanted.place == "prompt" else None) as file:
        for groups, rows in _parts(file.metadata, wanted.place):
            start, found.rows = found.rows, found.rows + rows
            facts = _facts(file, groups, wanted, counts)
            mask = None if facts is None else counts.mask(facts)
            if wanted.place == "prompt":
                mask, last_group = _once_for_each_group(facts, mask, last_group)
            if mask is None or pc.any(mask).as_py():
                room = limit - len(found.hits)
                indexes, texts = _matching(file, groups, wanted.place, patterns, mask, room, check)
                found.matching += len(indexes)
                if texts:
                    found.hits += _described(file, groups, patterns[0], indexes, texts, start)
            check(rows)
    return found


def marked(text: str, wanted: SoughtText) -> list[tuple[str, bool]]:
    """The text in pieces, each with whether it is a match of an expression; joined they are the whole of it."""
    opened, closed = _marks(text)
    if opened is None:
        return [(text, False)]
    pattern = "|".join(f"(?:{one})" for one in wanted.patterns())
    found = pc.replace_substring_regex(pa.array([text]), f"({pattern})", rf"{opened}\1{closed}")[0].as_py()
    pieces: list[tuple[str, bool]] = []
    for index, part in enumerate(found.split(opened)):
        match, mark, rest = part.partition(closed)
        pieces += [(match, True), (rest, False)] if index and mark else [(part, False)]
    return [piece for piece in pieces if piece[0]]


def _marks(text: str) -> tuple[str | None, str | None]:
    """Two characters that the text does not have."""
    free = [chr(code) for code in range(0xE000, 0xE100) if chr(code) not in text][:2]
    return (free[0], free[1]) if len(free) == 2 else (None, None)


def _checked(wanted: SoughtText) -> tuple[str, ...]:
    text = wanted.text.strip() if wanted.mode != "expression" else wanted.text
    if not text:
        raise UserError("Nothing is looked for. Write words, a phrase or an expression.")
    if len(text) > LONGEST:
        raise UserError(f"What is looked for has {len(text)} characters; at most {LONGEST} are allowed. Shorten it.")
    if "\0" in text:
        raise UserError("What is looked for contains a NUL character, which cannot be written. Leave it out.")
    start = "(?i)" if wanted.ignore_case else ""
    if wanted.mode == "words":
        return tuple(start + _as_word(word) for word in text.split())
    if wanted.mode == "phrase":
        return (start + r"\s+".join(map(re.escape, text.split())),)
    _require_expression(text)
    return (f"{start}(?:{text})",)


def _as_word(word: str) -> str:
    """RE2 knows the ends of words of ASCII only; elsewhere a word may stand within a longer one."""
    ends = [r"\b" if re.match(r"\w", letter, re.ASCII) else "" for letter in (word[0], word[-1])]
    return f"{ends[0]}{re.escape(word)}{ends[1]}"


def _require_expression(text: str) -> None:
    try:
        is_empty = pc.match_substring_regex(pa.array([""]), text)[0].as_py()
    except (pa.ArrowInvalid, UnicodeEncodeError) as error:
        why = said(error).removeprefix("Invalid regular expression: ")
        raise UserError(
            f"The expression is not one of RE2: {why}. RE2 has no look-ahead, no look-behind and no back-references; "
            "write \\( for a bracket and \\\\ for a backslash."
        ) from None
    if is_empty:
        raise UserError("The expression matches the empty text, so everything would be found. Write + in place of *.")


def _parts(metadata: Any, place: str) -> Iterator[tuple[list[int], int]]:
    """Neighbouring row groups whose text is about as long as is looked at together, with their rows."""
    names = [metadata.schema.column(index).path for index in range(metadata.num_columns)]
    column = names.index(place)
    groups: list[int] = []
    rows = size = 0
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        groups, rows, size = (
            [*groups, index],
            rows + group.num_rows,
            size + group.column(column).total_uncompressed_size,
        )
        if size >= PART_BYTES:
            yield groups, rows
            groups, rows, size = [], 0, 0
    if groups:
        yield groups, rows


def _facts(file: pq.ParquetFile, groups: Sequence[int], wanted: SoughtText, counts: RowFilter) -> pa.Table | None:
    """The small columns that decide; None where none does."""
    columns = list(dict.fromkeys(counts.columns() + (["group"] if wanted.place == "prompt" else [])))
    return file.read_row_groups(groups, columns=columns, use_threads=False).combine_chunks() if columns else None


def _once_for_each_group(facts: pa.Table | None, mask: Any, last: int | None) -> tuple[Any, int | None]:
    """Among the rows that count the first of each group, whose responses stand together."""
    assert facts is not None
    groups = facts["group"].to_pylist()
    counting = [True] * len(groups) if mask is None else mask.to_pylist()
    first = []
    for group, is_in in zip(groups, counting, strict=True):
        first.append(bool(is_in) and group != last)
        last = group if is_in else last
    return pa.array(first), last


def _matching(
    file: pq.ParquetFile,
    groups: Sequence[int],
    place: str,
    patterns: Sequence[str],
    mask: Any,
    room: int,
    check: Callable[[int], None],
) -> tuple[list[int], list[str]]:
    """Rows of the part, counted from its first, that count and match; of the first, as many as fit, their texts too."""
    found: list[int] = []
    kept: list[str] = []
    start = 0
    for batch in _batches(file, groups, place):
        check(0)
        rows = pa.array(np.arange(start, start + len(batch)))
        texts = batch
        if mask is not None:
            chosen = mask.slice(start, len(batch))
            rows, texts = rows.filter(chosen), texts.filter(chosen)
        for pattern in patterns:
            hit = _match(texts, pattern)
            rows, texts = rows.filter(hit), texts.filter(hit)
        found += rows.to_pylist()
        kept += texts.slice(0, room - len(kept)).to_pylist()
        start += len(batch)
    return found, kept


def _match(texts: Any, pattern: str) -> Any:
    """For each text whether the expression matches; of texts that are the same, one is looked at."""
    if pa.types.is_dictionary(texts.type):
        return pc.match_substring_regex(texts.dictionary, pattern).take(texts.indices)
    return pc.match_substring_regex(texts, pattern)


def _batches(file: pq.ParquetFile, groups: Sequence[int], column: str) -> Iterator[Any]:
    """A column of some row groups, in pieces of about PART_BYTES."""
    sizes = [file.metadata.row_group(group) for group in groups]
    index = [file.metadata.schema.column(at).path for at in range(file.metadata.num_columns)].index(column)
    size = sum(group.column(index).total_uncompressed_size for group in sizes)
    rows = sum(group.num_rows for group in sizes)
    at_once = max(1, min(rows, rows * PART_BYTES // max(size, 1))) if size > 2 * PART_BYTES else max(rows, 1)
    for batch in file.iter_batches(at_once, row_groups=list(groups), columns=[column], use_threads=False):
        yield batch.column(0)


def _described(
    file: pq.ParquetFile, groups: Sequence[int], pattern: str, indexes: Sequence[int], texts: Sequence[str], start: int
) -> Iterator[Hit]:
    """Hits of a part with their facts: as many as there are texts of them."""
    facts = file.read_row_groups(list(groups), columns=list(_FACTS), use_threads=False)
    few = indexes[: len(texts)]
    for index, fact, text in zip(few, facts.take(few).to_pylist(), texts, strict=True):
        reason, finish = fact.pop("reason"), fact.pop("finish_reason")
        found = _surroundings(text, pattern)
        yield Hit(row=start + index, reason="length" if finish == "length" else reason, **fact, **found)


def _surroundings(text: str, pattern: str) -> dict[str, Any]:
    """The first match and the text around it; beside it how many there are."""
    one, data = pa.array([text]), text.encode()
    begin = pc.find_substring_regex(one, pattern)[0].as_py()
    without = pc.replace_substring_regex(one, pattern, "", max_replacements=1)[0].as_py()
    end = begin + len(data) - len(without.encode())
    before, after = data[max(0, begin - 4 * AROUND) : begin], data[end : end + 4 * AROUND]
    return {
        "before": before.decode(errors="ignore")[-AROUND:],
        "match": data[begin:end].decode(errors="replace")[:LONGEST_MATCH],
        "after": after.decode(errors="ignore")[:AROUND],
        "times": pc.count_substring_regex(one, pattern)[0].as_py(),
    }
