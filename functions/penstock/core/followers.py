"""What goes along when units of a tree are moved: whatever stores a path that leads through them. Several moves are composed
before anything is written, so each document is written once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple

from penstock.core.declaration import Dependents, Entity
from penstock.core.packs import compress, expand
from penstock.core.records import Snapshot, Update, unchanged_since
from penstock.core.tree import DOT, chain_after, is_below, with_beginning
from penstock.core.values import Data, FieldPath, Timestamp, Value, dumps, get_in, loads, set_in

_ABSENT: Final = object()


class Moves:
    """Where paths lead after moves that were made one after the other. It is asked in paths as production holds them."""

    def __init__(self, made: Mapping[str, str] | None = None) -> None:
        self._to = dict(made or {})  # a path as production holds it → where it lies now; whatever is not named goes along

    def __bool__(self) -> bool:
        return bool(self._to)

    def move(self, old: str, new: str) -> None:
        """What lies at or below `old`, a path as production holds it, lies at or below `new` from now on."""
        here = self.after(old)
        for path, to in self._to.items():
            if to == here or is_below(to, here):
                self._to[path] = with_beginning(to, here, new)
        self._to[old] = new

    def after(self, path: str) -> str:
        """Where a path of production leads by now."""
        found = path
        while found not in self._to:
            found, dot, _ = found.rpartition(DOT)
            if not dot:
                return path
        return with_beginning(path, found, self._to[found])

    @property
    def made(self) -> dict[str, str]:
        """From path to path, all of them together: what is below them goes along with the nearest."""
        return dict(self._to)

    @property
    def tops(self) -> list[str]:
        """The paths of production at and below which anything moves; none lies below another."""
        return [path for path in self._to if not any(is_below(path, other) for other in self._to)]


def places_in(entity: Entity, prefix: str = "") -> tuple[Dependents, ...]:
    """Every collection of a target that stores paths of the tree, the units' own first; `prefix` is the target's."""
    assert entity.tree is not None
    units = Dependents(entity.name, prefix + entity.collection, entity.tree.path)
    others = (Dependents(d.name, prefix + d.collection, d.path, d.chain) for d in entity.tree.dependents)
    return units, *others


class Followed(NamedTuple):
    """What is written of one document because of what it hangs under: `fields`, before and after. One that `after` lacks is
    removed. `kind` is the name of its entity or of its dependents, `update_time` that of the state it was read in. `by`: the key
    of the change that leaves it behind, and `to` the unit that it moves to for that; "" where it follows a move."""

    kind: str
    document: str
    update_time: Timestamp
    fields: tuple[FieldPath, ...]
    before: Data
    after: Data
    by: str = ""
    to: str = ""

    def write(self) -> Update:
        return Update(self.document, self.after, self.fields, unchanged_since(self.update_time))


def followed(place: Dependents, now: Snapshot, path: str, also: Mapping[FieldPath, Value] | None = None) -> Followed | None:
    """What makes a document store another path, its chain with it, and other values of the fields in `also`; None where it does
    already. `now` need hold no more than these fields."""
    assert now.update_time is not None
    data = now.fields
    old = get_in(data, place.path)
    values: dict[FieldPath, Value] = {place.path: path, **(also or {})}
    if place.chain and isinstance(old, str):
        chain = [get_in(data, field) for field in place.chain]
        values |= zip(place.chain, chain_after(chain, old, path), strict=True)
    changed: list[FieldPath] = []
    before: Data = {}
    after: Data = {}
    for field, value in values.items():
        held = get_in(data, field, _ABSENT)
        if held is value or held == value or (held is _ABSENT and value is None):
            continue
        changed.append(field)
        if held is not _ABSENT:
            set_in(before, field, held)
        if value is not None:
            set_in(after, field, value)
    return Followed(place.name, now.path, now.update_time, tuple(changed), before, after) if changed else None


def following(moves: Moves, place: Dependents, held: Iterable[Snapshot]) -> list[Followed]:
    """What is to be written of these documents after the moves; one that stores no path is left alone."""
    found = []
    for now in held:
        path = get_in(now.fields, place.path)
        if isinstance(path, str) and (wrote := followed(place, now, moves.after(path))) is not None:
            found.append(wrote)
    return found


def encode_followed(of: Iterable[Followed]) -> bytes:
    """What documents stored before, exactly, and what was written. A line for each run of them that have the rest in common;
    each document is a row of its path, the seconds and nanoseconds of its `update_time`, `before` and `after`."""
    lines = []
    for (kind, fields, by, to), run in groupby(of, attrgetter("kind", "fields", "by", "to")):
        rows = [[f.document, f.update_time.seconds, f.update_time.nanos, f.before, f.after] for f in run]
        lines.append(dumps({"kind": kind, "fields": [list(field) for field in fields], "by": by, "to": to, "rows": rows}))
    return compress("\n".join(lines))


def line_of(of: Followed) -> Data:
    """As data that can lie in a text or in a change's facts."""
    named = {"kind": of.kind, "path": of.document, "update_time": of.update_time, "by": of.by, "to": of.to}
    return {**named, "fields": [list(field) for field in of.fields], "before": of.before, "after": of.after}


def decode_followed(content: bytes) -> list[Followed]:
    return [f for line in expand(content).split("\n") if line for f in _of_run(loads(line))]


def _of_run(line: Mapping[str, Any]) -> list[Followed]:
    if "rows" not in line:  # until 2026-11 each document had a line of its own
        return [of_line(line)]
    kind, fields, by, to = line["kind"], _fields_of(line), line["by"], line["to"]
    return [
        Followed(kind, document, Timestamp(seconds, nanos), fields, before, after, by, to)
        for document, seconds, nanos, before, after in line["rows"]
    ]


def of_line(line: Mapping[str, Any]) -> Followed:
    before, after = line["before"], line["after"]
    return Followed(line["kind"], line["path"], line["update_time"], _fields_of(line), before, after, line["by"], line["to"])


def _fields_of(line: Mapping[str, Any]) -> tuple[FieldPath, ...]:
    return tuple(tuple(field) for field in line["fields"])
