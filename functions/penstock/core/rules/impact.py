"""What a change to a unit of a tree touches: who stands at it and below it, in the target's own ids. Counted, never read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from penstock.core.changes import Action, Change, Finding
from penstock.core.declaration import Tree
from penstock.core.findings import about, listed, title
from penstock.core.rules.base import Below, ChangeRule, Count, Lookup, View
from penstock.core.tree import place_of
from penstock.core.values import FieldPath, get_in

NAME = "impact"
UNITS, OWN, CHILDREN = "units", "own units", "children"  # rows of a finding's table, beside the names of dependents
_OFFICIAL = "official"
_WORDS = {UNITS: "units below it", OWN: "of them the target's own", CHILDREN: "directly below it"}
_AT_ONCE = 30  # values that Firestore takes in one `in`
_REMEDIES = {
    "move": "All of it follows in the same commit. Approve only if the unit was really moved.",
    "deactivate": "All of it stays behind below a unit that is not active. Approve only if that is right.",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """`comprehensive`: dependents at and below the unit, all that lies below it, what of that is the target's own, and its
    children. `simple`: the dependents alone that name the unit at its level of their chain. `tolerance`: by what share of itself
    a number may have grown when a move or a deactivation is promoted."""

    policy: Literal["comprehensive", "simple"]
    tolerance: float = 0.0


class _Unit(NamedTuple):
    """A unit as production has it; `path` is "" where it stores none."""

    collection: str
    tree: Tree
    id: str
    path: str
    level: int


def _unit(view: View, change: Change) -> _Unit | None:
    """None where no unit of a tree is updated."""
    entity, place = view.pipeline.entity(change.entity), place_of(change)
    if entity.tree is None or place is None or change.action is not Action.UPDATE:
        return None
    path, level = (get_in(change.before or {}, field) for field in (entity.tree.path, entity.tree.level))
    id = change.path.rpartition("/")[2]
    at = level if isinstance(level, int) else place.level
    return _Unit(view.collection(entity), entity.tree, id, path if isinstance(path, str) else "", at)


def _children(unit: _Unit) -> Count:
    return Count(unit.collection, unit.tree.parent, unit.id)


def _at(view: View, settings: Settings, unit: _Unit) -> dict[str, Count]:
    """Dependents that name the unit itself, by their name."""
    found = {}
    for of in unit.tree.dependents:
        if settings.policy == "comprehensive" and unit.path:
            found[of.name] = Count(view.prefix + of.collection, of.path, unit.path)
        elif settings.policy == "simple" and unit.level <= len(of.chain):
            found[of.name] = Count(view.prefix + of.collection, of.chain[unit.level - 1], unit.id)
    return found


def _below(view: View, unit: _Unit) -> dict[str, Below]:
    """What lies below it, by its name; the official units among them apart."""
    if not unit.path:
        return {}
    tree = unit.tree
    found = {of.name: Below(view.prefix + of.collection, of.path, unit.path) for of in tree.dependents}
    return {
        **found,
        UNITS: Below(unit.collection, tree.path, unit.path),
        _OFFICIAL: Below(unit.collection, tree.path, unit.path, (tree.own,)),
    }


def lookups(view: View, settings: Settings, changes: Sequence[Change]) -> Iterable[Lookup]:
    """Units at the last official level seldom have anything at or below them, so they are asked about many at once, and one by
    one only where there is something. What is below is asked for where there are children."""
    full = settings.policy == "comprehensive"
    together: dict[tuple[str, FieldPath], list[Count]] = {}
    for unit in filter(None, (_unit(view, change) for change in changes)):
        asked = [*_at(view, settings, unit).values(), *([_children(unit)] if full else [])]
        if view.found is not None and unit.level >= unit.tree.levels.official:
            for count in asked:
                together.setdefault((count.collection, count.field), []).append(count)
        else:
            yield from asked
        if full and (view.found is None or view.number(_children(unit))):
            yield from _below(view, unit).values()
    for counts in together.values():
        yield from _several(view, counts)


def _several(view: View, counts: Sequence[Count]) -> Iterator[Count]:
    for n in range(0, len(counts), _AT_ONCE):
        some = counts[n : n + _AT_ONCE]
        yield (all_ := Count(some[0].collection, some[0].field, tuple(count.value for count in some)))
        if view.number(all_):
            yield from some


def check(view: View, settings: Settings, change: Change) -> Iterable[Finding]:
    unit, place = _unit(view, change), place_of(change)
    if unit is None or place is None:
        return
    rows = _rows(view, settings, unit)
    disturbs = place.step in _REMEDIES and any(rows.values())
    said = listed(f"{number:,} {_WORDS.get(name, name + ' at or below it')}" for name, number in rows.items() if number)
    at = unit.path or f"{unit.id}, whose path is not known"
    text = f"In production {title(change)} is {at}: {said or 'nothing and nobody stands at it or below it'}."
    found = about(change, NAME, "warning" if disturbs else "notice", text, _REMEDIES[place.step] if disturbs else "")
    yield replace(found, table=tuple((name, "", number) for name, number in rows.items()))


def _rows(view: View, settings: Settings, unit: _Unit) -> dict[str, int]:
    """What was not asked for one by one is nothing: it was asked for along with others."""
    rows = {name: view.number(count) or 0 for name, count in _at(view, settings, unit).items()}
    if settings.policy == "simple":
        return rows
    below = {name: view.number(count) or 0 for name, count in _below(view, unit).items()}
    official = below.pop(_OFFICIAL, 0)
    rows = {name: number + below.pop(name, 0) for name, number in rows.items()}
    units = below.get(UNITS, 0)
    return {**rows, UNITS: units, OWN: units - official, CHILDREN: view.number(_children(unit)) or 0}


def outgrown(tolerance: float, approved: Mapping[str, int], live: Mapping[str, int]) -> list[str]:
    """The rows that were approved and have grown beyond the tolerance since, in words."""
    grown = ((name, before, live[name]) for name, before in approved.items() if name in live)
    return [
        f"{before:,} {name} were approved, and there are {now:,}" for name, before, now in grown if now > before * (1 + tolerance)
    ]


RULE = ChangeRule(NAME, Settings, check, lookups)
