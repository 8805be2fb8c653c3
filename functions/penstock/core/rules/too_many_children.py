"""A parent would have more children than it can carry: those in production and those of this batch together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from penstock.core.changes import Action, Change, Finding
from penstock.core.declaration import Entity
from penstock.core.findings import about, one
from penstock.core.rules.base import Count, GroupRule, Lookup, View, proposed
from penstock.core.values import get_in

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


def _question(view: View, child: Entity, parent: str) -> Count:
    assert child.parent is not None
    return Count(view.collection(child), child.parent.field, parent)


def lookups(view: View, settings: Settings, group: Sequence[Change]) -> Iterable[Lookup]:
    child = view.pipeline.entity(settings.entity)
    return [_question(view, child, parent) for parent in _gains(child, group)]


def check(view: View, settings: Settings, group: Sequence[Change]) -> Iterable[Finding]:
    child = view.pipeline.entity(settings.entity)
    for parent, gained in _gains(child, group).items():
        assert child.parent is not None
        held = view.found.get(_question(view, child, parent), 0)
        assert isinstance(held, int)
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


RULE = GroupRule(NAME, Settings, check, lookups)
