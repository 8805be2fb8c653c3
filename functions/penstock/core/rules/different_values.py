"""An update would replace a value that production holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from penstock.core.changes import Action, Change, Finding
from penstock.core.findings import about, label, show, title
from penstock.core.rules.base import ChangeRule, View
from penstock.core.values import dotted

NAME = "different_values"


@dataclass(frozen=True, slots=True)
class Settings:
    """`fields`: the target fields, dotted, in which two different values are a conflict and not just news."""

    fields: tuple[str, ...]


def check(_view: View, settings: Settings, change: Change) -> Iterable[Finding]:
    if change.action is not Action.UPDATE:
        return
    for d in change.diff:
        if dotted(d.path) in settings.fields and d.before is not None and d.before != "":
            text = f"{title(change)}: production has {label(d.path)} {show(d.before)}, the source {show(d.after)}."
            yield about(change, NAME, "warning", text, "Approve to take the source's value, reject to keep production's.", d.path)


RULE = ChangeRule(NAME, Settings, check)
