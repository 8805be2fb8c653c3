"""Rollback is a batch like any other: planned from the ledgers, checked, reviewed, decided, promoted and reported; and it can
be rolled back itself. A preview tells the same and stages nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from penstock.core import later_edits, layout
from penstock.core.batch import Status
from penstock.core.bill import count_of, query_of
from penstock.core.changes import Action, Change
from penstock.core.codec import Recheck
from penstock.core.cost import Cost
from penstock.core.declaration import Entity
from penstock.core.errors import InvalidInput, NotFound, Refused
from penstock.core.findings import business_key
from penstock.core.followers import of_line, places_in
from penstock.core.packs import MAX_CHANGES, Draft, Packer
from penstock.core.plan import Batch
from penstock.core.promotion import stamp_of
from penstock.core.records import Query, Set, Where
from penstock.core.replanting import needed, replanted
from penstock.core.returning import absorbed, left_for_good
from penstock.core.reversal import Choice, Reversal, reverse
from penstock.core.rules.base import proposed
from penstock.core.tree import place_of, step_of
from penstock.core.values import FieldPath, dotted, get_in
from penstock.use_cases import outbox, staging
from penstock.use_cases.context import Context, Held, Move, advance, find_batch, find_replaceable, load_batch, load_target
from penstock.use_cases.following import attached, count_below
from penstock.use_cases.foreseeing import after_capture, staged
from penstock.use_cases.metering import Metering
from penstock.use_cases.planting import in_order
from penstock.use_cases.production import IN, chunks
from penstock.use_cases.promote import resolve, verify
from penstock.use_cases.returning import with_what_was_left
from penstock.use_cases.staging import Pack

DONE = frozenset({Status.APPLIED, Status.PARTIALLY_APPLIED})
WHOLE = Choice()


def preview(ctx: Context, batch: str, choice: Choice = WHOLE) -> list[Reversal]:
    """What a rollback would do to each record that the batch changed, as production stands now; only read. Raises as
    `plan_rollback`, but where nothing is left to take back: then it tells why not, record by record."""
    undone = load_batch(ctx, batch).batch
    _admit(ctx, undone, choice)
    return _in_places(ctx, list(_reversals(ctx, undone, choice)))


def plan_rollback(ctx: Context, batch: str, by: str, choice: Choice = WHOLE) -> tuple[Batch, tuple[Set, ...]]:
    """Propose to take a promoted batch back, whole or in part. Nothing changes in production before it is approved. Gives the
    rollback batch, and what is owed. `Refused` outside the window, while another batch is being applied, or where nothing is left
    to take back; `NotFound` for a key that is not in the batch, `InvalidInput` for a field that is not mapped."""
    metering = Metering()
    undone = load_batch(ctx, batch)
    _admit(ctx, undone.batch, choice)
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
    along = _moved_along(ctx, undone.batch)
    capturing = metering.spent + _outlook(ctx, undone.batch, choice)
    reversals = list(_reversals(ctx, undone.batch, choice))
    capturing += _outlook_of_places(ctx, [r.change for r in reversals if r.change is not None])
    found = _in_places(ctx, reversals)
    drafts = list(_drafts(ctx, _bereft(ctx, [r.change for r in found if r.change is not None])))
    untouched = [r.undone.key for r in found if r.change is None and r.kept]
    if not drafts:
        raise _nothing_left(batch, untouched)
    (held,) = advance(ctx, Move(Held(new, None, target.state.audit), Status.CREATED, by, detail={"rolls_back": batch}))
    for draft in drafts:
        staging.stage(ctx, id, draft, {})
    counts = sum((Counter(draft.counts) for draft in drafts), Counter[str]())
    chosen = choice.keys is not None and counts.total() < undone.batch.applied
    fields = {
        "packs": len(drafts),
        "counts": dict(counts),
        "part": chosen or bool(choice.fields) or any(r.kept for r in found),
        "batch_findings": (later_edits.kept_whole(batch, untouched),) if untouched else (),
    }
    in_production = {ctx.collection(e): ctx.store.count(Query(ctx.collection(e))) for e in ctx.pipeline.entities}
    packs = [staged(ctx, draft, in_production) for draft in drafts]
    foreseen = after_capture(ctx, "rollback", packs, in_production, 0 if fields["part"] else along)
    before = find_replaceable(ctx, target.state)
    fields |= {
        "costs": {"capture": metering.spent + Cost(writes=2 * (1 + (before is not None)) + 2)},
        "foreseen": {"capture": capturing, **foreseen},
        "prices": ctx.pipeline.prices,
    }
    steps = [Move(held, Status.STAGED, by, fields, {"packs": [draft.digest for draft in drafts]})]
    target_fields: dict[str, object] = {"open": id}
    if before is not None:
        steps.append(Move(before, Status.SUPERSEDED, by, {"superseded_by": id}))
        if before.batch.kind != "rollback":  # the next run proposes it again
            target_fields["recheck"] = (*target.state.recheck, Recheck(before.batch.id))
    owed = outbox.owe(ctx, id, "check", packs=len(drafts))
    held, *_ = advance(ctx, *steps, writes=[owed], target=target, target_fields=target_fields)
    return held.batch, (owed,)


def _moved_along(ctx: Context, undone: Batch) -> int:
    """How many batches change their state once this one is taken back whole: where it was a rollback itself, the one that it took
    back stands again, and so on down."""
    many = 1
    while undone.kind == "rollback" and not undone.part and (below := find_batch(ctx, undone.rolls_back)):
        many, undone = many + 1, below.batch
    return many


def _outlook(ctx: Context, undone: Batch, choice: Choice) -> Cost:
    """What planning to take a batch back costs from here on: its packs are read, and production of what it applied; and of the
    parents among the records that it created is counted who names them."""
    applied = undone.applied if choice.keys is None else len(choice.keys)
    packs = -(-applied // MAX_CHANGES)
    created = (undone.counts.get(f"{e.parent.entity} CREATE", 0) for e in ctx.pipeline.entities if e.parent)
    dependents = sum(len(e.tree.dependents) for e in ctx.pipeline.entities if e.tree)
    production = Counter(undone.production_after or undone.production_before)  # the one is known once it was reported
    held = sum(count_of(production[ctx.collection(e)]) for e in ctx.pipeline.entities)
    counts = sum(-(-many // IN) * (1 + dependents) for many in created) + held + 1
    return Cost(reads=query_of(undone.packs) + applied + counts, writes=2 + packs + 4)


def _outlook_of_places(ctx: Context, changes: Sequence[Change]) -> Cost:
    """What placing these in a tree reads: what they come to hang under, and how much follows each move."""
    entity = ctx.pipeline.tree
    if entity is None:
        return Cost()
    assert entity.tree is not None
    of_tree = [c for c in changes if c.entity == entity.name]
    moves = sum(step_of(entity, c) == "move" for c in of_tree)
    return Cost(reads=len(needed(entity, of_tree)) + moves * (1 + 2 * len(entity.tree.dependents)))


def _nothing_left(batch: str, edited: Sequence[str]) -> Refused:
    if not edited:
        remedy = f"Production holds none of it any more. `penstock rollback {batch} --preview` tells of each record."
        return Refused("has nothing left to take back", subject=batch, remedy=remedy)
    what = f"has nothing left to take back but what was edited since, in {len(edited):,} records, the first is {edited[0]}"
    remedy = f"Look: `penstock rollback {batch} --preview`. To lose these edits knowingly, add --overwrite-edits."
    return Refused(what, subject=batch, remedy=remedy)


def _admit(ctx: Context, batch: Batch, choice: Choice) -> None:
    if batch.kind == "hold":
        raise Refused("is a hold: it changed nothing in production", subject=batch.id, remedy="Roll back the batch that did.")
    if batch.status not in DONE:
        raise Refused(f"is {batch.status}", subject=batch.id, remedy="Only what was applied can be rolled back.")
    assert batch.finished_at is not None
    ends = batch.finished_at.plus(ctx.pipeline.rollback_window.total_seconds())
    if ends < ctx.ports.now():
        raise Refused(f"could be rolled back until {ends}", subject=batch.id, remedy=_images(ctx, batch))
    mapped = {f.target for entity in ctx.pipeline.entities for f in entity.fields}
    mapped |= {entity.deactivate.field for entity in ctx.pipeline.entities if entity.deactivate}
    for field in choice.fields:
        if not any(path[: len(field)] == field for path in mapped):
            remedy = f"Nothing was proposed. There are: {', '.join(sorted(map(dotted, mapped)))}."
            raise InvalidInput("is mapped by no entity", subject=dotted(field), remedy=remedy)


def _images(ctx: Context, batch: Batch) -> str:
    return f"The prior images are in Storage under {layout.backup_blob(ctx.id, batch.id, 0).rpartition('/')[0]}."


def _in_places(ctx: Context, found: Sequence[Reversal]) -> list[Reversal]:
    """Those of a tree in their places."""
    placed = {c.key: c for c in _replanted(ctx, absorbed([r.change for r in found if r.change is not None]))}
    return [replace(r, change=placed[r.change.key]) if r.change else r for r in found]


def _reversals(ctx: Context, undone: Batch, choice: Choice) -> Iterator[Reversal]:
    """Of each chosen change that was applied. Raises `Refused` rather than pass over packs that are gone."""
    packs, unknown = 0, set(choice.keys or ())
    for pack in staging.packs_of(ctx, undone.id):
        packs += 1
        unknown -= set(pack.fields["keys"])
        yield from _of_pack(ctx, undone, pack, choice)
    if packs != undone.packs:
        what = f"cannot be rolled back any more: {undone.packs - packs} of its {undone.packs} packs were purged"
        raise Refused(what, subject=undone.id, remedy=_images(ctx, undone))
    if unknown:
        raise NotFound("is not in this batch", subject=min(unknown), remedy=f"`penstock show {undone.id}` lists its changes.")


def _of_pack(ctx: Context, undone: Batch, pack: Pack, choice: Choice) -> Iterator[Reversal]:
    ledger = pack.ledger
    assert ledger is not None  # every pack of a batch that ended has one
    if not ledger.applied:
        return
    verify(undone, pack)
    approved, _ = resolve(undone, pack)
    wanted = {c.key for c in approved if c.key not in set(ledger.drifted) and (choice.keys is None or c.key in choice.keys)}
    if not wanted:
        return
    applied, stamp = pack.some(wanted), stamp_of(undone, ledger.at)
    stands = ctx.store.get([c.path for c in applied])
    of = zip(applied, stands, strict=True)
    found = [reverse(undone.id, change, stamp, ctx.pipeline.entity(change.entity), now, choice) for change, now in of]
    yield from with_what_was_left(ctx, undone, pack, ledger, found)


def _bereft(ctx: Context, changes: Sequence[Change]) -> list[Change]:
    """The changes, and with those that would remove a record the number of others that would still name it as their parent: such
    as came later. They are counted thirty at a time, and one by one only where there are more than go with it or to another."""
    left = _left_below(ctx, changes)
    for child in (e for e in ctx.pipeline.entities if e.parent and not e.tree):
        assert child.parent is not None
        parent, field = child.parent.entity, child.parent.field
        mine = [c for c in changes if c.entity == child.name]
        going = Counter(_named(c, field) for c in mine if proposed(c, field) != _named(c, field))
        removed = {business_key(c): c.key for c in changes if c.entity == parent and c.action is Action.DELETE}
        for some in chunks(list(removed), IN):
            held = _naming(ctx, child, some)
            if held > sum(going[key] for key in some):
                for key in some:
                    if (more := _naming(ctx, child, [key]) - going[key]) > 0:
                        left.setdefault(removed[key], {})[child.name] = more
    return [c._replace(facts={**c.facts, "left": left[c.key]}) if c.key in left else c for c in changes]


def _left_below(ctx: Context, changes: Sequence[Change]) -> dict[str, dict[str, int]]:
    """By key: what hangs directly under the units of a tree that would be removed, and does not go with them."""
    entity = ctx.pipeline.tree
    places = {c.path: (c.key, place) for c in changes if (place := place_of(c)) is not None}
    removed = {path: (key, place) for path, (key, place) in places.items() if place.step == "remove"}
    if entity is None:
        return {}
    going = {path: place for path, (_, place) in places.items()}
    back = left_for_good(places_in(entity), (of_line(line) for c in changes for line in c.facts.get("back", ())))
    found = attached(ctx, entity, {path: place.path for path, (_, place) in removed.items()}, going, back)
    return {removed[path][0]: of for path, of in found.items()}


def _replanted(ctx: Context, changes: Sequence[Change]) -> list[Change]:
    """The changes with those of a tree in their places, as production stands now."""
    entity = ctx.pipeline.tree
    if entity is None:
        return list(changes)
    assert entity.tree is not None
    of_tree = [c for c in changes if c.entity == entity.name]
    wanted = needed(entity, of_tree)
    live = {s.path: s for s in ctx.store.get(wanted, select=(entity.tree.path,))} if wanted else {}
    placed = {c.key: c for c in ctx.ports.each(lambda c: _with_below(ctx, entity, c), replanted(entity, of_tree, live))}
    return [placed.get(c.key, c) for c in changes]


def _with_below(ctx: Context, entity: Entity, change: Change) -> Change:
    """A move, with how much follows it now."""
    place = place_of(change)
    assert entity.tree is not None
    assert place is not None
    if place.step != "move":
        return change
    path = str(get_in(change.before or {}, entity.tree.path))
    return change._replace(facts={**change.facts, "below": count_below(ctx, entity, path)})


def _named(change: Change, field: FieldPath) -> str | None:
    """What a record says in a field as production holds it, where that is a text."""
    value = get_in(change.before or {}, field)
    return value if isinstance(value, str) else None


def _naming(ctx: Context, child: Entity, keys: list[str]) -> int:
    assert child.parent is not None
    return ctx.store.count(Query(ctx.collection(child), (Where(child.parent.field, "in", keys),)))


def _drafts(ctx: Context, changes: Sequence[Change]) -> Iterator[Draft]:
    """Packs of whole groups; a group lies in one pack of the batch taken back, and so do its changes here. Those of a tree in
    the order of their places."""
    packer = Packer()
    if tree := ctx.pipeline.tree:
        rest = [c for c in changes if c.entity != tree.name]
        changes = rest + in_order(tree, [c for c in changes if c.entity == tree.name])
    groups: dict[str, list[Change]] = {}
    for change in changes:
        groups.setdefault(change.group, []).append(change)
    for group in groups.values():
        yield from packer.add(group)
    yield from packer.rest()
