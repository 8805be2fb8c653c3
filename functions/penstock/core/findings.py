"""Words for findings: names and values as people read them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from penstock.core.changes import Change, Finding, Severity
from penstock.core.values import FieldPath, GeoPoint, Reference, Timestamp, Value, dotted, dumps

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LONGEST = 80


def label(path: FieldPath) -> str:
    """A field's name as words: `poleNumber` → `pole number`, `location.latitude` → `location latitude`."""
    return " ".join(_HUMP.sub(" ", segment).replace("_", " ").lower() for segment in path)


def one(entity: str) -> str:
    """One of an entity's records: `poles` → `pole`, `entries` → `entry`."""
    return entity[:-3] + "y" if entity.endswith("ies") else entity.removesuffix("s")


def show(value: Value) -> str:
    """A value for people, at most some 80 characters: texts in quotes, absence as `nothing`."""
    match value:
        case None:
            return "nothing"
        case str():
            return f'"{value if len(value) <= _LONGEST else value[:_LONGEST] + "…"}"'
        case bool():
            return "true" if value else "false"
        case Timestamp():
            return str(value)
        case GeoPoint():
            return f"{value.latitude}, {value.longitude}"
        case Reference():
            return value.name.partition("/documents/")[2] or value.name
        case list():
            shown = ", ".join(show(v) for v in value[:5])
            return f"[{shown}, … {len(value) - 5} more]" if len(value) > 5 else f"[{shown}]"
    text = str(value) if isinstance(value, int | float) else dumps(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def metres(distance: float) -> str:
    """A distance for people: `7.3 m`, `412 m`, `3.1 km`."""
    if distance < 10:
        return f"{distance:.1f} m"
    return f"{distance:.0f} m" if distance < 1_000 else f"{distance / 1_000:,.1f} km"


def listed(words: Iterable[str], most: int = 8) -> str:
    """`a, b and c`; beyond `most` the rest is counted."""
    all_ = list(words)
    if len(all_) > most:
        all_ = [*all_[:most], f"{len(all_) - most} more"]
    return " and ".join(filter(None, [", ".join(all_[:-1]), *all_[-1:]]))


def business_key(change: Change) -> str:
    """The key without the entity and without the mark of a rival."""
    key = change.key.partition("/")[2]
    return re.sub(r"#\d+$", "", key) if "#" in key else key


def title(change: Change) -> str:
    """`pole LAW.P.A001`."""
    return f"{one(change.entity)} {business_key(change)}"


def called(name: Value) -> str:
    """What people call a thing, from a text or from texts by language: each that differs once, at most two."""
    texts = name.values() if isinstance(name, dict) else (name,)
    return " / ".join(list(dict.fromkeys(text for text in texts if isinstance(text, str) and text))[:2])


def named(thing: str, name: Value, code: Value = None) -> str:
    """`unit np-3 "Bagmati" (NP-P3)`, as far as it has a name and a code."""
    words = called(name)
    parts = [thing, show(words) if words else "", f"({code})" if code not in (None, "") else ""]
    return " ".join(filter(None, parts))


def about(change: Change, rule: str, severity: Severity, text: str, remedy: str, field: FieldPath = ()) -> Finding:
    """A finding about one change."""
    return Finding(rule, severity, change.key, change.group, text, remedy, dotted(field))
