"""A stand-in for Google's token issuer: service endpoints verify the same OIDC bearer tokens locally as they do deployed.

The key is made at start and never leaves the process; functions learn the certificates' address by PENSTOCK_OIDC_CERTS."""

from __future__ import annotations

import datetime as dt
import json
import time
import uuid
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt

from penstock.local.http_server import Handler, Server

ISSUER = "https://accounts.google.com"
LIFETIME_SECONDS = 3_600


class Issuer:
    """Mints tokens and serves the certificate that verifies them at `certs_url`, in the form of Google's own."""

    def __init__(self, port: int = 0) -> None:
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        self._signer: Any = crypt.RSASigner.from_string(pem, uuid.uuid4().hex)  # type: ignore[no-untyped-call]
        certificates = json.dumps({self._signer.key_id: _certificate(key)}).encode()

        class Certificates(Handler):
            def do_GET(self) -> None:
                if self.path == "/certs":
                    self.answer(certificates, "application/json")
                else:
                    self.answer_json({"error": "the certificates are at /certs"}, 404)

        self._server = Server(Certificates, port)
        self.certs_url = f"{self._server.url}/certs"

    def mint(self, audience: str, email: str) -> str:
        """A token as Google gives it to a service account for an audience."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "email": email,
            "email_verified": True,
            "azp": email,
            "sub": email,
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
        }
        token: bytes = jwt.encode(self._signer, claims)  # type: ignore[no-untyped-call]
        return token.decode()

    def stop(self) -> None:
        self._server.stop()


def _certificate(key: rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "penstock local issuer")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=365))
    )
    return built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
