"""Changes in a source as they come in life, made from a seed, and a dictionary that knows what production must hold in the end.

Stamps are equal by the dozen, late, ahead of their time, in every textual shape and zone; records are shown again as they were
before. What is written is late by no more than the overlap, but for what `owed` names: that is promised to a full run alone."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from penstock.core import limits
from penstock.core.records import Delete, Query, Set
from penstock.core.values import Data, Timestamp

from support.faults import PlainPages
from support.world import World

PIPELINE = Path(__file__).with_name("gauges.yaml")
HERE = 2  # hours ahead of UTC: where texts that name no zone are from
OVERLAP = {"dials": 2 * 86_400, "boxes": 3 * 86_400, "meters": 6 * 3_600, "plates": 10**9}
AHEAD = 20 * 3_600  # seconds that a clock may run ahead
WRONG = "2099-01-01T00:00:00Z"
SHAPES = (
    "%Y-%m-%d %H:%M:%S.%f{z}",
    "%Y-%m-%dT%H:%M:%S.%f{z}",
    "%Y-%m-%d %H:%M:%S{z}",
    "%Y-%m-%dT%H:%M:%S{z}",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
)
ZONES = {"Z": 0, " UTC": 0, "": HERE, "+02": 2, "+02:00": 2, "+0200": 2, "-11:00": -11, "+14": 14, "+05:45": 5.75}


class Version(NamedTuple):
    moment: float  # seconds since 1970 that the stamp means
    stamp: Any
    reading: str


@dataclass
class Record:
    """One source record. `shown`: what the source says now; `held`: what production must come to say for it."""

    id: str
    group: str
    versions: list[Version] = field(default_factory=list)
    shown: Version | None = None
    fresh: bool = True  # changed since the last run that had news
    owed: bool = False  # only a full run will see it as it is
    wrong: bool = False  # it had a stamp from a clock that was wrong
    gone: bool = False  # the source holds it no more; nothing takes it from production


@dataclass
class Source:
    name: str
    records: dict[str, Record] = field(default_factory=dict)

    def expected(self, owed: bool) -> dict[str, str]:
        """Target id → reading; with `owed` false, without those that only a full run can tell."""
        if self.name != "boxes":
            return {r.id: r.versions[-1].reading for r in self.records.values() if r.versions and (owed or not r.owed)}
        found: dict[str, str] = {}
        newest: dict[str, tuple[float, str, bool]] = {}
        for r in self.records.values():
            last = r.versions[-1]
            place = (last.moment, r.id)
            if r.group not in newest or place > newest[r.group][:2]:
                newest[r.group], found[r.group] = (*place, r.owed), last.reading
        doubtful = {r.group for r in self.records.values() if r.owed}
        return {group: reading for group, reading in found.items() if owed or group not in doubtful}


def written(moment: float, shape: str, zone: str) -> tuple[str, float]:
    """A moment as text, and the moment that this text means."""
    local = dt.datetime.fromtimestamp(moment, dt.timezone(dt.timedelta(hours=ZONES[zone] if "{z}" in shape else HERE)))
    text = local.strftime(shape.replace("{z}", zone))
    if "%f" not in shape:
        local = local.replace(microsecond=0)
    if "%S" not in shape:
        local = local.replace(second=0)
    if "%M" not in shape:
        local = local.replace(hour=0, minute=0)
    return text, local.timestamp()


class Gauges:
    """A world with four sources and the dictionary beside it. `counted`: changes made."""

    def __init__(self, seed: int, **options: Any) -> None:
        self.random = random.Random(seed)
        self.world = World(PIPELINE, **{"pages": PlainPages(), **options})
        self.sources = {name: Source(name) for name in OVERLAP}
        self.counted = self.runs = self.replayed = self.late = self.ahead = self.strange = 0
        self.serial = 0
        self.latest: dict[str, Version] = {}  # the stamp of the last news of each source
        self._ids: list[str] = []

    @property
    def now(self) -> float:
        time = self.world.clock.time
        return time.seconds + time.nanos / 1e9

    # changes --------------------------------------------------------------------------------------------------------

    def change(self, many: int) -> None:
        """So many changes, spread over the sources, and something new in each."""
        for name, source in self.sources.items():
            pending: dict[str, Data] = {}
            self._ids = list(source.records)
            common = self._stamp(source, None)  # one moment for many: a batch job wrote them
            for _ in range(max(1, many // len(self.sources))):
                record = self._one(source, common)
                pending[record.id] = self._data(name, record)
            self._put(name, pending)

    def news(self) -> None:
        """A new record in each source, stamped now by a clock that is right: every run that follows sees a sign of life."""
        for name, source in self.sources.items():
            record, now = self._new(source), self.now
            stamp = _moment(now) if name == "meters" else written(now, SHAPES[0], "+14")[0]
            version = self.latest[name] = Version(_kept(now), stamp, self._reading())
            self._show(record, version)
            self._put(name, {record.id: self._data(name, record)})

    def _put(self, name: str, documents: dict[str, Data]) -> None:
        self.counted += len(documents)
        todo = [Set(f"{name}/{id}", data) for id, data in documents.items()]
        for start in range(0, len(todo), 400):
            self.world.source.commit(todo[start : start + 400])

    def _data(self, name: str, record: Record) -> Data:
        assert record.shown is not None
        data: Data = {"id": record.id, "reading": record.shown.reading, "at": record.shown.stamp}
        return data | ({"box": record.group} if name == "boxes" else {})

    def _reading(self) -> str:
        self.serial += 1
        return f"r{self.serial}"

    def _new(self, source: Source) -> Record:
        id = f"{self.random.randrange(10**6):06d}-{len(source.records)}"
        record = source.records[id] = Record(id, f"B{self.random.randrange(len(source.records) // 3 + 1)}")
        return record

    def _one(self, source: Source, common: Version) -> Record:
        draw, records = self.random.random(), source.records
        if len(self._ids) < 30 or (draw < 0.15 and len(records) < 400):
            record = self._new(source)
        else:
            record = records[self.random.choice(self._ids)]
        if record.gone:
            record = self._new(source)
        if draw > 0.95 and self._replay(source, record):
            return record
        if draw > 0.93 and self._strange(source, record):
            return record
        version = common if draw < 0.4 else self._stamp(source, record)
        last = max((v.moment for v in record.versions), default=float("-inf"))
        if version.moment < last:  # the stamps of one record rise
            stamp = max(last + 1, self.now - 1)
            version = Version(stamp, _moment(stamp), "") if source.name == "meters" else _right(stamp)
        same = record.versions and self.random.random() < 0.05  # nothing but the stamp is new
        reading = record.versions[-1].reading if same else self._reading()
        self._show(record, version._replace(reading=reading))
        return record

    def _strange(self, source: Source, record: Record) -> bool:
        """A stamp from a wrong clock, none at all, or one that is older than the overlap allows: the last two are owed."""
        last = max((v.moment for v in record.versions), default=float("-inf"))
        kind = self.random.choice(("wrong", "none", "noon", "late"))
        timestamps = source.name == "meters"
        if source.name == "boxes" or (kind == "noon" and timestamps):
            return False
        if kind == "wrong":
            version = Version(last, Timestamp.parse(WRONG) if timestamps else WRONG, "")
            record.wrong = True
        elif kind == "none":
            version = Version(last, self.random.choice((None, "", "12/06/2026")), "")
        elif kind == "noon":
            version = Version(last, f"{written(self.now, '%Y-%m-%d', 'Z')[0]} at noon", "")
        else:
            moment = self.now - 3 * OVERLAP[source.name]
            if moment <= last or source.name == "plates":
                return False
            version = Version(_kept(moment), _moment(moment), "") if timestamps else _right(moment)
        self._show(record, version._replace(reading=self._reading()))
        record.owed = kind in ("none", "late") and source.name != "plates"
        self.strange += 1
        return True

    def vanish(self) -> None:
        """Some records are gone, in whose place others may come."""
        for name, source in self.sources.items():
            some = [r for r in source.records.values() if not (r.fresh or r.gone or r.owed)] if name != "boxes" else []
            for record in self.random.sample(some, min(len(some), 3)):
                record.gone = True
                self.world.source.commit([Delete(f"{name}/{record.id}")])

    def _show(self, record: Record, version: Version) -> None:
        record.versions.append(version)
        record.shown, record.fresh, record.owed = version, True, False

    def _replay(self, source: Source, record: Record) -> bool:
        """The source shows a record as it was before. That tells nothing new, where there are change stamps."""
        if source.name == "plates" or record.fresh or record.owed or record.wrong or len(record.versions) < 2:
            return False
        if not all(isinstance(v.stamp, Timestamp) or is_dated(v.stamp) for v in record.versions):
            return False
        older = [v for v in record.versions[:-1] if v.moment < record.versions[-1].moment]
        if not older:
            return False
        record.shown, self.replayed = self.random.choice(older), self.replayed + 1
        return True

    def _stamp(self, source: Source, record: Record | None) -> Version:
        """Now, late within the overlap, or ahead of the time."""
        now, draw, latest = self.now, self.random.random(), self.latest.get(source.name)
        if draw < 0.08 and latest is not None and latest.moment >= now - OVERLAP[source.name]:
            return latest  # the very stamp of the watermark
        if draw < 0.45:
            moment = now - self.random.random()
        elif draw < 0.85:
            moment = now - self.random.random() * min(OVERLAP[source.name], 4 * 86_400)
            self.late += 1
        else:
            moment = now + self.random.random() * AHEAD
            self.ahead += 1
        if source.name == "meters":
            return Version(_kept(moment), _moment(moment), "")
        for _ in range(4):
            text, means = written(moment, self.random.choice(SHAPES), self.random.choice(tuple(ZONES)))
            if means >= now - OVERLAP[source.name]:
                return Version(means, text, "")
        return _right(moment + 1)

    # runs -----------------------------------------------------------------------------------------------------------

    def run(self, mode: Any = "changes", *, approve: bool = True) -> None:
        outcome = self.world.run(mode)
        self.runs += 1
        if approve and (outcome.batch or self.world.documents("penstock_targets")[self.world.ctx.id]["open"]):
            self.world.approve("approve")

    def settled(self, mode: str) -> None:
        """After an approved run with news: everything that was written by then has been dealt with."""
        for source in self.sources.values():
            for record in source.records.values():
                record.fresh = False
                record.owed = record.owed and mode != "full"

    def missing(self, *, owed: bool = True) -> Iterator[str]:
        """What production does not hold as it must."""
        for name, source in self.sources.items():
            held = {s.id: s.fields.get("reading") for s in self.world.production.scan(Query(name))}
            for id, reading in source.expected(owed).items():
                if held.get(id) != reading:
                    yield f"{name}/{id} is {held.get(id)}, not {reading}"


def is_dated(stamp: Any) -> bool:
    return isinstance(stamp, str) and stamp[:2] == "20" and "noon" not in stamp


def _kept(moment: float) -> float:
    return round(moment * 1e6) / 1e6


def _moment(moment: float) -> Timestamp:
    micros = round(moment * 1e6)
    return Timestamp(micros // 10**6, micros % 10**6 * 1_000)


def _right(moment: float) -> Version:
    text, means = written(moment, SHAPES[0], "Z")
    return Version(means, text, "")


def live(seed: int, changes: int, **options: Any) -> tuple[Gauges, list[str]]:
    """One history of about so many changes; and what went missing in it."""
    gauges = Gauges(seed, **options)
    draw, page = gauges.random, limits.MAX_PAGE
    limits.MAX_PAGE = draw.choice((25, 60, page))
    missing: list[str] = []
    try:
        while gauges.counted < changes and not missing:
            if draw.random() < 0.2:
                gauges.vanish()
            gauges.change(draw.choice((1, 12, 200, 800, 1_500)))
            if draw.random() < 0.7:
                gauges.news()
                mode = draw.choice(("changes",) * 9 + ("full",))
                gauges.run(mode)
                gauges.settled(mode)
                missing += gauges.missing(owed=False) if draw.random() < 0.2 else ()
            else:
                gauges.run(approve=draw.random() < 0.5)
            gauges.world.clock.forward(draw.choice((1, 60, 3_600, 86_400, 3 * 86_400)))
        gauges.news()
        gauges.run()
        missing += missing or gauges.missing(owed=False)
        gauges.run("full")
        missing += missing or gauges.missing()
    finally:
        limits.MAX_PAGE = page
    return gauges, [f"seed {seed}: {told}" for told in missing]
