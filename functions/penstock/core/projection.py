"""From the source records of one group to the records that production shall hold."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple, TypedDict

from penstock.core.comparison import distance, fold
from penstock.core.converters import ABSENT, Context, Problem
from penstock.core.declaration import Entity, Field, Pipeline
from penstock.core.findings import label, one
from penstock.core.mapping import WITHHELD, Columns, Read, pairs_of, raw_text, withhold_half_places
from penstock.core.records import Snapshot
from penstock.core.values import Data, FieldPath, Timestamp, Value, dotted, dumps

_LONG_AGO = Timestamp(-(2**62))
_RESERVED = re.compile(r"\.\.?|__.*__")


class Unreadable(TypedDict):
    """A value that did not convert: the target field, the converter's name, and the value's shape."""

    field: str
    convert: str
    shape: str


class Facts(TypedDict, total=False):
    """What the projection, and then the plan, saw of one record. A key is there only when there is something to say."""

    rows: int  # source records merged into this one, when more than one
    spread_m: float  # distance between the outermost of their places, metres
    disagree: dict[str, list[Value]]  # dotted field → distinct values, oldest first, where the records should agree
    statuses: list[Value]  # values of the field that collects history (`union`), when more than one
    problems: list[Unreadable]
    missing: list[str]  # required fields, dotted, that the source has no value for
    children: dict[str, int]  # on a parent: entity → distinct records of the same group that name it
    # from here on added by `diff.plan`
    matched_by: str  # `key`: production holds the record under another document id; `id` is not written down
    near: str  # path of a production document whose key is spelled alike
    rival_of: str  # group that claims the same record in this run
    parent_exists: bool  # the parent was seen in production when the plan was made
    edited_by_hand: bool  # production's mapped fields are not what was last promoted
    gone: bool  # the source no longer holds it: removed or deactivated by the entity's policy
    # and by capture
    place: list[Value]  # in a tree: step, level, document id above ("" at a root), planned path (`tree.Place`)
    below: dict[str, int]  # of a move: documents that follow it, the tree's own by its entity, dependents by their name
    choice: str  # on the way back of a unit: what was chosen for what it left behind, when it went
    back: list[Value]  # on the way back of a unit that went: what it left behind, and what returns with it (`followers.of_line`)
    stays: dict[str, str]  # of that what was changed since and stays as it is, by document, and why
    drift: dict[str, list[Value]]  # of a change that fell out: dotted field → [planned against, approved, in production now]


@dataclass(frozen=True, slots=True)
class Projected:
    """One record for production. `values` holds the fields that have a value, `blank` those the source holds nothing for;
    a field that could not be read is in neither. `fingerprint`: 16 hex digits of all values but the passive ones."""

    entity: str
    key: str
    group: str
    values: Mapping[FieldPath, Value]
    blank: frozenset[FieldPath]
    fingerprint: str
    facts: Facts
    sources: tuple[str, ...]  # document ids of the source records, oldest first
    stamp: Timestamp | None = None  # when the newest of them was changed, as it says itself


class Projection(NamedTuple):
    """What became of one group. For each entity: read = projected + merged + skipped."""

    projected: tuple[Projected, ...]
    skipped: Mapping[tuple[str, str], int]  # (entity, reason in plain words) → source records
    merged: Mapping[str, int]  # by entity: further records of a key that is projected
    read: Mapping[str, int]  # by entity: source records looked at
    unreadable: Mapping[tuple[str, str], int]  # (entity, dotted field) → records projected without that field
    deleted: frozenset[str] = frozenset()  # `entity/key` of the records that the source says are deleted


@dataclass(slots=True)
class _Row:
    id: str
    stamp: Timestamp
    data: Data
    values: list[Value]


@dataclass(frozen=True, slots=True)
class _Slot:
    """A field of an entity, its column, and what its declaration means for merging."""

    field: Field
    column: int
    plain: bool  # no `where`, and one record's value is the merged value

    def allowed(self, rows: Sequence[_Row]) -> Sequence[_Row]:
        where = self.field.where
        return [r for r in rows if raw_text(r.data, where[0]) in where[1]] if where else rows

    def merge(self, rows: Sequence[_Row]) -> tuple[Value, Sequence[Problem]]:
        """The value of several records, oldest first, and what of them could not be read."""
        values = [v for r in self.allowed(rows) if (v := r.values[self.column]) is not ABSENT]
        problems = [v for v in values if isinstance(v, Problem)]
        match self.field.pick:
            case "smallest":
                return min((v for v in values if not isinstance(v, Problem)), default=ABSENT), problems
            case "latest" | "earliest":
                found = values[-1 if self.field.pick == "latest" else 0] if values else ABSENT
                # an unreadable value is not passed over for a readable older one: that would write what is no longer so
                return (ABSENT if isinstance(found, Problem) else found), problems
            case "distinct":
                good = {dumps(v): v for v in values if not isinstance(v, Problem)}
                return [good[text] for text in sorted(good)] or ABSENT, problems
            case "count":
                return len(values), problems


@dataclass(slots=True)
class _Plan:
    """An entity, compiled."""

    entity: Entity
    slots: list[_Slot]
    key: _Slot
    parent: _Slot | None
    history: FieldPath | None
    place: tuple[int, int] | None  # columns of latitude and longitude
    prints: list[tuple[str, FieldPath]]  # of the fields in the fingerprint


class Projector:
    """Projects one source of a pipeline. Compiled once; `target_root` is needed where references are mapped."""

    def __init__(self, pipeline: Pipeline, source_name: str, target_root: str = "") -> None:
        source = pipeline.sources[source_name]
        columns = Columns(Context(source, target_root))
        self._plans = [self._compile(e, columns) for e in pipeline.entities if e.source == source_name]
        self._pairs = list({(c[0], c[1]) for p in self._plans for c in [p.place] if c})
        cursor = Field(("cursor",), source.cursor.field, "timestamp") if source.cursor else None
        self._cursor: int | None = columns.add(cursor) if cursor else None
        self._readers: list[Read] = columns.readers

    @staticmethod
    def _compile(entity: Entity, columns: Columns) -> _Plan:
        slots = [
            _Slot(f, columns.add(f), f.where is None and f.pick in ("latest", "earliest", "smallest")) for f in entity.fields
        ]
        of: Callable[[FieldPath], _Slot] = lambda target: next(s for s in slots if s.field.target == target)  # noqa: E731
        pair = next(iter(pairs_of(entity)), None)
        return _Plan(
            entity,
            slots,
            key=of(entity.key),
            parent=of(entity.parent.field) if entity.parent else None,
            history=next((f.target for f in entity.fields if f.compare.how == "union"), None),
            place=(of(pair[0].target).column, of(pair[1].target).column) if pair else None,
            prints=sorted((dotted(f.target), f.target) for f in entity.fields if f.compare.how != "passive"),
        )

    def project(self, records: Sequence[Snapshot]) -> Projection:
        """The records of ONE group (equal in the field that holds them together), or one record."""
        rows = [self._row(record) for record in records]
        if len(rows) > 1:
            rows.sort(key=lambda row: (row.stamp, row.id))
        skipped: defaultdict[tuple[str, str], int] = defaultdict(int)
        merged: dict[str, int] = {}
        unreadable: defaultdict[tuple[str, str], int] = defaultdict(int)
        deleted: set[str] = set()
        found: dict[str, list[Projected]] = {}
        for plan in self._plans:
            name = plan.entity.name
            by_key: dict[str, list[_Row]] = {}
            for row in rows:
                key, reason = self._key(plan, row)
                if not reason and _is_deleted(plan.entity, row.data):
                    deleted.add(f"{name}/{key}")
                    reason = "deleted in the source"
                if reason:
                    skipped[name, reason] += 1
                else:
                    by_key.setdefault(key, []).append(row)
            found[name] = [self._merge(plan, key, of_key, unreadable) for key, of_key in by_key.items()]
            merged[name] = sum(map(len, by_key.values())) - len(by_key)
        self._count_children(found)
        return Projection(
            tuple(p for plan in self._plans for p in found[plan.entity.name]),
            dict(skipped),
            merged,
            {plan.entity.name: len(rows) for plan in self._plans},
            dict(unreadable),
            frozenset(deleted),
        )

    def _row(self, record: Snapshot) -> _Row:
        data = record.fields
        values = [read(data) for read in self._readers]
        if self._pairs:
            withhold_half_places(values, self._pairs)
        stamp = values[self._cursor] if self._cursor is not None else None
        return _Row(record.id, stamp if isinstance(stamp, Timestamp) else _LONG_AGO, data, values)

    @staticmethod
    def _key(plan: _Plan, row: _Row) -> tuple[str, str]:
        """(key, ""), or ("", why the record has none)."""
        value, parent = row.values[plan.key.column], plan.parent
        words = label(plan.entity.key) if value is ABSENT or isinstance(value, Problem) else ""
        if words:
            return "", f"no {words}" if value is ABSENT else f"unreadable {words}"
        if parent is not None and plan.entity.parent is not None:
            of_parent = row.values[parent.column]
            is_root = of_parent is ABSENT and plan.entity.tree is not None
            if not is_root and (of_parent is ABSENT or isinstance(of_parent, Problem)):
                named = "no" if of_parent is ABSENT else "unreadable"
                return "", f"{named} {one(plan.entity.parent.entity)} named"
            if not is_root and not _may_be_id(str(of_parent)):  # nobody can look whether it is there
                return "", f"{one(plan.entity.parent.entity)} named that cannot be a document id"
        key = value if type(value) is str else str(value)
        return (key, "") if _may_be_id(key) else ("", f"{label(plan.entity.key)} that cannot be a document id")

    def _merge(self, plan: _Plan, key: str, rows: list[_Row], unreadable: defaultdict[tuple[str, str], int]) -> Projected:
        values: dict[FieldPath, Value] = {}
        blank: list[FieldPath] = []
        facts: Facts = {}
        alone = rows[0].values if len(rows) == 1 else None
        for slot in plan.slots:
            target = slot.field.target
            value: Value
            problems: Sequence[Problem] = ()
            if alone is not None and slot.plain:
                value = alone[slot.column]
                if isinstance(value, Problem):
                    problems = (value,)
                    value = ABSENT
            else:
                value, problems = slot.merge(rows)
            if problems:
                unreadable[plan.entity.name, dotted(target)] += 1
                told = {p.shape: p for p in problems if p is not WITHHELD}
                facts.setdefault("problems", []).extend(
                    {"field": dotted(target), "convert": slot.field.convert, "shape": shape} for shape in told
                )
            if value is not ABSENT:
                values[target] = value
                continue
            if not problems:
                blank.append(target)
            if slot.field.required:
                facts.setdefault("missing", []).append(dotted(target))
        if alone is None:
            _compare_rows(plan, rows, facts)
        history = values.get(plan.history) if plan.history else None
        if isinstance(history, list) and len(history) > 1:
            facts["statuses"] = history
        return Projected(
            plan.entity.name,
            key,
            raw_text(rows[0].data, plan.entity.group_by) if plan.entity.group_by else key,
            values,
            frozenset(blank),
            _fingerprint(plan, values),
            facts,
            tuple(row.id for row in rows),
            rows[-1].stamp if rows[-1].stamp != _LONG_AGO else None,
        )

    def _count_children(self, found: Mapping[str, Sequence[Projected]]) -> None:
        for plan in self._plans:
            link = plan.entity.parent
            if link is None or link.entity not in found:
                continue
            count: defaultdict[str, int] = defaultdict(int)
            for child in found[plan.entity.name]:
                count[str(child.values.get(link.field))] += 1
            for parent in found[link.entity]:
                if count[parent.key]:
                    parent.facts.setdefault("children", {})[plan.entity.name] = count[parent.key]


def _may_be_id(text: str) -> bool:
    """Whether Firestore takes it, and people can tell it from others: what cannot be seen makes one id look like another."""
    return "/" not in text and text.isprintable() and not _RESERVED.fullmatch(text) and len(text.encode()) <= 1_500


def _is_deleted(entity: Entity, data: Data) -> bool:
    where = entity.deleted_where
    return where is not None and raw_text(data, where[0]) in where[1]


def _fingerprint(plan: _Plan, values: Mapping[FieldPath, Value]) -> str:
    named = {name: values[path] for name, path in plan.prints if path in values}
    return hashlib.blake2b(dumps(named).encode(), digest_size=8).hexdigest()


def _compare_rows(plan: _Plan, rows: Sequence[_Row], facts: Facts) -> None:
    """What several records of one key say differently."""
    facts["rows"] = len(rows)
    for slot in plan.slots:
        f = slot.field
        if f.pick != "latest" or f.progress or f.compare.how in ("passive", "metres"):
            continue
        distinct: dict[str, Value] = {}
        for row in slot.allowed(rows):
            value = row.values[slot.column]
            if value is not ABSENT and not isinstance(value, Problem):
                distinct.setdefault(fold(value) if isinstance(value, str) else dumps(value), value)
        if len(distinct) > 1:
            facts.setdefault("disagree", {})[dotted(f.target)] = list(distinct.values())
    if plan.place:
        lat, lon = plan.place
        places = [(r.values[lat], r.values[lon]) for r in rows if isinstance(r.values[lat], float)]
        spread = _spread(list(dict.fromkeys(places)))
        if spread:
            facts["spread_m"] = round(spread, 1)


def _spread(places: Sequence[tuple[float, float]]) -> float:
    """Metres between the outermost places: north, south, east, west."""
    if len(places) < 2:
        return 0.0
    outer = {pick(places, key=lambda p, i=i: p[i]) for pick in (min, max) for i in (0, 1)}  # type: ignore[misc]
    return max(distance(*a, *b) for a, b in combinations(outer, 2))
