"""How targets stand, and what is done on one: `penstock status`, `sweep`, `pause`, `resume`, `declined`, `forget`."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.cli.answers.batches import BatchLine
from penstock.cli.answers.common import Steps
from penstock.core.values import Value


@dataclass(frozen=True, slots=True)
class SweptTarget:
    target: str
    done: tuple[str, ...]
    owed_failing: int


@dataclass(frozen=True, slots=True)
class Swept:
    """`penstock sweep`; exit code 1 where something is owed still and its last try failed."""

    targets: tuple[SweptTarget, ...]
    hubs: tuple[str, ...]  # what was done, or could not be, with what targets have in common
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class OwedLine:
    fact: str
    kind: str
    batch: str
    attempts: int
    due: str
    error: str


@dataclass(frozen=True, slots=True)
class SourceLine:
    source: str
    watermark: Value  # the highest change stamp that is durably staged
    in_window: int  # documents in the overlap window behind it


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """`leased_until` is "" while nothing runs. `packs_left` of the open or applying batch are still to be dealt with. `held` says
    why brakes hold its runs and what there is to do, "" where none does; `frozen_until` when a freeze ends that holds now."""

    target: str
    pipeline: str
    paused: bool
    leased_until: str
    leased_by: str
    open: BatchLine | None
    applying: BatchLine | None
    packs_left: int
    failed: tuple[BatchLine, ...]
    sources: tuple[SourceLine, ...]
    last_run_at: str
    last_run_mode: str
    last_run_batch: str
    rechecks: int  # batches of which something is to be planned again
    declined: int  # records that differ from their source because a person decided so; `penstock declined` lists them
    owed: int
    owed_failing: tuple[OwedLine, ...]
    held: str = ""
    frozen_until: str = ""


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """`penstock status`; exit code 1 where a batch FAILED, something owed cannot be paid, or a brake holds a target."""

    targets: tuple[TargetStatus, ...]
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class Paused:
    """`penstock pause` and `penstock resume`. `changed` is false where it was so already."""

    target: str
    paused: bool
    changed: bool
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class DeclinedRecord:
    """`fields` are dotted, "" for the whole record; `batch` is the one in which that was decided last."""

    key: str
    fields: tuple[str, ...]
    batch: str
    since: str


@dataclass(frozen=True, slots=True)
class DeclinedList:
    """`penstock declined`: what production does not say although its source does, for a person rejected it or took it back."""

    target: str
    records: tuple[DeclinedRecord, ...]
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class Forgotten:
    """`penstock forget`. Of `seen` the next run proposes again what its source has; of `unseen` only a full run does."""

    target: str
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    next_steps: Steps
