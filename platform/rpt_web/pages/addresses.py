"""What the query of an address asks for. What does not fit is taken as not asked."""

from django.http import HttpRequest


def number_asked(request: HttpRequest, name: str) -> int | None:
    """A whole number that fits into a key of the database; None without one."""
    value = request.GET.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 19 else None
