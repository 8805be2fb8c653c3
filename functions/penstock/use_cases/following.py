"""What a pack does to a tree beside its own changes: where its units come to lie as production stands now, and everything below a
moved unit, which follows in the same commit."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from penstock.core import layout
from penstock.core.changes import Action, Change, FieldDiff
from penstock.core.declaration import Entity
from penstock.core.errors import Conflict, OutcomeUnknown, Unavailable
from penstock.core.findings import listed
from penstock.core.followers import Followed, Moves, encode_followed, following, places_in
from penstock.core.leaving import Held
from penstock.core.limits import MAX_WRITES
from penstock.core.packs import Ready, digest_of
from penstock.core.placing import HANGS, Placing, asked, needed, place
from penstock.core.plan import Batch
from penstock.core.promotion import ready_of
from penstock.core.records import Snapshot
from penstock.core.rules.base import Below, Count
from penstock.core.tree import DOT, Place, is_below, joined
from penstock.core.values import Data, FieldPath, Timestamp, dotted, dumps, get_in, set_in
from penstock.use_cases.context import Context
from penstock.use_cases.leaving import hanging, leaving
from penstock.use_cases.production import IN, chunks
from penstock.use_cases.rechecking import disturbed
from penstock.use_cases.returning import returning
from penstock.use_cases.staging import Pack

MAX_BYTES = 3_500_000  # of one commit: the emulator takes 4 MiB
_OWN_WRITES = 2  # the pack, and what is not to be proposed again
_AROUND = 80  # bytes of a write beside its names and values
STRAGGLING = 5  # looks at most for those who still come to where a unit lay
_LATE = 400  # of them in one commit


@dataclass(frozen=True, slots=True)
class Following:
    """`going`: the changes that can be made, ready to be written; `fallen`: why the others cannot; `followed`: what else is
    written; `placed`: the paths that are others than planned, by key; `declined`: what is not to be proposed again;
    `kept`: documents that were to return with a unit and stay as they are, and why; `moved`: from path to path."""

    going: Sequence[Ready]
    fallen: Mapping[str, str] = field(default_factory=dict)
    followed: Sequence[Followed] = ()
    placed: Mapping[str, str] = field(default_factory=dict)
    declined: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    moved: Mapping[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        return dict(Counter(f.kind for f in self.followed))


def follow(ctx: Context, batch: Batch, pack: Pack, going: Sequence[Ready]) -> Following:
    """Look at production and place a pack's changes. Whoever commits the result while production is another by then loses."""
    entity, fallen = ctx.pipeline.tree, dict[str, str]()
    if entity is None or not any(c.place for c in going):
        return Following(going)
    assert entity.tree is not None
    while True:
        live = {s.path: s for s in ctx.store.get(paths, select=asked(entity.tree))} if (paths := needed(going)) else {}
        placing = place(entity.tree, going, live)
        back = returning(ctx, batch, pack, entity, going, placing)
        out = {**placing.fallen, **_left_behind(ctx, entity, going, back.leaves)}
        rest = [c for c in going if c.key not in out]
        if not out:
            returned = {f.document for f in back.followed}
            held = hanging(ctx, entity, placing.moves.tops, (entity.tree.own[0],))
            left = leaving(ctx, batch, pack, entity, rest, placing, returned)
            also = [*left.followed, *back.followed]
            out = dict(left.fallen) or _outgrown(ctx, rest, placing, held, also) or disturbed(ctx, pack, entity, placing, held)
        if not out:
            found = _composed(ctx, pack, entity, rest, placing, held)
            theirs = {f.document for f in also}
            along = [*(f for f in found.followed if f.document not in theirs), *also]
            declined = {**left.declined, **back.declined}
            moved = {old: new for old, new in {**placing.moves.made, **_units_along(entity, also)}.items() if old != new}
            return replace(found, fallen=fallen, followed=along, declined=declined, kept=back.kept, moved=moved)
        fallen |= out
        going = [c for c in going if c.key not in out]


def keep(ctx: Context, batch: Batch, pack: Pack, attempt: str, followed: Sequence[Followed]) -> str:
    """What the documents that are to be written beside the changes stored before, durable before the commit. Gives the digest of
    the list; "" where there is nothing to keep."""
    if not followed:
        return ""
    name, content = layout.followers_blob(ctx.id, batch.id, pack.number, attempt), encode_followed(followed)
    ctx.ports.blobs.write(name, content, "application/gzip")
    return digest_of(content)


def fetch_stragglers(ctx: Context, batch: Batch, packs: Sequence[Pack]) -> None:
    """What came to hang under a unit right while that was moved, and stores where it lay: it follows now, in commits of its own.
    Looked for once all packs are promoted, and again as often as that is tried. `Unavailable` where others come all the time."""
    entity = ctx.pipeline.tree
    for pack in packs if entity else ():
        assert entity is not None
        moves = Moves(pack.ledger.moved if pack.ledger else {})
        for _ in range(STRAGGLING):
            found = hanging(ctx, entity, moves.tops)
            now = _lie_now(ctx, entity, moves) if any(found.values()) else Moves()
            late = [f for of, held in found.items() for f in following(now, of, held) if _ends(now, get_in(f.after, of.path))]
            if not late:
                break
            some = late[:_LATE]
            keep(ctx, batch, pack, f"late-{ctx.ports.new_id()}", some)
            with suppress(Conflict, OutcomeUnknown):
                ctx.store.commit([f.write() for f in some])
        else:
            what = f"moved units with pack {pack.number} below whose old paths others still come, and not all could be fetched"
            raise Unavailable(what, subject=batch.id, remedy="It is tried again by itself.")


