"""Reads a source at one moment and gives whole groups of records, noting what the next run needs to know.

A full read streams in the order of the grouping field, so that groups come whole and memory holds one at a time. An incremental
read takes what lies behind the watermark and counts the overlap window before it; on any sign of life it reads the window too,
and fetches the rest of each group it touches by the ids that the manifest knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from penstock.core.brakes import spread
from penstock.core.codec import SourceState
from penstock.core.manifest import Entry, Manifest
from penstock.core.records import Query, Snapshot
from penstock.core.values import Timestamp, Value
from penstock.core.watermark import Watermark
from penstock.use_cases.looking import Look
from penstock.use_cases.release_store import ReleaseStore

CHUNK = 300  # documents fetched by id in one call
KNOWN = 50  # ids kept of a complete read, to ask the next time whether they are still there


def everything(look: Look, at: Timestamp, known: Manifest) -> Iterator[list[Snapshot]]:
    """Every group, in order.

    Where fewer or other documents are streamed than the database counts, the certificate says so; and those groups are withheld
    of which a known record did not come, or in which the stream ended: without the rest they would say what is not so."""
    plan, reading = look.plan, look.reading
    query = plan.query()
    if plan.group_by is not None:
        reading.blank = look.count(at)
        query = plan.grouped()
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
    look.reading.state = SourceState(watermark, look.count_window(watermark, at), at, seen)


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
        late = look.stream(plan.window(watermark), at)
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
        reading.state = replace(reading.state, watermark=highest.value, window=look.count_window(highest.value, at))


def scanned(look: Look, at: Timestamp, known: Manifest, again: set[Value]) -> Iterator[list[Snapshot]]:
    """For a source without a change field, and for releases: all is read, and the groups with any difference are given."""
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
