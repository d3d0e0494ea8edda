"""What the query of an address, or a form, asks for. What does not fit is taken as not asked."""

from django.http import HttpRequest, QueryDict


def number_asked(request: HttpRequest, name: str) -> int | None:
    """A whole number that fits into a key of the database; None without one."""
    return _key(request.GET.get(name, ""))


def number_posted(request: HttpRequest, name: str) -> int | None:
    """The same of what is posted."""
    return _key(request.POST.get(name, ""))


def text_asked(request: HttpRequest, name: str, longest: int) -> str:
    """A text, cut, without the NUL that Postgres refuses; empty without one."""
    return request.GET.get(name, "")[:longest].replace("\x00", "")


def text_posted(request: HttpRequest, name: str, longest: int) -> str:
    """The same of what is posted."""
    return request.POST.get(name, "")[:longest].replace("\x00", "")


def is_asked(query: QueryDict, name: str) -> bool:
    """Whether something is asked for, with any value but one that says no: `?anonymous=1`, not `?anonymous=0`."""
    return query.get(name, "0").strip().lower() not in ("", "0", "no", "false", "off")


def _key(value: str) -> int | None:
    return int(value) if value.isdecimal() and len(value) < 19 else None
