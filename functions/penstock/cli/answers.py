"""What each command answers with `--json`: one JSON object on stdout, with exactly the fields of one of these classes.

Moments are RFC 3339 in UTC, "" where there is none. Values of documents are in the exact text form of `core.values`: what JSON
lacks is an object with one key, such as `{"$time": "2026-01-31T02:00:00Z"}`. Every answer has `next_steps`: the commands that
make sense now, ready to be run. Fields are added in time; none is taken away or given another meaning.

Exit codes: 0 done; 1 something was found or refused; 2 the command was wrong; 3 it failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from penstock.core.values import Value

Steps: TypeAlias = tuple[str, ...]
Counts: TypeAlias = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Error:
    """`kind` is the class of the error: InvalidInput, Refused, NotFound, Conflict, OutcomeUnknown, Unavailable, …"""

    kind: str
    what: str
    subject: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Any command that was refused or failed; no other answer has `error` at its top."""

    error: Error
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class Mistake:
    """`place` is dotted; `text` says what is wrong and what to do. `line` is 0 where the file as a whole is meant."""

    line: int
    place: str
    text: str


@dataclass(frozen=True, slots=True)
class CheckedFile:
    file: str
    pipeline: str  # "" where the file holds mistakes
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """`penstock pipelines check`; exit code 1 where a file holds mistakes."""

    files: tuple[CheckedFile, ...]
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class PipelineLine:
    name: str
    title: str
    schedule: str  # cron, five fields
    time_zone: str
    sources: tuple[str, ...]
    entities: tuple[str, ...]
    targets: tuple[str, ...]  # target ids
    rules: tuple[str, ...]
    approvers: str  # the name that settings turn into addresses
    approvals: int


@dataclass(frozen=True, slots=True)
class Pipelines:
    """`penstock pipelines list`"""

    pipelines: tuple[PipelineLine, ...]
    next_steps: Steps


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
class TargetRun:
    """`batch` is "" where there was nothing to propose; `status` is that of the batch when the command ended."""

    target: str
    mode: str  # changes, reconcile, full
    read_time: str
    batch: str
    status: str
    superseded: str  # the open batch that this one replaced
    open: str  # the batch that is open on the target now, this one or one from before
    tallies: tuple[EntityTally, ...]
    notes: tuple[str, ...]
    failures: tuple[str, ...]  # effects that are owed and could not be paid; the sweep tries again
    error: Error | None  # why this target was not run
    held: str = ""  # why brakes stopped the run, and what there is to do: nothing was read then; `batch` asks about it, if new


@dataclass(frozen=True, slots=True)
class NotRun:
    """`why` in a word: paused, disabled, waits (its stage is not open), running, promoting, broken, no release (its partition has
    no sound one yet); `text` says it plainly."""

    target: str
    why: str
    text: str


@dataclass(frozen=True, slots=True)
class Ran:
    """`penstock run`; exit code 1 where a target refused, is held by a brake or is declared wrongly, where a release of the
    source is quarantined or could not be read (`troubles`), and where none was run; 3 where one failed. `at_rest` counts targets
    that have nothing new."""

    runs: tuple[TargetRun, ...]
    next_steps: Steps
    not_run: tuple[NotRun, ...] = ()
    at_rest: int = 0
    troubles: tuple[str, ...] = ()


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
class ReadBack:
    """`penstock readback`; exit code 1 where records differ. `edited`: somebody wrote them since."""

    batch: str
    verified: int
    edited: int
    mismatched: tuple[str, ...]  # change keys
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
class DeclaredTarget:
    """`approvers` are its own, or those of the pipeline's gate where it has none (`central`). It `waits` for a stage that is not
    open. `broken` says what is wrong with its document, "" where nothing is; then the rest is empty. `changed_by` is "" for a
    target that the pipeline's file names."""

    target: str
    project: str
    database: str
    prefix: str
    partitions: tuple[str, ...]
    approvers: tuple[str, ...]
    central: bool
    approvals: int
    stage: str
    waits: bool
    active: bool
    enabled: bool
    overrides: Mapping[str, Value]
    changed_by: str
    changed_at: str
    broken: str = ""


