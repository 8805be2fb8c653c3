"""A change and what is said about it. A change never changes: findings, verdicts and what came of it lie beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from penstock.core.values import Data, FieldPath, Timestamp, Value

Severity = Literal["blocker", "warning", "notice"]
SEVERITIES: tuple[Severity, ...] = ("blocker", "warning", "notice")


class Action(StrEnum):
    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


class ChangeStatus(StrEnum):
    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    APPLIED = "APPLIED"
    DRIFTED = "DRIFTED"
    SUPERSEDED = "SUPERSEDED"
    ROLLED_BACK = "ROLLED_BACK"


class FieldDiff(NamedTuple):
    """One field, before and after; None is absence. `passive` fields ride along with a change."""

    path: FieldPath
    before: Value
    after: Value
    passive: bool = False


class Change(NamedTuple):
    """What would be written to one production document.

    `key` is `entity/business key` and unique in a batch, but for rivals: two groups of the source that claim one record;
    the later ones carry `#2`, `#3` behind it. `before` is the whole document as planned against, with its `update_time` in
    `planned_against` (both None: absent). `after` holds the whole new document of a CREATE, and of an UPDATE the
    changed fields alone: one that `diff` names and `after` lacks is removed. `facts` is what the projection saw; keys are listed
    in `projection.Facts`. A tuple, for a run makes them by the ten thousand, and each several times."""

    key: str
    entity: str
    group: str
    path: str
    action: Action
    before: Data | None
    planned_against: Timestamp | None
    after: Data | None
    diff: Sequence[FieldDiff]
    fingerprint: str  # of the allowed, normalised source fields
    facts: Mapping[str, Any] = {}

    @property
    def mask(self) -> tuple[FieldPath, ...]:
        return tuple(d.path for d in self.diff)


@dataclass(frozen=True, slots=True)
class Finding:
    """`key` names the change, or is "" for a finding about the batch. `text` holds both values in plain words, `remedy` what to
    do. `field` where one field is at issue (dotted). `table` is the old → new count table of a mass change:
    ((old, new, how many), …)."""

    rule: str
    severity: Severity
    key: str
    group: str
    text: str
    remedy: str
    field: str = ""
    table: tuple[tuple[str, str, int], ...] = ()
