"""A target's lease: one run at a time, and a run that died is gone on with at the moment it read at. It only saves work."""

from __future__ import annotations

from dataclasses import replace

from penstock.core import layout
from penstock.core.batch import OPEN
from penstock.core.codec import Lease, Mode, TargetState
from penstock.core.errors import Conflict, OutcomeUnknown, Refused, Unavailable
from penstock.core.values import Timestamp
from penstock.use_cases.context import Context, HeldTarget, load_batch, load_target

LEASE_SECONDS = 900
RESUMABLE_SECONDS = 3_000  # Firestore reads the past for an hour; a run killed longer ago starts anew
MODES: tuple[Mode, ...] = ("recheck", "changes", "reconcile", "full")  # each looks at all that the one before it does


def admit(ctx: Context, state: TargetState) -> None:
    if state.paused:
        raise Refused("is paused", subject=ctx.id, remedy="Nothing was read. Resume it and run again.")
    if state.lease is not None and state.lease.until > ctx.ports.now():
        raise Refused(
            f"is being run already, at most until {state.lease.until}", subject=ctx.id, remedy="Wait for that run to end."
        )
    if state.open and layout.kind_of(state.open) == "rollback" and load_batch(ctx, state.open).batch.status in OPEN:
        raise Refused(
            f"has a rollback that waits to be decided ({state.open})", subject=ctx.id, remedy="Decide it, and run again."
        )


def take(ctx: Context, target: HeldTarget, mode: Mode, started_by: str) -> HeldTarget:
    """The target under a lease of ours. Its `update_time` is the lease's commit time; `moment` tells what the run reads at."""
    lease = _next(ctx, target, mode, started_by)
    at = _commit(ctx, target, lease)
    return HeldTarget(replace(target.state, lease=lease), at)


def moment(target: HeldTarget) -> Timestamp:
    """What the run under this lease reads at: when the lease was first taken."""
    assert target.state.lease is not None
    assert target.update_time is not None
    return target.state.lease.read_time or target.update_time


def _next(ctx: Context, target: HeldTarget, mode: Mode, started_by: str) -> Lease:
    """A new lease; or that of a run that died, so that it goes on at its own moment and finds what it staged. A run that was to
    look at less than this one is not gone on with."""
    now = ctx.ports.now()
    dead = target.state.lease
    if dead is not None and target.update_time is not None and MODES.index(dead.mode) >= MODES.index(mode):
        moment = dead.read_time or target.update_time
        if moment.plus(RESUMABLE_SECONDS) > now:
            return replace(dead, holder=ctx.ports.new_id(), until=now.plus(LEASE_SECONDS), read_time=moment)
    return Lease(ctx.ports.new_id(), now.plus(LEASE_SECONDS), mode, started_by)


def _commit(ctx: Context, target: HeldTarget, lease: Lease) -> Timestamp:
    try:
        return ctx.store.commit([target.write(lease=lease)])
    except (Conflict, OutcomeUnknown):
        now = load_target(ctx)
        if now.update_time is not None and now.state.lease == lease:
            return now.update_time
        admit(ctx, now.state)
        raise Unavailable("could not be taken for a run", subject=ctx.id, remedy="Nothing was read. Run it again.") from None


def release(ctx: Context, lease: Lease) -> None:
    """Give the lease back after a failure, if it is still ours; a lease that cannot be given back ends by itself."""
    held = load_target(ctx)
    if held.state.lease is not None and held.state.lease.holder == lease.holder:
        ctx.store.commit([held.write(lease=None)])
