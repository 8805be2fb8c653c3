"""Who stands at a unit of a tree and below it, now: what a change to it would touch. Counted by aggregation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.core.records import Query, Snapshot, Where
from penstock.core.rules import Answer, Lookup, impact
from penstock.core.rules.base import View
from penstock.core.rules.standing import unit_in
from penstock.use_cases.context import Context


def unit_by_key(ctx: Context, key: str) -> Snapshot | None:
    """The production document of a business key of the entity that people name records of; None where there is none."""
    entity = ctx.pipeline.named
    query = Query(ctx.collection(entity), (Where(entity.key, "==", key),), limit=1)
    return next(iter(ctx.store.scan(query)), None)


def live(ctx: Context, units: Sequence[Snapshot]) -> list[Mapping[str, int]]:
    """Of each unit the rows of the `impact` rule as they stand now; {} for what is no unit of a tree, and where the pipeline does
    not name the rule."""
    settings, entity = dict(ctx.pipeline.rules).get(impact.NAME), ctx.pipeline.tree
    if settings is None or entity is None or entity.tree is None:
        return [{} for _ in units]
    view = View(ctx.pipeline, ctx.target.prefix)
    known = [unit_in(ctx.collection(entity), entity.tree, unit.id, unit.fields) for unit in units]
    asked = list(dict.fromkeys(question for unit in known for question in impact.questions(view, settings, unit)))
    numbers = ctx.ports.each(lambda question: ctx.store.count(question.query), asked)
    found: dict[Lookup, Answer] = dict(zip(asked, numbers, strict=True))
    view = View(ctx.pipeline, ctx.target.prefix, found)
    return [impact.numbers(view, settings, unit) for unit in known]
