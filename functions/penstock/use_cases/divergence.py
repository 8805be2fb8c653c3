"""How a target stands to its source, now: by content, record by record, with the reason of each difference. Only read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from penstock.core.declaration import Entity
from penstock.core.deletes import plan_gone
from penstock.core.diff import Declined, Older, plan
from penstock.core.divergence import Difference, Standing, State, print_of, print_of_document, standing
from penstock.core.layout import STAMP
from penstock.core.manifest import GONE, HELD, Manifest, decode
from penstock.core.projection import Projected, Projector
from penstock.core.records import Query, Snapshot
from penstock.core.tree import joined
from penstock.core.values import Value, get_in
from penstock.use_cases import releases, staging
from penstock.use_cases.context import Context, load_target
from penstock.use_cases.looking import plans


@dataclass
class _Known:
    """What explains a difference."""

    dealt: Manifest
    planned: Mapping[str, str]  # key → the batch that is open, or being promoted
    declined: staging.DeclinedMap
    owed: bool  # a run that compares everything is due


@dataclass
class _Side:
    said: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))  # partition → key, with its entity → print
    held: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    differences: dict[str, list[Difference]] = field(default_factory=lambda: defaultdict(list))


def divergence(ctx: Context) -> list[Standing]:
    """How each partition of a target stands. Reads the sources (a release costs nothing) and all of production: a billed read for
    each of its documents."""
    known, side = _known(ctx), _Side()
    for source_plan, entities in plans(ctx.pipeline):
        projector = Projector(ctx.pipeline, source_plan.source.name, ctx.store.full_name("").rstrip("/"))
        groups: dict[Value, list[Snapshot]] = defaultdict(list)
        source = source_plan.source
        store = releases.shared(ctx, source, {}).store if source.partition else ctx.source_store(source)
        for record in store.scan(Query(source.collection, select=source_plan.select)):
            if (group := source_plan.group(record)) is not None:
                groups[group].append(record)
        projected = {(p.entity, p.key): p for some in groups.values() for p in projector.project(some).projected}
        for entity in entities:
            _compare(ctx, entity, {key: p for (name, key), p in projected.items() if name == entity.name}, known, side)
    names = sorted({*side.said, *side.held, *ctx.target.partitions}) or [""]
    return [standing(name, side.said[name], side.held[name], side.differences[name]) for name in names]


def _known(ctx: Context) -> _Known:
    state = load_target(ctx).state
    planned: dict[str, str] = {}
    for batch in filter(None, (state.open, state.applying)):
        for pack in staging.packs_of(ctx, batch, payload=False):
            planned |= dict.fromkeys((key.partition("#")[0] for key in pack.fields["keys"]), batch)
    for again in state.recheck:
        planned |= dict.fromkeys(again.keys or (), again.batch)
    dealt = decode(ctx.ports.blobs.read(state.manifest)) if state.manifest else Manifest()
    return _Known(dealt, planned, staging.declined(ctx), state.owes_full or not state.manifest)


def _compare(ctx: Context, entity: Entity, projected: Mapping[str, Projected], known: _Known, side: _Side) -> None:
    held: dict[str, Snapshot] = {}
    by_path: dict[str, Snapshot] = {}
    for document in ctx.store.scan(Query(ctx.collection(entity))):
        by_path[document.id] = document
        key = get_in(document.fields, entity.key)
        if key is None or _own(entity, document):
            continue
        if document.id == key or str(key) not in held:  # of several that a run would take
            held[str(key)] = document
    for key, p in projected.items():
        partition, name = _partition(ctx, entity, p.values), f"{entity.name}/{key}"
        side.said[partition][name] = print_of(entity, p.values)
        found = held.get(key) or by_path.get(key) or Snapshot(f"{ctx.collection(entity)}/{key}", None, None)
        if found.exists:
            side.held[partition][name] = print_of_document(entity, found.fields)
        if (difference := _difference(entity, p, found, known)) or (difference := _misplaced(entity, key, found, by_path)):
            side.differences[partition].append(difference)
    for key, found in held.items():
        if key not in projected:
            partition = _partition(ctx, entity, {f.target: get_in(found.fields, f.target) for f in entity.fields})
            gone = _left(entity, key, found, known)
            if gone is not None:
                side.held[partition][gone.key] = print_of_document(entity, found.fields)
                side.differences[partition].append(gone)


def _own(entity: Entity, document: Snapshot) -> bool:
    return entity.tree is not None and get_in(document.fields, entity.tree.own[0]) != entity.tree.own[1]


def _partition(ctx: Context, entity: Entity, values: Mapping[tuple[str, ...], Value]) -> str:
    by = ctx.pipeline.sources[entity.source].partition
    mapped = next((f.target for f in entity.fields if f.source == by), None) if by else None
    return str(values.get(mapped, "")) if mapped else ""


def _difference(entity: Entity, p: Projected, found: Snapshot, known: _Known) -> Difference | None:
    key = f"{entity.name}/{p.key}"
    change = plan(entity, p, found, declined=known.declined.get(key, {}))
    if change is None or isinstance(change, Older):
        return None
    if isinstance(change, Declined):
        return Difference(key, "declined", "a person decided so, and the source says the same since")
    if key in known.planned:
        return Difference(key, "pending", f"proposed by {known.planned[key]}")
    if known.dealt.print_of(key) == HELD:
        return _behind(entity, p, known) or Difference(key, "pending", "held back: it has no place in the tree yet")
    if known.owed or known.dealt.print_of(key) != p.fingerprint:
        return _behind(entity, p, known) or Difference(key, "pending", "the next run proposes it")
    return Difference(key, "unexplained", "production was changed by somebody else" if found.exists else "production lost it")


def _behind(entity: Entity, p: Projected, known: _Known) -> Difference | None:
    """What hangs under a record that was declined was declined with it."""
    link = entity.parent
    above = p.values.get(link.field) if link else None
    if link is None or above is None or "" not in known.declined.get(f"{link.entity}/{above}", {}):
        return None
    return Difference(f"{entity.name}/{p.key}", "declined", f"it belongs to {link.entity}/{above}, which a person declined")


def _misplaced(entity: Entity, key: str, found: Snapshot, by_id: Mapping[str, Snapshot]) -> Difference | None:
    """A path that does not say what the parents say. Nobody approves paths, so nobody declines them."""
    tree = entity.tree
    if tree is None or not found.exists:
        return None
    parent = get_in(found.fields, tree.parent)
    above = by_id.get(str(parent)) if parent else None
    path = joined(str(get_in(above.fields, tree.path)) if above else "", found.id)
    if (parent and above is None) or get_in(found.fields, tree.path) != path:
        return Difference(f"{entity.name}/{key}", "unexplained", "its path is not that of its parent and itself")
    return None


def _left(entity: Entity, key: str, found: Snapshot, known: _Known) -> Difference | None:
    """A record that production holds and the source does not."""
    name = f"{entity.name}/{key}"
    change = plan_gone(entity, key, key, found)
    if entity.on_delete == "ignore" or change is None or isinstance(change, str) or get_in(found.fields, (STAMP,)) is None:
        return None  # nothing would be proposed, or it came by another way than this
    if known.declined.get(name, {}).get("") == GONE:
        return Difference(name, "declined", "gone from the source, and a person kept it")
    if entity.on_delete == "flag":
        return Difference(name, "declined", "gone from the source, which is only told")
    state: State = "unexplained" if known.dealt.print_of(name) == GONE and name not in known.planned else "pending"
    return Difference(name, state, "gone from the source" if state == "pending" else "gone from the source, and came back")
