"""An operator pauses a target, or resumes it: no run begins on a paused one. What is under review or being applied goes on."""

from __future__ import annotations

from penstock.core.errors import Conflict, OutcomeUnknown, Unavailable
from penstock.use_cases.context import TRIES, Context, load_target, note


def pause(ctx: Context, by: str) -> bool:
    """False where it was paused already, and nothing was written."""
    return _set(ctx, by, paused=True)


def resume(ctx: Context, by: str) -> bool:
    """False where it was not paused, and nothing was written."""
    return _set(ctx, by, paused=False)


def _set(ctx: Context, by: str, *, paused: bool) -> bool:
    lost = False  # the answer of an earlier try: then finding it as wanted may be our own doing
    for _ in range(TRIES):
        target = load_target(ctx)
        if target.state.paused is paused:
            return lost
        try:
            note(ctx, target, "paused" if paused else "resumed", by, {}, paused=paused)
        except Conflict:
            continue
        except OutcomeUnknown:
            lost = True
            continue
        return True
    raise Unavailable(
        f"could not be {'paused' if paused else 'resumed'}: others write it all the time", subject=ctx.id, remedy="Try again."
    )
