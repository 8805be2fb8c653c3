"""When production and source count as equal, by the field's declared comparison, and what would be written if not."""

from __future__ import annotations

import math
import unicodedata

from penstock.core.declaration import Compare
from penstock.core.values import GeoPoint, Value, Vector, dumps

EARTH_RADIUS = 6_371_008.8  # metres, mean


def distance(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Metres over the ground between two places in degrees (haversine); infinite where one is no finite number."""
    if not math.isfinite(lat1 + lon1 + lat2 + lon2):
        return math.inf
    p1, p2 = math.radians(lat1), math.radians(lat2)
    half = math.sin((p2 - p1) / 2) ** 2 + math.cos(p1) * math.cos(p2) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS * math.asin(min(1.0, math.sqrt(half)))


def is_number(value: Value) -> bool:
    return type(value) is float or type(value) is int


def identical(old: Value, new: Value) -> bool:
    """The same value. A whole double and an integer are the same number: applications in JavaScript cannot tell them apart."""
    if is_number(old) and is_number(new):
        return bool(old == new or (old != old and new != new))  # NaN is NaN
    if type(old) is not type(new):
        return False
    if isinstance(old, list | dict | GeoPoint | Vector):  # may hold NaN, or 1 beside true
        return dumps(old) == dumps(new)
    return bool(old == new)


def fold(text: str) -> str:
    """A text without regard to case, spacing and composition of its letters."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def union(old: Value, new: list[Value]) -> list[Value]:
    """Production's list with what is new behind it, each value once."""
    kept = list(old) if isinstance(old, list) else []
    known = {dumps(v) for v in kept}
    return kept + [v for v in new if dumps(v) not in known]


def target_value(compare: Compare, old: Value, new: Value) -> Value:
    """What production shall hold where it holds `old` (None: nothing) and the source says `new`."""
    if compare.how == "union":
        return union(old, new)
    if compare.how == "earliest":
        return old if type(old) is type(new) and old <= new else new
    return new


def equal(compare: Compare, old: Value, new: Value) -> bool:
    """Whether production may stay as it is. Pairs of latitude and longitude are compared by `same_place`."""
    match compare.how:
        case "decimals" if is_number(old) and is_number(new):
            # half a unit of the last decimal, not rounding: 0.1249 and 0.1251 are one number at two decimals
            return identical(old, new) or abs(old - new) <= 0.5 * 10.0**-compare.amount
        case "folded" if isinstance(old, str) and isinstance(new, str):
            return old == new or fold(old) == fold(new)
        case "metres" if isinstance(old, GeoPoint) and isinstance(new, GeoPoint):
            return distance(old.latitude, old.longitude, new.latitude, new.longitude) <= compare.amount
        case _:
            return identical(old, new)


def same_place(metres: float, old: tuple[Value, Value], new: tuple[Value, Value]) -> bool:
    """Whether two (latitude, longitude) pairs lie within so many metres; anything but finite numbers is no place."""
    if not all(is_number(value) and math.isfinite(value) for value in old + new):
        return identical(old[0], new[0]) and identical(old[1], new[1])
    return distance(*old, *new) <= metres
