"""What becomes of what hangs below the units that go with a pack, as production stands when it is promoted: it goes along or
moves, as was chosen, in the same commit. A unit that nothing was chosen for, and that leaves something, falls out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from penstock.core import choices
from penstock.core.changes import Action, Change
from penstock.core.declaration import Dependents, Entity
from penstock.core.diff import content_fingerprint, result_of, value_fingerprint, with_value
from penstock.core.followers import Followed, followed, places_in
from penstock.core.layout import STAMP
from penstock.core.leaving import Goer, Held, Home, Left, is_active, leave, nearest, takes_away, why_no_home
from penstock.core.packs import Ready
from penstock.core.placing import Placing
from penstock.core.plan import Batch
from penstock.core.records import Query, Snapshot
from penstock.core.rules import dependents
from penstock.core.rules.base import Answer, Below, Count, Lookup, View
from penstock.core.tree import is_below
from penstock.core.values import Data, FieldPath, Value, dotted, get_in
from penstock.use_cases.context import Context, find_batch
from penstock.use_cases.staging import Pack


@dataclass(frozen=True, slots=True)
class Leaving:
    """`followed`: what is written of what units leave; `fallen`: why units cannot go after all, by key; `declined`: what is not
    to be proposed again of official units that went along."""

    followed: Sequence[Followed] = ()
    fallen: Mapping[str, str] = field(default_factory=dict)
    declined: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Unit:
    """A unit that goes: its change as planned, and as production holds it."""

    ready: Ready
    change: Change
    path: str  # as production holds it
    choice: str


def leaving(
    ctx: Context,
    batch: Batch,
    pack: Pack,
    entity: Entity,
    going: Sequence[Ready],
    placing: Placing,
    but: Collection[str] = (),
) -> Leaving:
    """Read what is left, `but` these documents, and place it. `placing`: where the pack's own moves lead."""
    standing = _standing(ctx, entity, pack, going)
    units = _units(batch, entity, standing)
    if not units:
        return Leaving()
    found = _found(ctx, [change for _, change in standing])
    if joined := _joined_by(entity, pack, going, placing, units):
        return Leaving((), joined)
    looked = [u for u in units if u.choice or u.ready.key in found]
    if not looked:
        return Leaving()
    homes, fallen = _homes(ctx, entity, pack, going, placing, units)
    read = _below(ctx, entity, [u.path for u in looked])
    below = {of: [s for s in some if s.path not in but] for of, some in read.items()}
    goers = [Goer(u.ready.key, placing.moves.after(u.path), u.choice, homes.get(u.ready.key)) for u in units]
    decided = {placing.moves.after(path) for path in _went_before(ctx, batch, entity, below)}
    left = leave(entity, goers, decided, below, placing.moves.after)
    written = {c.path for c in going}
    fallen |= {u.ready.key: why for u in units if u.ready.key not in fallen and (why := _why_not(u, left[u.ready.key], written))}
    if fallen:
        return Leaving((), fallen)
    return _along(ctx, entity, below, left)


def _standing(ctx: Context, entity: Entity, pack: Pack, going: Sequence[Ready]) -> list[tuple[Ready, Change]]:
    """The units of a pack that go or move, with what they store now: that is what was planned, unless they were read anew."""
    off = entity.deactivate
    ready = {c.key: c for c in going if c.place and c.place.step in ("move", "deactivate")}
    planned = [c for c in pack.some(ready) if c.before is not None] if ready and off else []
    anew = [c.path for c in planned if ready[c.key].planned_against != c.planned_against]
    live = {s.path: s for s in ctx.store.get(anew)} if anew else {}
    return [(ready[c.key], c._replace(before=live[c.path].data) if c.path in live else c) for c in planned]


def _units(batch: Batch, entity: Entity, standing: Sequence[tuple[Ready, Change]]) -> list[_Unit]:
    assert entity.tree is not None
    chosen, found = choices.chosen(batch.decisions), []
    for ready, change in standing:
        path = get_in(change.before or {}, entity.tree.path)
        if takes_away(entity, change) and isinstance(path, str) and path:
            choice = chosen.get(change.key) or change.facts.get("choice", "")  # what a rollback goes back to was chosen then
            found.append(_Unit(ready, change, path, choice))
    return found