def _ends(moves: Moves, path: str) -> bool:
    """Not where somebody stored a moved unit below where it lay: what followed it would be late again."""
    return moves.after(path) == path


def _lie_now(ctx: Context, entity: Entity, moves: Moves) -> Moves:
    """Where the moved units lie by now: somebody may have moved them since, and back."""
    assert entity.tree is not None
    path = entity.tree.path
    units = {old: f"{ctx.collection(entity)}/{old.rpartition(DOT)[2]}" for old in moves.made}
    live = {s.path: get_in(s.fields, path) for s in ctx.store.get(list(dict.fromkeys(units.values())), select=(path,))}
    return Moves({old: there for old, unit in units.items() if isinstance(there := live[unit], str)})


def _units_along(entity: Entity, along: Sequence[Followed]) -> dict[str, str]:
    """From path to path: the units among what is written because another goes, or returns."""
    assert entity.tree is not None
    path = entity.tree.path
    return {str(get_in(f.before, path)): str(get_in(f.after, path)) for f in along if f.kind == entity.name and path in f.fields}


def renewed(ctx: Context, pack: Pack, changes: Sequence[Ready]) -> tuple[list[Ready], list[Followed]]:
    """Of changes whose records were written to since they were planned: those that can be made all the same, because the path is
    all that is another now, which follows whatever is moved above; and what their records store."""
    entity = ctx.pipeline.tree
    updates = [c for c in changes if c.place and c.action is not Action.CREATE] if entity else []
    if entity is None or entity.tree is None or not updates:
        return [], []
    planned = {c.key: c for c in pack.some({c.key for c in updates})}
    units = places_in(entity, ctx.target.prefix)[0]
    again, stood = [], []
    for change, now in zip(updates, ctx.store.get([c.path for c in updates]), strict=True):
        before, path = planned[change.key].before or {}, get_in(now.fields, units.path)
        if now.update_time is None or not isinstance(path, str) or not _same_but(units.path, before, now.fields):
            continue
        place = change.place._replace(path=path) if change.place and change.place.step == "remove" else change.place
        again.append(change._replace(planned_against=now.update_time, place=place))
        stands: Data = {}
        set_in(stands, units.path, path)
        stood.append(Followed(units.name, now.path, now.update_time, (units.path,), stands, stands))
    return again, stood


