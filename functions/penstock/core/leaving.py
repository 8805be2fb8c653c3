"""What hangs below a unit that goes, and where it may go."""

from __future__ import annotations

from penstock.core.changes import Change
from penstock.core.declaration import Entity
from penstock.core.tree import is_below
from penstock.core.values import Data, get_in


def is_own(entity: Entity, data: Data) -> bool:
    """Whether a unit is of the source, and not the target's own."""
    assert entity.tree is not None
    field, value = entity.tree.own
    return bool(get_in(data, field) == value)


def is_active(entity: Entity, data: Data) -> bool:
    off = entity.deactivate
    return off is None or get_in(data, off.field) != off.value


def takes_away(entity: Entity, change: Change) -> bool:
    """Whether a change makes a unit inactive, whatever else it does."""
    off = entity.deactivate
    return off is not None and off.field in change.mask and get_in(change.after or {}, off.field) == off.value


def why_no_home(entity: Entity, data: Data, level: int, path: str) -> str:
    """Why a unit cannot take what hangs below the one of this level at this path; "" where it can."""
    assert entity.tree is not None
    there, own_level = get_in(data, entity.tree.path), get_in(data, entity.tree.level)
    if there == path:
        return "is the unit itself"
    if not is_own(entity, data):
        return "is not official"
    if not is_active(entity, data):
        return "is not active"
    if own_level != level:
        return f"is of level {own_level}"
    return "lies below it" if isinstance(there, str) and is_below(there, path) else ""
