"""The record is in production already: under another document id, or spelled otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from penstock.core.changes import Action, Change, Finding
from penstock.core.findings import about, business_key, title
from penstock.core.rules.base import ChangeRule, View

NAME = "exists_elsewhere"


@dataclass(frozen=True, slots=True)
class Settings:
    """No settings."""


def check(_view: View, _settings: Settings, change: Change) -> Iterable[Finding]:
    if change.facts.get("matched_by") == "key":
        text = f"Production holds {title(change)} in the document {change.path}, not in one named by its key."
        yield about(change, NAME, "warning", text, "Approving writes to that document. Make sure that it is the same thing.")
    near = change.facts.get("near")
    if near and change.action is Action.CREATE:
        text = f'The source says "{business_key(change)}"; production holds {near}, which is spelled alike.'
        remedy = "Reject this change if they are one thing and correct the spelling; approve it only if they are two."
        yield about(change, NAME, "blocker", text, remedy)


RULE = ChangeRule(NAME, Settings, check)
