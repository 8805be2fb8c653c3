"""What people call the units above those of a tree that change: nothing to judge, and kept with each pack, so that pages and
reports need not read production for it. Every pipeline with a tree has this rule, named or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core import records
from penstock.core.changes import Action, Change
from penstock.core.declaration import Pipeline
from penstock.core.findings import called
from penstock.core.limits import MAX_DISJUNCTIONS
from penstock.core.lineage import paths_of
from penstock.core.rules.base import BatchRule, Find, Judgement, Lookup, View
from penstock.core.values import get_in

NAME = "lineage"


@dataclass(frozen=True, slots=True)
class Settings:
    """No settings."""


def _finds(view: View, changes: Sequence[Change]) -> Iterator[Find]:
    """New units are not asked for: they come with their names."""
    above: dict[str, dict[str, None]] = {}
    for change in changes:
        entity = view.pipeline.entity(change.entity)
        for path in paths_of(entity, change):
            above.setdefault(entity.name, {}).update(dict.fromkeys(path[:-1]))
    for name, ids in above.items():
        entity = view.pipeline.entity(name)
        known = {change.path for change in changes if change.action is Action.CREATE}
        wanted = sorted({view.path(entity, id) for id in ids} - known)
        if entity.tree is not None and entity.tree.name is not None:
            for n in range(0, len(wanted), MAX_DISJUNCTIONS):
                some = tuple(wanted[n : n + MAX_DISJUNCTIONS])
                yield Find(view.collection(entity), ((records.NAME, some),), (entity.tree.name,), MAX_DISJUNCTIONS)


def lookups(view: View, _settings: Settings, changes: Sequence[Change]) -> Iterable[Lookup]:
    return _finds(view, changes)


def gather(view: View, _settings: Settings, changes: Sequence[Change]) -> Any:
    """By document id, what people call the units above those of the pack in production."""
    names: dict[str, str] = {}
    for find in _finds(view, changes):
        for found in view.documents(find) or ():
            names[found.id] = called(get_in(found.fields, find.select[0]))
    return names


def judge(_pipeline: Pipeline, _settings: Settings, _gathered: Sequence[Any], _totals: Mapping[str, int]) -> Judgement:
    return Judgement()


RULE = BatchRule(NAME, Settings, gather, judge, lookups, every=True)
