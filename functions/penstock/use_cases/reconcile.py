"""Finds what a source no longer holds without reading it: its documents are counted over key ranges, all at the run's moment, and
held against what the manifest knows. About one billed read for each 900 records, and at most ten for each that went.

The ranges lie in the order in which a full read streams: by grouping field, or by document id where there is none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from penstock.core.certificate import Certificate
from penstock.core.errors import Incomplete
from penstock.core.manifest import Entry, Manifest
from penstock.core.reconcile import Found, Range, search
from penstock.core.records import NAME, Query, Snapshot, Where
from penstock.core.values import FieldPath, Timestamp
from penstock.ports import Ports
from penstock.use_cases.looking import Look, Plan

_BY_NUMBER = re.compile(r"__id-?\d+__")  # Firestore sorts such ids by their number, before all others


def recount(ports: Ports, minimum: int, look: Look, at: Timestamp, known: Manifest) -> Iterator[Snapshot]:
    """The records that had to be read because another number is there than is known; `look.reading` then says what is gone, and
    has the certificate. A source of fewer than `minimum` documents proves nothing. To be asked after what is new was read, which
    is in `look.reading.entries`."""
    reading, plan = look.reading, look.plan
    entries = known.of(plan.source.name) | reading.entries
    placed, keys, before = ranges(plan, {id: entry for id, entry in entries.items() if id not in reading.gone})
    try:
        found = _search(ports, look, at, keys, before)
        read = [record for part, _ in found.unequal for record in look.store.scan(_query(plan, keys, part, plan.select), at)]
    except Incomplete as broken:
        reading.certificate = Certificate(plan.source.name, at, "ranges", before[-1], 0, broken.what)
        return
    elsewhere = (*found.empty, *(part for part, _ in found.unequal))
    missed = {id for part in elsewhere for _, id in placed[before[part.first] : before[part.last]]}
    streamed = before[-1] - len(missed) + len({record.id for record in read})  # one that came twice stands for no other
    why = f"fewer than the {minimum} that it must hold" if found.counted < minimum else ""
    reading.certificate = Certificate(plan.source.name, at, "ranges", found.counted, streamed, why)
    if reading.certificate.proves_absence:
        reading.gone |= missed - {record.id for record in read}
        reading.state = replace(reading.state, reconciled=at)
    yield from read


def ranges(plan: Plan, entries: Mapping[str, Entry]) -> tuple[list[tuple[str, str]], list[str], list[int]]:
    """The records that stand in the order of the ranges, as (place, id); the places, each once; and how many records stand before
    each of these, and in all."""
    placed = sorted((place, id) for id, entry in entries.items() if (place := _place(plan, id, entry)))
    keys: list[str] = []
    before = [0]
    for place, of_key in groupby(placed, lambda item: item[0]):
        keys.append(place)
        before.append(before[-1] + sum(1 for _ in of_key))
    return placed, keys, before


def _place(plan: Plan, id: str, entry: Entry) -> str:
    """Where a record stands in the order of the ranges; "" where it stands in none of them."""
    if plan.group_by is not None:
        return entry.spelled or (entry.group if isinstance(entry.group, str) else "")
    return "" if _BY_NUMBER.fullmatch(id) else id


def _search(ports: Ports, look: Look, at: Timestamp, keys: Sequence[str], before: Sequence[int]) -> Found:
    asking = search(before)
    asked = next(asking)
    while True:
        counts = ports.each(lambda part: look.store.count(_query(look.plan, keys, part, ()), at), asked)
        try:
            asked = asking.send(counts)
        except StopIteration as done:
            found: Found = done.value
            return found


def _query(plan: Plan, keys: Sequence[str], part: Range, select: tuple[FieldPath, ...]) -> Query:
    """The records from a range's first key up to the next range's; the first range begins, and the last one ends, with the
    source."""
    collection, field = plan.source.collection, plan.group_by or NAME

    def end(key: str) -> str:
        return f"{collection}/{key}" if plan.group_by is None else key

    low = [Where(field, ">=", end(keys[part.first]))] if part.first else [Where(field, ">", "")] if plan.group_by else []
    high = [Where(field, "<", end(keys[part.last]))] if part.last < len(keys) else []
    return replace(plan.query((*low, *high), field), select=select)
