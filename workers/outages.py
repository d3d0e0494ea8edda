"""What a database error means for a runner: wait and try again, or never mind trying.

In: an exception of Django's. Out: whether the database was away or asks for another try. Anything else lies in what
was to be written, and comes again however often it is tried.
"""

from __future__ import annotations

from django.db import Error, InterfaceError, OperationalError

_AGAIN = (
    "08",  # the connection broke
    "40",  # a deadlock
    "53",  # no room: connections, memory, disk
    "55",  # a lock was not to be had
    "57",  # shutting down, starting up, cancelled
    "58",  # the server's disk does not answer
)
"""Classes of SQLSTATE (PostgreSQL, appendix A)."""


def is_away(error: Exception) -> bool:
    """Whether the same statement may go through later."""
    if isinstance(error, InterfaceError):
        return True
    if not isinstance(error, Error):
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    if state is None:
        return isinstance(error, OperationalError)  # the client lost the server, and has no word from it
    return str(state).startswith(_AGAIN)
