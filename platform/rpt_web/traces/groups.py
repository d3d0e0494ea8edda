"""Groups of responses as rows: written with the rollouts, marked by what the run did at the same position before.

In: the columns of some groups of one run, step and kind, and where each position is in its text. Out: rows of
`ResponseGroup`. A group that is there already keeps its row; those of the same step and kind that are gone go.

Marks compare a group with others of its run, at the same document and position: with earlier steps of its kind
(`first_solved`, `forgotten`), with later ones (`forgotten_now`), and with the greedy response of its step
(`greedy_alone`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection

from rpt_web.traces.models import CorpusPosition, ResponseGroup

AT_ONCE = 2000
"""Groups of one statement."""
TYPES = {
    "group": "int4",
    "first_rollout": "int8",
    "document": "text",
    "token_position": "int4",
    "domain": "text",
    "entropy_nats": "float8",
    "difficulty": "int2",
    "completion": "bytea",
    "samples": "int4",
    "rewarded": "int4",
    "pass_rate": "float8",
    "predictions": "int4",
    "majority": "bytea",
    "majority_rewarded": "bool",
    "disagreement": "float8",
    "tokens_mean": "float8",
    "tokens_min": "int4",
    "tokens_max": "int4",
    "match": "int4",
    "mismatch": "int4",
    "not_on_boundary": "int4",
    "empty": "int4",
    "no_box": "int4",
    "cut": "int4",
    "white_space": "int4",
    "boxes": "int4",
    "patterns": "int2",
}
"""What is known of a group from its responses alone."""
Place = tuple[bytes, int]
"""Hash of a text and byte offset in it."""
_POSITIONS_LOCK = "traces_corpusposition"


def replace_groups(
    run: tuple[int, int], step: int, kind: str, columns: Mapping[str, Sequence[Any]], places: Sequence[Place | None]
) -> None:
    """Write all groups of a step and kind. run: its id and its experiment's. Call in a transaction."""
    ids = position_ids(place for place in places if place is not None)
    positions = [None if place is None else ids[place] for place in places]
    numbers = list(columns["group"])
    written = ResponseGroup.objects.filter(run_id=run[0], step=step, kind=kind)
    is_again = written.exists()
    if is_again:
        written.exclude(group__in=numbers).delete()
    for start in range(0, len(numbers), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        arrays = [*(list(columns[name][part]) for name in TYPES), positions[part]]
        with connection.cursor() as cursor:
            cursor.execute(_UPSERT, [*run, step, kind, *arrays])
    mark(run[0], step)
    if is_again:
        _mark_latest(run[0])


def delete_groups(run_id: int, beyond: int | None = None) -> None:
    """Delete a run's groups, or those of the steps after one."""
    rows = ResponseGroup.objects.filter(run_id=run_id)
    if beyond is None:
        rows.delete()
    elif rows.filter(step__gt=beyond).delete()[0]:
        _mark_latest(run_id)


def position_ids(places: Iterable[Place]) -> dict[Place, int]:
    """The id of each position; those that no run has used before are added."""
    wanted = sorted(set(places))
    found = _known(wanted)
    if new := [place for place in wanted if place not in found]:
        with connection.cursor() as cursor:
            # One transaction adds positions at a time: two that wait for each other's rows would both be stuck.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [_POSITIONS_LOCK])
            cursor.execute(
                "INSERT INTO traces_corpusposition (text_hash, byte_offset)"
                " SELECT * FROM unnest(%s::bytea[], %s::int4[]) ON CONFLICT DO NOTHING",
                [[text_hash for text_hash, _ in new], [offset for _, offset in new]],
            )
        found |= _known(new)
    return found


def mark(run_id: int, step: int | None = None) -> None:
    """Set the marks of a run's groups, of one step or of all; only rows whose marks change are written."""
    only = "" if step is None else "AND g.step = %(step)s"
    with connection.cursor() as cursor:
        cursor.execute(_MARK.format(only=only), {"run": run_id, "step": step})
        if step is not None:
            cursor.execute(_NO_LONGER_LATEST, {"run": run_id, "step": step})


def _mark_latest(run_id: int) -> None:
    """Groups are gone or changed: where an earlier one is the latest now, and forgotten, it is forgotten now."""
    with connection.cursor() as cursor:
        cursor.execute(_LATEST_AGAIN, {"run": run_id})


def _known(places: Sequence[Place]) -> dict[Place, int]:
    if not places:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.text_hash, p.byte_offset, p.id FROM unnest(%s::bytea[], %s::int4[]) AS wanted(text_hash, place)"
            " JOIN traces_corpusposition p ON p.text_hash = wanted.text_hash AND p.byte_offset = wanted.place",
            [[text_hash for text_hash, _ in places], [offset for _, offset in places]],
        )
        return {(bytes(text_hash), offset): key for text_hash, offset, key in cursor.fetchall()}


