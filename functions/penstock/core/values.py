"""Firestore's value types as plain Python, and one exact text form for them.

| Firestore | Python |
|---|---|
| null, boolean, integer (64 bit), double, string, bytes | `None`, `bool`, `int`, `float`, `str`, `bytes` |
| timestamp (nanoseconds) | `Timestamp` |
| document reference | `Reference` |
| geographical point | `GeoPoint` |
| vector | `Vector` |
| array, map | `list`, `dict` with `str` keys |

The text form is JSON in which every type that JSON lacks is an object with one key that begins with `$`
(the idea of MongoDB's Extended JSON). It keeps 1 and 1.0, -0.0, NaN and nanoseconds apart, sorts keys, and
so equal values have equal text: digests, packs, backups and audit entries are all made of it.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_RFC3339 = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?Z")


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """A moment: whole seconds since 1970 (UTC) and nanoseconds within the second (0..999,999,999)."""

    seconds: int
    nanos: int = 0

    @classmethod
    def of(cls, moment: dt.datetime) -> Timestamp:
        """The moment of an aware datetime, to the microsecond."""
        delta = moment - EPOCH
        return cls(delta.days * 86_400 + delta.seconds, delta.microseconds * 1_000)

    @classmethod
    def parse(cls, text: str) -> Timestamp:
        """RFC 3339 with `Z`, up to nine decimals; ValueError for anything else."""
        match = _RFC3339.fullmatch(text)
        if match is None:
            raise ValueError(f"not an RFC 3339 UTC time: {text!r}")
        return cls(_seconds(match[1]), int((match[2] or "").ljust(9, "0")))

    def datetime(self) -> dt.datetime:
        """As an aware UTC datetime; nanoseconds below a microsecond are cut."""
        return EPOCH + dt.timedelta(seconds=self.seconds, microseconds=self.nanos // 1_000)

    def plus(self, seconds: float) -> Timestamp:
        """This moment moved by so many seconds (negative: earlier), exact to the nanosecond of `seconds`."""
        total = self.seconds * 10**9 + self.nanos + round(seconds * 10**9)
        return Timestamp(*divmod(total, 10**9))

    def __str__(self) -> str:
        text = _to_the_second(self.seconds)
        return f"{text}.{self.nanos:09d}Z" if self.nanos else f"{text}Z"


# The same moments are read and written again and again: in the source, in production, in packs, fingerprints and reports.
@lru_cache(16_384)
def _seconds(text: str) -> int:
    return Timestamp.of(dt.datetime.fromisoformat(text + "+00:00")).seconds


@lru_cache(16_384)
def _to_the_second(seconds: int) -> str:
    return Timestamp(seconds).datetime().isoformat()[:19]


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A document reference by full resource name: `projects/p/databases/d/documents/c/id`."""

    name: str


@dataclass(frozen=True, slots=True)
class GeoPoint:
    """Degrees: latitude -90..90, longitude -180..180."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Vector:
    """An embedding vector of doubles."""

    values: tuple[float, ...]


Value: TypeAlias = Any  # one of the types of the table above; a recursive alias costs more than it tells
Data: TypeAlias = dict[str, Value]
FieldPath: TypeAlias = tuple[str, ...]  # ("location", "latitude"): segments, so that names may hold dots and spaces


def _tag(value: Value) -> Any:
    if isinstance(value, Timestamp):
        return {"$time": str(value)}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, Reference):
        return {"$ref": value.name}
    if isinstance(value, GeoPoint):
        return {"$geo": [_double(value.latitude), _double(value.longitude)]}
    if isinstance(value, Vector):
        return {"$vector": [_double(v) for v in value.values]}
    raise TypeError(f"no Firestore value: {type(value).__name__}")


def _double(value: float) -> Any:
    return value if math.isfinite(value) else {"$double": str(value)}


def _escape(value: Value) -> Any:
    """The slow path: non-finite doubles and maps whose own keys begin with `$`."""
    if isinstance(value, float):
        return _double(value)
    if isinstance(value, list | tuple):
        return [_escape(v) for v in value]
    if isinstance(value, dict):
        plain = {k: _escape(v) for k, v in value.items()}
        return {"$map": plain} if any(k.startswith("$") for k in plain) else plain
    return value


class _Encoder(json.JSONEncoder):
    """Used for one text: it counts the tags that it wrote."""

    tags = 0

    def __init__(self) -> None:
        super().__init__(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False)

    def default(self, value: Value) -> Any:
        self.tags += 1
        return _tag(value)


def _dollar_keys(value: Value) -> bool:
    if isinstance(value, dict):
        return any(k.startswith("$") or _dollar_keys(v) for k, v in value.items())
    return isinstance(value, list | tuple) and any(_dollar_keys(v) for v in value)


def dumps(value: Value) -> str:
    """The exact, canonical text of a value; `loads` gives the same value back."""
    encoder = _Encoder()
    try:
        text = encoder.encode(value)
    except ValueError as error:
        if "JSON compliant" not in str(error):
            raise
    else:
        if text.count('"$') == encoder.tags or not _dollar_keys(value):  # each `$` is a tag's: looking at the text is cheap
            return text
    return _Encoder().encode(_escape(value))


def _untag(found: dict[str, Any]) -> Any:
    if len(found) != 1:
        return found
    ((key, inner),) = found.items()
    if not key.startswith("$"):
        return found
    match key:
        case "$time":
            return Timestamp.parse(inner)
        case "$bytes":
            return base64.b64decode(inner)
        case "$ref":
            return Reference(inner)
        case "$geo":
            return GeoPoint(*inner)
        case "$vector":
            return Vector(tuple(inner))
        case "$double":
            return float(inner)
        case _:
            return found


def _unwrap(value: Any) -> Any:
    if isinstance(value, list):
        return [_unwrap(v) for v in value]
    if isinstance(value, dict):
        if len(value) == 1 and "$map" in value:
            return {k: _unwrap(v) for k, v in value["$map"].items()}
        plain = {k: _unwrap(v) for k, v in value.items()}
        return _untag(plain)
    return value


def loads(text: str | bytes) -> Value:
    """The value of a text that `dumps` wrote."""
    if isinstance(text, bytes):
        text = text.decode()
    if '"$map"' in text:
        return _unwrap(json.loads(text))
    return json.loads(text, object_hook=_untag) if '"$' in text else json.loads(text)


def get_in(data: Mapping[str, Value], path: FieldPath, default: Value = None) -> Value:
    """The value at a path of segments, or `default` where there is none."""
    if len(path) == 1:
        return data.get(path[0], default)
    here: Value = data
    for segment in path:
        if not isinstance(here, (dict, Mapping)) or segment not in here:
            return default
        here = here[segment]
    return here


def set_in(data: Data, path: FieldPath, value: Value) -> None:
    """Put a value at a path; maps on the way are made, anything else in the way is replaced."""
    here = data
    for segment in path[:-1]:
        inner = here.get(segment)
        if not isinstance(inner, dict):
            inner = here[segment] = {}
        here = inner
    here[path[-1]] = value


@lru_cache(4_096)
def dotted(path: FieldPath) -> str:
    """A path for people: `location.latitude`."""
    return ".".join(path)


@lru_cache(1_024)
def as_path(name: str) -> FieldPath:
    """The path that is `dotted` so."""
    return tuple(name.split("."))
