"""The sweep brings to rest whatever a kill, a lost message or a dead mail server left behind. Safe at any time, twice at once."""

from __future__ import annotations

from penstock.core import layout
from penstock.core.batch import DECIDED, Status
from penstock.core.declaration import Pipeline
from penstock.core.errors import Conflict, OutcomeUnknown, PenstockError, Refused
from penstock.core.plan import Batch
from penstock.core.records import Query, Where
from penstock.core.values import Timestamp
from penstock.ports import Ports
from penstock.use_cases import archiving, braking, effects, outbox, registry, staging
from penstock.use_cases.capture import capture
from penstock.use_cases.context import (
    Context,
    Held,
    HeldTarget,
    LostRace,
    Move,
    advance,
    chain_end,
    find_batch,
    load_batch,
    load_target,
)
from penstock.use_cases.decide import expire
from penstock.use_cases.finish import finish
from penstock.use_cases.lease import RESUMABLE_SECONDS
from penstock.use_cases.metering import Metering
from penstock.use_cases.opening import open_review
from penstock.use_cases.promote import frozen_until, start
from penstock.use_cases.topics import CHECK, PROMOTE, send_packs

ANCHOR_SECONDS = 86_400
ORPHAN_SECONDS = 2 * 86_400  # far beyond what any instance of a run can last


def sweep(ctx: Context) -> list[str]:
    """One pass over one target. Gives what was done, and what could not be, in words. A target at rest costs two reads: it is
    read once, and again only after a step wrote something."""
    told: list[str] = []
    target: HeldTarget | None = None
    for step in (_pay_due, _resume_capture, _plan_again, _resume_checks, _expire, _resume_promotion, _drop_orphans, _anchor):
        metering = Metering()
        try:
            target = target or load_target(ctx)
            told += step(ctx, target)
        except LostRace:
            target = None  # somebody else did it
        except PenstockError as error:
            told.append(f"{ctx.id}: {error}")
            if target is None:
                return told  # whose document cannot be read cannot be swept
            target = None
        if metering.spent.writes or metering.spent.deletes:
            target = None
    return told


def sweep_hub(ports: Ports, pipeline: Pipeline) -> list[str]:
    """The same for what a pipeline's targets have in common; a hub at rest costs one read."""
    try:
        anchored = registry.anchor(ports, pipeline)
    except PenstockError as error:
        return [f"{pipeline.name}: {error}"]
    return [f"{pipeline.name}: entry {anchored} of the hub's audit chain was anchored"] if anchored else []


def _pay_due(ctx: Context, _: HeldTarget) -> list[str]:
    return [f"owed and not paid: {failure}" for failure in outbox.pay_due(ctx, effects.EFFECTS)]


def _stale(ctx: Context, held: Held) -> bool:
    return held.update_time is not None and held.update_time.plus(ctx.ports.stale_seconds) < ctx.ports.now()


def _resume_capture(ctx: Context, target: HeldTarget) -> list[str]:
    lease = target.state.lease
    if lease is None or lease.until > ctx.ports.now() or target.state.paused or braking.still_stopped(ctx, target):
        return []
    outcome = capture(ctx, lease.mode, lease.started_by)
    effects.pay(ctx, outcome.owed)
    return [f"{ctx.id}: a run that died was resumed ({outcome.batch or 'nothing to propose'})"]


def _plan_again(ctx: Context, target: HeldTarget) -> list[str]:
    """What fell out of a promotion, when the message that asks for its follow-up was lost or met another run."""
    state = target.state
    if state.paused or state.lease is not None or state.applying or state.open or not any(r.keys for r in state.recheck):
        return []
    if state.hold is not None and state.hold.verdict == "reject":
        return []
    if target.update_time is None or target.update_time.plus(ctx.ports.stale_seconds) > ctx.ports.now():
        return []
    outcome = capture(ctx, "recheck", "engine")
    effects.pay(ctx, outcome.owed)
    return [f"{ctx.id}: what fell out of a promotion was planned again ({outcome.batch or 'nothing to propose'})"]


def _resume_checks(ctx: Context, target: HeldTarget) -> list[str]:
    held = find_batch(ctx, target.state.open) if target.state.open else None
    if held is None or held.batch.status not in {Status.STAGED, Status.CHECKING} or not _stale(ctx, held):
        return []
    return [f"{held.batch.id}: {_check_on(ctx, held.batch.id)}"]


def _check_on(ctx: Context, batch: str) -> str:
    waiting = [int(p.fields["number"]) for p in ctx.store.scan(staging.in_state(batch, "STAGED"))]
    if not waiting:
        effects.pay(ctx, open_review(ctx, batch))
        return "every pack was checked; the review was opened"
    send_packs(ctx, CHECK, batch, waiting)
    return f"{len(waiting)} packs were sent to be checked again"


