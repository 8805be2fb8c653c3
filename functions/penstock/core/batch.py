"""The life of a batch, as one table. ARCHITECTURE.md draws it, and a test holds the drawing to it."""

from __future__ import annotations

from enum import StrEnum

from penstock.core.errors import Refused


class Status(StrEnum):
    CREATED = "CREATED"
    STAGED = "STAGED"
    CHECKING = "CHECKING"
    UNDER_REVIEW = "UNDER_REVIEW"
    APPROVED = "APPROVED"
    APPLYING = "APPLYING"
    APPLIED = "APPLIED"
    PARTIALLY_APPLIED = "PARTIALLY_APPLIED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    SUPERSEDED = "SUPERSEDED"
    FAILED = "FAILED"
    ROLLED_BACK = "ROLLED_BACK"


S = Status
_REPLACEABLE = {S.SUPERSEDED, S.EXPIRED, S.FAILED}

MOVES: dict[Status, frozenset[Status]] = {
    S.CREATED: frozenset({S.STAGED, S.SUPERSEDED, S.FAILED}),
    S.STAGED: frozenset({S.CHECKING, S.UNDER_REVIEW, *_REPLACEABLE}),
    S.CHECKING: frozenset({S.UNDER_REVIEW, *_REPLACEABLE}),
    S.UNDER_REVIEW: frozenset({S.APPROVED, S.REJECTED, *_REPLACEABLE}),
    S.APPROVED: frozenset({S.APPLYING, S.APPLIED, S.PARTIALLY_APPLIED, S.FAILED}),
    S.APPLYING: frozenset({S.APPLIED, S.PARTIALLY_APPLIED, S.FAILED}),
    S.FAILED: frozenset({S.CHECKING, S.APPLYING, S.SUPERSEDED, S.PARTIALLY_APPLIED}),  # the last: given up half-way
    S.APPLIED: frozenset({S.ROLLED_BACK}),
    S.PARTIALLY_APPLIED: frozenset({S.ROLLED_BACK}),
    S.REJECTED: frozenset(),
    S.EXPIRED: frozenset(),
    S.SUPERSEDED: frozenset(),
    S.ROLLED_BACK: frozenset({S.APPLIED}),  # the rollback itself was rolled back
}

OPEN = frozenset({S.CREATED, S.STAGED, S.CHECKING, S.UNDER_REVIEW})
DECIDED = frozenset({S.APPROVED, S.APPLYING})


def move(batch: str, now: Status, then: Status) -> Status:
    """The new status; `Refused` where the table has no such move."""
    if then not in MOVES[now]:
        legal = ", ".join(sorted(MOVES[now])) or "nothing: this is its end"
        raise Refused(f"is {now} and cannot become {then}", subject=batch, remedy=f"From here it can become {legal}.")
    return then