def _joined_by(entity: Entity, pack: Pack, going: Sequence[Ready], placing: Placing, units: Sequence[_Unit]) -> dict[str, str]:
    """The units below which others come with this very pack and are active: in production these hang elsewhere, or not yet."""
    goers = {placing.moves.after(u.path): u.ready.key for u in units}
    above = {c.key: at for c in going if c.key in placing.paths and (at := nearest(goers, placing.paths[c.key])) is not None}
    assert entity.deactivate is not None
    off, left = entity.deactivate.field, Counter[str]()
    for change in pack.some(above) if above else ():
        after = (change.after if off in change.mask or change.before is None else change.before) or {}
        if is_active(entity, after):
            left[goers[above[change.key]]] += 1
    return {key: f"{many:,} active units come to lie below it with the same commit" for key, many in left.items()}


def _found(ctx: Context, changes: Sequence[Change]) -> set[str]:
    """The keys of the units that would leave something, by the rule that the review went by. Counted: where there is nothing, as
    there seldom is, nothing is read."""
    rule, answers = dependents.Settings(), dict[Lookup, Answer]()
    view = View(ctx.pipeline, ctx.target.prefix, answers, {c.path: c for c in changes})

    def count(asked: Count | Below) -> int:
        return ctx.store.count(asked.query)

    while asked := [a for a in dict.fromkeys(dependents.lookups(view, rule, changes)) if a not in answers]:
        answers |= zip(asked, ctx.ports.each(count, asked), strict=True)
    gathered = dependents.gather(view, rule, changes)
    return {finding.key for finding in dependents.judge(ctx.pipeline, rule, [gathered], {}).findings}


def _homes(
    ctx: Context, entity: Entity, pack: Pack, going: Sequence[Ready], placing: Placing, units: Sequence[_Unit]
) -> tuple[dict[str, Home], dict[str, str]]:
    """Where what hangs below units moves to, by key; and why it cannot, where it cannot."""
    assert entity.tree is not None
    named = {u.ready.key: other for u in units if (other := choices.other_of(u.choice)) is not None}
    if not named:
        return {}, {}
    documents = {id: f"{ctx.collection(entity)}/{id}" for id in named.values()}
    own = {c.path: c for c in pack.some({c.key for c in going if c.path in documents.values()})}
    live = {s.path: s for s in ctx.store.get(sorted(documents.values()))}
    homes: dict[str, Home] = {}
    fallen: dict[str, str] = {}
    for u in units:
        id = named.get(u.ready.key)
        if id is None:
            continue
        data, path = _as_promoted(entity, live[documents[id]], own.get(documents[id]), placing)
        assert u.ready.place is not None
        why = why_no_home(entity, id, data, u.ready.place.level, placing.moves.after(u.path)) if data else "is not there"
        if why:
            fallen[u.ready.key] = f"what hangs below it was to move to {id}, which {why}"
            continue
        homes[u.ready.key] = Home(id, path)
    return homes, fallen


def _as_promoted(entity: Entity, now: Snapshot, change: Change | None, placing: Placing) -> tuple[Data, str]:
    """A unit as it stands once its pack is promoted, whether that writes it or not, and its path then; {} where it is none."""
    assert entity.tree is not None
    data: Data = now.fields
    if change is not None and (now.exists or change.action is Action.CREATE):
        data = result_of(change._replace(before=now.data), None)
    if not data:
        return {}, ""
    path = placing.paths.get(change.key) if change is not None else None
    if path is None:
        path = placing.moves.after(str(get_in(data, entity.tree.path) or ""))
    return with_value(data, entity.tree.path, path), path


def hanging(ctx: Context, entity: Entity, tops: Sequence[str], also: tuple[FieldPath, ...] = ()) -> Held:
    """What stores a path below one of `tops`, and of dependents what belongs to these units themselves too; of units with the
    fields of `also`. None of `tops` lies below another."""
    places = places_in(entity, ctx.target.prefix)
    asked = [(of, query) for of in places for top in tops for query in _hanging(entity, of, top, also)]
    read: list[list[Snapshot]] = ctx.ports.each(lambda one: list(ctx.store.scan(one[1])), asked)
    held: dict[Dependents, list[Snapshot]] = {of: [] for of in places}
    for (of, _), some in zip(asked, read, strict=True):
        held[of] += some
    return held


