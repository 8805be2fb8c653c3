"""Who calls: Google's OIDC bearer tokens, verified in code although IAM stands before the private endpoints."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from penstock.core.errors import Refused, Unavailable

GOOGLE_CERTS = "https://www.googleapis.com/oauth2/v1/certs"
GOOGLE_ISSUERS = frozenset({"https://accounts.google.com", "accounts.google.com"})
CERTS_LIVE_SECONDS = 3600.0
CERTS_REST_SECONDS = 30.0  # between two fetches for key ids that are not known
CLOCK_SKEW_SECONDS = 10
LONGEST_TOKEN = 8_192

_lock = threading.Lock()
_certs: dict[str, tuple[float, dict[str, Any]]] = {}


def verify(
    header_value: str | None,
    audience: str,
    accounts: frozenset[str],
    certs_url: str = GOOGLE_CERTS,
    issuers: frozenset[str] = GOOGLE_ISSUERS,
) -> str:
    """The account (an e-mail address of `accounts`) that an `Authorization` header's token was issued to. Signature,
    algorithm, issuer, audience, times, verified address and account all must be right; `Refused` says which was not.
    `Unavailable` when the issuer's keys cannot be fetched."""
    if not audience or not accounts:
        raise Refused("no audience or no account is set up for this endpoint", remedy="Set them; without, nobody may call.")
    email = address_of(header_value, audience, certs_url, issuers)
    if email not in accounts:
        raise _refused("the account may not call this endpoint")
    return email


def address_of(
    header_value: str | None,
    audience: str,
    certs_url: str = GOOGLE_CERTS,
    issuers: frozenset[str] = GOOGLE_ISSUERS,
) -> str:
    """The verified e-mail address that an `Authorization` header's token was issued to, whosever it is: what it may do is for
    the caller to ask. Raises as `verify`."""
    from google.auth import exceptions, jwt

    if not audience:  # the library would take a token for any
        raise Refused("no audience is set up for this endpoint", remedy="Set it; without, nobody may call.")
    scheme, _, token = (header_value or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _refused("there is no bearer token")
    if len(token) > LONGEST_TOKEN:
        raise _refused("the token is too long")
    try:
        header = jwt.decode_header(token)  # type: ignore[no-untyped-call]
        # The keys come from our address alone: `jku`, `x5u` and `jwk` in the header are never looked at.
        key = _key(certs_url, str(header.get("kid", "")))
        claims = jwt.decode(  # type: ignore[no-untyped-call]
            token, certs=key, audience=audience, clock_skew_in_seconds=CLOCK_SKEW_SECONDS
        )
    except (ValueError, KeyError, TypeError, AttributeError, exceptions.GoogleAuthError) as error:
        raise _refused(f"the token is not valid ({type(error).__name__})") from error
    issuer, email = claims.get("iss"), claims.get("email")
    if not isinstance(issuer, str) or issuer not in issuers:
        raise _refused("the token's issuer is another one")
    if claims.get("email_verified") is not True:
        raise _refused("the token's address is not verified")
    if not isinstance(email, str):
        raise _refused("the token names no address")
    return email


def _refused(what: str) -> Refused:
    return Refused(what, subject="call", remedy="Send an OIDC token that Google issued for this audience.")


def _key(url: str, key_id: str) -> dict[str, Any]:
    """The certificate of a key id, in the form google.auth takes."""
    with _lock:
        fetched, certs = _certs.get(url, (float("-inf"), {}))
        age = time.monotonic() - fetched
        if age > CERTS_LIVE_SECONDS or (key_id not in certs and age > CERTS_REST_SECONDS):
            certs = _fetch(url)
            _certs[url] = (time.monotonic(), certs)
    if key_id not in certs:
        raise _refused("the token's key is not one of the issuer's")
    return {key_id: certs[key_id]}


def _fetch(url: str) -> dict[str, Any]:
    from google.auth.exceptions import TransportError
    from google.auth.transport.requests import Request

    try:
        response = Request()(url, method="GET", timeout=10)
    except TransportError as error:
        raise Unavailable(f"could not be fetched: {error}", subject=url, remedy="Try again.") from error
    if response.status != 200:
        raise Unavailable(f"answered {response.status}", subject=url, remedy="Try again.")
    found: dict[str, Any] = json.loads(response.data)
    return found
