"""What a rule is. A rule sees one change, one group of changes, or, through small summaries of every pack, the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from penstock.core.changes import Action, Change, Finding
from penstock.core.declaration import Entity, Pipeline
from penstock.core.records import Snapshot, Where
from penstock.core.values import Data, FieldPath, Value, get_in


@dataclass(frozen=True, slots=True)
class Get:
    """The production document at a path."""

    path: str


@dataclass(frozen=True, slots=True)
class Count:
    """How many production documents of a collection hold this value in a field; or, where `value` is a tuple of at most 30, one
    of these values."""

    collection: str
    field: FieldPath
    value: Value  # hashable

    @property
    def where(self) -> Where:
        if isinstance(self.value, tuple):
            return Where(self.field, "in", list(self.value))
        return Where(self.field, "==", self.value)


Lookup: TypeAlias = Get | Count


@dataclass(frozen=True, slots=True)
class View:
    """What a rule may see beside its change: the pack it lies in, and the production that was asked for."""

    pipeline: Pipeline
    prefix: str  # of the target's collections
    found: Mapping[Lookup, Snapshot | int] | None = field(default_factory=dict)  # None: nothing will be asked twice
    by_path: Mapping[str, Change] = field(default_factory=dict)  # the pack's changes

    def path(self, entity: Entity, key: str) -> str:
        return f"{self.prefix}{entity.collection}/{key}"

    def collection(self, entity: Entity) -> str:
        return f"{self.prefix}{entity.collection}"

    def document(self, path: str) -> Data | None:
        """The document as it will stand with this pack, or as it stands in production if it was asked for."""
        change = self.by_path.get(path)
        if change is not None:
            return None if change.action is Action.DELETE else {**(change.before or {}), **(change.after or {})}
        found = (self.found or {}).get(Get(path))
        return found.data if isinstance(found, Snapshot) and found.exists else None


def _no_lookups(_view: View, _settings: Any, _changes: Sequence[Change]) -> Iterable[Lookup]:
    return ()


@dataclass(frozen=True, slots=True)
class ChangeRule:
    """Judges one change. `lookups` names what of production must be seen to judge a pack. `deletes`: it is the removals that it
    judges; all other rules are about what a source says, and see none."""

    name: str
    settings: type[Any]
    check: Callable[[View, Any, Change], Iterable[Finding]]
    lookups: Callable[[View, Any, Sequence[Change]], Iterable[Lookup]] = _no_lookups
    deletes: bool = False


@dataclass(frozen=True, slots=True)
class GroupRule:
    """Judges all changes of one group at once; a pack holds whole groups."""

    name: str
    settings: type[Any]
    check: Callable[[View, Any, Sequence[Change]], Iterable[Finding]]
    lookups: Callable[[View, Any, Sequence[Change]], Iterable[Lookup]] = _no_lookups


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the batch-wide rules say. `folded`: dotted fields whose single findings are told by a mass change."""

    findings: tuple[Finding, ...] = ()
    folded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchRule:
    """Judges the batch: `gather` sums one pack up as a JSON value, `judge` sees the sums of all packs and how many records of
    each entity there are."""

    name: str
    settings: type[Any]
    gather: Callable[[Pipeline, Any, Sequence[Change]], Any]
    judge: Callable[[Pipeline, Any, Sequence[Any], Mapping[str, int]], Judgement]


Rule: TypeAlias = ChangeRule | GroupRule | BatchRule


def proposed(change: Change, path: FieldPath) -> Value:
    """The value of a field once the change is made."""
    for d in change.diff:
        if d.path == path:
            return d.after
    return get_in(change.before or {}, path)