def _hanging(entity: Entity, of: Dependents, top: str, also: tuple[FieldPath, ...]) -> list[Query]:
    below, select = Below(of.collection, of.path, top).query, (of.path, *of.chain)
    if of.name == entity.name:
        return [replace(below, select=(*select, *also))]
    return [replace(asked, select=select) for asked in (Count(of.collection, of.path, top).query, below)]


def _below(ctx: Context, entity: Entity, paths: Sequence[str]) -> Held:
    assert entity.tree is not None
    tree, off = entity.tree, entity.deactivate
    also: tuple[FieldPath, ...] = (tree.parent, tree.own[0], entity.key, (STAMP, "batch"), *([off.field] if off else []))
    tops = [path for path in paths if not any(is_below(path, other) for other in paths)]
    return hanging(ctx, entity, tops, also)


def _went_before(ctx: Context, batch: Batch, entity: Entity, below: Held) -> list[str]:
    """The paths of units that an earlier pack of this batch took away with a choice: what is left below them was decided with
    them. Not of units that were gone before, and that the batch wrote to. Rollbacks put earlier stamps back, so theirs tell
    nothing: of what one takes away again, what was chosen at first holds."""
    assert entity.tree is not None
    off, path = entity.deactivate, entity.tree.path
    units = next((some for of, some in below.items() if of.name == entity.name), ())
    gone = [u.fields for u in units if off and get_in(u.fields, off.field) == off.value]
    if batch.kind != "rollback":
        gone = [data for data in gone if get_in(data, (STAMP, "batch")) == batch.id]
    chosen = _chosen(ctx, batch) if gone else ()
    return [str(get_in(data, path)) for data in gone if f"{entity.name}/{get_in(data, entity.key)}" in chosen]


def _chosen(ctx: Context, batch: Batch) -> set[str]:
    """The keys that something was chosen for, in this batch or in one that it takes back, and so on down."""
    found = set(choices.chosen(batch.decisions))
    while batch.kind == "rollback" and (held := find_batch(ctx, batch.rolls_back)) is not None:
        batch = held.batch
        found |= choices.chosen(batch.decisions).keys()
    return found


def _why_not(unit: _Unit, left: Left, written: set[str]) -> str:
    """Why a unit cannot go as production stands; "" where it can."""
    if not unit.choice and left.counts:
        return f"{left.told} hang at or below it by now, and nobody said what becomes of them"
    active = left.counts[choices.ACTIVE]
    if active and choices.other_of(unit.choice) is not None:
        return f"{active:,} active units lie below it by now; only what is not official can be moved"
    if both := [f.document for f in left.followed if f.document in written]:
        return f"{both[0]}, below it, is written by another change of the same pack"
    return ""


def _along(ctx: Context, entity: Entity, below: Held, left: Mapping[str, Left]) -> Leaving:
    """What is written of what is left. Official units that go along are not taken for edited by hand, and do not come back with
    the next full run while the source stays as it is."""
    off, taken = entity.deactivate, [s.path for some in left.values() for s in some.taken]
    wrote = {f.document: f for some in left.values() for f in some.followed}
    declined: dict[str, Mapping[str, str]] = {}
    of = next(of for of in below if of.name == entity.name)
    for now in ctx.store.get(taken) if taken and off else ():
        assert off is not None
        before = wrote[now.path]
        path = str(get_in(before.after, of.path) or get_in(now.fields, of.path))
        also: dict[FieldPath, Value] = {off.field: off.value}
        if get_in(now.fields, (STAMP, "content")) is not None:
            also[STAMP, "content"] = content_fingerprint(entity, with_value(now.fields, off.field, off.value))
        found = followed(of, now, path, also)
        assert found is not None
        wrote[now.path] = found._replace(by=before.by)
        if any(f.target == off.field for f in entity.fields):
            key = f"{entity.name}/{get_in(now.fields, entity.key)}"
            declined[key] = {dotted(off.field): value_fingerprint(get_in(now.fields, off.field))}
    return Leaving(tuple(wrote.values()), {}, declined)