def _same_but(path: FieldPath, one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    name = path[0]
    return dumps({k: v for k, v in one.items() if k != name}) == dumps({k: v for k, v in other.items() if k != name})


def count_below(ctx: Context, entity: Entity, path: str, at: Timestamp | None = None) -> dict[str, int]:
    """How many documents would follow a unit that is moved: of the tree, and of each kind of dependents."""
    found = {}
    for of in places_in(entity, ctx.target.prefix):
        found[of.name] = ctx.store.count(Below(of.collection, of.path, path).query, at)
        if of.name != entity.name:
            found[of.name] += ctx.store.count(Count(of.collection, of.path, path).query, at)
    return found


def _left_behind(ctx: Context, entity: Entity, going: Sequence[Ready], back: Mapping[str, str]) -> dict[str, str]:
    """The removals after which something would hang under a unit that is gone: such as came since they were planned."""
    removed = {c.path: c for c in going if c.place and c.place.step == "remove"}
    if not removed:
        return {}
    paths = {path: c.place.path for path, c in removed.items() if c.place}
    left = attached(ctx, entity, paths, {c.path: c.place for c in going if c.place}, back)
    told = {path: listed(f"{many:,} {name}" for name, many in of.items()) for path, of in left.items()}
    return {removed[path].key: f"{what} hang under it by now" for path, what in told.items()}


def attached(
    ctx: Context, entity: Entity, units: Mapping[str, str], going: Mapping[str, Place], back: Mapping[str, str]
) -> dict[str, dict[str, int]]:
    """What hangs directly under units (document → path), and comes to: how many of each kind, by document. Not what is removed or
    moved away too (`going`, by document), and nothing that goes `back` to another (document → the unit that it is at). Units are
    counted, and read only where there are others than are removed."""
    assert entity.tree is not None
    found: dict[str, Counter[str]] = defaultdict(Counter)
    own, *others = places_in(entity, ctx.target.prefix)
    parent = entity.tree.parent
    leaves = Counter((document.rpartition("/")[0], id) for document, id in back.items())
    ids = {document.rpartition("/")[2]: document for document in units}
    by_path = {path: document for document, path in units.items()}
    along = Counter(to.parent for to in going.values() if to.step == "remove")
    elsewhere = {document for document, to in going.items() if to.step in (*HANGS, "remove")}
    for to in going.values():
        if to.step in HANGS and to.parent in ids:
            found[ids[to.parent]][own.name] += 1
    for some in chunks(list(ids), IN):
        children = replace(Count(own.collection, parent, tuple(some)).query, select=(parent,))
        if ctx.store.count(children) == sum(along[id] for id in some):
            continue
        for child in ctx.store.scan(children):
            if child.path not in elsewhere and child.path not in back:
                found[ids[get_in(child.fields, parent)]][own.name] += 1
    for of in others:
        for some in chunks(list(by_path), IN):
            if ctx.store.count(Count(of.collection, of.path, tuple(some)).query):
                for path in some:
                    less = leaves[of.collection, path.rpartition(DOT)[2]]
                    if many := ctx.store.count(Count(of.collection, of.path, path).query) - less:
                        found[by_path[path]][of.name] = many
    return {path: dict(of) for path, of in found.items()}


def led_astray(ctx: Context, units: Sequence[Snapshot]) -> set[str]:
    """The documents among these units whose stored path is not that of the unit that they hang under, and their own id."""
    entity = ctx.pipeline.tree
    there = {u.path: u for u in units if u.exists and entity and u.path.rpartition("/")[0] == ctx.collection(entity)}
    if entity is None or entity.tree is None or not there:
        return set()
    parents = {path: get_in(u.fields, entity.tree.parent) for path, u in there.items()}
    above = {f"{ctx.collection(entity)}/{id}" for id in parents.values() if id}
    known = there | {s.path: s for s in ctx.store.get(sorted(above - set(there)), select=(entity.tree.path,))}
    found = set()
    for path, unit in there.items():
        parent = known.get(f"{ctx.collection(entity)}/{parents[path]}")
        upper = get_in(parent.fields, entity.tree.path) if parent else ""
        if upper is None or get_in(unit.fields, entity.tree.path) != joined(upper, unit.id):
            found.add(path)
    return found


def _outgrown(ctx: Context, going: Sequence[Ready], placing: Placing, held: Held, left: Sequence[Followed]) -> dict[str, str]:
    """The moves below which there is more by now than one commit takes, and the units that leave more, the largest alone: the
    next look is at the others."""
    writes = len(going) + _OWN_WRITES + sum(map(len, held.values())) + len(left)
    size = sum(len(b"".join(c.prepared)) + len(c.path) + _AROUND if c.prepared else _AROUND for c in going)
    name = len(ctx.store.full_name(""))
    for of, some in held.items():  # the ids of a chain are those of the path; each field stands in the mask too
        fields = sum(2 * len(dotted(field)) + _AROUND for field in (of.path, *of.chain))
        longest = max((len(path) for path in placing.paths.values()), default=0)
        size += len(some) * (name + fields + 2 * longest)
        size += sum(len(s.path) + 2 * len(str(get_in(s.fields, of.path))) for s in some)
    size += sum(len(dumps(f.after)) + len(f.document) + name + _AROUND for f in left)
    if writes <= MAX_WRITES and size <= MAX_BYTES:
        return {}
    below = Counter(f.by for f in left)
    for of, some in held.items():
        for found in some:
            path = get_in(found.fields, of.path)
            top = next(t for t in placing.moves.tops if path == t or is_below(path, t))
            below[placing.moved[top]] += 1
    key, many = below.most_common(1)[0]
    return {key: f"{many:,} documents lie below it by now, and one commit does not take so many"}


def _composed(ctx: Context, pack: Pack, entity: Entity, going: Sequence[Ready], placing: Placing, held: Held) -> Following:
    by_document = {c.path: c for c in going}
    along: list[Followed] = []
    paths = dict(placing.paths)
    for of, some in held.items():
        for found in following(placing.moves, of, some):
            change = by_document.get(found.document) if of.name == entity.name else None
            if change is None:
                along.append(found)
            elif change.action is Action.UPDATE and change.key not in paths:
                paths[change.key] = str(get_in(found.after, of.path))
    other = {c.key: paths[c.key] for c in going if c.key in paths and (c.place is None or c.place.path != paths[c.key])}
    if not other:
        return Following(going, {}, along)
    assert entity.tree is not None
    made = {c.key: _with_path(c, entity.tree.path, other[c.key]) for c in pack.some(other)}
    ready = [
        ready_of(made[c.key], entity, ctx.store.prepare)._replace(planned_against=c.planned_against) if c.key in made else c
        for c in going
    ]
    return Following(ready, {}, along, {key: path for key, path in other.items() if key in placing.paths})


def _with_path(change: Change, field: FieldPath, path: str) -> Change:
    """The change with the path that its unit gets, where that is another than was planned."""
    after = dict(change.after or {})
    set_in(after, field, path)
    others = tuple(d for d in change.diff if d.path != field)
    return change._replace(after=after, diff=(*others, FieldDiff(field, get_in(change.before or {}, field), path)))
