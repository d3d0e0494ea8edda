"""The one exception class for what a user can mend; any other exception is a bug and keeps its traceback."""


class UserError(Exception):
    """Bad input. The message says what was wrong, what is allowed and what to do next."""