@dataclass(frozen=True, slots=True)
class DeclaredTargets:
    """`penstock targets list`, `add`, `set` and `remove` (the target as it was); exit code 1 where one is broken."""

    targets: tuple[DeclaredTarget, ...]
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class RunLine:
    """A schedule's run over the targets of a hub. `counts` are targets by what it had for them; `lines` tell of those that it
    left alone, and why."""

    run: str
    at: str
    by: str
    mode: str
    counts: Counts
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunOfTarget:
    """`outcome`: proposed, nothing, held, failed."""

    target: str
    at: str
    outcome: str
    batch: str
    text: str


@dataclass(frozen=True, slots=True)
class TargetRuns:
    """`penstock targets runs`, newest first; of one run with its `targets`. Exit code 1 where one of those failed."""

    runs: tuple[RunLine, ...]
    targets: tuple[RunOfTarget, ...]
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class StageLine:
    """`stage` is "" for targets that have none, and run always."""

    stage: str
    open: bool
    targets: int


@dataclass(frozen=True, slots=True)
class Stages:
    """`penstock targets rollout`"""

    pipeline: str
    stages: tuple[StageLine, ...]
    changed_by: str
    changed_at: str
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class Paused:
    """`penstock pause` and `penstock resume`. `changed` is false where it was so already."""

    target: str
    paused: bool
    changed: bool
    next_steps: Steps


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


@dataclass(frozen=True, slots=True)
class ServiceLine:
    name: str
    address: str
    healthy: bool
    log: str


@dataclass(frozen=True, slots=True)
class LocalStack:
    """`penstock local up`, `down` and `status`; exit code 1 where a part is down."""

    folder: str
    running: bool
    services: tuple[ServiceLine, ...]
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class Token:
    """`penstock local token`"""

    token: str
    address: str  # of the review service, which takes it for an hour
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class Loaded:
    """`penstock local load`"""

    file: str
    project: str  # the project id
    database: str
    collection: str
    documents: int
    seconds: float
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class Log:
    name: str
    file: str
    lines: tuple[str, ...]  # the last ones


@dataclass(frozen=True, slots=True)
class Logs:
    """`penstock local logs`"""

    logs: tuple[Log, ...]
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class Keys:
    """`penstock keys make`, `rotate`"""

    keys: str  # all of them, as PENSTOCK_KEYS takes them
    signs: str  # the id of the new one
    until: Mapping[str, str]  # when each older one is retired
    left_out: tuple[str, ...]  # ids of those retired before
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class DifferenceLine:
    """A record that production holds otherwise than its source says; `state` is pending, declined or unexplained."""

    key: str
    state: str
    why: str


@dataclass(frozen=True, slots=True)
class StandingLine:
    """How one partition of a target stands to its source ("" where it has none): equal, pending, declined or unexplained, the
    worst that any record is in. `differences` are at most as many as were asked for, the unexplained first; the hashes are
    over what the source says and what production holds of it."""

    target: str
    partition: str
    state: str
    counts: dict[str, int]
    source_hash: str
    production_hash: str
    differences: tuple[DifferenceLine, ...]


@dataclass(frozen=True, slots=True)
class Standings:
    """`penstock targets state`. `failed`: targets that could not be looked at, and why. Exit code 1 where anything is
    unexplained or failed."""

    standings: tuple[StandingLine, ...]
    failed: dict[str, str]
    next_steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReleaseLine:
    """A partition of a source that targets share. `current` is the release that they get, "" where there is none; `read_at` when
    it was read. `held` says why they do not get what the source holds now, "" where they do; of a quarantine also since when, how
    many faults of each kind, and where the reports are."""

    pipeline: str
    source: str
    partition: str
    current: str
    read_at: str
    documents: int
    quarantined_since: str
    faults: dict[str, int]
    reports: dict[str, str]
    held: str


@dataclass(frozen=True, slots=True)
class Releases:
    """`penstock releases`: every partition that was read. Exit code 1 while one of them is held back."""

    releases: tuple[ReleaseLine, ...]
    next_steps: tuple[str, ...]
