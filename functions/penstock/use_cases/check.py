"""Check: judge one pack, as often as it is asked for; whoever finds no unchecked pack left opens the review."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core import later_edits, layout
from penstock.core.batch import DECIDED, OPEN, Status
from penstock.core.changes import Action
from penstock.core.codec import to_data
from penstock.core.cost import Cost
from penstock.core.errors import Conflict, OutcomeUnknown
from penstock.core.records import Query, Set, Snapshot, Update, Where, unchanged_since
from penstock.core.rules import Answer, Below, Count, Find, Get, Judging, Lookup, Named
from penstock.use_cases import staging
from penstock.use_cases.context import Context, Move, advance, load_batch
from penstock.use_cases.metering import Metering
from penstock.use_cases.opening import open_review
from penstock.use_cases.production import GET, IN, chunks
from penstock.use_cases.staging import Pack


def check_pack(ctx: Context, batch: str, number: int) -> tuple[Set, ...]:
    """Judge a pack and write what was found with it; a pack that is checked already is left as it is. Gives what is owed when
    this was the last one and the review was opened."""
    metering = Metering()
    pack = staging.load_pack(ctx, batch, number)
    if pack.state == "STAGED":
        _judge(ctx, pack, metering)
    if staging.next_waits(ctx, batch, number, "STAGED") or ctx.store.count(staging.in_state(batch, "STAGED")):
        return ()
    return open_review(ctx, batch, number)


def _judge(ctx: Context, pack: Pack, metering: Metering) -> None:
    changes = pack.changes
    judging = Judging(ctx.pipeline, ctx.target.prefix, changes)
    while asked := judging.asks():
        judging.found |= _look_up(ctx, pack.fields["batch"], asked)
    findings = judging.check() + later_edits.findings(changes)
    fields = staging.findings_fields(findings, judging.gather()) | {"state": "CHECKED", "error": ""}
    fields["costs"] = {"check": to_data(metering.spent + Cost(writes=1))}
    assert pack.snapshot.update_time is not None
    mask = tuple((name,) for name in fields)
    try:
        ctx.store.commit([Update(pack.snapshot.path, fields, mask, unchanged_since(pack.snapshot.update_time))])
    except (Conflict, OutcomeUnknown):
        if staging.load_pack(ctx, pack.fields["batch"], pack.number).state == "STAGED":
            raise  # nobody wrote it, ourselves included: the message comes again


def _look_up(ctx: Context, batch: str, asked: Sequence[Lookup]) -> dict[Lookup, Answer]:
    def answer(a: Named | Count | Below | Find) -> Answer:
        if isinstance(a, Named):
            some = chunks(a.paths, GET)
            return tuple(found for paths in some for found in ctx.store.get(paths, select=a.select) if found.exists)
        return tuple(ctx.store.scan(a.query)) if isinstance(a, Find) else ctx.store.count(a.query)

    queries = [a for a in asked if not isinstance(a, Get)]
    gets = [a for a in asked if isinstance(a, Get)]
    found: dict[Lookup, Answer] = dict(zip(queries, ctx.ports.each(answer, queries), strict=True))
    if gets:
        documents = ctx.store.get([a.path for a in gets])
        new = _created(ctx, batch, [d.path for d in documents if not d.exists])
        found |= {a: new.get(document.path, document) for a, document in zip(gets, documents, strict=True)}
    return found


def _created(ctx: Context, batch: str, paths: Sequence[str]) -> dict[str, Snapshot]:
    """Documents that production lacks, as they will stand: those among the paths that any pack of this batch creates."""
    names = {ctx.collection(entity): entity.name for entity in ctx.pipeline.entities}
    keys = [f"{names[collection]}/{id}" for collection, _, id in (p.rpartition("/") for p in paths) if collection in names]
    wanted = set(paths)
    found: dict[str, Snapshot] = {}
    for some in chunks(keys, IN):
        where = Where(("batch",), "==", batch), Where(("keys",), "array-contains-any", some)
        for pack in map(Pack, ctx.store.scan(Query(layout.STAGING, where))):
            new = (c for c in pack.changes if c.action is Action.CREATE and c.path in wanted)
            found |= {c.path: Snapshot(c.path, c.after, pack.snapshot.update_time) for c in new}
    return found


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
    """Keep why a pack could not be checked or promoted, for whoever meets it in the dead letters. A promoted pack is not touched:
    its `update_time` tells what was promoted from what was edited later. `NotFound` where there is no such pack."""
    pack = staging.load_pack(ctx, batch, number)
    assert pack.snapshot.update_time is not None
    if pack.state == "PROMOTED":
        return
    as_read = unchanged_since(pack.snapshot.update_time)
    try:
        ctx.store.commit([Update(pack.snapshot.path, {"error": cause[:500]}, (("error",),), as_read)])
    except Conflict:
        return  # another delivery went on with it meanwhile
