"""Callers of private endpoints: one right token passes, and everything beside it is refused with its reason."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt
from penstock.adapters import identity
from penstock.adapters.identity import verify
from penstock.core.errors import Refused, Unavailable
from penstock.local.identity import Issuer

AUDIENCE = "https://check-abc.a.run.app"
ACCOUNT = "invoker@demo-penstock.iam.gserviceaccount.com"
ACCOUNTS = frozenset({ACCOUNT, "scheduler@demo-penstock.iam.gserviceaccount.com"})
CERTS = "https://certs.example"


class Keys:
    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        form = serialization.PrivateFormat.TraditionalOpenSSL
        pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        self.public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.signer: Any = crypt.RSASigner.from_string(pem, key_id)  # type: ignore[no-untyped-call]

    def token(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        now = int(time.time())
        given = {
            "iss": "https://accounts.google.com",
            "aud": AUDIENCE,
            "email": ACCOUNT,
            "email_verified": True,
            "sub": "1",
            "iat": now,
            "exp": now + 3600,
        }
        kept = {name: value for name, value in {**given, **claims}.items() if value is not None}
        made: bytes = jwt.encode(self.signer, kept, header, (header or {}).get("kid"))  # type: ignore[no-untyped-call]
        return made.decode()


GOOGLE, STRANGER = Keys("google-1"), Keys("stranger")


@pytest.fixture(autouse=True)
def google(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Serves Google's keys in memory; gives the addresses that were asked."""
    asked: list[str] = []

    def fetch(url: str) -> dict[str, Any]:
        asked.append(url)
        return {GOOGLE.key_id: GOOGLE.public.decode()}

    monkeypatch.setattr(identity, "_certs", {})
    monkeypatch.setattr(identity, "_fetch", fetch)
    return asked


def check(token: str, **options: Any) -> str:
    return verify(f"Bearer {token}", AUDIENCE, ACCOUNTS, CERTS, **options)


def part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def unsigned(algorithm: str, secret: bytes = b"") -> str:
    """A right token's claims under another algorithm."""
    body = f"{part({'alg': algorithm, 'kid': GOOGLE.key_id, 'typ': 'JWT'})}.{GOOGLE.token().split('.')[1]}"
    signature = hmac.new(secret, body.encode(), hashlib.sha256).digest() if secret else b""
    return f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def test_a_right_token_gives_its_account() -> None:
    assert check(GOOGLE.token()) == ACCOUNT
    assert check(GOOGLE.token(iss="accounts.google.com")) == ACCOUNT


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (GOOGLE.token(aud="https://promote-abc.a.run.app"), "not valid"),
        (GOOGLE.token(aud=None), "not valid"),
        (GOOGLE.token(email="other@demo-penstock.iam.gserviceaccount.com"), "account may not call"),
        (GOOGLE.token(email=None), "names no address"),
        (GOOGLE.token(email=[ACCOUNT]), "names no address"),
        (GOOGLE.token(email_verified=False), "address is not verified"),
        (GOOGLE.token(email_verified=None), "address is not verified"),
        (GOOGLE.token(email_verified="true"), "address is not verified"),
        (GOOGLE.token(iss="https://elsewhere.example"), "issuer is another one"),
        (GOOGLE.token(iss=["https://accounts.google.com"]), "issuer is another one"),
        (GOOGLE.token(exp=int(time.time()) - 60, iat=int(time.time()) - 3660), "not valid"),
        (GOOGLE.token(iat=int(time.time()) + 600, exp=int(time.time()) + 1200), "not valid"),
        (GOOGLE.token(exp=None), "not valid"),
        (STRANGER.token(), "key is not one"),
        (STRANGER.token({"kid": GOOGLE.key_id}), "not valid"),
        (STRANGER.token({"kid": GOOGLE.key_id, "jku": "https://evil.example/k"}), "not valid"),
        (STRANGER.token({"kid": GOOGLE.key_id, "x5u": "https://evil.example/k"}), "not valid"),
        (STRANGER.token({"kid": GOOGLE.key_id, "jwk": {"kty": "RSA"}}), "not valid"),
        (unsigned("none"), "not valid"),
        (unsigned("HS256", GOOGLE.public), "not valid"),
        (GOOGLE.token()[:-4] + "AAAA", "not valid"),
        ("x", "not valid"),
        ("a.b.c", "not valid"),
        (".".join(["e30"] * 3), "not valid|key is not one"),
        ("[].[].[]", "not valid"),
        ("\u00e9.\u00e9.\u00e9", "not valid"),
        ("x" * 1_000_000, "too long"),
        ("", "no bearer token"),
    ],
)
def test_everything_beside_it_is_refused_with_its_reason(token: str, reason: str, google: list[str]) -> None:
    with pytest.raises(Refused, match=reason):
        check(token)
    assert set(google) <= {CERTS}


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic abc", f"Token {GOOGLE.token()}", GOOGLE.token()])
def test_another_header_is_no_token(header: str | None) -> None:
    with pytest.raises(Refused, match="no bearer token"):
        verify(header, AUDIENCE, ACCOUNTS, CERTS)


@pytest.mark.parametrize("aud", [AUDIENCE, ""])
def test_where_no_audience_is_set_up_no_token_gives_an_address(aud: str) -> None:
    with pytest.raises(Refused, match="no audience is set up"):
        identity.address_of(f"Bearer {GOOGLE.token(aud=aud)}", "", CERTS)


@pytest.mark.parametrize(("audience", "accounts"), [("", ACCOUNTS), (AUDIENCE, frozenset())])
def test_an_endpoint_that_is_not_set_up_lets_nobody_in(audience: str, accounts: frozenset[str]) -> None:
    with pytest.raises(Refused, match="set up"):
        verify(f"Bearer {GOOGLE.token(aud=audience)}", audience, accounts, CERTS)


def test_a_refusal_does_not_repeat_the_token() -> None:
    token = GOOGLE.token(aud="x")
    with pytest.raises(Refused) as caught:
        check(token)
    assert not any(piece in str(caught.value) for piece in token.split("."))


def test_keys_are_fetched_once_and_not_for_each_unknown_key(google: list[str]) -> None:
    for _ in range(5):
        check(GOOGLE.token())
        with pytest.raises(Refused):
            check(STRANGER.token())
    assert google == [CERTS]


def test_a_new_key_of_the_issuer_is_found_after_a_rest(google: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    check(GOOGLE.token())
    monkeypatch.setattr(identity, "CERTS_REST_SECONDS", -1.0)
    monkeypatch.setattr(identity, "_fetch", lambda url: {STRANGER.key_id: STRANGER.public.decode()})
    assert check(STRANGER.token()) == ACCOUNT


def test_a_local_issuer_serves_its_keys_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    issuer = Issuer()
    try:
        header = f"Bearer {issuer.mint(AUDIENCE, ACCOUNT)}"
        assert verify(header, AUDIENCE, ACCOUNTS, issuer.certs_url) == ACCOUNT
        with pytest.raises(Refused, match="issuer is another one"):
            verify(header, AUDIENCE, ACCOUNTS, issuer.certs_url, frozenset({"https://elsewhere.example"}))
    finally:
        issuer.stop()
    with pytest.raises(Unavailable, match="could not be fetched"):
        verify(header, AUDIENCE, ACCOUNTS, issuer.certs_url.replace("/certs", "/other"))
