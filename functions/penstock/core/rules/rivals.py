"""Two groups of the source claim one record: a drop that two poles have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.changes import Action, Change, Finding
from penstock.core.declaration import Pipeline
from penstock.core.findings import listed
from penstock.core.rules.base import BatchRule, Judgement, View

NAME = "rivals"


@dataclass(frozen=True, slots=True)
class Settings:
    """No settings."""


def gather(_view: View, _settings: Settings, changes: Sequence[Change]) -> Any:
    """Every claim: key → [group], and behind it the rival that capture knew already."""
    claims = ((c.key, c.group, c.facts.get("rival_of")) for c in changes if c.action is not Action.DELETE)
    return {key: [group, rival] if rival else [group] for key, group, rival in claims}


def judge(_pipeline: Pipeline, _settings: Settings, gathered: Sequence[Any], _totals: Mapping[str, int]) -> Judgement:
    claims: dict[str, dict[str, list[str]]] = {}
    for pack in gathered:
        for key, groups in pack.items():
            claims.setdefault(key.partition("#")[0], {})[key] = groups
    findings = []
    for record, claimants in claims.items():
        everyone = {group for groups in claimants.values() for group in groups}
        if len(claimants) < 2 and len(everyone) < 2:
            continue
        for key, (group, *_) in claimants.items():
            others = listed(sorted(everyone - {group})) or "another set of records that spells it alike"
            text = f"{record.replace('/', ' ')} is claimed by {group} and also by {others}; only one can have it."
            remedy = "Approve the one that is right and reject the others, then correct the source."
            findings.append(Finding(NAME, "blocker", key, group, text, remedy))
    return Judgement(tuple(findings))


RULE = BatchRule(NAME, Settings, gather, judge)
