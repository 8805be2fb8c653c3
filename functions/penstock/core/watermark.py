"""How far a source was read, told by its change stamps; and how far back the next run looks again.

A watermark is never ahead of the moment T that was read at. So a change that is committed after T, with a stamp that is older by
no more than the overlap, lies behind the watermark or in the window before it: whose clock wrote it, and in which shape and zone,
plays no part."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from penstock.core.declaration import ChangeCursor
from penstock.core.stamps import parse_stamp
from penstock.core.values import Timestamp, Value, get_in

EASTMOST, WESTMOST = 14 * 3_600, 12 * 3_600  # seconds that a local day begins before, and ends after, that of UTC
AHEAD_SECONDS = 86_400  # a stamp further in the future than this is a wrong clock, and puts no two states in order
_DAY = 86_400
_FIRST_DAY = Timestamp.of(dt.datetime(1, 1, 1, tzinfo=dt.UTC)).seconds


def overlap_start(cursor: ChangeCursor, watermark: Value, zone: dt.tzinfo) -> Value:
    """Where the overlap window begins."""
    return before(cursor, watermark, cursor.overlap, zone)


def before(cursor: ChangeCursor, watermark: Value, by: dt.timedelta, zone: dt.tzinfo) -> Value:
    """So much before a watermark. Of textual stamps it is the day that the moment falls on where that is earliest: the next stamp
    may be written in another zone. `zone` is that of texts without one."""
    if cursor.kind == "timestamp":
        return max(watermark.plus(-by.total_seconds()), Timestamp(_FIRST_DAY))
    earliest, _ = _between(watermark, zone)
    return str(Timestamp(max(earliest.seconds - int(by.total_seconds()) - WESTMOST, _FIRST_DAY)))[:10]


def ahead(cursor: ChangeCursor, at: Timestamp) -> Value:
    """No stamp of a moment up to `at` is higher, in whatever zone it is written."""
    return f"{str(at.plus(EASTMOST))[:10]}~" if cursor.kind == "text" else at


class Watermark:
    """The highest stamp seen, but none ahead of `at`, the moment of reading: a clock that runs ahead must not hide what follows.
    Such a record stays beyond the watermark, and is looked at on every run until its time has come."""

    def __init__(self, cursor: ChangeCursor, start: Value, at: Timestamp, zone: dt.tzinfo) -> None:
        self.value = start
        self._cursor, self._at, self._zone = cursor, at, zone

    def see(self, stamp: Value) -> None:
        if not is_stamp(self._cursor, stamp) or (self.value is not None and stamp <= self.value):
            return
        latest = stamp if self._cursor.kind == "timestamp" else _between(stamp, self._zone)[1]
        if latest <= self._at:
            self.value = stamp


def moment_of(cursor: ChangeCursor, stamp: Value, zone: dt.tzinfo) -> Timestamp | None:
    """When a record was changed, by its own stamp; None where that cannot be told to the moment."""
    if cursor.kind == "timestamp":
        return stamp if isinstance(stamp, Timestamp) else None
    return parse_stamp(stamp, zone) if isinstance(stamp, str) else None


def _between(stamp: str, zone: dt.tzinfo) -> tuple[Timestamp, Timestamp]:
    """The earliest and the latest moment that a text may mean; of one that is legible to the day alone, that day anywhere."""
    moment = parse_stamp(stamp, zone)
    if moment is not None:
        return moment, moment
    midnight = Timestamp.parse(f"{stamp[:10]}T00:00:00Z")
    return midnight.plus(-EASTMOST), midnight.plus(_DAY + WESTMOST)


def stamp_of(cursor: ChangeCursor, data: Mapping[str, Value]) -> Value:
    """When a record says that it was changed. What is no moment may be anything, and is left out: None."""
    stamp = get_in(data, cursor.field)
    return stamp if is_stamp(cursor, stamp) else None


def is_stamp(cursor: ChangeCursor, value: Value) -> bool:
    """Whether a value of the change field is a moment, or begins with a day, YYYY-MM-DD."""
    if cursor.kind == "timestamp":
        return isinstance(value, Timestamp)
    if not isinstance(value, str) or value[4:5] != "-" or value[7:8] != "-":
        return False
    try:
        dt.date.fromisoformat(value[:10])
    except ValueError:
        return False
    return True
