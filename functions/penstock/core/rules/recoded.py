"""A record would get another code. A code is no identity, and codes change hands: never approved in passing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from penstock.core.changes import Action, Change, Finding
from penstock.core.findings import about, named, show, title
from penstock.core.rules.base import ChangeRule, View, proposed
from penstock.core.values import as_path

NAME = "recoded"


@dataclass(frozen=True, slots=True)
class Settings:
    """The target fields, dotted, that hold the code and the name."""

    code: str
    name: str


def check(_view: View, settings: Settings, change: Change) -> Iterable[Finding]:
    if change.action is not Action.UPDATE:
        return
    code = as_path(settings.code)
    changed = next((d for d in change.diff if d.path == code and d.before is not None), None)
    if changed is None:
        return
    thing = named(title(change), proposed(change, as_path(settings.name)))
    text = f"{thing} has the code {show(changed.before)} in production and {show(changed.after)} in the source."
    remedy = "Approve only if it is the same thing under another code. If the code of another was given to it, keep production."
    yield about(change, NAME, "blocker", text, remedy, code)


RULE = ChangeRule(NAME, Settings, check)
