"""The audit chain: one entry per transition, each holding the hash of the one before."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from penstock.core.layout import kind_of
from penstock.core.values import Data, Timestamp, dumps

GENESIS = "0" * 64
_ENDS = frozenset({"APPLIED", "PARTIALLY_APPLIED", "REJECTED"})


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry known: its number (0: none yet) and its hash. A hint: the chain may have grown since."""

    sequence: int = 0
    hash: str = GENESIS


def entry(head: Head, *, target: str, batch: str, what: str, who: str, at: Timestamp, detail: Data) -> Data:
    """The entry that follows `head`. `what` is the transition (`UNDER_REVIEW → APPROVED`); `detail` holds digests and counts."""
    body: Data = {
        "sequence": head.sequence + 1,
        "previous": head.hash,
        "target": target,
        "batch": batch,
        "what": what,
        "who": who,
        "at": at,
        "detail": detail,
    }
    return body | {"hash": digest(body)}


def digest(body: Data) -> str:
    """SHA-256 of an entry's canonical text, its own hash left out."""
    return hashlib.sha256(dumps({k: v for k, v in body.items() if k != "hash"}).encode()).hexdigest()


def anchor(target: str, head: Head) -> bytes:
    """What is written where entries cannot be: how the chain of a target, or of a hub, stood. Equal heads give equal bytes."""
    return dumps({"target": target, "sequence": head.sequence, "hash": head.hash}).encode()


def must_be_anchored(written: Data) -> bool:
    """Whether this entry ends a batch of changes that was decided: then it has an anchor of its own."""
    start, _, end = str(written["what"]).partition(" → ")
    return end in _ENDS and start != "ROLLED_BACK" and kind_of(written["batch"]) != "hold"


def head_of(written: Data) -> Head:
    return Head(written["sequence"], written["hash"])
