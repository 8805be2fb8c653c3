"""What people call the units above those of a tree that change: nothing to judge, and kept with each pack, so that pages and
reports need not read production for it. Every pipeline with a tree has this rule, named or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.changes import Action, Change
from penstock.core.declaration import Pipeline
from penstock.core.findings import called
from penstock.core.lineage import paths_of
from penstock.core.rules.base import BatchRule, Judgement, Lookup, Named, View
from penstock.core.values import get_in

NAME = "lineage"


@dataclass(frozen=True, slots=True)
class Settings:
    """No settings."""


def _asked(view: View, changes: Sequence[Change]) -> Sequence[Named]:
    """New units are not asked for: they come with their names."""
    return view.once(NAME, lambda: list(_above(view, changes)))


def _above(view: View, changes: Sequence[Change]) -> Iterator[Named]:
    above: dict[str, dict[str, None]] = {}
    for change in changes:
        entity = view.pipeline.entity(change.entity)
        for path in paths_of(entity, change):
            above.setdefault(entity.name, {}).update(dict.fromkeys(path[:-1]))
    for name, ids in above.items():
        entity = view.pipeline.entity(name)
        known = {change.path for change in changes if change.action is Action.CREATE}
        wanted = sorted({view.path(entity, id) for id in ids} - known)
        if wanted and entity.tree is not None and entity.tree.name is not None:
            yield Named(tuple(wanted), (entity.tree.name,))


def lookups(view: View, _settings: Settings, changes: Sequence[Change]) -> Iterable[Lookup]:
    return _asked(view, changes)


def gather(view: View, _settings: Settings, changes: Sequence[Change]) -> Any:
    """By document id, what people call the units above those of the pack in production."""
    names: dict[str, str] = {}
    for named in _asked(view, changes):
        for found in view.documents(named) or ():
            names[found.id] = called(get_in(found.fields, named.select[0]))
    return names


def judge(_pipeline: Pipeline, _settings: Settings, _gathered: Sequence[Any], _totals: Mapping[str, int]) -> Judgement:
    return Judgement()


RULE = BatchRule(NAME, Settings, gather, judge, lookups, every=True)
