"""Production was edited since the last sync, and this change would write over it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from penstock.core.changes import Change, Finding
from penstock.core.findings import about, label, listed, show, title
from penstock.core.rules.base import ChangeRule, View

NAME = "edited_by_hand"


@dataclass(frozen=True, slots=True)
class Settings:
    """No settings."""


def check(_view: View, _settings: Settings, change: Change) -> Iterable[Finding]:
    if not change.facts.get("edited_by_hand"):
        return
    replaced = [d for d in change.diff if not d.passive and d.before is not None]
    said = listed(f"{label(d.path)} {show(d.before)} by {show(d.after)}" for d in replaced)
    effect = f"this change would replace {said}" if replaced else "this change adds to it and replaces nothing"
    text = f"{title(change)} was edited in production since the last sync; {effect}."
    yield about(change, NAME, "warning", text, "Reject to keep the edit, approve to let the source win.")


RULE = ChangeRule(NAME, Settings, check)
