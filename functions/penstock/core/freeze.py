"""Freeze windows: spans, told in the pipeline's time zone, in which no promotion begins."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable

from penstock.core.changes import Finding
from penstock.core.declaration import Freeze
from penstock.core.plan import Batch
from penstock.core.values import Timestamp

RULE = "freeze"
_LONGEST = 3 * 366  # days looked ahead: a freeze without an end is told to last so long


def frozen_until(freezes: Iterable[Freeze], time_zone: str, now: Timestamp) -> dt.datetime | None:
    """The end of the freeze that holds now, in the time zone; None where none does. Windows that meet are one."""
    zone = zoneinfo.ZoneInfo(time_zone)
    windows = list(freezes)
    at = start = now.datetime().astimezone(zone)
    while (window := next((w for w in windows if _holds(w, at)), None)) is not None:
        if (at - start).days > _LONGEST:
            break
        at = _end(window, at)
    return at if at != start else None


def _holds(window: Freeze, at: dt.datetime) -> bool:
    day, minute = at.date(), at.hour * 60 + at.minute
    if (window.first and day < window.first) or (window.last and day > window.last):
        return False
    if window.days and day.weekday() not in window.days:
        return False
    return window.begins <= minute < window.ends


def _end(window: Freeze, at: dt.datetime) -> dt.datetime:
    """The window's end on this day. An hour that the clocks skip counts from behind the gap."""
    end = at.replace(hour=0, minute=0, second=0, microsecond=0) + dt.timedelta(minutes=window.ends)
    return max(end.astimezone(dt.UTC).astimezone(at.tzinfo), at + dt.timedelta(seconds=1))


def overridden(batch: Batch) -> bool:
    """Whether everybody who approved it said that it is to be written although there is a freeze."""
    return bool(batch.decisions) and all(d.groups.get(f"rule:{RULE}") == "approve" for d in batch.decisions)


def finding(until: dt.datetime) -> Finding:
    return Finding(
        RULE,
        "blocker",
        "",
        "",
        f"No promotion begins before {until:%d %B %Y, %H:%M} ({until.tzinfo}): a freeze is declared.",
        "Approve the freeze to write now all the same, or decide when it is over: the next run proposes again what expires.",
    )
