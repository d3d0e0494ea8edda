"""Rows that all tests of a module share: made once, in a transaction around those of the tests, which undo the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction


@contextmanager
def module_rows(django_db_blocker: Any) -> Iterator[None]:
    """For a fixture of a module's scope that depends on `django_db_setup`; what is made within is gone after it."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)
