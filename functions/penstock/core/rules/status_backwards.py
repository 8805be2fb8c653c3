"""A status would go back in its declared order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from penstock.core.changes import Action, Change, Finding
from penstock.core.comparison import fold
from penstock.core.findings import about, label, show, title
from penstock.core.rules.base import ChangeRule, View
from penstock.core.values import dotted

NAME = "status_backwards"


@dataclass(frozen=True, slots=True)
class Settings:
    """`field`: the status, dotted. `order`: its values, earliest first; others have no place in it and are not judged."""

    field: str
    order: tuple[str, ...]


def check(_view: View, settings: Settings, change: Change) -> Iterable[Finding]:
    if change.action is not Action.UPDATE:
        return
    rank = {fold(status): n for n, status in enumerate(settings.order)}
    for d in change.diff:
        if dotted(d.path) != settings.field or not (isinstance(d.before, str) and isinstance(d.after, str)):
            continue
        before, after = rank.get(fold(d.before)), rank.get(fold(d.after))
        if before is not None and after is not None and after < before:
            text = f"{title(change)}: {label(d.path)} would go back from {show(d.before)} to {show(d.after)}."
            yield about(change, NAME, "warning", text, "Approve only if the work was really undone.", d.path)


RULE = ChangeRule(NAME, Settings, check)
