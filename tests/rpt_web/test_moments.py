"""Moments out of Postgres."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import connection
from psycopg.pq import Format

from rpt_web.moments import MomentLoader

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2024, 2, 29, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
)
def test_a_moment_comes_back_as_it_went_in_in_utc(moment: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz, NULL::timestamptz", [moment])
        found, none = cursor.fetchone()
    assert (found, found.tzinfo, none) == (moment, UTC, None)


def test_it_is_psycopgs_own_loader_that_reads_it_and_django_adds_none() -> None:
    with connection.cursor() as cursor:
        oid = cursor.cursor.adapters.types["timestamptz"].oid
        used = cursor.cursor.adapters.get_loader(oid, Format.TEXT)
    assert used is MomentLoader
    loader = used(oid, connection.connection)
    assert type(loader) is psycopg.adapters.get_loader(oid, Format.TEXT)
    assert "psycopg_binary" in type(loader).__module__, "compiled"


def test_in_a_session_of_another_zone_it_is_the_same_moment() -> None:
    moment = datetime(2026, 7, 1, 12, tzinfo=UTC)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'Asia/Tokyo'")
        cursor.execute("SELECT %s::timestamptz", [moment])
        (found,) = cursor.fetchone()
    assert found == moment
    assert found.utcoffset() == timedelta(hours=9)
