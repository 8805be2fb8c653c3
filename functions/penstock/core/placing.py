"""Where the changes of a pack put their units when it is promoted, worked out from how production stands then: what was planned
holds of a new unit, and a moved one goes to where its new parent is by now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from penstock.core.declaration import Tree
from penstock.core.followers import Moves
from penstock.core.packs import Ready
from penstock.core.records import Snapshot
from penstock.core.tree import DOT, Place, is_below, joined, owns
from penstock.core.values import FieldPath, get_in

HANGS = ("create", "restore", "move")  # steps after which a unit must hang under a parent that is there


@dataclass(frozen=True, slots=True)
class Placing:
    """`paths` of the units that come and of those that are moved, by key of the change, and the keys of the moves by the path
    that they begin at; `fallen`: why a change cannot be made any more."""

    moves: Moves
    paths: Mapping[str, str]
    moved: Mapping[str, str]
    fallen: Mapping[str, str]


def asked(tree: Tree) -> tuple[FieldPath, ...]:
    """The fields of units that `place` looks at."""
    return tree.path, tree.own[0]


def needed(changes: Sequence[Ready]) -> list[str]:
    """The documents that `place` must see: the units that are moved, and the parents that this pack does not create."""
    created = {c.path for c in changes if c.place and c.place.step == "create"}
    found: dict[str, None] = {}
    for change in changes:
        if change.place is None or change.place.step not in HANGS:
            continue
        if change.place.step == "move":
            found[change.path] = None
        if change.place.parent and (above := beside(change, change.place.parent)) not in created:
            found[above] = None
    return list(found)


def beside(change: Ready, id: str) -> str:
    """The document of another unit of the same tree."""
    return f"{change.path.rpartition('/')[0]}/{id}"


def place(tree: Tree, changes: Sequence[Ready], live: Mapping[str, Snapshot]) -> Placing:
    """`live`: the documents that are `needed`. Of moves that depend on each other the nearest to the root is made first."""
    worker = _Placer(tree, live)
    for change in sorted((c for c in changes if c.place and c.place.step in HANGS), key=_order):
        worker.take(change)
    return Placing(worker.moves, worker.paths(), worker.moved, worker.fallen)


def _order(change: Ready) -> tuple[int, int]:
    assert change.place is not None
    return change.place.order


class _Placer:
    def __init__(self, tree: Tree, live: Mapping[str, Snapshot]) -> None:
        self.tree, self.live = tree, live
        self.moves = Moves()
        self.fallen: dict[str, str] = {}
        self.moved: dict[str, str] = {}
        self._created: dict[str, str] = {}  # document → path as it would be without the moves
        self._above: dict[str, tuple[str, str]] = {}  # key → (path above, as production holds it; own id)

    def paths(self) -> dict[str, str]:
        return {key: joined(self.moves.after(above) if above else "", id) for key, (above, id) in self._above.items()}

    def take(self, change: Ready) -> None:
        planned = change.place
        assert planned is not None
        above = self._path_above(change, planned)
        if above is None:
            return
        id = change.path.rpartition("/")[2]
        if planned.step == "move":
            self._move(change, above, id)
        elif above != planned.above:
            where = f"lies at {above} now, and not at {planned.above}" if above else "is none"
            self.fallen[change.key] = f"the unit {planned.parent or 'above it'} {where}"
        else:  # what comes back may have had no path until now
            self._created[change.path] = joined(above, id)
            self._above[change.key] = above, id

    def _path_above(self, change: Ready, planned: Place) -> str | None:
        """The path of the parent, as production holds it or would without the moves of this pack."""
        if not planned.parent:
            return ""
        document = beside(change, planned.parent)
        if document in self._created:
            return self._created[document]
        parent, why = self.live.get(document), ""
        if parent is None or not parent.exists:
            why = "is not there"
        elif not owns(self.tree, parent.fields):
            why = "is one of the target's own by now"
        elif not isinstance(path := get_in(parent.fields, self.tree.path), str) or not path:
            why = "has no path"
        else:
            return path
        self.fallen[change.key] = f"the unit {planned.parent}, under which it was to hang, {why}"
        return None

    def _move(self, change: Ready, above: str, id: str) -> None:
        unit = self.live[change.path]
        if not unit.exists:
            self.fallen[change.key] = "is not there any more"
            return
        old, to = get_in(unit.fields, self.tree.path), self.moves.after(above) if above else ""
        if leads_to(old, id):
            here = self.moves.after(old)
            if to == here or is_below(to, here):
                self.fallen[change.key] = "its new parent lies below it by now"
                return
            self.moves.move(old, joined(to, id))
            self.moved[old] = change.key
        self._above[change.key] = above, id


def leads_to(path: object, id: str) -> bool:
    """Whether what a unit stores can be its path: what is stored wrongly is put right, and nothing goes along with it."""
    return isinstance(path, str) and path.rpartition(DOT)[2] == id
