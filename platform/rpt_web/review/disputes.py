"""How far the reviewers of an item differ, kept with the item, so that lists can be ordered by it.

In: items whose submitted reviews have changed. Out: `ReviewItem.dispute`: of the answers that two people gave to the
same question, the share of pairs that differ, 0 to 1; None while no two can be compared. Free texts do not count.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db import connection

SHARE = """
    SELECT avg((one.value <> other.value)::int)
    FROM review_review a
    JOIN review_review b ON b.item_id = a.item_id AND b.id > a.id AND b.submitted_at IS NOT NULL
    CROSS JOIN LATERAL jsonb_each(a.answers) AS one
    JOIN LATERAL jsonb_each(b.answers) AS other ON other.key = one.key
    WHERE a.item_id = item.id AND a.submitted_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM review_reviewqueue q JOIN review_labelsetversion v ON v.id = q.version_id
        CROSS JOIN LATERAL jsonb_array_elements(v.questions) AS question
        WHERE q.id = item.queue_id AND question ->> 'name' = one.key AND question ->> 'kind' = 'text'
    )
"""


def note(items: Collection[int]) -> None:
    """Call after what was submitted has changed, in the same transaction, when the items' rows are locked."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE review_reviewitem AS item SET dispute = ({SHARE}) WHERE item.id = ANY(%s)", [list(items)]
        )
