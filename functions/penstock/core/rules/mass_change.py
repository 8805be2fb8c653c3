"""One field changed in very many records at once: a renumbering at the source. One decision, with a table of old and new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.changes import Action, Change, Finding
from penstock.core.declaration import Pipeline
from penstock.core.findings import label, show
from penstock.core.rules.base import BatchRule, Judgement, View
from penstock.core.values import as_path, dotted

NAME = "mass_change"
SHOWN = 50


@dataclass(frozen=True, slots=True)
class Settings:
    """A field is changed in mass when at least `records` records, and at least the `share` (0..1) of all records of the entity,
    give up one value for another in it. `fields`: the target fields, dotted, that are watched."""

    records: int
    share: float
    fields: tuple[str, ...]


def gather(_view: View, settings: Settings, changes: Sequence[Change]) -> Any:
    """[{entity, field, old, new, count}, …] of one pack."""
    count: Counter[tuple[str, str, str, str]] = Counter()
    for change in changes:
        if change.action is not Action.UPDATE:
            continue
        for d in change.diff:
            if dotted(d.path) in settings.fields and d.before not in (None, "") and d.after is not None:
                count[change.entity, dotted(d.path), show(d.before), show(d.after)] += 1
    return [{"entity": e, "field": f, "old": old, "new": new, "count": n} for (e, f, old, new), n in count.items()]


def judge(_pipeline: Pipeline, settings: Settings, gathered: Sequence[Any], totals: Mapping[str, int]) -> Judgement:
    tables: dict[tuple[str, str], Counter[tuple[str, str]]] = {}
    for pack in gathered:
        for row in pack:
            tables.setdefault((row["entity"], row["field"]), Counter())[row["old"], row["new"]] += row["count"]
    findings, folded = [], []
    for (entity, name), table in sorted(tables.items()):
        many = table.total()
        if many < settings.records or many < settings.share * totals.get(entity, 0):
            continue
        ranked = sorted(table.items(), key=lambda item: (-item[1], item[0]))
        rows = [(old, new, n) for (old, new), n in ranked[:SHOWN]]
        rest = ranked[SHOWN:]
        if rest:
            rows.append((f"{len(rest)} other values", "", sum(n for _, n in rest)))
        words = label(as_path(name))
        text = f"{many} {entity} change their {words} at once, in {len(table)} ways; {totals.get(entity, 0)} {entity} are known."
        remedy = "Decide once for all of them by the table: a renumbering at the source is approved, a slip rejected."
        findings.append(Finding(NAME, "blocker", "", "", text, remedy, name, tuple(rows)))
        folded.append(name)
    return Judgement(tuple(findings), tuple(folded))


RULE = BatchRule(NAME, Settings, gather, judge)
