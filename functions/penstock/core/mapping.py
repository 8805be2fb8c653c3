"""From a source record to converted values: the fields that a pipeline names, and no others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from penstock.core.converters import ABSENT, Context, Problem, build
from penstock.core.declaration import Entity, Field, Pipeline
from penstock.core.values import Data, FieldPath, Value, dumps, get_in

Read: TypeAlias = Callable[[Data], Value]  # a record's value for one column: a value, ABSENT or a Problem

_REMEMBERED = 2_000  # texts per column; statuses, sites and sections repeat, coordinates do not


def allowed_fields(pipeline: Pipeline, source: str) -> tuple[FieldPath, ...]:
    """Every source field that may be read: mapped, grouped by, asked by a `where`, or the cursor. The `select` of capture."""
    wanted: dict[FieldPath, None] = {}
    for entity in (e for e in pipeline.entities if e.source == source):
        for field in entity.fields:
            wanted[field.source] = None
            if field.where:
                wanted[field.where[0]] = None
        if entity.deleted_where:
            wanted[entity.deleted_where[0]] = None
        if entity.group_by:
            wanted[entity.group_by] = None
    cursor = pipeline.sources[source].cursor
    if cursor:
        wanted[cursor.field] = None
    return tuple(wanted)


def raw_text(data: Data, path: FieldPath) -> str:
    """A field as trimmed text, "" where there is none."""
    raw = get_in(data, path)
    return "" if raw is None else str(raw).strip()


class Columns:
    """The distinct (source field, converter, options) of all entities of a source, each read and converted once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._nothing = frozenset(s.strip().casefold() for s in context.source.sentinels) | {""}
        self._index: dict[tuple[FieldPath, str, str], int] = {}
        self.readers: list[Read] = []

    def add(self, field: Field) -> int:
        """The position of this field's column."""
        key = (field.source, field.convert, dumps(dict(field.options)))
        if key not in self._index:
            self._index[key] = len(self.readers)
            self.readers.append(self._reader(field))
        return self._index[key]

    def _reader(self, field: Field) -> Read:
        path, nothing, convert = field.source, self._nothing, build(field.convert, field.options, self._context)
        remembered: dict[str, Value] = {}

        def read(data: Data) -> Value:
            raw = data.get(path[0]) if len(path) == 1 else get_in(data, path)
            if raw is None:
                return ABSENT
            if type(raw) is not str:
                return convert(raw)
            if raw in remembered:
                return remembered[raw]
            text = raw.strip()
            value = ABSENT if text.casefold() in nothing else convert(text)
            if len(remembered) < _REMEMBERED and type(value) is not list:  # a list could be changed by who gets it
                remembered[raw] = value
            return value

        return read


def withhold_half_places(values: list[Value], pairs: Sequence[tuple[int, int]]) -> None:
    """A latitude without its longitude is no place: writing one of them would make a place that nobody measured."""
    for a, b in pairs:
        if isinstance(values[a], Problem) or isinstance(values[b], Problem):
            values[a], values[b] = (v if isinstance(v, Problem) else WITHHELD for v in (values[a], values[b]))
        elif values[a] is ABSENT or values[b] is ABSENT:
            values[a] = values[b] = ABSENT


WITHHELD = Problem("")  # stands in for the other half of an unreadable place; not told twice


def pairs_of(entity: Entity) -> list[tuple[Field, Field]]:
    """The fields that are one place: (latitude, longitude)."""
    by_target = {f.target: f for f in entity.fields}
    return [
        (f, by_target[f.compare.partner])
        for f in entity.fields
        if f.compare.partner in by_target and f.convert == "latitude" and f.compare.how == "metres"
    ]
