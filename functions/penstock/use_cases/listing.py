"""Reads for lists and for how things stand. Looking changes nothing."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from penstock.core import layout
from penstock.core.batch import Status
from penstock.core.codec import TargetState, from_data
from penstock.core.decisions import admit, verdict
from penstock.core.plan import Batch, Decision, Row, Verdict
from penstock.core.records import NAME, Query, Where
from penstock.core.values import Timestamp
from penstock.use_cases import staging
from penstock.use_cases.choosing import complete
from penstock.use_cases.context import Context, load_target
from penstock.use_cases.reviewing import PAGE, packs_left, rows_of

NEVER_LISTED = frozenset({Status.CREATED})  # still being read, or left by a run that died


@dataclass(frozen=True, slots=True)
class Owed:
    """An effect that was committed as owed and is not paid yet. `error` is why the last of `attempts` failed, "" if none did."""

    fact: str
    kind: str
    batch: str
    attempts: int
    due: Timestamp
    error: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How one target stands. `packs_left`: packs of the open or applying batch still to be checked or promoted."""

    state: TargetState
    open: Batch | None
    applying: Batch | None
    packs_left: int
    failed: tuple[Batch, ...]
    owed: tuple[Owed, ...]
    declined: int  # records that differ from their source because a person decided so


def batches(ctx: Context, status: Status | None = None, limit: int = 20) -> list[Batch]:
    """The newest batches of a target, newest first. One billed read for every batch that retention still keeps: their
    documents are indexed by nothing but their ids, which are in the order of time."""
    kept = (batch for batch in _all(ctx) if batch.status is status or (status is None and batch.status not in NEVER_LISTED))
    return list(reversed(deque(kept, limit)))


def _all(ctx: Context) -> Iterator[Batch]:
    after, before = layout.batch(f"{ctx.id}."), layout.batch(f"{ctx.id}.~")  # `~` sorts behind whatever an id may hold
    for found in ctx.store.scan(Query(layout.BATCHES, (Where(NAME, ">", after), Where(NAME, "<", before)))):
        yield from_data(found.fields, Batch)


def standing(ctx: Context) -> Standing:
    """How the target stands now."""
    state = load_target(ctx).state
    known = {batch.id: batch for batch in _all(ctx)}
    current, applying = known.get(state.open), known.get(state.applying)
    failed = tuple(batch for batch in known.values() if batch.status is Status.FAILED)
    left = packs_left(ctx, applying or current)
    return Standing(state, current, applying, left, failed, owed(ctx), len(staging.words(ctx)))


def owed(ctx: Context) -> tuple[Owed, ...]:
    """What the target owes: mails, messages, reports, promotions to start; the one due first leads."""
    query = Query(layout.OUTBOX, (Where(("target",), "==", ctx.id), Where(("state",), "==", "owed")))
    found = [
        Owed(s.id, s.fields["kind"], s.fields["batch"], s.fields["attempts"], s.fields["due"], s.fields["error"])
        for s in ctx.store.scan(query)
    ]
    return tuple(sorted(found, key=lambda fact: fact.due))


def rows_with_findings(ctx: Context, batch: Batch, page: int = 1) -> tuple[list[Row], bool]:
    """One page of the changes about which something was found, and whether more follow."""
    rows = (row for pack in staging.packs_of(ctx, batch.id) for row in rows_of(pack, batch) if row.findings)
    start = (max(page, 1) - 1) * PAGE
    found = list(islice(rows, start, start + PAGE + 1))
    return found[:PAGE], len(found) > PAGE


def foresee(ctx: Context, batch: Batch, decision: Decision) -> Counter[Verdict]:
    """What a decision would say of how many changes. Raises as deciding would, and decides nothing."""
    admit(batch, decision, ctx.approvers)
    subjects = []
    for pack in staging.packs_of(ctx, batch.id):
        findings = staging.findings_by_key(pack, batch.batch_findings)
        subjects += [(staging.subject(change, findings, ctx.pipeline), pack) for change in pack.changes]
    decision = complete(ctx, batch, subjects, decision)
    return Counter(said for subject, _ in subjects if (said := verdict(subject, decision)) is not None)
