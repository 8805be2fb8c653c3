"""A parent would have more children than it can carry: those in production and those of this batch together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from penstock.core.changes import Action, Change, Finding
from penstock.core.declaration import Entity
from penstock.core.findings import about, one
from penstock.core.limits import MAX_DISJUNCTIONS
from penstock.core.rules.base import Count, GroupRule, Lookup, View, proposed
from penstock.core.values import Value, get_in

NAME = "too_many_children"


@dataclass(frozen=True, slots=True)
class Settings:
    """`entity`: the children's. `most`: how many distinct ones a parent can carry. `warn_from`: from how many on to say so."""

    entity: str
    most: int
    warn_from: int


def _gains(child: Entity, group: Sequence[Change]) -> dict[str, list[Change]]:
    """By parent: the children that are new to it."""
    found: dict[str, list[Change]] = {}
    link = child.parent
    for change in group:
        if link is None or change.entity != child.name or change.action is Action.DELETE:
            continue
        parent = str(proposed(change, link.field))
        if change.action is Action.CREATE or str(get_in(change.before or {}, link.field)) != parent:
            found.setdefault(parent, []).append(change)
    return found


def _count(view: View, child: Entity, parents: Value) -> Count:
    assert child.parent is not None
    return Count(view.collection(child), child.parent.field, parents)


def lookups(view: View, settings: Settings, changes: Sequence[Change]) -> Iterable[Lookup]:
    child = view.pipeline.entity(settings.entity)
    gains = _gains(child, changes)
    # One count over many parents costs what one over a single parent costs. Only where all that they hold together could
    # fill one of them is that one counted by itself.
    for n in range(0, len(gains), MAX_DISJUNCTIONS):
        parents = tuple(sorted(gains))[n : n + MAX_DISJUNCTIONS]
        together = _count(view, child, parents)
        held = view.number(together)
        if held is None:
            yield together
        else:
            yield from (_count(view, child, p) for p in parents if held + len(gains[p]) >= settings.warn_from)


def check(view: View, settings: Settings, group: Sequence[Change]) -> Iterable[Finding]:
    child = view.pipeline.entity(settings.entity)
    for parent, gained in _gains(child, group).items():
        assert child.parent is not None
        held = view.number(_count(view, child, parent))
        if held is None:
            continue  # counted together with others, and too few
        total = held + len(gained)
        if total < settings.warn_from:
            continue
        too_many = total > settings.most
        above = view.pipeline.entity(child.parent.entity)
        on = view.by_path.get(view.path(above, parent), gained[0])
        text = (
            f"The {one(above.name)} {parent} would have {total} {child.name}: {held} in production and {len(gained)} new; "
            f"{settings.most} is the most."
        )
        remedy = "Leave out those that belong elsewhere." if too_many else "Check before it is full."
        yield about(on, NAME, "blocker" if too_many else "warning", text, remedy)


RULE = GroupRule(NAME, Settings, check, lookups, further=True)
