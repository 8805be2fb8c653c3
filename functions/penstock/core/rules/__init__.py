"""The rules by name, and how a pack and a batch are judged by those that a pipeline names."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any

from penstock.core.changes import Action, Change, Finding
from penstock.core.declaration import Pipeline
from penstock.core.rules import (
    child_moves,
    child_without_parent,
    code_taken,
    dependents,
    different_values,
    edited_by_hand,
    exists_elsewhere,
    impact,
    kind_changed,
    lineage,
    mass_change,
    moved,
    recoded,
    records_disagree,
    removal,
    required,
    rivals,
    same_name,
    status_backwards,
    too_many_children,
    unconvertible,
)
from penstock.core.rules.base import (
    Answer,
    BatchRule,
    Below,
    ChangeRule,
    Count,
    Find,
    Get,
    GroupRule,
    Judgement,
    Lookup,
    Named,
    Rule,
    View,
)

__all__ = [
    "RULES", "Answer", "Below", "Count", "Find", "Get", "Judgement", "Lookup", "Named", "check", "gather", "judge", "lookups",
]  # fmt: skip

_MODULES = (
    exists_elsewhere, different_values, child_without_parent, too_many_children, child_moves, rivals, records_disagree,
    moved, required, status_backwards, edited_by_hand, unconvertible, mass_change, removal, impact, dependents,
    recoded, code_taken, same_name, kind_changed, lineage,
)  # fmt: skip

RULES: Mapping[str, Rule] = {module.RULE.name: module.RULE for module in _MODULES}


def _judging(changes: Sequence[Change]) -> Callable[[Rule], Sequence[Change]]:
    """Those of the changes that a rule is about. What is taken back was judged when it came."""
    removals = [c for c in changes if c.action is Action.DELETE and "undoes" not in c.facts]
    others = [c for c in changes if c.action is not Action.DELETE and "undoes" not in c.facts]

    def judged_by(rule: Rule) -> Sequence[Change]:
        if isinstance(rule, BatchRule) and rule.every:
            return changes
        return removals if isinstance(rule, ChangeRule) and rule.deletes else others

    return judged_by


def _groups(changes: Sequence[Change]) -> Iterator[list[Change]]:
    by_group: dict[str, list[Change]] = {}
    for change in changes:
        by_group.setdefault(change.group, []).append(change)
    yield from by_group.values()


def lookups(
    pipeline: Pipeline, target_prefix: str, changes: Sequence[Change], found: Mapping[Lookup, Answer] | None = None
) -> list[Lookup]:
    """What the pipeline's rules must see of production to judge this pack; each once.

    Without `found`, all at once. With `found`, begin with {}, add the answers and ask again until nothing more is asked: that
    takes two rounds and far fewer billed reads. Once something was answered, only the rules that ask further are asked."""
    asking = [name for name, _ in pipeline.rules if not found or RULES[name].further]
    return _asked(View(pipeline, target_prefix, found, {c.path: c for c in changes}), changes, asking)


def _asked(view: View, changes: Sequence[Change], names: Container[str]) -> list[Lookup]:
    """What these rules ask that has no answer; each once."""
    wanted: dict[Lookup, None] = {}
    judged_by = _judging(changes)
    for name, settings in view.pipeline.rules:
        if name in names:
            wanted |= dict.fromkeys(RULES[name].lookups(view, settings, judged_by(RULES[name])))
    return [asked for asked in wanted if asked not in (view.found or {})]


def check(pipeline: Pipeline, prefix: str, changes: Sequence[Change], found: Mapping[Lookup, Answer]) -> list[Finding]:
    """What the rules for changes and for groups say of one pack. `found` answers all that `lookups` asked; ValueError if not,
    since a rule that cannot see would stay silent."""
    view = View(pipeline, prefix, found, {c.path: c for c in changes})
    if (still := _asked(view, changes, RULES)) and any(q not in found for q in lookups(pipeline, prefix, changes)):
        raise ValueError(f"{len(still)} lookups have no answer, the first is {still[0]}")
    said: list[Finding] = []
    judged_by = _judging(changes)
    for name, settings in pipeline.rules:
        rule = RULES[name]
        if isinstance(rule, ChangeRule):
            said += [finding for change in judged_by(rule) for finding in rule.check(view, settings, change)]
        elif isinstance(rule, GroupRule):
            said += [finding for group in _groups(judged_by(rule)) for finding in rule.check(view, settings, group)]
    return said


def gather(pipeline: Pipeline, prefix: str, changes: Sequence[Change], found: Mapping[Lookup, Answer]) -> dict[str, Any]:
    """What the batch-wide rules must know of one pack, as JSON by rule. `found` as for `check`."""
    view = View(pipeline, prefix, found, {c.path: c for c in changes})
    named = ((name, settings, RULES[name]) for name, settings in pipeline.rules)
    of = ((name, settings, rule) for name, settings, rule in named if isinstance(rule, BatchRule))
    judged_by = _judging(changes)
    return {name: rule.gather(view, settings, judged_by(rule)) for name, settings, rule in of}


def judge(pipeline: Pipeline, gathered: Sequence[Mapping[str, Any]], totals: Mapping[str, int]) -> Judgement:
    """What the batch-wide rules say, from what `gather` gave for every pack. `totals`: by entity, how many records
    production holds."""
    findings: list[Finding] = []
    folded: list[str] = []
    for name, settings in pipeline.rules:
        rule = RULES[name]
        if isinstance(rule, BatchRule):
            judged = rule.judge(pipeline, settings, [pack[name] for pack in gathered if name in pack], totals)
            findings += judged.findings
            folded += judged.folded
    return Judgement(tuple(findings), tuple(dict.fromkeys(folded)))
