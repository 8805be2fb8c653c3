"""The rules by name, and how a pack and a batch are judged by those that a pipeline names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    "RULES", "Answer", "Below", "Count", "Find", "Get", "Judgement", "Judging", "Lookup", "Named", "judge",
]  # fmt: skip

_MODULES = (
    exists_elsewhere, different_values, child_without_parent, too_many_children, child_moves, rivals, records_disagree,
    moved, required, status_backwards, edited_by_hand, unconvertible, mass_change, removal, impact, dependents,
    recoded, code_taken, same_name, kind_changed, lineage,
)  # fmt: skip

RULES: Mapping[str, Rule] = {module.RULE.name: module.RULE for module in _MODULES}


class Judging:
    """The rules that a pipeline names, judging one pack. What they must see of production is asked for in rounds, for a rule may
    ask further once it knows more: put the answers to what `asks` gives into `found` until it gives nothing, then `check` and
    `gather`. These raise ValueError where an answer is missing, since a rule that cannot see would stay silent."""

    def __init__(self, pipeline: Pipeline, prefix: str, changes: Sequence[Change]) -> None:
        self.found: dict[Lookup, Answer] = {}
        self._view = View(pipeline, prefix, self.found, {c.path: c for c in changes})
        self._rules = [(name, RULES[name], settings) for name, settings in pipeline.rules]
        self._asked: dict[Lookup, None] | None = None
        self._seen = False  # all that was asked has its answer
        self._every = changes
        # What is taken back was judged when it came.
        self._removals = [c for c in changes if c.action is Action.DELETE and "undoes" not in c.facts]
        self._others = [c for c in changes if c.action is not Action.DELETE and "undoes" not in c.facts]

    def _about(self, rule: Rule) -> Sequence[Change]:
        """The changes that a rule is about."""
        if isinstance(rule, BatchRule) and rule.every:
            return self._every
        return self._removals if isinstance(rule, ChangeRule) and rule.deletes else self._others

    def asks(self) -> list[Lookup]:
        """What has no answer yet, each once: the first time of all rules, and then of those that ask further."""
        first, self._asked = self._asked is None, self._asked or {}
        for _, rule, settings in self._rules:
            if first or rule.further:
                self._asked |= dict.fromkeys(rule.lookups(self._view, settings, self._about(rule)))
        missing = [asked for asked in self._asked if asked not in self.found]
        self._seen = not missing
        return missing

    def _see(self) -> View:
        if not self._seen and (missing := self.asks()):
            raise ValueError(f"{len(missing)} lookups have no answer, the first is {missing[0]}")
        return self._view

    def check(self) -> list[Finding]:
        """What the rules for changes and for groups say."""
        view, said = self._see(), list[Finding]()
        for _, rule, settings in self._rules:
            if isinstance(rule, ChangeRule):
                said += [finding for change in self._about(rule) for finding in rule.check(view, settings, change)]
            elif isinstance(rule, GroupRule):
                said += [finding for group in _groups(self._about(rule)) for finding in rule.check(view, settings, group)]
        return said

    def gather(self) -> dict[str, Any]:
        """What the batch-wide rules must know of the pack, as JSON by rule."""
        view = self._see()
        of = ((name, rule, settings) for name, rule, settings in self._rules if isinstance(rule, BatchRule))
        return {name: rule.gather(view, settings, self._about(rule)) for name, rule, settings in of}


def _groups(changes: Sequence[Change]) -> Iterable[list[Change]]:
    by_group: dict[str, list[Change]] = {}
    for change in changes:
        by_group.setdefault(change.group, []).append(change)
    return by_group.values()


def judge(pipeline: Pipeline, gathered: Sequence[Mapping[str, Any]], totals: Mapping[str, int]) -> Judgement:
    """What the batch-wide rules say, from what `Judging.gather` gave for every pack. `totals`: by entity, how many records
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
