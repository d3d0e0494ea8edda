"""Nothing but the login pages and /healthz answers somebody who is not logged in."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse
from django.urls.converters import IntConverter, UUIDConverter

OPEN = {"teams:login", "teams:login_link", "healthz"}
VALUES = {IntConverter: "1", UUIDConverter: "00000000-0000-4000-8000-000000000001"}
METHODS = ("get", "head", "post", "put", "patch", "delete", "options")


def addresses(patterns, prefix="/", namespace=""):
    for pattern in patterns:
        path = prefix + _filled(pattern.pattern)
        if isinstance(pattern, URLPattern):
            name = pattern.name or path.strip("/")
            yield f"{namespace}:{name}" if namespace else name, path
        else:
            yield from addresses(pattern.url_patterns, path, pattern.namespace or namespace)


def _filled(pattern):
    text = str(pattern)
    for name, converter in pattern.converters.items():
        kind = next((key for key in ("int", "str", "slug", "path", "uuid") if f"<{key}:{name}>" in text), None)
        written = f"<{kind}:{name}>" if kind else f"<{name}>"
        text = text.replace(written, VALUES.get(type(converter), "secret"))
    return text.removeprefix("^")


ALL = sorted(addresses(get_resolver().url_patterns))


def test_the_walk_finds_the_addresses():
    names = {name for name, _ in ALL}
    assert {"experiments:experiment_list", "runs:run_stream", "traces:rollout_detail", "teams:logout"} <= names
    assert len(ALL) > 20
    assert not any("<" in path for _, path in ALL)


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "path"), ALL)
def test_address_asks_for_a_login(name, path):
    if name in OPEN:
        assert Client().get(path).status_code in (200, 410, 503)
        return
    answers = [getattr(Client(), method)(path) for method in METHODS]
    asked = [answer for answer in answers if answer.status_code not in (404, 405)]
    for answer in asked:
        sent_to_login = answer.status_code == 302 and answer["Location"].startswith(reverse("teams:login"))
        assert sent_to_login or answer.status_code in (401, 403)
    assert asked or name == "api:api-root"  # the API's bare root has no page
