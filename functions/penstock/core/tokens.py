"""Approval links. A token is an HMAC over what it is bound to, so that a mail can be sent again without the token ever being
stored: the database holds its hash alone. The code that goes beside the link is another HMAC over the same."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, fields

from penstock.core.errors import InvalidInput
from penstock.core.values import Data, Timestamp

_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # none that look alike
CODE_LENGTH = 6  # 30 bits, and five tries
MAX_TRIES = 5
DECIDE = "decide"  # what a link of a review is good for
MAX_TOKEN = 200  # characters; anything longer is not looked at


@dataclass(frozen=True, slots=True)
class Grant:
    """What a link is bound to. `serial` counts the mails to one person about one batch: a new one after a lock. Fields are
    named as in the stored link."""

    target: str
    batch: str
    digest: str
    recipient: str
    purpose: str
    serial: int
    expires_at: Timestamp


def stored(grant: Grant) -> Data:
    """What the database holds of what a link is bound to."""
    return {field.name: getattr(grant, field.name) for field in fields(Grant)}


def grant_of(held: Data) -> Grant:
    """The other way round."""
    return Grant(**{field.name: held[field.name] for field in fields(Grant)})


def _mac(keys: Mapping[str, bytes], key_id: str, purpose: str, grant: Grant) -> bytes:
    key = keys.get(key_id)
    if key is None:
        raise InvalidInput(
            "was made with a key that is not among the token keys any more",
            subject=f"the link of {grant.recipient} to {grant.batch}",
            remedy=f"Put the key `{key_id}` back behind the new one until such links have expired.",
        )
    if len(key) < 32:
        raise InvalidInput("is shorter than 32 bytes", subject="token key", remedy="Make one with `openssl rand -hex 32`.")
    parts = [purpose, *(str(getattr(grant, field.name)) for field in fields(Grant))]
    message = b"".join(len(p.encode()).to_bytes(4) + p.encode() for p in parts)
    return hmac.new(key, message, hashlib.sha256).digest()


def token(keys: Mapping[str, bytes], key_id: str, grant: Grant) -> str:
    """`keyid.mac`, 43 characters of URL-safe base64 behind the dot."""
    return f"{key_id}.{base64.urlsafe_b64encode(_mac(keys, key_id, 'link', grant)).decode().rstrip('=')}"


def is_made_for(keys: Mapping[str, bytes], key_id: str, grant: Grant, given: str) -> bool:
    """Whether this is the token of a grant; compared in constant time."""
    return key_id in keys and hmac.compare_digest(token(keys, key_id, grant).encode(), given.encode())


def code(keys: Mapping[str, bytes], key_id: str, grant: Grant) -> str:
    """Six letters and digits that a person copies from the mail."""
    number = int.from_bytes(_mac(keys, key_id, "code", grant)[:8])
    return "".join(_LETTERS[number >> 5 * i & 31] for i in range(CODE_LENGTH))


def hash_of(token: str) -> str:
    """What the database holds of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def same_code(typed: str, right: str) -> bool:
    """Compared in constant time; case, blanks and dashes in what was typed do not matter."""
    return hmac.compare_digest(_plain(typed).encode(), right.encode())


def could_be_code(typed: str) -> bool:
    """Whether it has the form of a code at all. What has not is no guess: a mail scanner that fills in forms locks no link."""
    return len(_plain(typed)) == CODE_LENGTH and set(_LETTERS).issuperset(_plain(typed))


def is_nonce(given: str, key: bytes, session: str, token: str) -> bool:
    """Whether this is the nonce of a session and a link; compared in constant time."""
    return hmac.compare_digest(given.encode(), nonce(key, session, token).encode())


def _plain(typed: str) -> str:
    return typed.upper().replace(" ", "").replace("-", "")


def nonce(key: bytes, session: str, token: str) -> str:
    """Binds a form to the cookie of the browser that asked for it and to its link."""
    return hmac.new(key, f"nonce\0{session}\0{token}".encode(), hashlib.sha256).hexdigest()
