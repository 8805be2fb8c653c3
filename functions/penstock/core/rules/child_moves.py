"""A record would change its parent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from penstock.core.changes import Action, Change, Finding
from penstock.core.findings import about, one, show, title
from penstock.core.rules.base import ChangeRule, View

NAME = "child_moves"


@dataclass(frozen=True, slots=True)
class Settings:
    """No settings."""


def check(view: View, _settings: Settings, change: Change) -> Iterable[Finding]:
    link = view.pipeline.entity(change.entity).parent
    if link is None or change.action is not Action.UPDATE:
        return
    for d in change.diff:
        if d.path == link.field and d.before is not None:
            text = (
                f"{title(change)} is on {one(link.entity)} {show(d.before)} in production and on {show(d.after)} in the source."
            )
            yield about(change, NAME, "warning", text, "Approve only if it was really moved.", d.path)


RULE = ChangeRule(NAME, Settings, check)