def _upsert() -> str:
    own = [f'"{name}"' for name in TYPES]
    names = ["run_id", "experiment_id", "step", "kind", *own, "position_id"]
    arrays = ", ".join(f"%s::{type_}[]" for type_ in [*TYPES.values(), "int8"])
    marks = ("first_solved", "forgotten", "forgotten_now", "greedy_alone")
    changed = ", ".join(f"{name} = excluded.{name}" for name in [*own[1:], "position_id"])
    return (
        f"INSERT INTO {ResponseGroup._meta.db_table} ({', '.join([*names, *marks])})"
        f" SELECT %s, %s, %s, %s, found.*, false, false, false, false FROM unnest({arrays}) AS found"
        f' ON CONFLICT (run_id, step, kind, "group") DO UPDATE SET {changed}'
    )


_UPSERT = _upsert()
assert CorpusPosition._meta.db_table == _POSITIONS_LOCK
_NO_LATER = """NOT EXISTS (
            SELECT FROM traces_responsegroup later
            WHERE later.run_id = g.run_id AND later.document = g.document
                AND later.token_position = g.token_position AND later.step > g.step AND later.kind = g.kind
        )"""
_MARK = f"""
UPDATE traces_responsegroup AS old
SET first_solved = new.first_solved, forgotten = new.forgotten, forgotten_now = new.forgotten_now,
    greedy_alone = new.greedy_alone
FROM (
    SELECT g.id,
        g.rewarded > 0 AND earlier.solved IS FALSE AS first_solved,
        g.rewarded = 0 AND earlier.solved IS TRUE AS forgotten,
        g.rewarded = 0 AND earlier.solved IS TRUE AND {_NO_LATER} AS forgotten_now,
        g.kind = 'sampled' AND NOT g.majority_rewarded AND EXISTS (
            SELECT FROM traces_responsegroup greedy
            WHERE greedy.run_id = g.run_id AND greedy.document = g.document
                AND greedy.token_position = g.token_position AND greedy.step = g.step
                AND greedy.kind = 'greedy' AND greedy.rewarded > 0
        ) AS greedy_alone
    FROM traces_responsegroup g
    LEFT JOIN LATERAL (
        SELECT bool_or(before.rewarded > 0) AS solved FROM traces_responsegroup before
        WHERE before.run_id = g.run_id AND before.document = g.document
            AND before.token_position = g.token_position AND before.step < g.step AND before.kind = g.kind
    ) AS earlier ON true
    WHERE g.run_id = %(run)s {{only}}
) AS new
WHERE old.id = new.id AND (old.first_solved, old.forgotten, old.forgotten_now, old.greedy_alone)
    IS DISTINCT FROM (new.first_solved, new.forgotten, new.forgotten_now, new.greedy_alone)
"""
_NO_LONGER_LATEST = """
UPDATE traces_responsegroup AS g SET forgotten_now = false FROM traces_responsegroup later
WHERE g.run_id = %(run)s AND g.forgotten_now AND g.step < %(step)s
    AND later.run_id = %(run)s AND later.step = %(step)s AND later.document = g.document
    AND later.token_position = g.token_position AND later.kind = g.kind
"""
_LATEST_AGAIN = f"""
UPDATE traces_responsegroup AS g SET forgotten_now = true
WHERE g.run_id = %(run)s AND g.forgotten AND NOT g.forgotten_now AND {_NO_LATER}
"""
