"""The one exception class for what a user can mend, and a test for the one system error that is told alike.

Any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations

import errno
import os


class UserError(Exception):
    """Bad input. The message says what was wrong, what is allowed and what to do next."""


def is_full_disk(error: BaseException) -> bool:
    """Whether an error says that no space is left; libraries wrap the system's error into their own."""
    codes = (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "errno", None) in codes or any(os.strerror(code) in str(error) for code in codes)
