"""`penstock export` and `penstock verify`."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.cli.answers.common import Steps


@dataclass(frozen=True, slots=True)
class ExportedTo:
    """`penstock export`; exit code 1 where `lacking` names approved batches of which something is kept no more."""

    target: str
    folder: str
    at: str  # all of it stands as of this moment
    entries: int  # of the audit chain
    anchors: int
    hub_entries: int  # of the audit chain of the hub that declares the target
    batches: int  # approved ones
    documents: int  # of production
    lacking: tuple[str, ...]
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class ApprovalLine:
    """A batch that was approved. `entry` is the number of the audit entry that says so; `values` of it are live."""

    batch: str
    approved_by: tuple[str, ...]
    approved_at: str
    entry: int
    values: int


@dataclass(frozen=True, slots=True)
class EditLine:
    """A value that Penstock wrote last, in `batch`, and somebody else changed since. `field` is "" for the whole document."""

    path: str
    field: str  # dotted
    batch: str
    what: str


@dataclass(frozen=True, slots=True)
class FaultLine:
    """Something that cannot be so. `place` is `audit` or `hub`, or the batch, document or file that it is about. `first` to
    `last` are positions in that audit chain, or lines of the file, counted from 1; 0 where there is none."""

    place: str
    first: int
    last: int
    what: str


@dataclass(frozen=True, slots=True)
class StepLine:
    """What somebody did with the target itself: paused it, or, in the chain of the hub, declared it or opened a stage."""

    chain: str  # the target, or the hub
    entry: int
    at: str
    by: str
    what: str


@dataclass(frozen=True, slots=True)
class Verified:
    """`penstock verify`; exit code 1 unless it `holds`: nothing was edited since, and nothing is at fault. Values are mapped
    fields of live documents."""

    target: str
    at: str
    holds: bool
    entries: int
    not_anchored: int  # entries at the end of the chain that no anchor vouches for yet
    hub: str  # that declares the target; "" where a pipeline's file does
    hub_entries: int
    hub_not_anchored: int
    steps: tuple[StepLine, ...]  # by chain, in order
    documents: int
    approved: int  # live values that were approved, by batch in `batches`
    untouched: int  # live values that Penstock never wrote
    unproved: int  # live values in documents stamped by a batch that has a fault
    batches: tuple[ApprovalLine, ...]
    edited: tuple[EditLine, ...]
    faults: tuple[FaultLine, ...]
    next_steps: Steps
