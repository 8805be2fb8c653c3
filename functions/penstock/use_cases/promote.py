"""Promote: each pack is one atomic commit of production writes, under preconditions, together with the pack's ledger.

The ledger is the marker: a pack that has one was promoted, whatever became of the answer. What moved since it was planned falls
out and is named in the ledger; the rest lands. The prior images lie in Storage before the commit is tried.

Packs of a tree are promoted strictly one after the other, and what a move takes along is read and written with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from penstock.core import freeze, layout
from penstock.core.batch import Status
from penstock.core.changes import Action
from penstock.core.codec import to_data
from penstock.core.cost import Cost
from penstock.core.decisions import consent, outcome
from penstock.core.errors import Conflict, NotFound, OutcomeUnknown, Unavailable
from penstock.core.followers import Followed
from penstock.core.packs import Ledger, Ready
from penstock.core.plan import Batch
from penstock.core.promotion import refusal, stamp_of, write_of
from penstock.core.records import Update, Write, unchanged_since
from penstock.core.values import FieldPath
from penstock.use_cases import staging
from penstock.use_cases.context import Context, LostRace, Move, advance, held_of, load_batch
from penstock.use_cases.following import Following, follow, keep, renewed
from penstock.use_cases.metering import Metering
from penstock.use_cases.rechecking import grown
from penstock.use_cases.staging import Pack, Tampered

TRIES = 8


def start(ctx: Context, batch: str) -> Batch:
    """Mark a decided batch as being applied. Called again, it only tells how the batch stands. In a freeze a batch stays
    APPROVED, unless its approvers said otherwise or it is the way back; what was begun before is brought to its end."""
    held = load_batch(ctx, batch)
    if held.batch.status is Status.APPROVED and frozen_until(ctx, held.batch) is None:
        try:
            (held,) = advance(ctx, Move(held, Status.APPLYING, "engine", detail={"digest": held.batch.digest}))
        except LostRace:
            held = load_batch(ctx, batch)
    return held.batch


def frozen_until(ctx: Context, batch: Batch) -> dt.datetime | None:
    """When the freeze ends that this batch has to wait for; None where it may be promoted now."""
    if batch.kind == "rollback" or freeze.overridden(batch):
        return None
    return freeze.frozen_until(ctx.pipeline.brakes.freeze, ctx.pipeline.time_zone, ctx.ports.now())


def promote_asked(ctx: Context, batch: str, number: int) -> Ledger | None:
    """What a message asks for: `promote_pack`, with batch and pack read in one call."""
    metering = Metering()
    paths = [layout.batch(batch), layout.pack(batch, number)]
    of_batch, of_pack = ctx.store.get(paths)
    held = held_of(of_batch)
    if held is None or not of_pack.exists:
        raise NotFound("there is no such pack", subject=paths[1], remedy="`penstock show` lists a batch's packs.")
    return _promote(ctx, held.batch, Pack(of_pack), metering)


def promote_pack(ctx: Context, batch: Batch, number: int) -> Ledger | None:
    """Promote one pack; a pack that was promoted already gives its ledger again. None where the batch may not be promoted."""
    metering = Metering()
    return _promote(ctx, batch, staging.load_pack(ctx, batch.id, number), metering)


def _promote(ctx: Context, batch: Batch, pack: Pack, metering: Metering) -> Ledger | None:
    if pack.ledger is not None or batch.status is not Status.APPLYING or not _turn(ctx, batch, pack):
        return pack.ledger
    verify(batch, pack)
    going, refused = resolve(batch, pack)
    if going:
        _back_up(ctx, batch, pack)
    fallen: dict[str, str] = {}  # key → why, "" where somebody wrote to the record
    stood: list[Followed] = []
    for _ in range(TRIES):
        fallen |= grown(ctx, pack, going)
        going = [c for c in going if c.key not in fallen]
        placed = follow(ctx, batch, pack, going)
        fallen |= placed.fallen
        going = [c for c in going if c.key not in fallen]
        try:
            return _commit(ctx, batch, pack, placed, refused, fallen, stood, metering)
        except OutcomeUnknown:
            pass
        except Conflict:
            going, moved, seen = _against(ctx, pack, going)
            fallen |= dict.fromkeys(moved, "")
            stood += seen
        pack = staging.load_pack(ctx, batch.id, pack.number)
        if pack.ledger is not None:
            return pack.ledger  # ours, applied before its answer was lost; or another instance's
    raise Unavailable(
        f"could not be promoted in {TRIES} tries", subject=pack.snapshot.path, remedy="It is tried again by itself."
    )


def verify(batch: Batch, pack: Pack) -> None:
    """Raises `Tampered` where a pack is not the one that was shown and approved."""
    staging.demand_shown(batch)
    if staging.shown_digest(pack) != batch.pack_digests[pack.number]:
        raise Tampered(
            "is not the pack that was shown and approved",
            subject=pack.snapshot.path,
            remedy="Nothing was done with it. Run the pipeline again: a new batch shows what stands there now.",
        )


def resolve(batch: Batch, pack: Pack) -> tuple[list[Ready], list[Ready]]:
    """(approved, refused) of a decided pack."""
    findings = staging.findings_by_key(pack, batch.batch_findings)
    approved: list[Ready] = []
    refused: list[Ready] = []
    carried = pack.carried
    particular = consent(batch.decisions, carried, batch.approvals)
    for change in pack.ready:
        if particular is not None and change.key not in findings and change.key not in particular:
            approved.append(change)
            continue
        said = outcome(staging.subject_of_ready(change, findings), batch.decisions, carried, batch.approvals)
        (approved if said == "approve" else refused).append(change)
    return approved, refused


def _back_up(ctx: Context, batch: Batch, pack: Pack) -> None:
    """The exact prior images, absence included, durable before anything is written: the pack's own lines, each of which holds
    what stood at its path. A second attempt finds them there."""
    ctx.ports.blobs.write(layout.backup_blob(ctx.id, batch.id, pack.number), pack.fields["payload"], "application/gzip")


def _commit(
    ctx: Context,
    batch: Batch,
    pack: Pack,
    placed: Following,
    refused: Sequence[Ready],
    fallen: Mapping[str, str],
    stood: Sequence[Followed],
    metering: Metering,
) -> Ledger:
    now, going, attempt = ctx.ports.now(), placed.going, ctx.ports.new_id()
    ledger = Ledger(
        now,
        attempt,
        len(going),
        tuple(c.key for c in refused),
        tuple(fallen),
        placed.counts,
        placed.placed,
        {key: why for key, why in fallen.items() if why},
        placed.kept,
        keep(ctx, batch, pack, attempt, [*stood, *placed.followed]),
        placed.moved,
        {c.key: c.place.path for c in going if c.place and c.place.step == "remove"},
    )
    stamp = stamp_of(batch, now)
    writes: list[Write] = [write_of(change, stamp) for change in going]
    writes += [followed.write() for followed in placed.followed]
    assert pack.snapshot.update_time is not None
    purge_at = now.plus(ctx.pipeline.staging_retention.total_seconds())  # from now on: a rollback is planned from the ledger
    remembered = {**remembered_of(batch, pack, going, refused), **placed.declined}
    if remembered:
        writes.append(staging.remember(ctx, batch.id, pack.number, remembered))
    cost = metering.with_commit(writes) + Cost(writes=1)
    fields = {"state": "PROMOTED", "ledger": to_data(ledger), "purge_at": purge_at, "costs": {"promote": to_data(cost)}}
    mask: tuple[FieldPath, ...] = (("state",), ("ledger",), ("purge_at",), ("costs", "promote"))
    writes.append(Update(pack.snapshot.path, fields, mask, unchanged_since(pack.snapshot.update_time)))
    ctx.store.commit(writes)
    return ledger


def remembered_of(batch: Batch, pack: Pack, applied: Sequence[Ready], refused: Sequence[Ready]) -> dict[str, Mapping[str, str]]:
    """What is not to be proposed again: of a sync, what was refused; of a rollback, the content that it took back."""
    if batch.kind == "rollback":
        return {change.key: change.facts["declines"] for change in pack.some({c.key for c in applied})}
    return {change.key: refusal(change) for change in pack.some({c.key for c in refused})} if refused else {}


def _bound(ctx: Context, pack: Pack, changes: Sequence[Ready], moved: Sequence[str]) -> list[str]:
    """The removals of what those that fell out belong to, and so on upwards: nothing goes while what belongs to it stays."""
    removals = {c.key for c in changes if c.action is Action.DELETE}
    kept = more = removals & set(moved)
    if not more:
        return []
    above = {change.key: staging.subject(change, {}, ctx.pipeline).parent for change in pack.some(removals)}
    while more:
        more = {above[key] for key in more} & (removals - kept)
        kept = kept | more
    return sorted(kept - set(moved))


def _against(ctx: Context, pack: Pack, changes: Sequence[Ready]) -> tuple[list[Ready], list[str], list[Followed]]:
    """Of changes of which some lost their precondition: those that can be made all the same, the keys of the others, and what
    records store by now to which this batch itself wrote."""
    found = ctx.store.get([change.path for change in changes], select=())
    moved = [c for c, now in zip(changes, found, strict=True) if now.update_time != c.planned_against]
    again, stood = renewed(ctx, pack, moved)
    anew = {c.key: c for c in again}
    out = [c.key for c in moved if c.key not in anew]
    out += _bound(ctx, pack, changes, out)
    return [anew.get(c.key, c) for c in changes if c.key not in set(out)], out, stood


def _turn(ctx: Context, batch: Batch, pack: Pack) -> bool:
    """Whether a pack may be promoted yet: those of a tree one after the other, in the order in which they were planned."""
    if ctx.pipeline.tree is None or pack.number == 0:
        return True
    before = ctx.store.get([layout.pack(batch.id, pack.number - 1)], select=(("state",),))[0]
    return bool(before.fields.get("state") == "PROMOTED")
