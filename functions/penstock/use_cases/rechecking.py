"""Impact, looked at once more when a change is promoted: who approved a move of ten people has not approved one of a hundred.
What a move takes along was read anyway; about the others the rule asks as it did before the review."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence

from penstock.core.changes import Finding
from penstock.core.declaration import Entity, Tree
from penstock.core.diff import with_value
from penstock.core.findings import listed
from penstock.core.followers import Moves
from penstock.core.leaving import Held
from penstock.core.packs import Ready
from penstock.core.placing import Placing
from penstock.core.rules import impact
from penstock.core.rules.base import Answer, Below, Count, Lookup, View
from penstock.core.tree import DOT, owns
from penstock.core.values import get_in
from penstock.use_cases import staging
from penstock.use_cases.context import Context
from penstock.use_cases.staging import Pack

_OWN_DOING = (impact.UNITS, impact.CHILDREN)  # of the source: they grow by what the same batch creates and moves


def disturbed(ctx: Context, pack: Pack, entity: Entity, placing: Placing, held: Held) -> dict[str, str]:
    """The moves that take more along by now than was approved, beyond the rule's tolerance, and why. `held`: what they take."""
    settings, tree = _settings(ctx), entity.tree
    keys = set(placing.moved.values())
    approved = _approved(pack, keys) if settings and settings.policy == "comprehensive" and keys else {}
    if settings is None or tree is None or not approved:
        return {}
    told = _told(settings, approved, _taken(entity, tree, approved, placing, held, []))
    if told and pack.number:  # what this batch itself moved there was approved with its own change
        told = _told(settings, approved, _taken(entity, tree, approved, placing, held, _arrived(ctx, pack)))
    return told


def _taken(
    entity: Entity, tree: Tree, approved: Mapping[str, Mapping[str, int]], placing: Placing, held: Held, but: Sequence[str]
) -> dict[str, Counter[str]]:
    """By key, what goes along with a move; without what lies at or below the paths in `but`, where these lie below the unit."""
    found: dict[str, Counter[str]] = {key: Counter(dict.fromkeys(of, 0)) for key, of in approved.items()}
    for of, some in held.items():
        for snapshot in some:
            if of.name == entity.name and owns(tree, snapshot.fields):
                continue
            name = impact.OWN if of.name == entity.name else of.name
            path = str(get_in(snapshot.fields, of.path))
            while path and path not in but:
                if (key := placing.moved.get(path)) in found:
                    found[key][name] += 1
                path = path.rpartition(DOT)[0]
    return found


def _arrived(ctx: Context, pack: Pack) -> list[str]:
    """Where the units lie by now that earlier packs of this batch moved."""
    found: list[str] = []
    for earlier in staging.packs_of(ctx, str(pack.fields["batch"]), payload=False):
        if earlier.ledger is not None and earlier.number < pack.number:
            moves = Moves(earlier.ledger.moved)
            found = [*map(moves.after, found), *earlier.ledger.moved.values()]
    return found


def grown(ctx: Context, pack: Pack, going: Sequence[Ready]) -> dict[str, str]:
    """The changes that touch more by now than was approved, beyond the rule's tolerance, and why: of deactivations, and of moves
    where the policy asks for more than goes along."""
    settings, entity = _settings(ctx), ctx.pipeline.tree
    if settings is None or entity is None or entity.tree is None:
        return {}
    steps = ("deactivate",) if settings.policy == "comprehensive" else ("deactivate", "move")
    asked = {c.key for c in going if c.place and c.place.step in steps}
    approved = _approved(pack, asked) if asked else {}
    planned = pack.some(approved) if approved else []
    if not planned:
        return {}
    path = entity.tree.path
    live = ctx.store.get([c.path for c in planned], select=(path,))
    changes = [
        change._replace(before=with_value(change.before or {}, path, get_in(now.fields, path)))
        for change, now in zip(planned, live, strict=True)
    ]
    found: dict[Lookup, Answer] = {}
    view = View(ctx.pipeline, ctx.target.prefix, found, {c.path: c for c in changes})
    while counts := [q for q in dict.fromkeys(impact.lookups(view, settings, changes)) if q not in found]:
        found |= zip(counts, ctx.ports.each(lambda q: _count(ctx, q), counts), strict=True)
    return _told(settings, approved, {c.key: _rows(impact.check(view, settings, c)) for c in changes})


def _settings(ctx: Context) -> impact.Settings | None:
    """None where the pipeline does not name the rule."""
    return dict(ctx.pipeline.rules).get(impact.NAME)


def _approved(pack: Pack, keys: Container[str]) -> dict[str, Mapping[str, int]]:
    found = (f for f in pack.findings if f.rule == impact.NAME and f.key in keys)
    return {f.key: {name: many for name, many in _rows([f]).items() if name not in _OWN_DOING} for f in found}


def _rows(findings: Iterable[Finding]) -> dict[str, int]:
    return {name: many for finding in findings for name, _, many in finding.table}


def _told(
    settings: impact.Settings, approved: Mapping[str, Mapping[str, int]], live: Mapping[str, Mapping[str, int]]
) -> dict[str, str]:
    grew = {key: impact.outgrown(settings.tolerance, of, live.get(key, {})) for key, of in approved.items()}
    return {key: f"it touches more than was approved: {listed(more)}" for key, more in grew.items() if more}


def _count(ctx: Context, asked: Lookup) -> int:
    assert isinstance(asked, Count | Below)
    return ctx.store.count(asked.query)
