"""What the rest of a capture will cost, foreseen once the sources were looked at and before they are read.

A read of everything is known from counts. Of what changed, the source's side is known from what lies behind the watermark and
from the manifest, but for records that join a group unseen. What is to be looked up in production is known when the changed
groups were read, and nothing is looked up or staged before that: what a run is foreseen to cost is told anew then."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core.bill import count_of, query_of
from penstock.core.cost import Cost
from penstock.core.declaration import Entity
from penstock.core.manifest import Manifest
from penstock.core.packs import MAX_CHANGES
from penstock.core.projection import Projected
from penstock.core.reconcile import search
from penstock.core.values import Timestamp, Value
from penstock.use_cases.context import Context
from penstock.use_cases.looking import Look
from penstock.use_cases.production import IN, is_held_whole, other_spellings
from penstock.use_cases.proposing import Found, held_of
from penstock.use_cases.reconcile import ranges

Reads = Sequence[tuple[Look, list[Entity]]]
Chunk = Sequence[Sequence[Projected]]


def rest_of_capture(
    ctx: Context, run: Found, reads: Reads, again: dict[str, set[Value]], known: Manifest, *, is_open: bool
) -> Cost:
    cost, changed = Cost(), 0
    for look, entities in reads:
        if look.shared is not None and run.mode != "full":
            continue  # reading it costs nothing, and what is news of it is known once it was read
        if look.whole(run.mode):
            cost += _everything(ctx, run, look, entities, known)
            changed += look.expect(run.at)
        else:
            part, of_look = _changes(look, known, again.get(look.plan.source.name, set()))
            cost += part + (_recount(look, run.at, known) if run.mode == "reconcile" else Cost())
            changed += of_look
    return cost + _end(ctx, run, changed, known, is_open=is_open)


def rest_of_comparing(
    ctx: Context, run: Found, chunks: Sequence[tuple[Sequence[Entity], Chunk]], known: Manifest, *, is_open: bool
) -> Cost:
    """The rest of a capture once the changed groups were read: what they feed is looked up in production, and staged."""
    reads = changed = 0
    for entities, chunk in chunks:
        for entity in entities:
            keys = {f"{p.entity}/{p.key}" for group in chunk for p in group if p.entity == entity.name}
            above = _above(entity, chunk, known) - keys if entity.tree else set()
            reads += len(keys) + _unknown(entity, keys, known) + len(above) + _unknown(entity, above, known)
            changed += len(keys)
    run.news = changed
    return Cost(reads=reads) + _end(ctx, run, changed, known, is_open=is_open)


def rest_for_gone(run: Found, gone: int) -> Cost:
    """What looking up and staging so many records that nothing feeds any more costs beside what an incremental run is foreseen
    to."""
    before, run.news = run.news, run.news + gone
    return Cost(reads=gone, writes=_begun(run.news) - _begun(before))


def _above(entity: Entity, chunk: Chunk, known: Manifest) -> set[str]:
    """The keys of what new records of a tree are to hang under; of a known one it shows later whether it moves."""
    assert entity.parent is not None
    new = (p for group in chunk for p in group if p.entity == entity.name and f"{entity.name}/{p.key}" not in known.keys)
    return {f"{entity.name}/{above}" for p in new if (above := p.values.get(entity.parent.field)) is not None}


def _end(ctx: Context, run: Found, changed: int, known: Manifest, *, is_open: bool) -> Cost:
    """Packs, the commits that begin a batch and make it the open one, and the count of production and of the batches."""
    counted = 0 if run.held else sum(count_of(run.of_entity(known)[entity.name]) for entity in ctx.pipeline.entities)
    replaced = Cost(reads=1 + query_of(run.open_packs), writes=2) if is_open else Cost()
    return replaced + Cost(reads=1 + counted, writes=4 + _begun(changed))


def _begun(changed: int) -> int:
    """The writes of a batch and of its packs."""
    return 2 + -(-changed // MAX_CHANGES) if changed else 0


def _everything(ctx: Context, run: Found, look: Look, entities: Sequence[Entity], known: Manifest) -> Cost:
    reads = query_of(look.expect(run.at)) + (look.plan.source.cursor is not None) if look.shared is None else 0
    if run.mode != "full":  # only what differs from what is known is looked up
        return Cost(reads)
    held, expected = held_of(ctx, run), look.count(run.at)
    if is_held_whole(ctx, entities, expected, held):
        return Cost(reads + sum(query_of(held[ctx.collection(entity)]) for entity in entities))
    keys = {entity.name: sum(key.partition("/")[0] == entity.name for key in known.keys) for entity in entities}
    return Cost(reads + sum(many or expected for many in keys.values()))


def _changes(look: Look, known: Manifest, again: set[Value]) -> tuple[Cost, int]:
    """And how many records or groups are to be looked at."""
    plan, before = look.plan, known.of(look.plan.source.name)
    if look.idle and not again:
        return Cost(), 0
    touched = set(again)
    read = set()
    for record in look.newer:
        old, group = before.get(record.id), plan.group(record)
        if old is None or old.fingerprint != record.fingerprint:
            read.add(record.id)
            touched |= {group, *([old.group] if old else [])}
    members = known.members(plan.source.name, touched - {None})
    siblings = sum(id not in read for ids in members.values() for id in ids)
    window = 0 if look.idle else query_of(look.in_window) + 1
    return Cost(siblings + window), len(read) + len(again)


def _unknown(entity: Entity, keys: set[str], known: Manifest) -> int:
    """The queries for keys that nothing is known of: by business key and its spellings."""
    new = [key.partition("/")[2] for key in keys if key.partition("/")[0] == entity.name and key not in known.keys]
    return -(-sum(1 + len(other_spellings(entity, key)) for key in new) // IN)


def _recount(look: Look, at: Timestamp, known: Manifest) -> Cost:
    """If as many documents are there as are known."""
    plan = look.plan
    entries = known.of(plan.source.name) | {record.id: plan.entry(record, None, at) for record in look.newer}
    before = ranges(plan, entries)[2]
    return Cost(sum(count_of(before[part.last] - before[part.first]) for part in next(search(before))))
