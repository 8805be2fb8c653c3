"""A record names a parent that neither production nor this batch has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from penstock.core.changes import Action, Change, Finding
from penstock.core.findings import about, one, show, title
from penstock.core.rules.base import ChangeRule, Get, Lookup, View, proposed

NAME = "child_without_parent"


@dataclass(frozen=True, slots=True)
class Settings:
    """No settings."""


def _unknown_parent(view: View, change: Change) -> str | None:
    """The path of the parent if it is not known yet that it exists; None where there is nothing to ask."""
    link = view.pipeline.entity(change.entity).parent
    if link is None or change.action is Action.DELETE or change.facts.get("parent_exists"):
        return None
    if change.action is Action.UPDATE and link.field not in change.mask:
        return None
    path = view.path(view.pipeline.entity(link.entity), str(proposed(change, link.field)))
    with_it = view.by_path.get(path)
    return None if with_it is not None and with_it.action is not Action.DELETE else path


def lookups(view: View, _settings: Settings, changes: Sequence[Change]) -> Iterable[Lookup]:
    for change in changes:
        path = _unknown_parent(view, change)
        if path is not None and path not in view.by_path:
            yield Get(path)


def check(view: View, _settings: Settings, change: Change) -> Iterable[Finding]:
    path, link = _unknown_parent(view, change), view.pipeline.entity(change.entity).parent
    if path is None or link is None or (path not in view.by_path and view.document(path) is not None):
        return
    named = show(proposed(change, link.field))
    text = f"{title(change)} names the {one(link.entity)} {named}, which neither production nor this batch has."
    yield about(change, NAME, "blocker", text, f"Correct the {one(link.entity)} in the source, or create it first.", link.field)


RULE = ChangeRule(NAME, Settings, check, lookups)
