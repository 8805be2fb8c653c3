"""Converters: from what a source holds, mostly text, to the value production shall hold. A pipeline names them.

Each is a small settings object; `build(context)` gives the function that converts one raw value to a value, to `ABSENT`
(nothing there) or to a `Problem` (something there that cannot be read). It never raises: one bad cell must not stop a run.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Final, Protocol, TypeAlias

from penstock.core.declaration import Source
from penstock.core.stamps import parse_stamp
from penstock.core.values import GeoPoint, Reference, Timestamp, Value


class _Nothing(Enum):
    ABSENT = "absent"


ABSENT: Final = _Nothing.ABSENT


@dataclass(frozen=True, slots=True)
class Problem:
    """A value that did not convert. `shape` is the raw value masked (`Aaa 99/99`), since the raw one may be anything."""

    shape: str


@dataclass(frozen=True, slots=True)
class Context:
    """What converting depends on besides the value. `target_root` is the resource name that the target's paths begin with,
    `projects/p/databases/d/documents` and perhaps a prefix, with or without a slash behind it; only `reference` needs it."""

    source: Source
    target_root: str = ""


Convert: TypeAlias = Callable[[Value], Value]  # gives a value, ABSENT or a Problem


class Converter(Protocol):
    def build(self, context: Context, /) -> Convert: ...


_LONGEST = 40
_UPPER, _LOWER, _DIGIT = re.compile(r"[A-Z]"), re.compile(r"[^\W\d_A-Z]"), re.compile(r"\d")


def mask(raw: Value) -> str:
    """The shape of a value: letters become A or a, digits 9; a value that is no text gives the name of its type."""
    if not isinstance(raw, str):
        return f"({type(raw).__name__.lower()})"
    shape = _DIGIT.sub("9", _UPPER.sub("A", _LOWER.sub("a", raw[:_LONGEST])))
    return shape + "…" if len(raw) > _LONGEST else shape


def _plain(raw: Value) -> str | None:
    """A text or a number as text; None for any other type."""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    return str(int(raw)) if isinstance(raw, float) and raw.is_integer() else str(raw)


@dataclass(frozen=True, slots=True)
class Text:
    """Text without the spaces around it; numbers become their text."""

    def build(self, _context: Context) -> Convert:
        def convert(raw: Value) -> Value:
            text = raw if type(raw) is str else _plain(raw)
            return Problem(mask(raw)) if text is None else text.strip() or ABSENT

        return convert


@dataclass(frozen=True, slots=True)
class Identifier:
    """Text that must match `pattern` from end to end. `upper` writes it in capitals first; `nothing` are further texts that
    mean there is none (compared case folded)."""

    pattern: str
    upper: bool = False
    nothing: tuple[str, ...] = ()

    def build(self, _context: Context) -> Convert:
        matches, upper, nothing = re.compile(self.pattern).fullmatch, self.upper, {t.casefold() for t in self.nothing}

        def convert(raw: Value) -> Value:
            text = _plain(raw)
            if text is None:
                return Problem(mask(raw))
            text = text.strip().upper() if upper else text.strip()
            if not text or text.casefold() in nothing:
                return ABSENT
            return text if matches(text) else Problem(mask(text))

        return convert


_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)


def _number(raw: Value) -> float | None:
    if isinstance(raw, str):
        return float(raw) if _NUMBER.fullmatch(raw) else None
    return None if isinstance(raw, bool) or not isinstance(raw, int | float) else float(raw)


@dataclass(frozen=True, slots=True)
class Number:
    """A double. Text with a decimal comma or thousands marks is a problem: it could mean two things."""

    def build(self, _context: Context) -> Convert:
        def convert(raw: Value) -> Value:
            number = _number(raw)
            return Problem(mask(raw)) if number is None else number

        return convert


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number of 64 bits; `12.0` is one, `12.5` is a problem."""

    def build(self, _context: Context) -> Convert:
        def convert(raw: Value) -> Value:
            if type(raw) is int:
                return raw
            text = raw.removesuffix(".0") if isinstance(raw, str) else _plain(raw) or ""
            whole = re.fullmatch(r"[+-]?\d{1,19}", text, re.ASCII)
            return int(text) if whole and -(2**63) <= int(text) < 2**63 else Problem(mask(raw))

        return convert


@dataclass(frozen=True, slots=True)
class _Degrees:
    limit: ClassVar[float]

    def build(self, _context: Context) -> Convert:
        limit = self.limit

        def convert(raw: Value) -> Value:
            number = _number(raw)
            return number if number is not None and -limit <= number <= limit else Problem(mask(raw))

        return convert


