"""Somebody asks for a run of one target: it is sent for, and goes the way of every other."""

from __future__ import annotations

from penstock.core.codec import Mode
from penstock.use_cases import topics
from penstock.use_cases.context import Context, load_target
from penstock.use_cases.lease import admit


def ask_run(ctx: Context, mode: Mode, by: str) -> None:
    """Send for a run; `by` started it, and so cannot approve what it proposes. `Refused` where none could begin now."""
    admit(ctx, load_target(ctx).state)
    ctx.ports.publisher.publish(topics.CAPTURE, [{"target": ctx.id, "mode": mode, "started_by": by}])
