"""A source value could not be read as what the field should hold. The value itself is not shown: it may be anything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from penstock.core.changes import Change, Finding
from penstock.core.findings import about, label, listed, title
from penstock.core.rules.base import ChangeRule, View
from penstock.core.values import as_path

NAME = "unconvertible"


@dataclass(frozen=True, slots=True)
class Settings:
    """No settings."""


def check(_view: View, _settings: Settings, change: Change) -> Iterable[Finding]:
    by_field: dict[str, list[dict[str, str]]] = {}
    for problem in change.facts.get("problems", ()):
        by_field.setdefault(problem["field"], []).append(problem)
    for name, problems in by_field.items():
        path = as_path(name)
        shapes = listed(p["shape"] for p in problems)
        text = f"{title(change)}: the source's {label(path)} has the form {shapes}, which is no {problems[0]['convert']}."
        yield about(change, NAME, "warning", text, "It was left out; correct it at the source.", path)


RULE = ChangeRule(NAME, Settings, check)
