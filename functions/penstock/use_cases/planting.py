"""Gives the news of a tree their places: looks up what they are to hang under, and counts what follows where one moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from penstock.core.changes import Change, FieldDiff
from penstock.core.cost import Cost
from penstock.core.declaration import Entity
from penstock.core.diff import Declined, Older, beside
from penstock.core.packs import PACK_WRITES
from penstock.core.projection import Projected
from penstock.core.tree import place_of
from penstock.core.tree_plan import Kept, News, Planting, is_declined, named_above, path_of, place_now, without_place
from penstock.core.values import dotted
from penstock.use_cases.context import Context
from penstock.use_cases.following import count_below
from penstock.use_cases.production import Match, Production
from penstock.use_cases.proposing import Found
from penstock.use_cases.staging import DeclinedMap

Planned: TypeAlias = Change | Declined | Older | None
PlanOne: TypeAlias = Callable[[Projected, Match, Mapping[str, str], Sequence[FieldDiff]], Planned]  # see `diff.plan`


class Planted(NamedTuple):
    """What became of each record: with its change placed, or held back."""

    dealt: list[tuple[Projected, Match, Planned]]
    held: list[tuple[Projected, Kept]]


def plant(
    ctx: Context,
    run: Found,
    entity: Entity,
    projected: Sequence[Projected],
    production: Production,
    declined: DeclinedMap,
    gone: Sequence[Change],
    plan_one: PlanOne,
) -> Planted:
    """What becomes of a tree's records, all of the run's at once. A run of everything holds the places of all of them against
    what production has; another one looks at what is above a record only where the source has news of that."""
    ground = _Ground(run, entity, projected, production, declined, plan_one)
    left = [change.key.partition("/")[2] for change in gone]
    too_large: set[str] = set()
    counted: dict[str, dict[str, int]] = {}
    while True:
        planting = Planting(entity, list(ground.news.values()), ground.above, ground.refused, left, too_large).settle()
        dealt = [ground.place(planting, p) for p in projected if p.key not in planting.held]
        moving = {p.key: path_of(entity, match.snapshot) for p, match, outcome in dealt if _moves(outcome)}
        counted |= _count_below(ctx, run, entity, {key: path for key, path in moving.items() if key not in counted})
        beyond = {key for key in moving if 1 + sum(counted[key].values()) > PACK_WRITES}
        if not beyond:
            break
        too_large |= beyond
    held = [(p, planting.held[p.key]) for p in projected if p.key in planting.held]
    return Planted([(p, match, _with_below(outcome, counted.get(p.key))) for p, match, outcome in dealt], held)


class _Ground:
    """What a run knows of its tree before anything has a place: the news, and production's documents for what is above them."""

    def __init__(
        self,
        run: Found,
        entity: Entity,
        projected: Sequence[Projected],
        production: Production,
        declined: DeclinedMap,
        plan_one: PlanOne,
    ) -> None:
        self.entity, self.plan_one = entity, plan_one
        self.said = {p.key: declined.get(f"{entity.name}/{p.key}", {}) for p in projected}
        claims = Counter(p.key for p in projected)
        self.matches = production.match(entity, list(claims)) if claims else {}
        self.first: dict[str, Planned] = {}  # by the mapped fields alone
        self.news: dict[str, News] = {}
        for p in projected:
            outcome = self.first[p.key] = plan_one(p, self.matches[p.key], self.said[p.key], ())
            change = outcome if isinstance(outcome, Change) else None
            self.news[p.key] = News(p, self.matches[p.key].snapshot, change, run.mode == "full", claims[p.key] > 1)
        new, moved = (self._named(exists=exists) - self.news.keys() for exists in (False, True))
        if run.mode != "full":
            run.foresee(Cost(reads=len(moved - new)))  # that these would be looked at was not known before
        found = production.match(entity, sorted(new | moved)) if new or moved else {}
        self.above = {key: match.snapshot for key, match in found.items()}
        of_tree = {key.partition("/")[2]: words for key, words in declined.items() if key.partition("/")[0] == entity.name}
        self.refused = {key for key, words in of_tree.items() if "" in words}

    def _named(self, *, exists: bool) -> set[str]:
        """The keys of what news are to hang under that production has, or has not."""
        some = [news for news in self.news.values() if news.document.exists is exists]
        return {above for news in some if (above := named_above(self.entity, news))}

    def place(self, planting: Planting, p: Projected) -> tuple[Projected, Match, Planned]:
        news, match, outcome = self.news[p.key], self.matches[p.key], self.first[p.key]
        worked, said = planting.worked_out(p.key), self.said[p.key]
        if worked and is_declined(self.entity, news.outcome, worked, said):
            outcome = outcome or Declined(self.entity.name, p.key, tuple(dotted(d.path) for d in worked))
        elif isinstance(outcome, Change):
            outcome = beside(outcome, worked, parent_exists=planting.is_above_in_production(p.key))
        elif worked and not isinstance(outcome, Older):
            outcome = self.plan_one(p, match, without_place(self.entity, said), worked)
        return p, match, planting.placed(p.key, outcome) if isinstance(outcome, Change) else outcome


def _moves(outcome: Planned) -> bool:
    place = place_of(outcome) if isinstance(outcome, Change) else None
    return place is not None and place.step == "move"


def _count_below(ctx: Context, run: Found, entity: Entity, paths: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """How many documents follow each of these records, by key: the tree's own, and each kind of dependents. Known only now, so
    that they are foreseen now."""
    tree = entity.tree
    assert tree is not None
    if not paths:
        return {}
    run.foresee(Cost(reads=len(paths) * (1 + 2 * len(tree.dependents))))
    counted = ctx.ports.each(lambda path: count_below(ctx, entity, path, run.at), paths.values())
    return dict(zip(paths, counted, strict=True))


def _with_below(outcome: Planned, counted: Mapping[str, int] | None) -> Planned:
    if not isinstance(outcome, Change) or counted is None or not _moves(outcome):
        return outcome
    return outcome._replace(facts={**outcome.facts, "below": dict(counted)})


def in_order(entity: Entity, changes: Sequence[Change]) -> list[Change]:
    """The changes of a tree in the order in which they are promoted. What is gone from the source leaves from where it is."""
    placed = [c if place_of(c) else c._replace(facts={**c.facts, "place": place_now(entity, c)}) for c in changes]
    return sorted(placed, key=lambda change: (_order(change), change.key))


def _order(change: Change) -> tuple[int, int]:
    place = place_of(change)
    assert place is not None
    return place.order
