"""What rules ask about a unit of a tree: who stands at it, and what lies below it. Counted, never read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from penstock.core.changes import Action, Change
from penstock.core.declaration import Tree
from penstock.core.limits import MAX_DISJUNCTIONS
from penstock.core.rules.base import Below, Count, View
from penstock.core.tree import place_of
from penstock.core.values import Data, FieldPath, get_in


class Unit(NamedTuple):
    """A unit as production has it; `path` is "" where it stores none."""

    collection: str
    tree: Tree
    id: str
    path: str
    level: int

    @property
    def is_leaf(self) -> bool:
        """Whether nothing of the source's is to lie below it: seldom anything does."""
        return self.level >= self.tree.levels.official


def unit_of(view: View, change: Change) -> Unit | None:
    """None where no unit of a tree is updated."""
    if change.action is not Action.UPDATE:
        return None
    entity, place = view.pipeline.entity(change.entity), place_of(change)
    if entity.tree is None or place is None:
        return None
    id = change.path.rpartition("/")[2]
    return unit_in(view.collection(entity), entity.tree, id, change.before or {}, place.level)


def unit_in(collection: str, tree: Tree, id: str, document: Data, level: int = 0) -> Unit:
    """The unit of a production document; `level` where that names none."""
    path, at = (get_in(document, field) for field in (tree.path, tree.level))
    return Unit(collection, tree, id, path if isinstance(path, str) else "", at if isinstance(at, int) else level)


def children(unit: Unit) -> Count:
    return Count(unit.collection, unit.tree.parent, unit.id)


def at(view: View, unit: Unit) -> dict[str, Count]:
    """Dependents that belong to the unit itself, by their name; none where its path is not known."""
    return {of.name: Count(view.prefix + of.collection, of.path, unit.path) for of in unit.tree.dependents if unit.path}


def dependents_below(view: View, unit: Unit) -> dict[str, Below]:
    return {of.name: Below(view.prefix + of.collection, of.path, unit.path) for of in unit.tree.dependents if unit.path}


def units_below(unit: Unit, *, official: bool = False) -> Below:
    tree = unit.tree
    return Below(unit.collection, tree.path, unit.path, (tree.own,) if official else ())


def asking(view: View, of: Iterable[tuple[Unit, Sequence[Count]]]) -> Iterator[Count]:
    """Leaves seldom have anything at or below them, so they are asked about many at once, and one by one only where there is
    something; what was not asked one by one then is nothing."""
    together: dict[tuple[str, FieldPath], list[Count]] = {}
    for unit, counts in of:
        if not unit.is_leaf:
            yield from counts
            continue
        for count in counts:
            together.setdefault((count.collection, count.field), []).append(count)
    for counts in together.values():
        for n in range(0, len(counts), MAX_DISJUNCTIONS):
            some = counts[n : n + MAX_DISJUNCTIONS]
            yield (all_ := Count(some[0].collection, some[0].field, tuple(count.value for count in some)))
            if view.number(all_):
                yield from some
