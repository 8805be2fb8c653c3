"""A source before it is read: what is asked of it, what lies behind its watermark, and what a read of it is to tell."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from penstock.core.brakes import Seen
from penstock.core.certificate import Certificate, Of
from penstock.core.codec import Mode, SourceState
from penstock.core.declaration import Entity, Pipeline, Source
from penstock.core.errors import Incomplete
from penstock.core.manifest import Entry
from penstock.core.mapping import allowed_fields
from penstock.core.records import NAME, Query, Snapshot, Where
from penstock.core.values import FieldPath, Timestamp, Value, get_in
from penstock.core.watermark import AHEAD_SECONDS, Watermark, moment_of, overlap_start, stamp_of
from penstock.ports import Readable
from penstock.use_cases.release_store import ReleaseStore


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of one source: the mapped fields and no other."""

    source: Source
    group_by: FieldPath | None
    select: tuple[FieldPath, ...]
    only: tuple[Where, ...] = ()  # of the source, its documents that meet this

    def query(self, where: tuple[Where, ...] = (), order_by: FieldPath = NAME) -> Query:
        return Query(self.source.collection, (*self.only, *where), order_by, self.select)

    def grouped(self) -> Query:
        """The records that belong to a group, in the order of the groups."""
        assert self.group_by is not None
        return self.query((Where(self.group_by, ">", ""),), self.group_by)

    def window(self, watermark: Value) -> Query:
        """The records whose stamp lies in the overlap window: where late commits with older stamps are looked for."""
        cursor = self.source.cursor
        assert cursor is not None
        low = overlap_start(cursor, watermark, _zone(self.source.time_zone))
        return self.query((Where(cursor.field, ">=", low), Where(cursor.field, "<=", watermark)), cursor.field)

    def raw_group(self, record: Snapshot) -> Value:
        return record.id if self.group_by is None else get_in(record.fields, self.group_by)

    def group(self, record: Snapshot) -> Value:
        """What holds this record together with others; None where the field is blank."""
        return self._trimmed(self.raw_group(record))

    def _trimmed(self, raw: Value) -> Value:
        return raw.strip() or None if isinstance(raw, str) and self.group_by is not None else raw

    def stamp(self, record: Snapshot) -> Value:
        """When the record says that it was changed. What is no moment may be anything, and is left out."""
        cursor = self.source.cursor
        return stamp_of(cursor, record.fields) if cursor else None

    def moment(self, stamp: Value, at: Timestamp) -> Timestamp | None:
        """What a stamp means; None also where it is so far ahead of `at` that it puts nothing in order."""
        cursor = self.source.cursor
        found = moment_of(cursor, stamp, _zone(self.source.time_zone)) if cursor else None
        return found if found is not None and found <= at.plus(AHEAD_SECONDS) else None

    def entry(self, record: Snapshot, before: Entry | None, at: Timestamp) -> Entry:
        """What is remembered of a record: of its stamps the latest, so that an older snapshot of it is known for one."""
        stamp = self.stamp(record)
        if before is not None and before.stamp is not None and before.stamp != stamp:
            now, then = self.moment(stamp, at), self.moment(before.stamp, at)
            if then is not None and (now is None or now < then):
                stamp = before.stamp
        raw = self.raw_group(record)
        group = self._trimmed(raw)
        return Entry(group, stamp, record.fingerprint, raw if isinstance(raw, str) and raw != group else "")

    def watermark(self, start: Value, at: Timestamp) -> Watermark | None:
        cursor = self.source.cursor
        return Watermark(cursor, start, at, _zone(self.source.time_zone)) if cursor else None


_zone = lru_cache(zoneinfo.ZoneInfo)


def plans(pipeline: Pipeline) -> list[tuple[Plan, list[Entity]]]:
    """The reads of a pipeline, one per source: the entities that it feeds share their grouping."""
    found = []
    for source in pipeline.sources.values():
        entities = [e for e in pipeline.entities if e.source == source.name]
        select = tuple(sorted(allowed_fields(pipeline, source.name)))
        found.append((Plan(source, entities[0].group_by, select), entities))
    return found


@dataclass(frozen=True, slots=True)
class Shared:
    """What a target gets of a source that is read once for all targets: a release of each partition that it lists."""

    store: ReleaseStore
    releases: Mapping[str, str]  # their names by partition
    at: Timestamp  # when the eldest of them was read
    dealt: bool  # the target has dealt with just these
    held_back: tuple[str, ...] = ()  # why of some partition it does not get what the source holds: one plain sentence each


