"""Where a change puts a unit of a tree, and where it stood, as people call what is above it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from penstock.core.changes import Change
from penstock.core.declaration import Entity
from penstock.core.diff import result_of
from penstock.core.findings import called
from penstock.core.tree import DOT, Step, place_of
from penstock.core.values import Data, get_in


class Unit(NamedTuple):
    """`id` is the document's; `name` what people call it, or the id where that is not known."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """`unit` as the change leaves it, and `was` as it stood before; `above` and `was_above` from the root down. `was` is None for
    what is new, or stood nowhere."""

    step: Step
    level: int
    unit: Unit
    above: tuple[Unit, ...]
    was: Unit | None = None
    was_above: tuple[Unit, ...] = ()


def paths_of(entity: Entity, change: Change) -> Iterator[list[str]]:
    """The ids of the path that is planned, and of the one that production has, from the root down to the unit itself."""
    place = place_of(change)
    if entity.tree is not None and place is not None:
        yield place.path.split(DOT)
        held = get_in(change.before or {}, entity.tree.path)
        if isinstance(held, str):
            yield held.split(DOT)


def _called(entity: Entity, data: Data) -> str:
    return called(get_in(data, entity.tree.name)) if entity.tree and entity.tree.name else ""


def name_before(entity: Entity, change: Change) -> str:
    """What people call the record in production; "" where nothing is known."""
    return _called(entity, change.before or {})


def name_after(entity: Entity, change: Change) -> str:
    return _called(entity, result_of(change, None))


def lineage_of(entity: Entity, change: Change, names: Mapping[str, str]) -> Lineage | None:
    """None for a record of no tree. `names` by document id; what is missing there is called by its id."""
    place, paths = place_of(change), list(paths_of(entity, change))
    if place is None or not paths:
        return None

    def above(path: list[str]) -> tuple[Unit, ...]:
        return tuple(Unit(id, names.get(id) or id) for id in path[:-1])

    id = change.path.rpartition("/")[2]
    unit = Unit(id, name_after(entity, change) or name_before(entity, change) or id)
    if len(paths) < 2:
        return Lineage(place.step, place.level, unit, above(paths[0]))
    was = Unit(id, name_before(entity, change) or id)
    return Lineage(place.step, place.level, unit, above(paths[0]), was, above(paths[1]))
