"""What moves a batch on: `penstock decide`, `promote`, `retry`, `rollback`, `readback`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.cli.answers.common import Counts, Steps
from penstock.core.values import Value


@dataclass(frozen=True, slots=True)
class Decided:
    """`penstock decide`. `missing` is how many more people must approve."""

    batch: str
    status: str
    verdict: str
    digest: str
    by: str
    approved: int
    rejected: int
    applied: int
    drifted: int
    missing: int
    failures: tuple[str, ...]
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class Moved:
    """`penstock promote`, `retry` and `rollback`: `batch` is the one moved on, or proposed; `done` says what was done."""

    batch: str
    status: str
    done: str
    applied: int
    drifted: int
    failures: tuple[str, ...]
    cause: str  # why it FAILED, or what the read-back found
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class PreviewField:
    """A promoted field as it is `now`, was `promoted`, stood `before`, and `would_be`; null is absence. `edited`: it is not what
    was promoted any more; `restored`: it would go back to `before`."""

    field: str  # dotted
    now: Value
    promoted: Value
    before: Value
    would_be: Value
    edited: bool
    restored: bool


@dataclass(frozen=True, slots=True)
class PreviewRecord:
    """`action` is CREATE, UPDATE, DELETE, or NONE with `why`. `later` says who wrote to it after the promotion, and when, as far
    as it is known, "" where nobody did; `others` are fields that only they wrote. Of a unit that went: how many documents that it
    left behind `returns` with it, by kind, and which `stays`, and why."""

    key: str
    path: str
    action: str
    why: str
    later: str
    fields: tuple[PreviewField, ...]
    others: tuple[str, ...]
    returns: Mapping[str, int]
    stays: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RollbackPreview:
    """`penstock rollback --preview`: read and not proposed. `would` counts records by action, `edited` those written to since,
    which lead. Exit code 1 where there are such."""

    batch: str
    would: Counts
    edited: int
    records: tuple[PreviewRecord, ...]
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class ReadBack:
    """`penstock readback`; exit code 1 where records differ. `edited`: somebody wrote them since."""

    batch: str
    verified: int
    edited: int
    mismatched: tuple[str, ...]  # change keys
    next_steps: Steps