@dataclass
class Reading:
    """One source as read. Whole once every group was taken. `state` moves on only with what was proved complete."""

    state: SourceState
    entries: dict[str, Entry] = field(default_factory=dict)  # of the records that were read
    gone: set[str] = field(default_factory=set)  # known to the manifest and no longer there
    touched: frozenset[str] | None = None  # the groups of which every record was taken, as text; None: all there are
    blank: int = 0  # records that belong to no group; counted, not read, in a full read
    undated: int = 0  # records without a moment in the change field: only a full read sees that they changed
    certificate: Certificate | None = None  # once all was taken; None: the source was idle


@dataclass
class Look:
    """A source before it is read: what lies behind its watermark, and how many records stand in the overlap window."""

    plan: Plan
    store: Readable
    reading: Reading
    newer: list[Snapshot] = field(default_factory=list)
    in_window: int = 0
    counted: int | None = None  # behind the watermark; None: nobody looked
    streamed: int = 0  # documents, each counted once
    why: str = ""  # what speaks against the streams, whatever their length
    documents: int | None = None  # how many the source holds, once they were counted
    grouped: int | None = None  # how many of them belong to a group, once they were counted
    seen: Seen | None = None  # what it was found to be like, where that was looked at
    shared: Shared | None = None  # the store is a release, and costs nothing

    @property
    def idle(self) -> bool:
        """Nothing new, nothing late. Only a source with a cursor, or a release, can know without being read."""
        if self.shared is not None:
            return self.shared.dealt
        return self.plan.source.cursor is not None and not self.counted and self.in_window == self.reading.state.window

    def whole(self, mode: Mode) -> bool:
        """Whether a run of this mode reads everything there is."""
        if self.shared is not None:
            return mode in ("full", "reconcile") or not self.shared.dealt
        return mode == "full" or (self.plan.source.cursor is None and mode != "recheck")

    def stream(self, query: Query, at: Timestamp) -> Iterator[Snapshot]:
        """The documents of a query, until the stream ends or breaks off."""
        try:
            for document in self.store.scan(query, at):
                self.streamed += 1
                yield document
        except Incomplete as broken:
            self.doubt(f"the stream {broken.what}")

    def enter(self, record: Snapshot, before: Entry | None, at: Timestamp) -> bool:
        """Note a record of the stream; False if it came before."""
        id = record.id
        if id in self.reading.entries:
            self.streamed -= 1
            self.doubt("a document came twice")
            return False
        self.reading.entries[id] = self.plan.entry(record, before, at)
        return True

    def doubt(self, why: str) -> None:
        self.why = self.why or why

    def certify(self, of: Of, at: Timestamp, counted: int, doubtful: int = 0) -> bool:
        """Whether all came that was counted. If not, so many groups are withheld."""
        found = Certificate(self.plan.source.name, self.moment(at), of, counted, self.streamed, self.why)
        self.reading.certificate = found if found.complete else replace(found, withheld=doubtful)
        return found.complete

    def moment(self, at: Timestamp) -> Timestamp:
        """What was read is what stood there at this moment, in a run at `at`."""
        return self.shared.at if self.shared else at

    @property
    def thinned(self) -> bool:
        """Documents went from the overlap window and did not come back as changed ones."""
        return self.in_window + len(self.newer) < self.reading.state.window

    def expect(self, at: Timestamp) -> int:
        """How many documents a read of everything brings; asked for once."""
        if self.plan.group_by is None:
            return self.count(at)
        if self.grouped is None:
            self.grouped = self.store.count(self.plan.grouped(), at)
        return self.grouped

    def count_window(self, watermark: Value, at: Timestamp) -> int:
        return self.store.count(self.plan.window(watermark), at) if watermark is not None else 0

    def count(self, at: Timestamp) -> int:
        """How many documents the source holds; asked for once."""
        if self.documents is None:
            self.documents = self.store.count(self.plan.query(), at)
        return self.documents


def look_at(plan: Plan, store: Readable, state: SourceState, at: Timestamp) -> Look:
    """Two billed operations on a source where nothing happened."""
    look, cursor = Look(plan, store, Reading(state)), plan.source.cursor
    if cursor is not None:
        behind = (Where(cursor.field, ">", state.watermark),) if state.watermark is not None else ()
        query = plan.query(behind, cursor.field)
        look.counted = store.count(query, at)
        look.newer = list(look.stream(query, at)) if look.counted else []
        look.in_window = look.count_window(state.watermark, at)
    return look
