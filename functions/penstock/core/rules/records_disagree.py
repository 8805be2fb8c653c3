"""The source records of one thing contradict each other, or lie far apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from penstock.core.changes import Change, Finding
from penstock.core.findings import about, label, listed, metres, show, title
from penstock.core.rules.base import ChangeRule, View
from penstock.core.values import as_path

NAME = "records_disagree"


@dataclass(frozen=True, slots=True)
class Settings:
    """`metres`: how far apart the records of one thing may lie. `fields`: the target fields, dotted, in which they must agree."""

    metres: float
    fields: tuple[str, ...]


def check(_view: View, settings: Settings, change: Change) -> Iterable[Finding]:
    rows = change.facts.get("rows", 1)
    spread = change.facts.get("spread_m", 0.0)
    if spread > settings.metres:
        text = f"{title(change)}: its {rows} source records lie up to {metres(spread)} apart; the latest one counts."
        yield about(change, NAME, "warning", text, "Look at the map; reject if the latest place is not the right one.")
    for name, values in change.facts.get("disagree", {}).items():
        if name in settings.fields:
            path = as_path(name)
            said = listed(show(v) for v in values)
            text = f"{title(change)}: its {rows} source records give {label(path)} as {said}; the latest one counts."
            yield about(change, NAME, "warning", text, "Reject if the latest value is not the right one.", path)


RULE = ChangeRule(NAME, Settings, check)
