"""A unit would go that others hang below, which this batch does not take away too: it needs a word on what becomes of them. Every
pipeline with a tree has this rule, named or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.changes import Change, Finding
from penstock.core.choices import ACTIVE, OWN
from penstock.core.declaration import Pipeline
from penstock.core.findings import listed, title
from penstock.core.leaving import is_active, nearest, takes_away
from penstock.core.plan import DEPENDENTS
from penstock.core.rules.base import BatchRule, Below, Count, Judgement, View
from penstock.core.rules.standing import Unit, asking, at, children, dependents_below, unit_of, units_below
from penstock.core.tree import place_of, with_beginning

NAME = DEPENDENTS


@dataclass(frozen=True, slots=True)
class Settings:
    """No settings."""


def _moving(view: View, changes: Sequence[Change]) -> Iterator[tuple[Change, Unit]]:
    """The units that go, and those that leave a place: what hangs below these is not left behind there."""
    for change in changes:
        unit, place = unit_of(view, change), place_of(change)
        if unit is None or place is None or not unit.path:
            continue
        if place.step == "move" or takes_away(view.pipeline.entity(change.entity), change):
            yield change, unit


def _inactive(view: View, change: Change, unit: Unit) -> Below | None:
    off = view.pipeline.entity(change.entity).deactivate
    return Below(unit.collection, unit.tree.path, unit.path, (unit.tree.own, (off.field, off.value))) if off else None


def lookups(view: View, _settings: Settings, changes: Sequence[Change]) -> Iterable[Count | Below]:
    moving = list(_moving(view, changes))
    yield from asking(view, ((unit, [*at(view, unit).values(), children(unit)]) for _, unit in moving))
    for change, unit in moving:
        if not view.number(children(unit)):
            continue
        yield from dependents_below(view, unit).values()
        yield units_below(unit)
        yield (official := units_below(unit, official=True))
        inactive = _inactive(view, change, unit)
        if inactive is not None and view.number(official):
            yield inactive


def gather(view: View, _settings: Settings, changes: Sequence[Change]) -> Any:
    """[{key, path, to, goes, active, held: {name: number}, …}, …] of one pack. What was not asked for is nothing: it was
    asked for along with others."""
    rows = []
    for change, unit in _moving(view, changes):
        entity, place = view.pipeline.entity(change.entity), place_of(change)
        assert place is not None
        held = {name: view.number(count) or 0 for name, count in at(view, unit).items()}
        for name, below in dependents_below(view, unit).items():
            held[name] += view.number(below) or 0
        official = view.number(units_below(unit, official=True)) or 0
        inactive = _inactive(view, change, unit)
        held[OWN] = (view.number(units_below(unit)) or 0) - official
        held[ACTIVE] = official - ((view.number(inactive) or 0) if inactive else 0)
        rows.append(
            {
                "key": change.key, "group": change.group, "title": title(change), "path": unit.path, "held": held,
                "to": place.path if place.step == "move" else "", "goes": takes_away(entity, change),
                "active": is_active(entity, change.before or {}), "level": unit.level,
            }
        )  # fmt: skip
    return rows


def judge(_pipeline: Pipeline, _settings: Settings, gathered: Sequence[Any], _totals: Mapping[str, int]) -> Judgement:
    rows = {row["path"]: row for pack in gathered for row in pack}
    own = {path: Counter(row["held"]) for path, row in rows.items()}  # what hangs below a unit and below no other of the rows
    for path, row in rows.items():
        if (above := nearest(rows, path)) is not None:
            own[above].subtract({**row["held"], ACTIVE: row["held"][ACTIVE] + row["active"]})
    ends = _ends(rows)
    going = {ends[path]: path for path, row in rows.items() if row["goes"]}
    for path, row in rows.items():
        if not row["goes"] and (home := nearest(going, ends[path])) is not None:
            own[going[home]].update({**own[path], ACTIVE: own[path][ACTIVE] + row["active"]})
    found = (_finding(row, +own[path]) for path, row in rows.items() if row["goes"])
    return Judgement(tuple(finding for finding in found if finding.table))


def _ends(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Where each of the paths leads once all moves are made."""
    ends: dict[str, str] = {}
    for path in sorted(rows, key=len):
        above = nearest(rows, path)
        ends[path] = rows[path]["to"] or (with_beginning(path, above, ends[above]) if above is not None else path)
    return ends


def _finding(row: Mapping[str, Any], own: Mapping[str, int]) -> Finding:
    def said(held: Mapping[str, int]) -> str:
        return listed(f"{many:,} {name}" for name, many in held.items() if many)

    whole = "" if all(own.get(name, 0) == many for name, many in row["held"].items()) else f" (in all {said(row['held'])})"
    text = f"{row['title']} would go, and in production {said(own)} hang at or below it that this batch leaves there{whole}."
    remedy = f"Keep it, take what hangs below it along, or move that to another active official unit of level {row['level']}."
    if own.get(ACTIVE):
        remedy = "Keep it, or take what hangs below it along; only what is not official can be moved to another unit."
    table = tuple((name, "", own[name]) for name in row["held"] if own.get(name))
    return Finding(NAME, "blocker", row["key"], row["group"], text, remedy, table=table)


RULE = BatchRule(NAME, Settings, gather, judge, lookups, further=True)
