"""Rollback is a batch like any other: planned from the ledgers, checked, reviewed, decided, promoted and reported; and it can
be rolled back itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from penstock.core import layout
from penstock.core.batch import OPEN, Status
from penstock.core.changes import Change
from penstock.core.codec import Recheck
from penstock.core.errors import Refused
from penstock.core.packs import Draft, Packer
from penstock.core.plan import Batch
from penstock.core.promotion import reverse
from penstock.core.records import Set
from penstock.use_cases import outbox, staging
from penstock.use_cases.context import Context, Held, Move, advance, find_batch, load_batch, load_target
from penstock.use_cases.promote import resolve
from penstock.use_cases.staging import Pack

DONE = frozenset({Status.APPLIED, Status.PARTIALLY_APPLIED})


def plan_rollback(ctx: Context, batch: str, by: str, keys: Collection[str] | None = None) -> tuple[Batch, tuple[Set, ...]]:
    """Propose to take a promoted batch back, whole or for these change keys. Nothing changes in production before it is
    approved. Gives the rollback batch, and what is owed. `Refused` outside the window, while another batch is being applied, or
    where nothing is left to take back."""
    undone = load_batch(ctx, batch)
    _admit(ctx, undone.batch)
    target = load_target(ctx)
    if target.state.applying:
        raise Refused(f"is being promoted now ({target.state.applying})", subject=ctx.id, remedy="Roll back when it is done.")
    now = ctx.ports.now()
    id = layout.batch_id(ctx.id, now, "rollback")
    new = Batch(
        id,
        ctx.pipeline.name,
        ctx.id,
        "rollback",
        Status.CREATED,
        now,
        now,
        by,
        approvals=ctx.pipeline.gate.approvals,
        rolls_back=batch,
    )
    drafts = list(_drafts(ctx, undone.batch, keys))
    if not drafts:
        raise Refused("has nothing left to take back", subject=batch, remedy="Production holds none of its changes any more.")
    (held,) = advance(ctx, Move(Held(new, None, target.state.audit), Status.CREATED, by, detail={"rolls_back": batch}))
    for draft in drafts:
        staging.stage(ctx, id, draft, {})
    counts = sum((Counter(draft.counts) for draft in drafts), Counter[str]())
    part = keys is not None and counts.total() < undone.batch.applied
    fields = {"packs": len(drafts), "counts": dict(counts), "part": part}
    steps = [Move(held, Status.STAGED, by, fields, {"packs": [draft.digest for draft in drafts]})]
    target_fields: dict[str, object] = {"open": id}
    before = find_batch(ctx, target.state.open) if target.state.open else None
    if before is not None and before.batch.status in OPEN:
        steps.append(Move(before, Status.SUPERSEDED, by, {"superseded_by": id}))
        target_fields["recheck"] = (*target.state.recheck, Recheck(before.batch.id))  # the next run proposes it again
    owed = outbox.owe(ctx, id, "check", packs=len(drafts))
    held, *_ = advance(ctx, *steps, writes=[owed], target=target, target_fields=target_fields)
    return held.batch, (owed,)


def _admit(ctx: Context, batch: Batch) -> None:
    if batch.status not in DONE:
        raise Refused(f"is {batch.status}", subject=batch.id, remedy="Only what was applied can be rolled back.")
    assert batch.finished_at is not None
    ends = batch.finished_at.plus(ctx.pipeline.rollback_window.total_seconds())
    if ends < ctx.ports.now():
        raise Refused(
            f"could be rolled back until {ends}",
            subject=batch.id,
            remedy=f"The prior images are in Storage under {layout.backup_blob(ctx.id, batch.id, 0).rpartition('/')[0]}.",
        )


def _drafts(ctx: Context, undone: Batch, keys: Collection[str] | None) -> Iterator[Draft]:
    packer = Packer()
    for pack in staging.packs_of(ctx, undone.id):
        groups: dict[str, list[Change]] = {}
        for change in _reversed(ctx, undone, pack, keys):
            groups.setdefault(change.group, []).append(change)
        for group in groups.values():
            yield from packer.add(group)
    yield from packer.rest()


def _reversed(ctx: Context, undone: Batch, pack: Pack, keys: Collection[str] | None) -> Iterator[Change]:
    ledger, promoted_at = pack.ledger, pack.snapshot.update_time
    if ledger is None or promoted_at is None or not ledger.applied:
        return
    approved, _ = resolve(undone, pack)
    taken = {c.key for c in approved if c.key not in set(ledger.drifted) and (keys is None or c.key in keys)}
    applied = pack.some(taken)
    for change, now in zip(applied, ctx.store.get([c.path for c in applied]), strict=True):
        back = reverse(undone.id, change, promoted_at, now)
        if back is not None:
            yield back
