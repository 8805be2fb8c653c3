"""A field that must be there is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from penstock.core.changes import Action, Change, Finding
from penstock.core.findings import about, label, listed, title
from penstock.core.rules.base import ChangeRule, View, proposed
from penstock.core.values import as_path

NAME = "required"


@dataclass(frozen=True, slots=True)
class Settings:
    """No settings; the fields themselves say that they are required."""


def check(_view: View, _settings: Settings, change: Change) -> Iterable[Finding]:
    missing = [as_path(name) for name in change.facts.get("missing", ())]
    gaps = [path for path in missing if proposed(change, path) is None]
    if not gaps or change.action is Action.DELETE:
        return
    words = listed(label(path) for path in gaps)
    new = change.action is Action.CREATE
    text = f"would be created without {words}" if new else f"has no {words}, neither in production nor in the source"
    yield about(change, NAME, "blocker" if new else "warning", f"{title(change)} {text}.", "Fill it in at the source.", gaps[0])


RULE = ChangeRule(NAME, Settings, check)
