"""A picture in words of where changes stand in a tree, before and after: one tree in which each changed unit says what becomes of
it, and one that moves stands at both places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Literal

from penstock.core.lineage import Lineage, Unit
from penstock.core.plan import Row

Tone = Literal["CREATE", "UPDATE", "DELETE"]
_WORDS = {"create": "new", "restore": "active again", "update": "changes", "deactivate": "no longer active", "remove": "removed"}
_TONES: dict[str, Tone] = {"create": "CREATE", "deactivate": "DELETE", "remove": "DELETE"}
ARROW = " › "


@dataclass(slots=True)
class Node:
    """`said`: what becomes of the unit here, "" where it does not change; `more` words beside it. `changed`: the ids of what
    changes at and below it."""

    unit: Unit
    said: str = ""
    tone: Tone = "UPDATE"
    more: str = ""
    changed: set[str] = field(default_factory=set)
    children: dict[str, Node] = field(default_factory=dict)

    @property
    def below(self) -> list[Node]:
        return sorted(self.children.values(), key=attrgetter("unit.name", "unit.id"))


def tree(rows: Iterable[Row]) -> list[Node]:
    """The roots of what the rows change, with all that is above them; [] where nothing of a tree changes."""
    top = Node(Unit("", ""))
    for row in rows:
        if (of := row.lineage) is not None:
            _put(top, of)
    return top.below


def way(units: Sequence[Unit]) -> str:
    """`Bagmati › Kathmandu`, from the root down."""
    return ARROW.join(unit.name for unit in units)


def moves(of: Lineage) -> bool:
    return of.step == "move" and of.was is not None and _ids(of.was_above) != _ids(of.above)


def _put(top: Node, of: Lineage) -> None:
    if moves(of):
        _say(top, of.was_above, of.was or of.unit, "moves away", "DELETE", f"to {way(of.above) or 'the top'}")
        _say(top, of.above, of.unit, "moves here", "CREATE", f"from {way(of.was_above) or 'the top'}{_renamed(of)}")
    else:
        said = "changes its path" if of.step == "move" else _WORDS[of.step]
        renamed = _renamed(of)
        if of.step == "update" and renamed:
            said, renamed = "gets another name", renamed.removeprefix("; ")
        _say(top, of.above, of.unit, said, _TONES.get(of.step, "UPDATE"), renamed)


def _renamed(of: Lineage) -> str:
    return f"; was called {of.was.name}" if of.was is not None and of.was.name != of.unit.name else ""


def _ids(units: Sequence[Unit]) -> list[str]:
    return [unit.id for unit in units]


def _say(top: Node, above: Sequence[Unit], unit: Unit, said: str, tone: Tone, more: str) -> None:
    here = top
    for step in (*above, unit):
        here.changed.add(unit.id)
        here = here.children.setdefault(step.id, Node(step))
    here.changed.add(unit.id)
    here.unit, here.said, here.tone, here.more = unit, said, tone, more
