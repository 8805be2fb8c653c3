"""Check: judge one pack, as often as it is asked for; whoever finds no unchecked pack left opens the review."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core import layout
from penstock.core.batch import DECIDED, OPEN, Status
from penstock.core.changes import Change, Finding
from penstock.core.errors import Conflict, OutcomeUnknown
from penstock.core.records import EXISTS, Query, Set, Snapshot, Update, unchanged_since
from penstock.core.rules import Count, Lookup, check, gather, lookups
from penstock.core.values import dotted
from penstock.use_cases import staging
from penstock.use_cases.context import Context, Move, advance, load_batch
from penstock.use_cases.opening import open_review
from penstock.use_cases.staging import Pack


def check_pack(ctx: Context, batch: str, number: int) -> tuple[Set, ...]:
    """Judge a pack and write what was found with it; a pack that is checked already is left as it is. Gives what is owed when
    this was the last one and the review was opened."""
    pack = staging.load_pack(ctx, batch, number)
    if pack.state == "STAGED":
        _judge(ctx, pack)
    if ctx.store.count(staging.in_state(batch, "STAGED")):
        return ()
    return open_review(ctx, batch)


def _judge(ctx: Context, pack: Pack) -> None:
    changes = pack.changes
    proposed = [change for change in changes if "undoes" not in change.facts]  # what is taken back was judged when it came
    found: dict[Lookup, Snapshot | int] = {}
    while asked := lookups(ctx.pipeline, ctx.target.prefix, proposed, found):  # a rule may ask further, once it knows more
        found |= _look_up(ctx, asked)
    findings = check(ctx.pipeline, ctx.target.prefix, proposed, found) + later_edits(changes)
    fields = staging.findings_fields(findings, gather(ctx.pipeline, proposed)) | {"state": "CHECKED", "error": ""}
    assert pack.snapshot.update_time is not None
    mask = tuple((name,) for name in fields)
    try:
        ctx.store.commit([Update(pack.snapshot.path, fields, mask, unchanged_since(pack.snapshot.update_time))])
    except (Conflict, OutcomeUnknown):
        if staging.load_pack(ctx, pack.fields["batch"], pack.number).state == "STAGED":
            raise  # nobody wrote it, ourselves included: the message comes again


def _look_up(ctx: Context, asked: Sequence[Lookup]) -> dict[Lookup, Snapshot | int]:
    counts = [a for a in asked if isinstance(a, Count)]
    gets = [a for a in asked if not isinstance(a, Count)]

    def count(a: Count) -> int:
        return ctx.store.count(Query(a.collection, (a.where,)))

    found: dict[Lookup, Snapshot | int] = dict(zip(counts, ctx.ports.each(count, counts), strict=True))
    if gets:
        found |= dict(zip(gets, ctx.store.get([a.path for a in gets]), strict=True))
    return found


def later_edits(changes: list[Change]) -> list[Finding]:
    """Of a rollback: what was written to a record after the promotion. It is kept unless decided otherwise."""
    return [
        Finding(
            "later_edit",
            "blocker",
            change.key,
            change.group,
            f"was edited after the promotion ({change.facts['edited_since']}): "
            + "; ".join(f"{dotted(d.path)} is {d.before!r} now and was {d.after!r} before" for d in change.diff[:5]),
            "Keep production to keep the later edit, or use the rollback to lose it.",
        )
        for change in changes
        if "edited_since" in change.facts
    ]


def fail(ctx: Context, batch: str, number: int) -> bool:
    """A pack's message ended in the dead letters: the batch stops, names the cause, and can be retried. False where the pack was
    dealt with after all."""
    held, pack = load_batch(ctx, batch), staging.load_pack(ctx, batch, number)
    waiting = {"STAGED": OPEN, "CHECKED": DECIDED}.get(pack.state, frozenset())
    if held.batch.status not in waiting:
        return False
    verb = "checked" if pack.state == "STAGED" else "promoted"
    cause = pack.fields.get("error") or "no cause was noted"
    text = f"Pack {number} could not be {verb}: {cause} Mend it, then `penstock retry {batch}`."
    advance(ctx, Move(held, Status.FAILED, "engine", {"error": text}, {"pack": number}))
    return True


def note_failure(ctx: Context, batch: str, number: int, cause: str) -> None:
    """Keep why a pack could not be checked or promoted, for whoever meets it in the dead letters."""
    ctx.store.commit([Update(layout.pack(batch, number), {"error": cause[:500]}, (("error",),), EXISTS)])
