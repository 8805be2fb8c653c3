"""What a change to a unit of a tree touches: who stands at it and below it, in the target's own ids. Counted, never read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from penstock.core.changes import Change, Finding
from penstock.core.findings import about, listed, title
from penstock.core.rules.base import Below, ChangeRule, Count, Lookup, View
from penstock.core.rules.standing import Unit, asking, at, children, dependents_below, unit_of, units_below
from penstock.core.tree import place_of

NAME = "impact"
UNITS, OWN, CHILDREN = "units", "own units", "children"  # rows of a finding's table, beside the names of dependents
_OFFICIAL = "official"
ROWS = (UNITS, OWN, CHILDREN, _OFFICIAL)  # names that no dependents can have
_WORDS = {UNITS: "units below it", OWN: "of them the target's own", CHILDREN: "directly below it"}
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


def _at(view: View, settings: Settings, unit: Unit) -> dict[str, Count]:
    """Dependents that name the unit itself, by their name."""
    if settings.policy == "comprehensive":
        return at(view, unit)
    level = unit.level - 1
    of_chain = (of for of in unit.tree.dependents if level < len(of.chain))
    return {of.name: Count(view.prefix + of.collection, of.chain[level], unit.id) for of in of_chain}


def _below(view: View, unit: Unit) -> dict[str, Below]:
    """What lies below it, by its name; the official units among them apart."""
    if not unit.path:
        return {}
    return {**dependents_below(view, unit), UNITS: units_below(unit), _OFFICIAL: units_below(unit, official=True)}


def lookups(view: View, settings: Settings, changes: Sequence[Change]) -> Iterable[Lookup]:
    """What is below is asked for where there are children."""
    full = settings.policy == "comprehensive"
    units = [unit for change in changes if (unit := unit_of(view, change)) is not None]
    of = ([*_at(view, settings, unit).values(), *([children(unit)] if full else [])] for unit in units)
    yield from asking(view, zip(units, of, strict=True))
    for unit in units if full else ():
        if view.number(children(unit)):
            yield from _below(view, unit).values()


def check(view: View, settings: Settings, change: Change) -> Iterable[Finding]:
    unit, place = unit_of(view, change), place_of(change)
    if unit is None or place is None:
        return
    rows = numbers(view, settings, unit)
    disturbs = place.step in _REMEDIES and any(rows.values())
    said = listed(f"{number:,} {_WORDS.get(name, name + ' at or below it')}" for name, number in rows.items() if number)
    at = unit.path or f"{unit.id}, whose path is not known"
    text = f"In production {title(change)} is {at}: {said or 'nothing and nobody stands at it or below it'}."
    found = about(change, NAME, "warning" if disturbs else "notice", text, _REMEDIES[place.step] if disturbs else "")
    yield replace(found, table=tuple((name, "", number) for name, number in rows.items()))


def questions(view: View, settings: Settings, unit: Unit) -> list[Count | Below]:
    """All that `numbers` wants to know of one unit, at once."""
    asked: list[Count | Below] = list(_at(view, settings, unit).values())
    return [*asked, children(unit), *_below(view, unit).values()] if settings.policy == "comprehensive" else asked


def numbers(view: View, settings: Settings, unit: Unit) -> dict[str, int]:
    """The rows of the finding. What was not asked for one by one is nothing: it was asked for along with others."""
    rows = {name: view.number(count) or 0 for name, count in _at(view, settings, unit).items()}
    if settings.policy == "simple":
        return rows
    below = {name: view.number(count) or 0 for name, count in _below(view, unit).items()}
    official = below.pop(_OFFICIAL, 0)
    rows = {name: number + below.pop(name, 0) for name, number in rows.items()}
    units = below.get(UNITS, 0)
    return {**rows, UNITS: units, OWN: units - official, CHILDREN: view.number(children(unit)) or 0}


def outgrown(tolerance: float, approved: Mapping[str, int], live: Mapping[str, int]) -> list[str]:
    """The rows that were approved and have grown beyond the tolerance since, in words."""
    grown = ((name, before, live[name]) for name, before in approved.items() if name in live)
    return [
        f"{before:,} {name} were approved, and there are {now:,}" for name, before, now in grown if now > before * (1 + tolerance)
    ]


RULE = ChangeRule(NAME, Settings, check, lookups, further=True)
