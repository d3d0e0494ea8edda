"""A real OpenID Connect provider on a free port of loopback: Authlib's server, with people, a login page and keys.

It keeps to the standard (code flow with PKCE, a nonce that comes once, RS256). A test makes it lie by setting `signs`,
`claims` or `registered_secret` of it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import AuthorizationCodeMixin, OpenIDCode, UserInfo
from flask import Flask, jsonify, request
from joserfc.jwk import RSAKey

PEOPLE = {
    "grace": {"sub": "4711", "name": "Grace Hopper", "email": "grace@example.org", "email_verified": True},
    "mallory": {"sub": "666", "name": "<b>Mallory</b>", "email": "ada@example.org", "email_verified": True},
}
CLIENT_ID, SECRET = "rpt", "a secret of the provider"
LOGIN = """<!doctype html><title>Example provider</title><h1>Who are you?</h1><form method="post">
<input name="username"><button name="answer" value="yes">Log in</button><button name="answer" value="no">Refuse</button>
</form>"""


@dataclass
class Client(ClientMixin):
    """The platform, as it is registered."""

    provider: OpenIdProvider
    client_id: str = CLIENT_ID

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        return None

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri.endswith("/login/identity/back/")

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self.provider.registered_secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class Code(AuthorizationCodeMixin):
    """A code that was given out."""

    user: Any
    payload: dict[str, str]

    def __getattr__(self, name: str) -> str | None:
        return self.payload.get(name)

    def get_redirect_uri(self) -> str:
        return self.payload["redirect_uri"]

    def get_scope(self) -> str:
        return self.payload["scope"]

    def get_nonce(self) -> str:
        return self.payload["nonce"]

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


@dataclass
class OpenIdProvider:
    """What the provider knows and how it behaves."""

    url: str
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"}))
    signs: RSAKey | None = None
    """Another key than the one that it publishes."""
    claims: dict[str, Any] = field(default_factory=dict)
    """What the ID token says in place of the truth."""
    registered_secret: str = SECRET
    codes: dict[str, Code] = field(default_factory=dict)
    nonces: set[str] = field(default_factory=set)

    def honest(self) -> None:
        """As at the start."""
        self.signs, self.claims, self.registered_secret = None, {}, SECRET

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
        }

    def grant(self) -> type[grants.AuthorizationCodeGrant]:
        provider = self

        class CodeGrant(grants.AuthorizationCodeGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

            def save_authorization_code(self, code: str, request: Any) -> None:
                provider.codes[code] = Code(request.user, dict(request.payload.data))
                provider.nonces.add(request.payload.data["nonce"])

            def query_authorization_code(self, code: str, client: Any) -> Code | None:
                return provider.codes.get(code)

            def delete_authorization_code(self, authorization_code: Code) -> None:
                provider.codes = {code: kept for code, kept in provider.codes.items() if kept is not authorization_code}

            def authenticate_user(self, authorization_code: Code) -> Any:
                return authorization_code.user

        return CodeGrant

    def tokens(self) -> OpenIDCode:
        provider = self

        class IdTokens(OpenIDCode):
            def exists_nonce(self, nonce: str, request: Any) -> bool:
                return nonce in provider.nonces

            def resolve_client_private_key(self, client: Any) -> RSAKey:
                return provider.signs or provider.key

            def get_client_claims(self, client: Any) -> dict[str, Any]:
                return {"iss": provider.url}

            def get_encode_header(self, client: Any) -> dict[str, str]:
                return {"alg": "RS256", "kid": "one"}

            def generate_user_info(self, user: Any, scope: str) -> UserInfo:
                return UserInfo(user.claims | {"preferred_username": user.name} | provider.claims)

        return IdTokens(require_nonce=True)

    def app(self) -> Flask:
        app = Flask("provider")
        server = AuthorizationServer(app, lambda name: Client(self) if name == CLIENT_ID else None, lambda *_: None)
        server.register_grant(self.grant(), [self.tokens(), CodeChallenge(required=True)])

        @app.route("/.well-known/openid-configuration")
        def metadata() -> Any:
            return jsonify(self.metadata())

        @app.route("/keys")
        def keys() -> Any:
            return jsonify({"keys": [self.key.as_dict(private=False)]})

        @app.route("/authorize", methods=["GET", "POST"])
        def authorize() -> Any:
            grant = server.get_consent_grant()
            if request.method == "GET":
                return LOGIN
            name = request.form["username"]
            user = SimpleNamespace(name=name, claims=PEOPLE[name]) if request.form["answer"] == "yes" else None
            return server.create_authorization_response(grant=grant, grant_user=user)

        @app.route("/token", methods=["POST"])
        def token() -> Any:
            return server.create_token_response()

        return app


@contextmanager
def openid_provider() -> Iterator[OpenIdProvider]:
    """Serve until the block ends."""
    from werkzeug.serving import make_server

    with _insecure_transport_is_right_here():
        server = make_server("127.0.0.1", 0, lambda *call: application(*call), threaded=True)
        provider = OpenIdProvider(f"http://127.0.0.1:{server.server_port}")
        application = provider.app()
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join(10)


@contextmanager
def _insecure_transport_is_right_here() -> Iterator[None]:
    """Authlib wants HTTPS, which loopback does without."""
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    try:
        yield
    finally:
        del os.environ["AUTHLIB_INSECURE_TRANSPORT"]
