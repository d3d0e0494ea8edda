"""The OpenID Connect provider that people may log in with, under the name by which django-allauth looks for it.

In: `settings.RPT_OIDC` and the provider's answers. Out: where a login goes, and who somebody is there once the ID token
has been checked: signature, issuer, audience, times, and the nonce of this very login. allauth leaves out signature and
nonce, since the token comes over TLS; here both must be right. A wrong answer raises `UserError`.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jwt
import requests
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.crypto import constant_time_compare

from rpt_core.errors import UserError, said
from rpt_web.text import clean_json

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""With a public key: one with a shared secret could be forged by whoever knows that."""
REQUIRED = ("iss", "sub", "aud", "exp", "iat")
LEEWAY_SECONDS = 60
"""Clocks differ."""
KEPT = ("sub", "preferred_username", "email", "name")
"""Claims that are kept of somebody; what else a provider tells stays out of the database."""
LONGEST_SUBJECT = 191
ERROR = re.compile("[a-z_]{1,60}")
"""How the standard writes errors; whatever else an address says is not repeated."""
UNFIT = (requests.RequestException, OAuth2Error, jwt.PyJWTError, LookupError, TypeError, ValueError, AttributeError)
"""What comes of an answer that is not as the standard has it."""
logger = logging.getLogger(__name__)


class Dialogue(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # allauth has no types
    """What is asked of the provider."""

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        """Where it sends people back to: one address, which it has on a list."""
        return request.build_absolute_uri(reverse("teams:identity_back"))

    def claims(self, app: Any, state: dict[str, Any], code: str) -> dict[str, Any]:
        """Who logged in, for the code that came back with them."""
        client = self.get_client(self.request, app)
        try:
            tokens = client.get_access_token(code, pkce_code_verifier=state["pkce_code_verifier"])
        except OAuth2Error:  # its words are the whole answer, which may hold tokens
            raise UserError(
                f"{app.name} did not accept what this platform sent. Whoever runs the platform can look whether "
                "RPT_OIDC_CLIENT_ID and RPT_OIDC_SECRET are right."
            ) from None
        keys = self._read(self.openid_config["jwks_uri"])
        issuer = self.openid_config["issuer"]
        return verified(tokens["id_token"], keys, issuer=issuer, audience=app.client_id, nonce=state["nonce"])

    def _read(self, address: str) -> Any:
        with get_adapter().get_requests_session() as session:
            answer = session.get(address)
            answer.raise_for_status()
            return answer.json()


class Provider(OpenIDConnectProvider):  # type: ignore[misc]  # allauth has no types
    """The one provider, with PKCE and a nonce for each login."""

    pkce_enabled_default = True
    oauth2_adapter_class = Dialogue

    def departure(self, request: HttpRequest, process: str, next_url: str = "", **state: Any) -> str:
        """The address where somebody logs in there. UserError when the provider cannot be asked."""
        nonce = secrets.token_urlsafe(24)
        params = self.get_auth_params() | {"nonce": nonce}
        with self._asked():
            answer: HttpResponseBase = self.redirect(
                request, process, next_url, auth_params=params, nonce=nonce, **state
            )
        return answer["Location"]

    def arrival(self, request: HttpRequest, state: dict[str, Any]) -> SocialLogin:
        """Who came back, not saved. UserError when that is not certain."""
        with self._asked():
            claims = self.get_oauth2_adapter(request).claims(self.app, state, request.GET["code"])
            known = clean_json({name: claims[name] for name in KEPT if name in claims})
            login = self.sociallogin_from_response(request, known)
        login.state = state
        return login

    def refusal(self, error: str) -> str:
        """What it means that somebody was sent back with an error."""
        if error == "access_denied" or not ERROR.fullmatch(error):
            return f"{self.name} did not let you through, or you cancelled."
        logger.warning("%s answered with the error %s", self.name, error)
        return f"{self.name} answered with the error {error}."

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Whatever the provider does wrong becomes one sentence; the log has the cause."""
        try:
            yield
        except (requests.ConnectionError, requests.Timeout) as error:
            logger.warning("%s cannot be reached: %s", self.name, said(error))
            raise UserError(f"{self.name} does not answer.") from error
        except UserError as error:
            logger.warning("%s", error)
            raise
        except UNFIT as error:
            logger.warning("%s gave an answer that cannot be used: %s", self.name, said(error))
            raise UserError(f"{self.name} gave an answer that cannot be used.") from error


def verified(token: str, keys: Any, *, issuer: str, audience: str, nonce: str) -> dict[str, Any]:
    """The claims of an ID token. An error of PyJWT for one that is not right."""
    name = jwt.get_unverified_header(token).get("kid")
    fit = [key for key in jwt.PyJWKSet.from_dict(keys).keys if name in (None, key.key_id)]
    if len(fit) != 1:
        raise jwt.InvalidKeyError(f"{len(fit)} of the provider's keys are called {name!r}")
    claims: dict[str, Any] = jwt.decode(
        token,
        fit[0].key,
        algorithms=ALGORITHMS,
        issuer=issuer,
        audience=audience,
        leeway=LEEWAY_SECONDS,
        options={"require": list(REQUIRED)},
    )
    if not constant_time_compare(str(claims.get("nonce")), nonce):
        raise jwt.InvalidTokenError("the ID token is not of this login")
    if not 0 < len(claims["sub"]) <= LONGEST_SUBJECT or not claims["sub"].isprintable():
        raise jwt.InvalidTokenError(f"the subject is not 1 to {LONGEST_SUBJECT} printable characters")
    return claims


provider_classes = [Provider]
