"""The token keys as one line of text: `k2:64 hex digits,k1:64 hex digits@2026-12-04T00:00:00Z`. The first signs, all verify; what
stands behind @ is when an old key is retired, and the links signed with it die."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from penstock.core.errors import InvalidInput
from penstock.core.values import Timestamp

DIFFERENT = 16  # bytes of a key: of 32 random ones fewer than 16 differ once in 10^12 keys; of what people make up, mostly
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,19}")
_MAKE = "Make one with `openssl rand -hex 32`."


@dataclass(frozen=True, slots=True)
class Keyring:
    """`keys` in their order; `until` holds only those that are to be retired."""

    keys: Mapping[str, bytes] = field(default_factory=dict)
    until: Mapping[str, Timestamp] = field(default_factory=dict)

    def __str__(self) -> str:
        return ",".join(f"{id}:{key.hex()}" + (f"@{self.until[id]}" if id in self.until else "") for id, key in self.keys.items())


def parse(text: str) -> Keyring:
    """`InvalidInput` for a key that is weak or no number, an id that is none or there twice, and where no key signs. No key at
    all is an empty ring. What was given is never repeated in the error."""
    keys: dict[str, bytes] = {}
    until: dict[str, Timestamp] = {}
    for part in (part.strip() for part in text.split(",") if part.strip()):
        id, _, rest = part.partition(":")
        digits, at, moment = rest.partition("@")
        if not _ID.fullmatch(id):
            raise _wrong("a key has no id of small letters and digits", "Write each key as id:64 hex digits, commas between.")
        if id in keys:
            raise _wrong(f"there are two keys `{id}`", "Give each key an id of its own.")
        try:
            keys[id] = bytes.fromhex(digits)
        except ValueError:
            raise _wrong(f"key `{id}` is no hexadecimal number", _MAKE) from None
        if len(keys[id]) < 32 or len(set(keys[id])) < DIFFERENT:
            raise _wrong(f"key `{id}` is weak: 32 random bytes are needed, as 64 hex digits", _MAKE)
        if at:
            try:
                until[id] = Timestamp.parse(moment)
            except ValueError:
                raise _wrong(f"key `{id}` is to be retired at no moment", "Write it as 2026-12-04T00:00:00Z.") from None
    if keys and next(iter(keys)) in until:
        raise _wrong("the first key signs, and is to be retired", "Put a new key before it: `penstock keys rotate`.")
    return Keyring(keys, until)


def rotate(ring: Keyring, key: bytes, now: Timestamp, grace_seconds: float) -> Keyring:
    """A new key in front. Those there were verify for the time of grace, or as long as they had; the retired are gone."""
    kept = {id: old for id, old in ring.keys.items() if id not in ring.until or ring.until[id] > now}
    numbers = [int(id[1:]) for id in ring.keys if re.fullmatch(r"k\d{1,9}", id)]
    until = {id: ring.until.get(id, now.plus(grace_seconds)) for id in kept}
    return Keyring({f"k{max(numbers, default=0) + 1}": key, **kept}, until)


def _wrong(what: str, remedy: str) -> InvalidInput:
    return InvalidInput(what, subject="PENSTOCK_KEYS", remedy=remedy)
