"""What a rule is. A rule sees one change, one group of changes, or, through small summaries of every pack, the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from penstock.core.changes import Action, Change, Finding
from penstock.core.declaration import Entity, Pipeline
from penstock.core.records import Query, Snapshot, Where
from penstock.core.tree import below
from penstock.core.values import Data, FieldPath, Value, get_in


@dataclass(frozen=True, slots=True)
class Get:
    """The production document at a path."""

    path: str


@dataclass(frozen=True, slots=True)
class Named:
    """Those of the production documents at these paths that are there, each with the fields of `select` alone. What a batch is
    only about to create is not."""

    paths: tuple[str, ...]
    select: tuple[FieldPath, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """How many production documents of a collection hold this value in a field; or, where `value` is a tuple of at most 30, one
    of these values."""

    collection: str
    field: FieldPath
    value: Value  # hashable

    @property
    def query(self) -> Query:
        return Query(self.collection, (_where(self.field, self.value),))


@dataclass(frozen=True, slots=True)
class Below:
    """How many production documents of a collection store in a field a path below this one; of those alone that hold the values
    of `equal`, if any."""

    collection: str
    field: FieldPath
    path: str
    equal: tuple[tuple[FieldPath, Value], ...] = ()  # hashable

    @property
    def query(self) -> Query:
        first, end = below(self.path)
        span = Where(self.field, ">=", first), Where(self.field, "<", end)
        return Query(self.collection, (*(_where(field, value) for field, value in self.equal), *span), self.field)


@dataclass(frozen=True, slots=True)
class Find:
    """The production documents of a collection that hold these values in these fields (a tuple of at most 30: one of them), the
    first `most` by name, each with the fields of `select` alone. As many as `most` may not be all."""

    collection: str
    equal: tuple[tuple[FieldPath, Value], ...]  # hashable
    select: tuple[FieldPath, ...]
    most: int

    @property
    def query(self) -> Query:
        return Query(
            self.collection, tuple(_where(field, value) for field, value in self.equal), select=self.select, limit=self.most
        )


def _where(field: FieldPath, value: Value) -> Where:
    return Where(field, "in", list(value)) if isinstance(value, tuple) else Where(field, "==", value)


Kept = TypeVar("Kept")
Lookup: TypeAlias = Get | Named | Count | Below | Find
Answer: TypeAlias = Snapshot | int | tuple[Snapshot, ...]  # to a Get, to what counts, to the others


@dataclass(frozen=True, slots=True)
class View:
    """What a rule may see beside its change: the pack it lies in, and the production that was asked for."""

    pipeline: Pipeline
    prefix: str  # of the target's collections
    found: Mapping[Lookup, Answer] = field(default_factory=dict)
    by_path: Mapping[str, Change] = field(default_factory=dict)  # the pack's changes
    _kept: dict[str, Any] = field(default_factory=dict)

    def once(self, name: str, work_out: Callable[[], Kept]) -> Kept:
        """What a rule works out of its changes to ask, kept until it judges them."""
        if name not in self._kept:
            self._kept[name] = work_out()
        found: Kept = self._kept[name]
        return found

    def path(self, entity: Entity, key: str) -> str:
        return f"{self.prefix}{entity.collection}/{key}"

    def collection(self, entity: Entity) -> str:
        return f"{self.prefix}{entity.collection}"

    def document(self, path: str) -> Data | None:
        """The document as it will stand with this pack, or as it stands in production if it was asked for."""
        change = self.by_path.get(path)
        if change is not None:
            return None if change.action is Action.DELETE else {**(change.before or {}), **(change.after or {})}
        found = self.found.get(Get(path))
        return found.data if isinstance(found, Snapshot) and found.exists else None

    def number(self, asked: Count | Below) -> int | None:
        """How many there are; None as long as that was not asked."""
        found = self.found.get(asked)
        return found if isinstance(found, int) else None

    def documents(self, asked: Find | Named) -> tuple[Snapshot, ...] | None:
        """The documents as they stand in production; None as long as they were not asked for."""
        found = self.found.get(asked)
        return found if isinstance(found, tuple) else None


def _no_lookups(_view: View, _settings: Any, _changes: Sequence[Change]) -> Iterable[Lookup]:
    return ()


@dataclass(frozen=True, slots=True)
class ChangeRule:
    """Judges one change. `lookups` names what of production must be seen to judge a pack; with `further` it asks more once it
    knows more, and without it looks at no answer. `deletes`: it is the removals that it judges; all other rules are about what
    a source says, and see none."""

    name: str
    settings: type[Any]
    check: Callable[[View, Any, Change], Iterable[Finding]]
    lookups: Callable[[View, Any, Sequence[Change]], Iterable[Lookup]] = _no_lookups
    further: bool = False
    deletes: bool = False


@dataclass(frozen=True, slots=True)
class GroupRule:
    """Judges all changes of one group at once; a pack holds whole groups."""

    name: str
    settings: type[Any]
    check: Callable[[View, Any, Sequence[Change]], Iterable[Finding]]
    lookups: Callable[[View, Any, Sequence[Change]], Iterable[Lookup]] = _no_lookups
    further: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the batch-wide rules say. `folded`: dotted fields whose single findings are told by a mass change."""

    findings: tuple[Finding, ...] = ()
    folded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchRule:
    """Judges the batch: `gather` sums one pack up as a JSON value, from its changes and what of production was asked for; `judge`
    sees the sums of all packs and how many records of each entity there are. `every`: it is about removals too, and about what is
    taken back."""

    name: str
    settings: type[Any]
    gather: Callable[[View, Any, Sequence[Change]], Any]
    judge: Callable[[Pipeline, Any, Sequence[Any], Mapping[str, int]], Judgement]
    lookups: Callable[[View, Any, Sequence[Change]], Iterable[Lookup]] = _no_lookups
    further: bool = False
    every: bool = False


Rule: TypeAlias = ChangeRule | GroupRule | BatchRule


def values_of(change: Change, fields: Iterable[FieldPath]) -> tuple[tuple[FieldPath, Value], ...]:
    """Of these fields, those that hold something once the change is made, each with it."""
    return tuple((field, value) for field in fields if (value := proposed(change, field)) is not None)


def proposed(change: Change, path: FieldPath) -> Value:
    """The value of a field once the change is made. What a change creates is asked of the whole document: its diff names the
    innermost fields of maps."""
    if change.action is Action.CREATE:
        return get_in(change.after or {}, path)
    for d in change.diff:
        if d.path == path:
            return d.after
    return get_in(change.before or {}, path)
