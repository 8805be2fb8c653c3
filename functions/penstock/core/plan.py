"""A batch and its packs as records: what a run proposes, what people said of it, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from penstock.core.batch import Status
from penstock.core.certificate import Certificate
from penstock.core.changes import Change, ChangeStatus, Finding
from penstock.core.cost import Cost, Prices
from penstock.core.lineage import Lineage
from penstock.core.values import Timestamp

Kind = Literal["sync", "followup", "rollback", "hold"]  # a hold has no changes: brakes stopped a run, and it is decided upon
Verdict = Literal["approve", "reject"]
DEPENDENTS = "dependents"  # the rule that a choice answers


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the records read for one entity, and of those that its source no longer has. It closes:
    read + gone = created + updated + deleted + unchanged + declined + held + merged + sum(skipped)."""

    read: int = 0  # source records that were looked at
    gone: int = 0  # records known before that nothing in the source feeds any more
    created: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0  # production agrees already
    declined: int = 0  # a person said no to this content before
    held: int = 0  # could not be proposed; a finding tells why
    merged: int = 0  # further records of a key that is counted once above
    skipped: Mapping[str, int] = field(default_factory=dict)  # by reason

    @property
    def closes(self) -> bool:
        parts = self.created + self.updated + self.deleted + self.unchanged + self.declined + self.held + self.merged
        return self.read + self.gone == parts + sum(self.skipped.values())


@dataclass(frozen=True, slots=True)
class Decision:
    """What one person said. `groups` speaks for labels (`rule:moved`, `mass:ponNumber`, `entity:drops`, `action:CREATE`,
    `group:LAW.P.A001`), `changes` for single keys; the most particular word counts. `choices` says by key what becomes of what
    hangs below a unit that goes: `cascade`, or `reassign:` and the document id that it moves to. Bound to the digest that was
    shown."""

    by: str
    at: Timestamp
    digest: str
    verdict: Verdict
    groups: Mapping[str, Verdict] = field(default_factory=dict)
    changes: Mapping[str, Verdict] = field(default_factory=dict)
    note: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    id: str
    pipeline: str
    target: str
    kind: Kind
    status: Status
    read_time: Timestamp  # the moment at which the source was read
    created_at: Timestamp
    started_by: str  # an address, or `schedule`
    packs: int = 0
    tallies: Mapping[str, Tally] = field(default_factory=dict)  # by entity
    counts: Mapping[str, int] = field(default_factory=dict)  # `drops CREATE` → how many changes
    pack_digests: tuple[str, ...] = ()  # of each pack's changes and findings, in order; `digest` is over them
    digest: str = ""  # what the approvers see and decide on: every pack and every finding
    findings: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # rule → severity → how many records carry it
    batch_findings: tuple[Finding, ...] = ()  # those about the batch: mass changes, brakes
    folded: tuple[str, ...] = ()  # fields whose single findings are told by a mass change
    decisions: tuple[Decision, ...] = ()
    approvals: int = 1  # how many different people must approve
    harmless: tuple[str, ...] = ()  # the classes that all of it falls into, where nobody is asked about these
    approved: int = 0  # changes
    rejected: int = 0
    applied: int = 0
    drifted: int = 0
    verified: int = 0  # read back after promotion and found equal
    mismatched: int = 0
    edited_since: int = 0  # read back and found edited after the promotion
    production_before: Mapping[str, int] = field(default_factory=dict)  # collection → documents at read_time
    production_after: Mapping[str, int] = field(default_factory=dict)
    opened_at: Timestamp | None = None
    decided_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    expires_at: Timestamp | None = None
    supersedes: str = ""
    superseded_by: str = ""
    rolls_back: str = ""
    part: bool = False  # a rollback of some of the changes: the batch that it rolls back stands
    follows: str = ""  # a follow-up's origin
    reports: Mapping[str, str] = field(default_factory=dict)  # `pre-sync.html` → where a person finds it
    costs: Mapping[str, Cost] = field(default_factory=dict)  # by phase, as metered
    foreseen: Mapping[str, Cost] = field(default_factory=dict)  # by phase, before it began
    prices: Prices = Prices()  # noqa: RUF009 - a constant; those in force when it was staged
    certificates: tuple[Certificate, ...] = ()  # of each source that was read
    notes: tuple[str, ...] = ()  # certificates, brakes: one plain sentence each
    error: str = ""  # why FAILED, and what to do

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Row:
    """One change with all that is known of it: what pages and reports show."""

    change: Change
    findings: tuple[Finding, ...] = ()
    status: ChangeStatus = ChangeStatus.PENDING
    note: str = ""
    lineage: Lineage | None = None  # of a unit of a tree


@dataclass(frozen=True, slots=True)
class Review:
    """What the review page shows. `rows` are the page's own, `blockers` all of the batch's changes that carry a
    blocker (they need a word each, or one for their rule), at most `blockers_shown`."""

    batch: Batch
    title: str
    rows: tuple[Row, ...]
    page: int
    pages: int
    blockers: tuple[Row, ...]
    blockers_total: int
    recipient: str
    open: bool  # a decision can be taken now by this person
    why_closed: str = ""  # otherwise: why, and what to do
    link_to: str = ""  # where to go instead, for example the batch that superseded this one
    form: Mapping[str, Any] = field(default_factory=dict)  # what was typed, when a POST was refused
    error: str = ""  # why a POST was refused
    nonce: str = ""
