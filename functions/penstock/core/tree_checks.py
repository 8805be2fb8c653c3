"""Whether the records of one partition of a source form a sound tree: judged whole, before any target takes them, and every fault
told at once. Ids are document ids of the source."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from penstock.core.converters import ABSENT, Context, Problem
from penstock.core.declaration import Entity, Source
from penstock.core.findings import listed
from penstock.core.mapping import Columns, raw_text
from penstock.core.records import Snapshot
from penstock.core.rings import rings
from penstock.core.values import FieldPath, dotted

Kind: TypeAlias = Literal[
    "empty",
    "unreadable",
    "duplicate id",
    "id unlike its document's",
    "self-parent",
    "cycle",
    "orphan",
    "parent of another partition",
    "level gap",
    "level out of range",
    "duplicate code",
    "inactive parent",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Fault:
    """`ids` are the documents that are at fault, `text` one plain sentence about them."""

    kind: Kind
    ids: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Unit:
    """One record as far as a tree is concerned. `parent` is "" at a root; `level` and `parent` None where they cannot be read."""

    document: str
    id: str
    parent: str | None
    level: int | None
    code: str
    active: bool
    unreadable: tuple[str, ...]  # source fields, dotted


def units(entity: Entity, source: Source, records: Iterable[Snapshot]) -> list[Unit]:
    """What the records say, read as the pipeline maps them; without those that the source says are deleted."""
    tree, parent, off = entity.tree, entity.parent, entity.deactivate
    assert tree is not None
    assert parent is not None
    columns = Columns(Context(source))
    wanted = {entity.key, parent.field, tree.level, *filter(None, [tree.code, off.field if off else None])}
    fields = {field.target: (columns.add(field), dotted(field.source)) for field in entity.fields if field.target in wanted}
    readers = [(path, columns.readers[column]) for path, (column, _) in fields.items()]

    def unit(record: Snapshot) -> Unit:
        data, bad = record.fields, set[FieldPath]()
        said: dict[FieldPath | None, Any] = {}
        for path, read in readers:
            value = read(data)
            if isinstance(value, Problem) or (value is ABSENT and path in (entity.key, tree.level)):
                bad.add(path)
            elif value is not ABSENT:
                said[path] = value
        return Unit(
            record.id,
            str(said.get(entity.key, "")),
            None if parent.field in bad else str(said.get(parent.field, "")),
            said.get(tree.level),
            str(said.get(tree.code, "")),
            off is None or said.get(off.field) != off.value,
            tuple(fields[path][1] for path in sorted(bad)),
        )

    gone = entity.deleted_where
    return [unit(r) for r in records if gone is None or raw_text(r.fields, gone[0]) not in gone[1]]


def strange_parents(found: Sequence[Unit]) -> list[str]:
    """The parents that are named and are none of these units."""
    there = {unit.id for unit in found}
    return sorted({unit.parent for unit in found if unit.parent} - there)


def judge(entity: Entity, partition: str, found: Sequence[Unit], elsewhere: Mapping[str, str]) -> tuple[Fault, ...]:
    """Every fault, by kind and then by id. `elsewhere`: of the strange parents those that are units of another partition, and of
    which."""
    judges = (_empty, _unreadable, _ids, _parents, _rings, _levels, _codes, _activity)
    seen = _Seen(entity, partition, found, elsewhere, {unit.id: unit for unit in found if unit.id})
    faults = [fault for judge in judges for fault in judge(seen)]
    return tuple(sorted(faults, key=lambda fault: (KINDS.index(fault.kind), fault.ids)))


def empty(partition: str) -> Fault:
    """What was emptied is never taken for all gone; and who named a partition that is none is to know it."""
    return Fault("empty", (), f"There is nothing in {partition}.")


def summary(faults: Iterable[Fault]) -> str:
    """`3 faults: 2 orphan, 1 cycle`."""
    counts = Counter(fault.kind for fault in faults)
    many = "1 fault" if counts.total() == 1 else f"{counts.total():,} faults"
    return f"{many}: {', '.join(f'{counts[kind]:,} {kind}' for kind in KINDS if counts[kind])}"


@dataclass(frozen=True, slots=True)
class _Seen:
    entity: Entity
    partition: str
    units: Sequence[Unit]
    elsewhere: Mapping[str, str]
    by_id: Mapping[str, Unit]


def _empty(seen: _Seen) -> Iterator[Fault]:
    if not seen.units:
        yield empty(seen.partition)


def _unreadable(seen: _Seen) -> Iterator[Fault]:
    for unit in seen.units:
        if unit.unreadable:
            what = listed(f"`{name}`" for name in unit.unreadable)
            yield Fault("unreadable", (unit.document,), f"{unit.document} has no {what} that can be read.")


def _ids(seen: _Seen) -> Iterator[Fault]:
    documents = defaultdict(list)
    for unit in seen.units:
        if unit.id:
            documents[unit.id].append(unit.document)
        if unit.id and unit.id != unit.document:
            text = f"The document {unit.document} says that its id is {unit.id}."
            yield Fault("id unlike its document's", (unit.document,), text)
    for id, of in documents.items():
        if len(of) > 1:
            yield Fault("duplicate id", tuple(sorted(of)), f"The id {id} is that of {len(of)} documents: {listed(sorted(of))}.")


def _parents(seen: _Seen) -> Iterator[Fault]:
    for unit in seen.units:
        if not unit.parent:
            continue
        if unit.parent == unit.id:
            yield Fault("self-parent", (unit.document,), f"{unit.document} hangs under itself.")
        elif unit.parent in seen.elsewhere:
            where = seen.elsewhere[unit.parent] or "no partition"
            text = f"{unit.document} hangs under {unit.parent}, which belongs to {where} and not to {seen.partition}."
            yield Fault("parent of another partition", (unit.document,), text)
        elif unit.parent not in seen.by_id:
            text = f"{unit.document} hangs under {unit.parent}, which {seen.partition} does not have."
            yield Fault("orphan", (unit.document,), text)


def _rings(seen: _Seen) -> Iterator[Fault]:
    for ring in rings({id: unit.parent or "" for id, unit in seen.by_id.items()}):
        if len(ring) > 1:
            text = f"{listed(ring)} hang under each other in a ring."
            yield Fault("cycle", tuple(seen.by_id[id].document for id in ring), text)


def _levels(seen: _Seen) -> Iterator[Fault]:
    assert seen.entity.tree is not None
    official = seen.entity.tree.depth(seen.partition).official
    for unit in seen.units:
        level, ids = unit.level, (unit.document,)
        if level is None or unit.parent is None:
            continue
        if not 1 <= level <= official:
            text = f"{unit.document} is of level {level}; {seen.partition} has the levels 1 to {official}."
            yield Fault("level out of range", ids, text)
        above = seen.by_id.get(unit.parent)
        if not unit.parent and level != 1:
            yield Fault("level gap", ids, f"{unit.document} is of level {level} and hangs under nothing.")
        elif above is not None and above.level is not None and above is not unit and level != above.level + 1:
            text = f"{unit.document} is of level {level} and hangs under {above.document}, which is of level {above.level}."
            yield Fault("level gap", ids, text)


def _codes(seen: _Seen) -> Iterator[Fault]:
    """What is not active may have had a code that another has now."""
    alike = defaultdict(list)
    for unit in seen.units:
        if unit.code and unit.active:
            alike[unit.parent, unit.level, unit.code].append(unit.document)
    for (parent, level, code), documents in alike.items():
        if len(documents) > 1:
            under = f" under {parent}" if parent else ""
            text = f'{listed(sorted(documents))}, of level {level}{under}, have the same code "{code}".'
            yield Fault("duplicate code", tuple(sorted(documents)), text)


def _activity(seen: _Seen) -> Iterator[Fault]:
    for unit in seen.units:
        above = seen.by_id.get(unit.parent or "")
        if unit.active and above is not None and not above.active:
            text = f"{unit.document} is active and hangs under {above.document}, which is not."
            yield Fault("inactive parent", (unit.document,), text)
