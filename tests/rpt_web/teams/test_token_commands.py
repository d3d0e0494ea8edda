"""API tokens are listed and revoked by a command."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from rpt_web.teams.models import ApiToken
from tests.factories import make_user
from tests.rpt_web.api_client import ROOT, client_of


def said(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_tokens_are_listed_without_their_secrets_and_revoked_by_number(ada):
    caller = client_of(ada)
    client_of(make_user("bob"))
    token = ApiToken.objects.get(user=ada)
    listed = said("list_api_tokens")
    assert f"{token.pk}  ada  test  admin  (made " in listed
    assert "never used" in listed
    assert token.digest not in listed
    assert "ada" not in said("list_api_tokens", "bob")
    assert caller.get(f"{ROOT}/runs").status_code == 200
    assert said("revoke_api_token", str(token.pk)) == "The token 'test' of ada is revoked.\n"
    assert caller.get(f"{ROOT}/runs").status_code == 401
    with pytest.raises(CommandError, match="There is no token"):
        said("revoke_api_token", str(token.pk))
