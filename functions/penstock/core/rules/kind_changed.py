"""A record would become another kind of thing: of another level, or of another type."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from penstock.core.changes import Action, Change, Finding
from penstock.core.findings import about, label, named, show, title
from penstock.core.rules.base import ChangeRule, View
from penstock.core.spelling import folded_name
from penstock.core.values import Value, as_path, dotted, get_in

NAME = "kind_changed"


@dataclass(frozen=True, slots=True)
class Settings:
    """`fields`: the target fields, dotted, that one thing keeps as long as it is. `name`: that of its name."""

    fields: tuple[str, ...]
    name: str


def check(_view: View, settings: Settings, change: Change) -> Iterable[Finding]:
    if change.action is not Action.UPDATE:
        return
    for d in change.diff:
        if dotted(d.path) in settings.fields and d.before is not None and not _alike(d.before, d.after):
            thing = named(title(change), get_in(change.before or {}, as_path(settings.name)))
            text = f"{thing} has the {label(d.path)} {show(d.before)} in production and {show(d.after)} in the source."
            remedy = "Approve only if it is the same thing. If one went and another came, each needs an id of its own."
            yield about(change, NAME, "blocker", text, remedy, d.path)


def _alike(before: Value, after: Value) -> bool:
    """Spelled otherwise, and no more."""
    return isinstance(before, str) and isinstance(after, str) and folded_name(before) == folded_name(after)


RULE = ChangeRule(NAME, Settings, check)
