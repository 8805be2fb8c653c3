"""Reads a source at one moment and gives whole groups of records, noting what the next run needs to know.

A full read streams in the order of the grouping field, so that groups come whole and memory holds one at a time. An incremental
read takes what lies behind the watermark and counts the overlap window before it; on any sign of life it reads the window too,
and fetches the rest of each group it touches by the ids that the manifest knows."""

from __future__ import annotations

import zoneinfo
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import groupby

from penstock.core.brakes import Seen, spread
from penstock.core.certificate import Certificate, Of
from penstock.core.codec import Mode, SourceState
from penstock.core.declaration import Entity, Pipeline, Source
from penstock.core.errors import Incomplete
from penstock.core.manifest import Entry, Manifest
from penstock.core.mapping import allowed_fields
from penstock.core.records import NAME, Query, Snapshot, Where
from penstock.core.values import FieldPath, Timestamp, Value, get_in
from penstock.core.watermark import AHEAD_SECONDS, Watermark, moment_of, overlap_start, stamp_of
from penstock.ports import Readable
from penstock.use_cases.release_store import ReleaseStore

CHUNK = 300  # documents fetched by id in one call
KNOWN = 50  # ids kept of a complete read, to ask the next time whether they are still there


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of one source: the mapped fields and no other."""

    source: Source
    group_by: FieldPath | None
    select: tuple[FieldPath, ...]
    only: tuple[Where, ...] = ()  # of the source, its documents that meet this

    def query(self, where: tuple[Where, ...] = (), order_by: FieldPath = NAME) -> Query:
        return Query(self.source.collection, (*self.only, *where), order_by, self.select)

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
            self.grouped = self.store.count(_all_groups(self.plan, self.plan.group_by), at)
        return self.grouped

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
        look.in_window = _count_window(look, state.watermark, at)
    return look


def everything(look: Look, at: Timestamp, known: Manifest) -> Iterator[list[Snapshot]]:
    """Every group, in order.

    Where fewer or other documents are streamed than the database counts, the certificate says so; and those groups are withheld
    of which a known record did not come, or in which the stream ended: without the rest they would say what is not so."""
    plan, reading = look.plan, look.reading
    query = plan.query()
    if plan.group_by is not None:
        reading.blank = look.count(at)
        query = _all_groups(plan, plan.group_by)
    expected = look.expect(at)
    reading.blank -= expected if plan.group_by is not None else 0
    before, highest = known.of(plan.source.name), plan.watermark(None, at)
    sizes = Counter(entry.group for entry in before.values())
    doubtful: list[list[Snapshot]] = []
    for group, found, ended in _in_groups(look, query, at):
        members = [record for record in found if look.enter(record, before.get(record.id), at)]
        if highest is not None:
            stamps = [plan.stamp(record) for record in members]
            reading.undated += stamps.count(None)
            for stamp in stamps:
                highest.see(stamp)
        familiar = sum(1 for record in members if (old := before.get(record.id)) is not None and old.group == group)
        if group is None:
            reading.blank += len(members)
        elif not ended or familiar < sizes[group]:
            doubtful.append(members)
        else:
            yield members
    if not look.certify("everything", at, expected, len(doubtful)):
        return
    yield from filter(None, doubtful)
    _take_state(look, highest, reading.entries, at)


def _take_state(look: Look, highest: Watermark | None, ids: Collection[str], at: Timestamp) -> None:
    """What the next run needs to know, once all that the source holds (`ids`) came."""
    watermark = highest.value if highest else None
    seen = look.seen and replace(look.seen, ids=spread(ids, KNOWN))
    look.reading.state = SourceState(watermark, _count_window(look, watermark, at), at, seen)


def _all_groups(plan: Plan, by: FieldPath) -> Query:
    return plan.query((Where(by, ">", ""),), by)


def _in_groups(look: Look, query: Query, at: Timestamp) -> Iterator[tuple[Value, list[Snapshot], bool]]:
    """The groups of a stream in the order of the grouping field, and whether another came behind each. Those spelled with blanks
    around sort elsewhere than their own kind: before it they wait for it, right behind it they join it."""
    plan = look.plan
    waiting: dict[Value, list[Snapshot]] = {}
    previous: Value = None
    name: Value = None
    members: list[Snapshot] = []
    for raw, records in groupby(look.stream(query, at), plan.raw_group):
        if plan.group_by is not None and previous is not None and raw < previous:
            look.doubt("documents came out of order")
        previous, some = raw, list(records)
        group = plan.group(some[0])
        if members and group == name:
            members += some
        elif group is not None and group != raw:
            waiting.setdefault(group, []).extend(some)
        else:
            if members:
                yield name, members, True
            name, members = group, waiting.pop(group, []) + some
    if members:
        yield name, members, False
    for group, some in waiting.items():
        yield group, some, False


def changes(
    look: Look, at: Timestamp, known: Manifest, again: set[Value], also: Iterable[Snapshot] = ()
) -> Iterator[list[Snapshot]]:
    """The groups touched since the watermark, and those to be planned again. Where anything happened the overlap window is read
    too: a late commit may have put a record there in another's place, and a count would not tell. `also`, asked for once all
    this was read, gives further records of groups to be looked at, and may say what is gone."""
    plan, reading, watermark = look.plan, look.reading, look.reading.state.watermark
    before, idle, counted = known.of(plan.source.name), look.idle, look.counted or 0
    late: Iterator[Snapshot] = iter(())
    if not idle and watermark is not None:
        late = look.stream(_window(plan, watermark), at)
        counted += look.in_window
    highest = plan.watermark(watermark, at)
    read: dict[str, Snapshot] = {}
    touched = set(again)

    def take(record: Snapshot, old: Entry | None) -> None:
        read[record.id], entry = record, reading.entries[record.id]
        if old is None or old.fingerprint != entry.fingerprint:
            touched.update({entry.group, old.group if old else None})
            reading.blank += entry.group is None

    for record in (*look.newer, *late):
        old = before.get(record.id)
        if look.enter(record, old, at):
            take(record, old)
            if highest:
                highest.see(plan.stamp(record))
    complete = look.certify("again" if look.counted is None else "changes", at, counted)
    for record in also if complete else ():
        reading.entries[record.id] = plan.entry(record, before.get(record.id), at)
        take(record, before.get(record.id))
    touched |= {before[id].group for id in reading.gone if id in before}
    yield from _whole_groups(look, at, known, read, touched - {None})
    if highest and not idle and complete:
        reading.state = replace(reading.state, watermark=highest.value, window=_count_window(look, highest.value, at))


def scanned(look: Look, at: Timestamp, known: Manifest, again: set[Value]) -> Iterator[list[Snapshot]]:
    """For a source without a change field: everything is read, and the groups with any difference are given."""
    if look.shared is not None and look.plan.group_by is None:
        yield from _renewed(look, look.shared.store, at, known, again)
        return
    before, plan = known.of(look.plan.source.name), look.plan
    sizes = Counter(entry.group for entry in before.values())
    touched = set(again)
    for members in everything(look, at, known):
        group = plan.group(members[0])
        same = all((old := before.get(r.id)) is not None and old.fingerprint == r.fingerprint for r in members)
        if not same or len(members) != sizes[group] or group in again:
            touched |= {group, *(before[r.id].group for r in members if r.id in before)}
            yield members
    if look.reading.certificate and look.reading.certificate.proves_absence:
        look.reading.gone = before.keys() - look.reading.entries.keys()
    touched |= {before[id].group for id in look.reading.gone}
    look.reading.touched = frozenset(map(str, touched - {None}))


def _renewed(look: Look, store: ReleaseStore, at: Timestamp, known: Manifest, again: set[Value]) -> Iterator[list[Snapshot]]:
    """The same of releases whose records stand each for itself: what is to be remembered of them came with them, and is held
    against the manifest as it is. So a target for which three of thousands are new looks at three."""
    before, plan, reading, entries = known.of(look.plan.source.name), look.plan, look.reading, store.entries
    new = {id for id, entry in entries.items() if (old := before.get(id)) is None or not old.is_of(entry)}
    wanted = sorted(new | (again & entries.keys()))
    for record in store.get([f"{plan.source.collection}/{id}" for id in wanted]):
        reading.entries[record.id] = plan.entry(record, before.get(record.id), at)
        yield [record]
    look.streamed, cursor, highest = len(entries), plan.source.cursor, plan.watermark(None, at)
    if look.certify("everything", at, look.expect(at)):
        if cursor is not None and highest is not None:
            stamps = store.stamps(cursor)
            reading.undated = stamps[None]
            for stamp in stamps:
                highest.see(stamp)
        _take_state(look, highest, entries, at)
    if reading.certificate and reading.certificate.proves_absence:
        reading.gone = before.keys() - entries.keys()
    left = {before[id].group for id in (*new, *reading.gone) if id in before}
    reading.touched = frozenset(map(str, (new | again | left) - {None}))


def _whole_groups(
    look: Look, at: Timestamp, known: Manifest, read: dict[str, Snapshot], touched: set[Value]
) -> Iterator[list[Snapshot]]:
    """Fetch the members of the touched groups that were not read yet, by id, and give each group whole. A member that turns
    out to have moved on touches its new group too."""
    plan, reading, before = look.plan, look.reading, known.of(look.plan.source.name)
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
                    reading.entries[record.id] = plan.entry(record, before.get(record.id), at)
                else:
                    reading.gone.add(record.id)
        touched = touched | {reading.entries[id].group for id in missing if id in read} - {None}
    reading.touched = frozenset(map(str, touched))
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
    low = overlap_start(cursor, watermark, _zone(plan.source.time_zone))
    between = (Where(cursor.field, ">=", low), Where(cursor.field, "<=", watermark))
    return plan.query(between, cursor.field)
