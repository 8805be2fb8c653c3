"""`penstock batches` and `penstock show`, and what other answers tell of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from penstock.cli.answers.common import Counts, Steps
from penstock.core.values import Value


@dataclass(frozen=True, slots=True)
class EntityTally:
    """read + gone = created + updated + deleted + unchanged + declined + held + merged + the sum of skipped."""

    entity: str
    read: int
    gone: int  # known before, and nothing in the source feeds them any more
    created: int
    updated: int
    deleted: int
    unchanged: int
    declined: int
    held: int
    merged: int
    skipped: Counts  # by reason


@dataclass(frozen=True, slots=True)
class BatchLine:
    batch: str
    target: str
    kind: str  # sync, followup, rollback, hold
    status: str
    created_at: str
    started_by: str
    finished_at: str
    changes: int
    findings: Counts  # by severity
    approved: int
    rejected: int
    applied: int
    drifted: int
    error: str  # why it FAILED


@dataclass(frozen=True, slots=True)
class Batches:
    """`penstock batches`, newest first."""

    batches: tuple[BatchLine, ...]
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class FieldChange:
    field: str  # dotted
    before: Value
    after: Value


@dataclass(frozen=True, slots=True)
class FindingLine:
    """`key` is "" for a finding about the whole batch. `table` is old → new → how many, of a mass change."""

    rule: str
    severity: str  # blocker, warning, notice
    key: str
    field: str
    text: str
    remedy: str
    table: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class ChangeLine:
    key: str
    entity: str
    group: str
    path: str
    action: str  # CREATE, UPDATE, DELETE
    status: str
    diff: tuple[FieldChange, ...]
    findings: tuple[FindingLine, ...]
    note: str  # what came of it, beside itself


@dataclass(frozen=True, slots=True)
class DecisionLine:
    by: str
    at: str
    verdict: str
    groups: Mapping[str, str]  # `rule:moved`, `mass:ponNumber` → approve, reject
    changes: Mapping[str, str]  # change key → approve, reject
    note: str
    choices: Mapping[str, str]  # change key → `cascade`, `reassign:ID`


@dataclass(frozen=True, slots=True)
class PhaseLine:
    """What a phase of a batch costs: billed operations, and messages. Null: it was not foreseen, or is not metered yet."""

    phase: str  # capture, check, review, decide, promote, report
    foreseen: Counts | None  # reads, writes, deletes, messages
    metered: Counts | None


@dataclass(frozen=True, slots=True)
class Shown:
    """`penstock show`. `changes` are those of the page (or the one asked for by `--change`), `findings` count by rule and
    severity, `digest` is what a decision is bound to."""

    batch: BatchLine
    digest: str
    read_time: str
    expires_at: str
    counts: Counts  # `drops CREATE` → how many
    tallies: tuple[EntityTally, ...]
    findings: Mapping[str, Counts]
    batch_findings: tuple[FindingLine, ...]
    approvals: int  # how many different people must approve
    decisions: tuple[DecisionLine, ...]
    verified: int
    mismatched: int
    edited_since: int
    supersedes: str
    superseded_by: str
    rolls_back: str
    follows: str
    reports: Mapping[str, str]  # `pre-sync.html` → where it is
    notes: tuple[str, ...]
    page: int
    pages: int  # 0: unknown, and there are more
    changes: tuple[ChangeLine, ...]
    next_steps: Steps
    bill: tuple[PhaseLine, ...] = ()
    usd: Mapping[str, float] = field(default_factory=dict)  # `foreseen` and `metered` until now
