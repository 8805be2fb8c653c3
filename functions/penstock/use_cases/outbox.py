"""Effects that are owed. A fact is written in the commit that owes its effect, and paid after it, once: by whoever committed, or
by the sweep when that one is gone. Its id is derived from the fact, and what it causes carries that id, so that paying twice is
told apart from owing twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from penstock.core import layout
from penstock.core.errors import Conflict, OutcomeUnknown, PenstockError, Unavailable
from penstock.core.records import ABSENT, EXISTS, Query, Set, Snapshot, Update, Where, unchanged_since
from penstock.core.values import Data, FieldPath, Timestamp
from penstock.use_cases.context import Context

BACKOFF_SECONDS = (60, 300, 900, 3_600)

Effect: TypeAlias = Callable[[Context, str, Data], None]  # (target's context, fact id, the fact)


def owe(ctx: Context, batch: str, kind: str, suffix: str = "", **payload: object) -> Set:
    """The write that owes an effect; belongs into the commit that makes it due."""
    fact = "-".join(part for part in (batch, kind, suffix) if part)
    data: Data = {
        "target": ctx.id,
        "batch": batch,
        "kind": kind,
        "state": "owed",
        "attempts": 0,
        "due": ctx.ports.now().plus(ctx.ports.stale_seconds),  # the committer pays before this, or the sweep may
        "error": "",
        **payload,
    }
    return Set(layout.outbox(fact), data, ABSENT)


def pay(ctx: Context, owed: Iterable[Set], effects: Mapping[str, Effect]) -> list[str]:
    """Cause what was just committed as owed. A failure is noted on the fact for the sweep, and told: it never undoes what
    was committed. Gives the failures in words."""
    failures = (_pay(ctx, fact.path, dict(fact.data), None, effects) for fact in owed)
    return [failure for failure in failures if failure]


def pay_due(ctx: Context, effects: Mapping[str, Effect]) -> list[str]:
    """The sweep's part: cause what nobody caused in time, claiming each fact first."""
    now = ctx.ports.now()
    query = Query(layout.OUTBOX, (Where(("target",), "==", ctx.id), Where(("state",), "==", "owed")))
    failures = []
    for found in list(ctx.store.scan(query)):
        if found.fields["due"] > now or (claimed := _claim(ctx, found, now)) is None:
            continue
        if failure := _pay(ctx, found.path, found.fields, claimed, effects):
            failures.append(failure)
    return failures


def _claim(ctx: Context, found: Snapshot, now: Timestamp) -> Timestamp | None:
    assert found.update_time is not None
    due = now.plus(ctx.ports.stale_seconds)
    try:
        return ctx.store.commit([Update(found.path, {"due": due}, (("due",),), unchanged_since(found.update_time))])
    except (Conflict, OutcomeUnknown):
        return None  # another sweep has it, or may have: it stays owed and is due again


def _pay(ctx: Context, path: str, fact: Data, claimed: Timestamp | None, effects: Mapping[str, Effect]) -> str:
    try:
        effects[fact["kind"]](ctx, path.rpartition("/")[2], fact)
    except PenstockError as error:
        attempts = fact["attempts"] + 1
        wait = BACKOFF_SECONDS[min(attempts, len(BACKOFF_SECONDS)) - 1]
        _note(ctx, path, {"attempts": attempts, "error": str(error)[:500], "due": ctx.ports.now().plus(wait)}, claimed)
        return f"{path.rpartition('/')[2]}: {error}"
    now = ctx.ports.now()
    purge_at = now.plus(ctx.pipeline.staging_retention.total_seconds())  # what is still owed is never purged
    _note(ctx, path, {"state": "paid", "paid_at": now, "purge_at": purge_at, "error": ""}, claimed)
    return ""


def _note(ctx: Context, path: str, fields: Data, claimed: Timestamp | None) -> None:
    mask: tuple[FieldPath, ...] = tuple((name,) for name in fields)
    try:
        ctx.store.commit([Update(path, fields, mask, unchanged_since(claimed) if claimed else EXISTS)])
    except (Conflict, OutcomeUnknown, Unavailable):
        return  # it stays owed, and the sweep causes it again under the same id