def _expire(ctx: Context, target: HeldTarget) -> list[str]:
    held = find_batch(ctx, target.state.open) if target.state.open else None
    if held is None or held.batch.status is not Status.UNDER_REVIEW:
        return []
    if held.batch.expires_at is None or held.batch.expires_at > ctx.ports.now():
        return []
    expire(ctx, held, target)
    return [f"{held.batch.id}: expired undecided; the next run proposes it again"]


def _resume_promotion(ctx: Context, target: HeldTarget) -> list[str]:
    held = find_batch(ctx, target.state.applying) if target.state.applying else None
    if held is None or held.batch.status not in DECIDED or not _stale(ctx, held):
        return []
    if held.batch.status is Status.APPROVED and frozen_until(ctx, held.batch):
        return []
    return [f"{held.batch.id}: {resume_promotion(ctx, held.batch)}"]


def resume_promotion(ctx: Context, batch: Batch) -> str:
    """Go on where a promotion stopped. Gives what was done, in words; `Refused` for a batch that is not decided, or that waits
    for the end of a freeze."""
    batch = start(ctx, batch.id)
    if batch.status is Status.APPROVED and (until := frozen_until(ctx, batch)):
        raise Refused(
            f"waits for the end of a freeze, {until:%d %B %Y, %H:%M} ({until.tzinfo})",
            subject=batch.id,
            remedy="It is promoted by itself then.",
        )
    if batch.status not in DECIDED:
        raise Refused(f"is {batch.status}", subject=batch.id, remedy="Only an approved batch is promoted.")
    waiting = [int(p.fields["number"]) for p in ctx.store.scan(staging.in_state(batch.id, "CHECKED"))]
    if not waiting:
        effects.pay(ctx, finish(ctx, batch.id))
        return "every pack was promoted; it was brought to its end"
    if ctx.pipeline.tree:
        send_packs(ctx, PROMOTE, batch.id, [min(waiting)])
        return f"the first of {len(waiting)} packs that wait was sent to be promoted; it sends the next"
    send_packs(ctx, PROMOTE, batch.id, waiting)
    return f"{len(waiting)} packs were sent to be promoted"


def _drop_orphans(ctx: Context, target: HeldTarget) -> list[str]:
    """Batches that a dead run began and no run can go on with: the moment they read at lies too far back. Every run writes the
    target first, so one that nobody wrote for days has none, and is not asked."""
    if target.update_time is None or target.update_time.plus(ORPHAN_SECONDS) < ctx.ports.now():
        return []
    query = Query(
        layout.BATCHES, (Where(("target",), "==", ctx.id), Where(("status",), "==", "CREATED")), select=(("read_time",),)
    )
    told = []
    for found in list(ctx.store.scan(query)):
        read_time: Timestamp = found.fields["read_time"]
        if read_time.plus(RESUMABLE_SECONDS + ctx.ports.stale_seconds) < ctx.ports.now() and target.state.lease is None:
            advance(ctx, Move(load_batch(ctx, found.id), Status.SUPERSEDED, "engine"))
            told.append(f"{found.id}: was never finished and is dropped; nothing of it was proposed")
    return told


def _anchor(ctx: Context, target: HeldTarget) -> list[str]:
    """Once a day, counted from the first run, where the chain has grown since. The target is left alone while a run or a
    promotion is to write it."""
    state, now = target.state, ctx.ports.now()
    if state.lease is not None or state.applying or state.anchored_at is None or state.anchored_at.plus(ANCHOR_SECONDS) > now:
        return []
    held = find_batch(ctx, state.open) if state.open else None
    known = max(state.audit, held.head if held else state.audit, key=lambda head: head.sequence)
    if known.sequence <= state.anchored:
        return []
    head = chain_end(ctx, known)
    archiving.anchor(ctx.ports.blobs, ctx.id, head)
    try:
        ctx.store.commit([target.write(audit=head, anchored=head.sequence, anchored_at=now)])
    except (Conflict, OutcomeUnknown):
        return []  # somebody else writes the target: the anchor stands, and the next sweep finds it
    return [f"{ctx.id}: entry {head.sequence} of the audit chain was anchored"]


def retry(ctx: Context, batch: str, by: str) -> str:
    """Go on with a batch that FAILED, after its cause was mended. Gives what was done, in words."""
    held = load_batch(ctx, batch)
    decided = held.batch.decided_at is not None
    (held,) = advance(ctx, Move(held, Status.APPLYING if decided else Status.CHECKING, by, {"error": ""}))
    if decided:
        return resume_promotion(ctx, held.batch)
    return _check_on(ctx, batch)
