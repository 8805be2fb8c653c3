"""What becomes of the records of a source: each is compared with production, planned, and counted."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from penstock.core.changes import Change, FieldDiff
from penstock.core.declaration import Entity
from penstock.core.diff import Declined, Older, is_older, lapsed, plan
from penstock.core.manifest import HELD
from penstock.core.projection import Projected
from penstock.core.tree import place_of
from penstock.core.values import Timestamp, Value, dotted, get_in
from penstock.use_cases.context import Context, HeldTarget
from penstock.use_cases.departures import departed
from penstock.use_cases.looking import Look
from penstock.use_cases.planting import Planned, in_order, plant
from penstock.use_cases.production import Match, Production
from penstock.use_cases.proposing import Found, manifest_of
from penstock.use_cases.staging import DeclinedMap


def group_of(entity: Entity, projected: Projected) -> str:
    """What a record is planned again by: its group, or where there is none the source record itself."""
    return projected.group if entity.group_by else projected.sources[0]


class Comparing:
    """The comparison of one run, which `found` is told of. It holds what groups have to do with each other."""

    def __init__(self, ctx: Context, target: HeldTarget, found: Found) -> None:
        self._ctx, self._target, self._found = ctx, target, found
        self._claims: dict[str, tuple[str, int]] = {}  # projected key → the group that claimed it first, and how often it was
        self._drifted: dict[str, dict[str, list[Value]]] = {}  # change key → dotted field → [planned against, approved]
        self._versions = {entity.name: ctx.pipeline.version_of(entity) for entity in ctx.pipeline.entities}
        self._of_tree: list[Projected] = []  # news of the tree, which has its order only once all of it is there

    def note_drift(self, change: Change, *, fell_out: bool) -> None:
        """What was planned and approved of a change that fell out, to be shown beside what production holds now; also when the
        batch that showed it last is superseded."""
        if fell_out:
            self._drifted[change.key] = {dotted(d.path): [d.before, d.after] for d in change.diff if not d.passive}
        elif "drift" in change.facts:
            self._drifted[change.key] = {name: said[:2] for name, said in change.facts["drift"].items()}

    def _drift(self, change: Change) -> Change:
        fields = {tuple(name.split(".")): said for name, said in self._drifted[change.key].items()}
        drift = {dotted(path): [*said, get_in(change.before or {}, path)] for path, said in fields.items()}
        return change._replace(facts={**change.facts, "drift": drift})

    def take(
        self, chunk: Sequence[Sequence[Projected]], entities: Sequence[Entity], production: Production, declined: DeclinedMap
    ) -> Iterator[list[Change]]:
        """The changes of some groups, group by group. Records of a tree wait for `end`."""
        tree = self._ctx.pipeline.tree
        if tree in entities and tree is not None:
            self._of_tree += [p for group in chunk for p in group if p.entity == tree.name]
            chunk = [[p for p in group if p.entity != tree.name] for group in chunk]
        matches: dict[str, dict[str, Match]] = {}
        for entity in entities:
            keys = dict.fromkeys(p.key for group in chunk for p in group if p.entity == entity.name)
            matches[entity.name] = production.match(entity, list(keys)) if keys else {}
        for group in chunk:
            yield [change for p in group if (change := self._change(p, matches, declined)) is not None]

    def end(
        self, look: Look, entities: Sequence[Entity], production: Production, declined: DeclinedMap, again: Collection[str]
    ) -> Iterator[list[Change]]:
        """Once all groups of a source were taken: the changes for what it fed before and feeds no more, group by group, and then
        those of its tree, one by one in the order in which they can be promoted."""
        known = manifest_of(self._ctx, self._target, self._found)
        gone = departed(self._found, known, look.reading, entities, production, declined, again)
        gone = [self._drift(change) if change.key in self._drifted else change for change in gone]
        tree = self._ctx.pipeline.tree
        for _, of_group in groupby((c for c in gone if not tree or c.entity != tree.name), lambda change: change.group):
            yield list(of_group)
        if tree in entities and tree is not None:
            of_tree = [change for change in gone if change.entity == tree.name]
            yield from ([change] for change in self._plant(tree, production, declined, of_tree))

    def _change(self, p: Projected, matches: dict[str, dict[str, Match]], declined: DeclinedMap) -> Change | None:
        entity, key = self._ctx.pipeline.entity(p.entity), f"{p.entity}/{p.key}"
        first, claim = self._claims.get(key, (p.group, 0))
        self._claims[key] = (first, claim + 1)
        match = matches[p.entity][p.key]
        parents = matches.get(entity.parent.entity, {}) if entity.parent else {}
        parent = parents.get(str(p.values.get(entity.parent.field))) if entity.parent else None
        of_claim = f"{key}#{claim + 1}" if claim else key
        said = declined.get(of_claim, {})
        older = self._is_older(p, match)
        planned = self._planned(
            p, match, said, older=older, rival_of=first if claim else "", claim=claim + 1,
            parent_exists=parent is not None and parent.snapshot.exists,
        )  # fmt: skip
        return self._dealt_with(p, match, planned, said, of_claim, older=older)

    def _planned(
        self,
        p: Projected,
        match: Match,
        said: Mapping[str, str],
        *,
        older: bool,
        also: Sequence[FieldDiff] = (),
        parent_exists: bool = False,
        rival_of: str = "",
        claim: int = 1,
    ) -> Planned:
        entity = self._ctx.pipeline.entity(p.entity)
        group = group_of(entity, p)
        return plan(
            entity, p if p.group == group else replace(p, group=group), match.snapshot, declined=said,
            matched_by=match.by or "id", near=match.near, rival_of=rival_of,
            parent_exists=parent_exists, claim=claim, older=older, also=also,
        )  # fmt: skip

    def _is_older(self, p: Projected, match: Match) -> bool:
        entity = self._ctx.pipeline.entity(p.entity)
        return is_older(p, match.snapshot, self._versions[entity.name], self._seen(entity, p), self._found.at)

    def _dealt_with(
        self, p: Projected, match: Match, planned: Planned, said: Mapping[str, str], of_claim: str, *, older: bool
    ) -> Change | None:
        """Counts what became of a record; the change, if there is one."""
        entity, count = self._ctx.pipeline.entity(p.entity), self._found.counts[p.entity]
        key, known = f"{p.entity}/{p.key}", manifest_of(self._ctx, self._target, self._found)
        if match.snapshot.id != p.key or key in known.ids:
            self._found.ids[key] = match.snapshot.id
        if not older:  # what was not brought over whole is compared again when it comes again
            self._found.keys[key] = p.fingerprint
        if said and not isinstance(planned, Older) and (gone := lapsed(entity, p, match.snapshot, said)):
            self._found.lapsed[of_claim] = dict.fromkeys(gone, "")
        if isinstance(planned, Change):
            count.created += planned.action == "CREATE"
            count.updated += planned.action == "UPDATE"
            return self._drift(planned) if planned.key in self._drifted else planned
        count.unchanged += planned is None
        count.declined += isinstance(planned, Declined)
        count.older += isinstance(planned, Older)
        return None

    def _plant(self, entity: Entity, production: Production, declined: DeclinedMap, gone: Sequence[Change]) -> list[Change]:
        """The changes of a tree, in the order in which they can be promoted; what has no place is told, and is no change."""
        count, changes_of_tree = self._found.counts[entity.name], list(gone)
        older: dict[tuple[str, ...], bool] = {}  # by the source records of what is planned

        def plan_one(p: Projected, match: Match, said: Mapping[str, str], also: Sequence[FieldDiff]) -> Planned:
            if p.sources not in older:
                older[p.sources] = self._is_older(p, match)
            return self._planned(p, match, said, older=older[p.sources], also=also)

        planted = plant(self._ctx, self._found, entity, self._of_tree, production, declined, gone, plan_one)
        for p, match, planned in planted.dealt:
            key = f"{p.entity}/{p.key}"
            change = self._dealt_with(p, match, planned, declined.get(key, {}), key, older=older[p.sources])
            if change is not None:
                changes_of_tree.append(change)
                place = place_of(change)
                count.taken_out += place is not None and place.step == "deactivate"
        for p, kept in planted.held:
            self._found.keys[f"{p.entity}/{p.key}"] = HELD
            count.kept_back.setdefault(kept.why, []).append(f"{p.key} under {kept.above}" if kept.above else p.key)
        return in_order(entity, changes_of_tree)

    def _seen(self, entity: Entity, p: Projected) -> tuple[Timestamp, str] | None:
        """The latest moment at which these records were known to be changed, and the last of those that were."""
        before = manifest_of(self._ctx, self._target, self._found).of(entity.source)
        entries = [(entry, id) for id in p.sources if (entry := before.get(id)) is not None]
        if not entries:
            return None
        plan = next(look.plan for look in self._found.looks if look.plan.source.name == entity.source)
        known = ((plan.moment(entry.stamp, self._found.at), id) for entry, id in entries)
        return max(((moment, id) for moment, id in known if moment is not None), default=None)
