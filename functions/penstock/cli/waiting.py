"""Watching a batch until it gets somewhere."""

from __future__ import annotations

from penstock.cli.app import App
from penstock.cli.output import progress
from penstock.core.batch import DECIDED, Status
from penstock.core.errors import Unavailable
from penstock.core.plan import Batch
from penstock.use_cases.context import Context, load_batch
from penstock.use_cases.reviewing import packs_left

LOOK_SECONDS = 1.0  # between two looks, each two billed reads
STALL_SECONDS = 600.0  # no pack got anywhere for so long
BEFORE_REVIEW = frozenset({Status.CREATED, Status.STAGED, Status.CHECKING})


def until_reviewed(app: App, ctx: Context, batch: str) -> Batch:
    """The batch when its review is open, or when it will never be."""
    return _wait(app, ctx, batch, "Packs checked", BEFORE_REVIEW)


def until_rested(app: App, ctx: Context, batch: str) -> Batch:
    """The batch when nothing more will be written for it."""
    return _wait(app, ctx, batch, "Packs promoted", DECIDED)


def _wait(app: App, ctx: Context, id: str, what: str, going: frozenset[Status]) -> Batch:
    batch = load_batch(ctx, id).batch
    with progress(what, batch.packs) as advance:
        before, since = -1, ctx.ports.now()
        while batch.status in going:
            left = packs_left(ctx, batch)
            advance(batch.packs - left)
            if left != before:
                before, since = left, ctx.ports.now()
            if since.plus(STALL_SECONDS) < ctx.ports.now():
                raise Unavailable(
                    f"got nowhere for {STALL_SECONDS / 60:.0f} minutes and is {batch.status}, with {left} packs left",
                    subject=id,
                    remedy="It is safe to try again: `penstock sweep`, and `penstock status` tells what is owed.",
                )
            app.pause(LOOK_SECONDS)
            batch = load_batch(ctx, id).batch
    return batch
