"""A decision made whole: what follows from it, and what becomes of what hangs below the units that go."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from penstock.core import choices
from penstock.core.changes import Change
from penstock.core.decisions import Subject, closed, demand_complete, verdict
from penstock.core.declaration import Entity
from penstock.core.diff import result_of
from penstock.core.errors import InvalidInput
from penstock.core.leaving import nearest, why_no_home
from penstock.core.plan import Batch, Decision
from penstock.core.records import Snapshot
from penstock.core.tree import place_of
from penstock.core.values import get_in
from penstock.use_cases.context import Context
from penstock.use_cases.impact import unit_by_key
from penstock.use_cases.staging import Pack

Subjects = Sequence[tuple[Subject, Pack]]


def complete(ctx: Context, batch: Batch, of: Subjects, decision: Decision) -> Decision:
    """The decision with all that follows from it, and each choice with the document id of the unit that it names. `InvalidInput`
    where something is still to be said, or cannot be done."""
    subjects = [subject for subject, _ in of]
    if decision.verdict == "reject":
        decision = replace(decision, choices={})
    asked = choices.asked(batch.batch_findings)
    decision = closed(subjects, choices.spread(subjects, asked, decision))
    demand_complete(subjects, decision, batch.batch_findings)
    if not asked and not decision.choices:
        return decision
    approved = {s.key for s in subjects if verdict(s, decision) == "approve"}
    decision = choices.demand(asked, approved, decision)
    tree = ctx.pipeline.tree
    named = {key: other for key, choice in decision.choices.items() if (other := choices.other_of(choice)) is not None}
    if tree is not None and named:
        changes = _changes(of, approved)
        gone = (key for key, choice in decision.choices.items() if choice == choices.CASCADE)
        along = {place.path: key for key in gone if (place := place_of(changes[key]))}
        homes = {key: choices.reassign(_home(ctx, tree, changes, along, key, other)) for key, other in named.items()}
        decision = replace(decision, choices={**decision.choices, **homes})
    return choices.demand(asked, approved, decision, batch.decisions)  # whatever id they named the unit by, others chose the same


def _changes(of: Subjects, keys: Collection[str]) -> dict[str, Change]:
    packs = {pack.number: pack for _, pack in of}
    return {change.key: change for pack in packs.values() for change in pack.some(keys)}


def _home(ctx: Context, tree: Entity, changes: Mapping[str, Change], along: Mapping[str, str], key: str, other: str) -> str:
    """The document id of the unit that a choice names by its own or by the landlord's id, as it will stand with the batch.
    `along`: the paths of units below which everything goes, with their keys."""
    assert tree.tree is not None
    going = place_of(changes[key])
    assert going is not None
    found = _found(ctx, tree, other)
    change = next((c for c in changes.values() if c.path == found.path or c.key == f"{tree.name}/{other}"), None)
    data = result_of(change, None) if change else found.fields
    id = change.path.rpartition("/")[2] if change else found.id
    why = why_no_home(tree, id, data, going.level, going.path) if data else "is not there"
    above = nearest(along, str(get_in(data, tree.tree.path)))
    if not why and above is not None:
        why = f"goes along with {along[above]}"
    if why:
        remedy = f"Nothing was decided. Name an active official unit of level {going.level}, by its id or the landlord's."
        raise InvalidInput(f"cannot take what hangs below {key}: it {why}", subject=other[:120], remedy=remedy)
    return id


def _found(ctx: Context, tree: Entity, other: str) -> Snapshot:
    """A unit of production by its document id, or by its key; an absent one where there is none."""
    absent = Snapshot(f"{ctx.collection(tree)}/{other}", None, None)
    if "/" in other:
        return absent
    by_id = ctx.store.get([absent.path])[0]
    return by_id if by_id.exists else unit_by_key(ctx, other) or absent
