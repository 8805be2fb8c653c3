"""A record would be removed that holds more than the source ever said, was edited by hand, or leaves others behind. Every
pipeline in which an entity's `on_delete` is `remove` has this rule, named or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from penstock.core.changes import Action, Change, Finding
from penstock.core.declaration import Entity, Pipeline
from penstock.core.deletes import leaves
from penstock.core.findings import about, business_key, label, listed, title
from penstock.core.layout import STAMP
from penstock.core.rules.base import ChangeRule, Count, Lookup, View, proposed
from penstock.core.values import Data, get_in

NAME = "removal"


@dataclass(frozen=True, slots=True)
class Settings:
    """No settings."""


def _children(pipeline: Pipeline, change: Change) -> list[Entity]:
    return [e for e in pipeline.entities if e.parent and e.parent.entity == change.entity]


def _count(view: View, child: Entity, change: Change) -> Count:
    assert child.parent is not None
    key = get_in(change.before or {}, view.pipeline.entity(change.entity).key)
    return Count(view.collection(child), child.parent.field, business_key(change) if key is None else key)


def lookups(view: View, _settings: Settings, changes: Sequence[Change]) -> Iterable[Lookup]:
    for change in changes:
        yield from (_count(view, child, change) for child in _children(view.pipeline, change))


def _leaving(view: View, child: Entity, change: Change) -> int:
    """How many of a record's children this pack removes, or gives to another parent."""
    assert child.parent is not None
    named, field = _count(view, child, change).value, child.parent.field
    of_it = [c for c in view.by_path.values() if c.entity == child.name and get_in(c.before or {}, field) == named]
    return sum(1 for c in of_it if c.action is Action.DELETE or proposed(c, field) != named)


def check(view: View, _settings: Settings, change: Change) -> Iterable[Finding]:
    entity = view.pipeline.entity(change.entity)
    own = unmapped(entity, change.before or {})
    if own:
        text = f"{title(change)} is gone from the source, and production holds what no source said of it: {listed(own)}."
        yield about(change, NAME, "blocker", text, "Remove it only if all of this may be lost; keep production otherwise.")
    if change.facts.get("edited_by_hand"):
        text = f"{title(change)} is gone from the source, and was edited in production since the last sync."
        yield about(change, NAME, "blocker", text, "Remove it only if the edit may be lost; keep production otherwise.")
    for child in _children(view.pipeline, change):
        left = (view.number(_count(view, child, change)) or 0) - _leaving(view, child, change)
        if left > 0:
            text = f"{title(change)} would be removed, and {left} {child.name} in production would still name it."
            yield about(change, NAME, "blocker", text, f"Keep it until its {child.name} are removed or belong elsewhere.")


def unmapped(entity: Entity, data: Data) -> list[str]:
    """The fields of a document, as words, that the pipeline does not write."""
    mapped = [f.target for f in entity.fields]
    paths = (path for path, _ in leaves(data) if path[0] != STAMP)
    return [label(path) for path in paths if not any(path[: len(m)] == m for m in mapped)]


RULE = ChangeRule(NAME, Settings, check, lookups, deletes=True)
