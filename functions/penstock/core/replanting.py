"""Where the units of a tree go when changes to them are taken back: paths are worked out anew, for what was above them may lie
elsewhere by now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.core.changes import Action, Change, FieldDiff
from penstock.core.declaration import Entity
from penstock.core.diff import with_value
from penstock.core.records import Snapshot
from penstock.core.tree import DOT, joined, step_of
from penstock.core.tree_plan import place_now
from penstock.core.values import get_in


def above(entity: Entity, change: Change) -> str:
    """The document of the unit under which a change lets its own hang; "" at a root."""
    assert entity.tree is not None
    field = entity.tree.parent
    id = get_in((change.after if field in change.mask else change.before) or {}, field)
    return f"{change.path.rpartition('/')[0]}/{id}" if isinstance(id, str) and id else ""


def needed(entity: Entity, changes: Sequence[Change]) -> list[str]:
    """The documents that `replanted` must see: what comes to hang elsewhere hangs under one of them."""
    return sorted({above(entity, c) for c in changes if _goes(entity, c)} - {""})


def _goes(entity: Entity, change: Change) -> bool:
    return step_of(entity, change) in ("create", "move")


def replanted(entity: Entity, changes: Sequence[Change], live: Mapping[str, Snapshot]) -> list[Change]:
    """The changes with their places, and those that come to hang elsewhere with the path that they get. `live`: the documents
    that are `needed`."""
    worker = _Replanter(entity, changes, live)
    return [worker.placed(change) for change in changes]


class _Replanter:
    def __init__(self, entity: Entity, changes: Sequence[Change], live: Mapping[str, Snapshot]) -> None:
        assert entity.tree is not None
        self.entity, self.tree, self.live = entity, entity.tree, live
        self.going = {c.path: c for c in changes if _goes(entity, c)}
        self._paths: dict[str, str] = {}

    def path_of(self, change: Change, seen: tuple[str, ...] = ()) -> str:
        """Where a unit will lie. What comes back does so before anything is moved. Of one that nobody has any more the id stands
        for its path: promotion looks again, and hangs nothing under it."""
        if change.path not in self._paths:
            over, id = above(self.entity, change), change.path.rpartition("/")[2]
            upper = self.going.get(over)
            if upper is None or over in seen or (change.action is Action.CREATE and upper.action is not Action.CREATE):
                found = self.live.get(over)
                path = str(get_in(found.fields if found else {}, self.tree.path) or over.rpartition("/")[2])
            else:
                path = self.path_of(upper, (*seen, change.path))
            self._paths[change.path] = joined(path, id)
        return self._paths[change.path]

    def placed(self, change: Change) -> Change:
        place = place_now(self.entity, change)
        if change.path in self.going:
            assert change.after is not None
            path, field, before = self.path_of(change), self.tree.path, change.before or {}
            others = tuple(d for d in change.diff if d.path != field)
            after = with_value(change.after, field, path)
            moved = FieldDiff(field, get_in(before, field), path)
            change = change._replace(after=after, diff=(*others, moved))
            level = get_in({**before, **after}, self.tree.level)
            place = place._replace(parent=above(self.entity, change).rpartition("/")[2], path=path)
            place = place._replace(level=level if isinstance(level, int) else path.count(DOT) + 1)
        return change._replace(facts={**change.facts, "place": place})
