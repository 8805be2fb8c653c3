"""Impact, looked at once more when a change is promoted: who approved a move of ten people has not approved one of a hundred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from penstock.core.diff import with_value
from penstock.core.findings import listed
from penstock.core.packs import Ready
from penstock.core.rules import impact
from penstock.core.rules.base import Answer, Below, Count, Lookup, View
from penstock.core.values import get_in
from penstock.use_cases.context import Context
from penstock.use_cases.staging import Pack

_DISTURBING = ("move", "deactivate")
_OWN_DOING = (impact.UNITS, impact.CHILDREN)  # of the source: they grow by what the same batch creates and moves


def grown(ctx: Context, pack: Pack, going: Sequence[Ready]) -> dict[str, str]:
    """The moves and deactivations that touch more by now than was approved, beyond the rule's tolerance, and why; nothing where
    the pipeline does not name the rule."""
    settings, entity = dict(ctx.pipeline.rules).get(impact.NAME), ctx.pipeline.tree
    asked = {c.key for c in going if c.place and c.place.step in _DISTURBING}
    if settings is None or entity is None or entity.tree is None or not asked:
        return {}
    approved = {
        f.key: {name: many for name, _, many in f.table if name not in _OWN_DOING}
        for f in pack.findings
        if f.rule == impact.NAME and f.key in asked
    }
    planned = pack.some(approved)
    if not planned:
        return {}
    path = entity.tree.path
    live = ctx.store.get([c.path for c in planned], select=(path,))
    changes = [
        replace(change, before=with_value(change.before or {}, path, get_in(now.fields, path)))
        for change, now in zip(planned, live, strict=True)
    ]
    found: dict[Lookup, Answer] = {}
    view = View(ctx.pipeline, ctx.target.prefix, found, {c.path: c for c in changes})
    while counts := [q for q in dict.fromkeys(impact.lookups(view, settings, changes)) if q not in found]:
        found |= zip(counts, ctx.ports.each(lambda q: _count(ctx, q), counts), strict=True)
    told = {}
    for change in changes:
        now = {name: many for finding in impact.check(view, settings, change) for name, _, many in finding.table}
        if more := impact.outgrown(settings.tolerance, approved[change.key], now):
            told[change.key] = f"it touches more than was approved: {listed(more)}"
    return told


def _count(ctx: Context, asked: Lookup) -> int:
    assert isinstance(asked, Count | Below)
    return ctx.store.count(asked.query)
