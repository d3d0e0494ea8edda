"""A team with two members, and a run of theirs whose responses are reviewed; rolled back after a module."""

from tests.rpt_web.review_rows import rows, team

__all__ = ["rows", "team"]
