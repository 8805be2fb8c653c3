"""Reads a source at one moment and gives whole groups of records, noting what the next run needs to know.

A full read streams in the order of the grouping field, so that groups come whole and memory holds one at a time. An incremental
read takes what lies behind the watermark and counts the overlap window before it; on any sign of life it reads the window too,
and fetches the rest of each group it touches by the ids that the manifest knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from penstock.core.certificate import Certificate
from penstock.core.codec import SourceState
from penstock.core.declaration import Entity, Pipeline, Source
from penstock.core.errors import Incomplete, Refused
from penstock.core.manifest import Entry, Manifest
from penstock.core.mapping import allowed_fields
from penstock.core.records import Query, Snapshot, Where
from penstock.core.values import FieldPath, Timestamp, Value, get_in
from penstock.core.watermark import Watermark, is_stamp, overlap_start
from penstock.ports import Store

CHUNK = 300  # documents fetched by id in one call


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of one source: the mapped fields and no other."""

    source: Source
    group_by: FieldPath | None
    select: tuple[FieldPath, ...]

    def raw_group(self, record: Snapshot) -> Value:
        return record.id if self.group_by is None else get_in(record.fields, self.group_by)

    def group(self, record: Snapshot) -> Value:
        """What holds this record together with others; None where the field is blank."""
        raw = self.raw_group(record)
        return raw.strip() or None if isinstance(raw, str) else raw

    def entry(self, record: Snapshot) -> Entry:
        """What is remembered of a record. A stamp that is none may be anything, and is not kept."""
        cursor = self.source.cursor
        stamp = get_in(record.fields, cursor.field) if cursor else None
        return Entry(self.group(record), stamp if cursor and is_stamp(cursor, stamp) else None, record.fingerprint)


def plans(pipeline: Pipeline) -> list[tuple[Plan, list[Entity]]]:
    """The reads of a pipeline, one per source: the entities that it feeds share their grouping."""
    found = []
    for source in pipeline.sources.values():
        entities = [e for e in pipeline.entities if e.source == source.name]
        select = tuple(sorted(allowed_fields(pipeline, source.name)))
        found.append((Plan(source, entities[0].group_by, select), entities))
    return found


@dataclass
class Reading:
    """One source as read. Whole once every group was taken."""

    state: SourceState
    entries: dict[str, Entry] = field(default_factory=dict)  # of the records that were read
    gone: set[str] = field(default_factory=set)  # known to the manifest and no longer there
    blank: int = 0  # records that belong to no group; counted, not read, in a full read
    certificate: Certificate | None = None  # once all was taken


@dataclass
class Look:
    """A source before it is read: what lies behind its watermark, and how many records stand in the overlap window."""

    plan: Plan
    store: Store
    reading: Reading
    newer: list[Snapshot] = field(default_factory=list)
    in_window: int = 0

    @property
    def idle(self) -> bool:
        """Nothing new, nothing late. Only a source with a cursor can know without being read."""
        return self.plan.source.cursor is not None and not self.newer and self.in_window == self.reading.state.window


def look_at(plan: Plan, store: Store, state: SourceState, at: Timestamp) -> Look:
    """Two billed operations on a source where nothing happened."""
    look, cursor = Look(plan, store, Reading(state)), plan.source.cursor
    if cursor is not None:
        behind = (Where(cursor.field, ">", state.watermark),) if state.watermark is not None else ()
        look.newer = list(store.scan(Query(plan.source.collection, behind, cursor.field, plan.select), at))
        look.in_window = _count_window(look, state.watermark, at)
    return look


def everything(look: Look, at: Timestamp, least: int = 0) -> Iterator[list[Snapshot]]:
    """Every group, in order. Raises `Incomplete` when fewer or more were streamed than the database counts, and `Refused` when
    the source holds fewer documents than `least`."""
    plan, store, reading = look.plan, look.store, look.reading
    name, query = plan.source.name, Query(plan.source.collection, select=plan.select)
    if plan.group_by is not None:
        reading.blank = store.count(query, at)
        query = Query(plan.source.collection, (Where(plan.group_by, ">", ""),), plan.group_by, plan.select)
    expected = store.count(query, at)
    reading.blank -= expected if plan.group_by is not None else 0
    if expected + reading.blank < least:
        raise Refused(
            f"holds {expected + reading.blank} documents, fewer than the {least} that it must",
            subject=name,
            remedy="Nothing was read from it and nothing changes. Look whether the source was emptied or replaced.",
        )
    cursor = plan.source.cursor
    highest = Watermark(cursor, None, at) if cursor else None
    aside: dict[Value, list[Snapshot]] = {}  # groups spelled with blanks around: they sort elsewhere than their own kind
    streamed = 0
    for raw, records in groupby(store.scan(query, at), plan.raw_group):
        members = list(records)
        streamed += len(members)
        for record in members:
            entry = reading.entries[record.id] = plan.entry(record)
            if highest:
                highest.see(entry.stamp)
        group = plan.group(members[0])
        if group is None:
            reading.blank += len(members)
        elif group != raw:
            aside.setdefault(group, []).extend(members)
        else:
            yield members
    if streamed != expected:
        raise Incomplete(
            f"streamed {streamed} documents where the database counts {expected} at the same moment",
            subject=name,
            remedy="Nothing was staged from this read. The next run reads again.",
        )
    yield from aside.values()
    reading.certificate = Certificate(name, at, "everything", expected, streamed)
    watermark = highest.value if highest else None
    reading.state = SourceState(watermark, _count_window(look, watermark, at))


