"""Tries to log in are counted in Redis for some minutes, by the names of accounts, which tests share."""

from __future__ import annotations

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def counters(redis_server):
    """Each test starts without any, and leaves none to a test elsewhere."""
    cache.clear()
    yield
    cache.clear()
