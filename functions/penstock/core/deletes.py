"""From a record that its source no longer holds to the change that production would see, or to none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from penstock.core.changes import Action, Change, FieldDiff
from penstock.core.declaration import Entity
from penstock.core.diff import changed_by_hand
from penstock.core.layout import STAMP
from penstock.core.manifest import GONE
from penstock.core.records import Snapshot
from penstock.core.tree import owns
from penstock.core.values import Data, FieldPath, get_in, set_in


def plan_gone(entity: Entity, key: str, group: str, production: Snapshot) -> Change | Literal["foreign", "own"] | None:
    """The change that takes a record out of production, by the entity's policy (`deactivate` or `remove`). None: there is nothing
    to take out. `foreign`: the document of that id says of itself that it is another record, and is left alone; `own`: it is the
    target's own."""
    if not production.exists:
        return None
    if entity.tree and not owns(entity.tree, production.fields):
        return "own"
    if get_in(production.fields, entity.key) not in (None, key):
        return "foreign"
    after: Data | None = None
    diff: tuple[FieldDiff, ...]
    if entity.deactivate and entity.on_delete == "deactivate":
        field, value = entity.deactivate.field, entity.deactivate.value
        old = get_in(production.fields, field)
        if old == value and type(old) is type(value):
            return None
        diff = (FieldDiff(field, old, value),)
        after = {}
        set_in(after, field, value)
    else:
        diff = tuple(FieldDiff(path, value, None) for path, value in leaves(production.fields) if path[0] != STAMP)
    facts = {"gone": True} | ({"edited_by_hand": True} if changed_by_hand(entity, production) else {})
    return Change(
        key=f"{entity.name}/{key}",
        entity=entity.name,
        group=group,
        path=production.path,
        action=Action.DELETE if after is None else Action.UPDATE,
        before=production.data,
        planned_against=production.update_time,
        after=after,
        diff=diff,
        fingerprint=GONE,
        facts=facts,
    )


def leaves(data: Data, at: FieldPath = ()) -> Iterator[tuple[FieldPath, object]]:
    """Every value of a document that is no map, or an empty one, with its path."""
    for name, value in data.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*at, name))
        else:
            yield (*at, name), value