def changes(look: Look, at: Timestamp, known: Manifest, again: set[Value]) -> Iterator[list[Snapshot]]:
    """The groups touched since the watermark, and those to be planned again. Where anything happened the overlap window is read
    too: a late commit may have put a record there in another's place, and a count would not tell."""
    plan, reading, watermark = look.plan, look.reading, look.reading.state.watermark
    cursor, before, seen = plan.source.cursor, known.of(plan.source.name), list(look.newer)
    if not look.idle and watermark is not None:
        seen += look.store.scan(_window(plan, watermark), at)
    highest = Watermark(cursor, watermark, at) if cursor else None
    touched = set(again)
    for record in seen:
        entry, old = plan.entry(record), before.get(record.id)
        reading.entries[record.id] = entry
        if highest:
            highest.see(entry.stamp)
        if old is None or old.fingerprint != entry.fingerprint:
            touched |= {entry.group, old.group if old else None}
            reading.blank += entry.group is None
    yield from _whole_groups(look, at, known, {r.id: r for r in seen}, touched - {None})
    if highest and not look.idle:
        reading.state = SourceState(highest.value, _count_window(look, highest.value, at))


def scanned(look: Look, at: Timestamp, known: Manifest, again: set[Value], least: int = 0) -> Iterator[list[Snapshot]]:
    """For a source without a change field: everything is read, and the groups with any difference are given."""
    name, plan = look.plan.source.name, look.plan
    before = known.of(name)
    sizes = {group: len(ids) for group, ids in known.members(name, {e.group for e in before.values()}).items()}
    for members in everything(look, at, least):
        group = plan.group(members[0])
        same = all((old := before.get(r.id)) is not None and old.fingerprint == r.fingerprint for r in members)
        if not same or len(members) != sizes.get(group, 0) or group in again:
            yield members


def _whole_groups(
    look: Look, at: Timestamp, known: Manifest, read: dict[str, Snapshot], touched: set[Value]
) -> Iterator[list[Snapshot]]:
    """Fetch the members of the touched groups that were not read yet, by id, and give each group whole. A member that turns
    out to have moved on touches its new group too."""
    plan, reading = look.plan, look.reading
    while True:
        members = known.members(plan.source.name, touched)
        missing = [id for ids in members.values() for id in ids if id not in read and id not in reading.gone]
        if not missing:
            break
        for start in range(0, len(missing), CHUNK):
            paths = [f"{plan.source.collection}/{id}" for id in missing[start : start + CHUNK]]
            for record in look.store.get(paths, at, plan.select):
                if record.exists:
                    read[record.id] = record
                    reading.entries[record.id] = plan.entry(record)
                else:
                    reading.gone.add(record.id)
        touched = touched | {reading.entries[id].group for id in missing if id in read} - {None}
    groups: dict[Value, list[Snapshot]] = {}
    for record in read.values():
        groups.setdefault(reading.entries[record.id].group, []).append(record)
    for group in sorted(touched & groups.keys(), key=str):
        yield groups[group]


def _count_window(look: Look, watermark: Value, at: Timestamp) -> int:
    return look.store.count(_window(look.plan, watermark), at) if watermark is not None else 0


def _window(plan: Plan, watermark: Value) -> Query:
    """The records whose stamp lies in the overlap window: where late commits with older stamps are looked for."""
    cursor = plan.source.cursor
    assert cursor is not None
    low = overlap_start(cursor, watermark)
    between = (Where(cursor.field, ">=", low), Where(cursor.field, "<=", watermark))
    return Query(plan.source.collection, between, cursor.field, plan.select)
