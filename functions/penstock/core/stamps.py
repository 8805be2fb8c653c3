"""Moments from the ISO-like texts that sources write."""

from __future__ import annotations

import datetime as dt
import re

from penstock.core.values import Timestamp

_STAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?"  # day and time of day
    r"(?: ?(?:([Zz]|UTC)|([+-])(\d\d)(?::?(\d\d))?))?)?",  # zone
    re.ASCII,
)
_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()


def parse_stamp(text: str, zone: dt.tzinfo) -> Timestamp | None:
    """`2025-06-28`, `2025-06-28 10:03:02.852165+02`, `2025-06-25T10:45:43.560Z` and the like; `zone` where the text has
    none. Cut to the microsecond, which is what Firestore keeps: a finer value would differ from production for ever."""
    found = _STAMP.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, utc, sign, off_hours, off_minutes = found.groups()
    h, m, s = int(hour or 0), int(minute or 0), int(second or 0)
    if h > 23 or m > 59 or s > 59:
        return None
    try:
        date = dt.date(int(year), int(month), int(day))
        if sign:
            offset = (int(off_hours) * 60 + int(off_minutes or 0)) * (-60 if sign == "-" else 60)
        elif utc:
            offset = 0
        else:
            local = dt.datetime(date.year, date.month, date.day, h, m, s, tzinfo=zone).utcoffset()
            offset = int(local.total_seconds()) if local is not None else 0
    except ValueError:  # no such day
        return None
    seconds = (date.toordinal() - _EPOCH_DAY) * 86_400 + h * 3_600 + m * 60 + s - offset
    return Timestamp(seconds, int(fraction[:6].ljust(6, "0")) * 1_000 if fraction else 0)
