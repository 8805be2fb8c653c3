"""How far a source was read, told by its change stamps; and how far back the next run looks again."""

from __future__ import annotations

import datetime as dt

from penstock.core.declaration import ChangeCursor
from penstock.core.values import Timestamp, Value

AHEAD_SECONDS = 86_400  # a stamp further in the future than this is a wrong clock


def overlap_start(cursor: ChangeCursor, watermark: Value) -> Value:
    """Where the overlap window begins. Of textual stamps the day alone is compared, whatever zone and precision follow it."""
    if cursor.kind == "timestamp":
        return watermark.plus(-cursor.overlap.total_seconds())
    return (dt.date.fromisoformat(watermark[:10]) - cursor.overlap).isoformat()


class Watermark:
    """The highest stamp seen, but none from the future: a clock that runs ahead by more than a day must not hide what
    follows. Such a record stays beyond the watermark and is looked at on every run."""

    def __init__(self, cursor: ChangeCursor, start: Value, at: Timestamp) -> None:
        self.value = start
        self._cursor = cursor
        limit = at.plus(AHEAD_SECONDS)
        self._limit: Value = f"{limit.datetime():%Y-%m-%d}~" if cursor.kind == "text" else limit

    def see(self, stamp: Value) -> None:
        if not is_stamp(self._cursor, stamp) or stamp > self._limit:
            return
        if self.value is None or stamp > self.value:
            self.value = stamp


def is_stamp(cursor: ChangeCursor, value: Value) -> bool:
    """Whether a value of the change field is a moment, or begins with a day."""
    if cursor.kind == "timestamp":
        return isinstance(value, Timestamp)
    try:
        dt.date.fromisoformat(value[:10])
    except (ValueError, TypeError):
        return False
    return True