@dataclass(frozen=True, slots=True)
class Latitude(_Degrees):
    """Degrees, -90..90."""

    limit: ClassVar[float] = 90.0


@dataclass(frozen=True, slots=True)
class Longitude(_Degrees):
    """Degrees, -180..180."""

    limit: ClassVar[float] = 180.0


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment from ISO-like text; stamps without a zone are of the source's time zone."""

    def build(self, context: Context) -> Convert:
        zone = zoneinfo.ZoneInfo(context.source.time_zone)

        def convert(raw: Value) -> Value:
            if isinstance(raw, Timestamp):
                return raw
            return (parse_stamp(raw, zone) if isinstance(raw, str) else None) or Problem(mask(raw))

        return convert


@dataclass(frozen=True, slots=True)
class Choice:
    """One of `values` (compared case folded, written as declared); `also` maps further spellings to one of them."""

    values: tuple[str, ...]
    also: Mapping[str, str] = field(default_factory=dict)

    def build(self, _context: Context) -> Convert:
        known = {v.casefold(): v for v in self.values} | {k.casefold(): v for k, v in self.also.items()}

        def convert(raw: Value) -> Value:
            text = _plain(raw)
            return Problem(mask(raw)) if text is None else known.get(text.strip().casefold()) or Problem(mask(raw))

        return convert


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of texts, from a list or from one text parted by `separator`; empty parts are left out."""

    separator: str = ","

    def build(self, _context: Context) -> Convert:
        def convert(raw: Value) -> Value:
            parts = raw.split(self.separator) if isinstance(raw, str) else raw
            texts = [_plain(part) for part in parts] if isinstance(parts, list) else [None]
            if None in texts:
                return Problem(mask(raw))
            return [t.strip() for t in texts if t and t.strip()] or ABSENT

        return convert


@dataclass(frozen=True, slots=True)
class Texts:
    """A map of texts, as names by language; empty ones are left out."""

    def build(self, _context: Context) -> Convert:
        def convert(raw: Value) -> Value:
            if not isinstance(raw, dict) or not all(value is None or _plain(value) is not None for value in raw.values()):
                return Problem(mask(raw))
            texts = {name: (_plain(value) or "").strip() for name, value in raw.items()}
            return {name: text for name, text in texts.items() if text} or ABSENT

        return convert


@dataclass(frozen=True, slots=True)
class Point:
    """A geographical point, from one or from the text `latitude, longitude`."""

    def build(self, _context: Context) -> Convert:
        def convert(raw: Value) -> Value:
            if isinstance(raw, GeoPoint):
                return raw
            parts = [_number(p.strip()) for p in raw.split(",")] if isinstance(raw, str) else []
            match parts:
                case [float(lat), float(lon)] if abs(lat) <= 90 and abs(lon) <= 180:
                    return GeoPoint(lat, lon)
            return Problem(mask(raw))

        return convert


@dataclass(frozen=True, slots=True)
class Link:
    """A document reference, pointed at the same path in the target's database: left as it is, production would point
    into the source."""

    def build(self, context: Context) -> Convert:
        root = context.target_root.rstrip("/")

        def convert(raw: Value) -> Value:
            path = raw.name.partition("/documents/")[2] if isinstance(raw, Reference) else raw
            whole = isinstance(path, str) and path.count("/") % 2 == 1 and all(path.split("/"))
            return Reference(f"{root}/{path}") if root and whole else Problem(mask(raw))

        return convert


_WORDS = dict.fromkeys(("true", "yes", "t", "y", "1"), True) | dict.fromkeys(("false", "no", "f", "n", "0"), False)


@dataclass(frozen=True, slots=True)
class Boolean:
    """true/false, yes/no, t/f, y/n, 1/0, in any case."""

    def build(self, _context: Context) -> Convert:
        def convert(raw: Value) -> Value:
            if isinstance(raw, bool):
                return raw
            word = _WORDS.get((_plain(raw) or "").casefold())
            return Problem(mask(raw)) if word is None else word

        return convert


CONVERTERS: Mapping[str, type[Any]] = {
    "text": Text,
    "identifier": Identifier,
    "number": Number,
    "integer": Integer,
    "latitude": Latitude,
    "longitude": Longitude,
    "timestamp": Stamp,
    "enum": Choice,
    "list": Listing,
    "texts": Texts,
    "geopoint": Point,
    "reference": Link,
    "boolean": Boolean,
}


def build(name: str, options: Mapping[str, Any], context: Context) -> Convert:
    """The converter of that name with its options; `pipelines.schema` has checked both."""
    converter: Converter = CONVERTERS[name](**options)
    return converter.build(context)
