"""A hierarchy kept as paths: each unit's path is the document ids from the root down to itself, joined by dots. What lies below
a unit is what has its path and a dot in front, so a subtree is a key range, and to move one is to change that beginning."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from penstock.core.changes import Action, Change
from penstock.core.declaration import Entity, Tree
from penstock.core.values import Data, get_in

DOT = "."
_BEHIND = "/"  # the character behind the dot: an id never holds it

Step: TypeAlias = Literal["create", "restore", "update", "move", "deactivate", "remove"]
STEPS: tuple[Step, ...] = get_args(Step)
_PHASE: dict[Step, int] = {"create": 0, "restore": 0, "update": 1, "move": 2, "deactivate": 3, "remove": 4}
_UPWARDS = (3, 4)  # phases that go from the leaves to the root; the others go from the root down


class Place(NamedTuple):
    """Where a change puts its record. `parent` is the document id above, "" at a root; `path` the whole path as planned, and
    `above` that of the parent. Lies in a change's facts as `place`."""

    step: Step
    level: int
    parent: str
    path: str

    @property
    def above(self) -> str:
        return self.path.rpartition(DOT)[0]

    @property
    def order(self) -> tuple[int, int]:
        """Promoted one after the other in this order, no moment shows a unit without what it hangs under: what is new from the
        root down, then what keeps its place, then moves from the root down, then what goes, from the leaves up."""
        phase = _PHASE[self.step]
        return phase, -self.level if phase in _UPWARDS else self.level


def place_of(change: Change) -> Place | None:
    """The place that the plan gave a change; None for a record of no tree."""
    found: Place | None = change.facts.get("place")
    return found


def joined(above: str, id: str) -> str:
    return f"{above}{DOT}{id}" if above else id


def below(path: str) -> tuple[str, str]:
    """The range of the paths below: from the first, up to and without the second."""
    return path + DOT, path + _BEHIND


def is_below(path: str, other: str) -> bool:
    """Whether `path` lies below `other`."""
    return path.startswith(other + DOT)


def with_beginning(path: str, old: str, new: str) -> str:
    """A path at or below `old`, once `old` is `new`."""
    return new + path[len(old) :]


def owns(tree: Tree, data: Data) -> bool:
    """Whether a document is the source's to write, and not the target's own."""
    field, value = tree.own
    held = get_in(data, field)
    return bool(held == value) and type(held) is type(value)


def step_of(entity: Entity, change: Change) -> Step:
    """What a change is to the hierarchy. A change that moves a unit is a move, whatever else it does. One that had no path yet
    has nothing below it, and is put in its place like one that is new."""
    assert entity.tree is not None
    if change.action is Action.CREATE:
        return "create"
    if change.action is Action.DELETE:
        return "remove"
    if entity.tree.parent in change.mask or entity.tree.path in change.mask:
        return "move" if get_in(change.before or {}, entity.tree.path) else "restore"
    off = entity.deactivate
    if off is not None and off.field in change.mask:
        return "deactivate" if get_in(change.after or {}, off.field) == off.value else "restore"
    return "update"


def chain_after(chain: list[Any], old: str, new: str) -> list[Any]:
    """The ids that a document stores level by level, once the path that it belongs to is `new` instead of `old`. Only those that
    the old path accounts for are replaced; None where the new path is shorter. A longer one goes on where nothing is stored."""
    was, now = old.split(DOT), new.split(DOT)
    whole = chain[: len(was)] == was[: len(chain)]
    found: list[Any] = []
    for n, id in enumerate(chain):
        stored = id == was[n] if n < len(was) else whole and id is None
        found.append((now[n] if n < len(now) else None) if stored else id)
    return found
