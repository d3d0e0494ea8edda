"""A passkey in software, as a browser and its authenticator would answer: for what Chromium's own cannot do wrong."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.cose import ES256
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclass
class Passkey:
    """A key pair of one account at one host."""

    host: str = "localhost"
    origin: str = "http://localhost"
    verifies: bool = True
    """Its user, by a finger or a PIN."""
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    name: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    user: str = ""

    def made(self, options: dict[str, Any]) -> str:
        """The answer to options of creation."""
        self.user = options["user"]["id"]
        data = AttestedCredentialData.create(Aaguid.NONE, self.name, ES256.from_cryptography_key(self.key.public_key()))
        flags = PRESENT | ATTESTED | (VERIFIED if self.verifies else 0)
        known = AttestationObject.create("none", AuthenticatorData.create(self._place(), flags, 0, bytes(data)), {})
        return self._answer(attestationObject=bytes(known), clientDataJSON=self._told("create", options))

    def used(self, options: dict[str, Any]) -> str:
        """The answer to options of a login."""
        data = bytes(AuthenticatorData.create(self._place(), PRESENT | (VERIFIED if self.verifies else 0), 0))
        told = self._told("get", options)
        signature = self.key.sign(data + hashlib.sha256(told).digest(), ec.ECDSA(SHA256()))
        return self._answer(authenticatorData=data, clientDataJSON=told, signature=signature, userHandle=self.user)

    def _place(self) -> bytes:
        return hashlib.sha256(self.host.encode()).digest()

    def _told(self, what: str, options: dict[str, Any]) -> bytes:
        told = {"type": f"webauthn.{what}", "challenge": options["challenge"], "origin": self.origin}
        return json.dumps(told).encode()

    def _answer(self, **response: bytes | str) -> str:
        written = {key: value if isinstance(value, str) else _coded(value) for key, value in response.items()}
        name = _coded(self.name)
        more = {"type": "public-key", "clientExtensionResults": {}}
        return json.dumps({"id": name, "rawId": name, "response": written} | more)


def _coded(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")
