"""From an approved change to the write that promotes it."""

from __future__ import annotations

from collections.abc import Callable

from penstock.core.changes import Action, Change
from penstock.core.decisions import person
from penstock.core.declaration import Entity
from penstock.core.diff import content_fingerprint, result_of, value_fingerprint
from penstock.core.layout import STAMP
from penstock.core.packs import Ready
from penstock.core.plan import Batch
from penstock.core.records import ABSENT, Delete, Prepared, Set, Update, Write, unchanged_since
from penstock.core.tree import place_of
from penstock.core.values import Data, Timestamp, dotted


def stamp_of(batch: Batch, at: Timestamp) -> Data:
    """The field that promotion adds to a pack's records: as much of their `penstock` maps as they have in common. A rollback adds
    none: it puts back those there were."""
    if batch.kind == "rollback":
        return {}
    people = sorted({person(d.by) for d in batch.decisions})
    return {STAMP: {"batch": batch.id, "appliedAt": at, "approvedBy": people, "approvedAt": batch.decided_at}}


def own_stamp(change: Change, entity: Entity) -> Data | None:
    """What the `penstock` map of one record says of that record: fingerprints of its source and of its mapped fields as the
    change will leave them. None for a change that takes another back."""
    if "undoes" in change.facts:
        return None
    return {"sourceFingerprint": change.fingerprint, "content": content_fingerprint(entity, result_of(change, None))}


def ready_of(change: Change, entity: Entity, prepare: Callable[[Set | Update, Data | None], Prepared]) -> Ready:
    """All that promotion will need of a change, with its fields encoded by the store that will write them."""
    after, own, prepared = change.after or {}, own_stamp(change, entity), None
    if change.action is Action.CREATE:
        prepared = prepare(Set(change.path, after), own)
    elif change.action is Action.UPDATE:
        prepared = prepare(Update(change.path, after, (*change.mask, (STAMP,)) if own else change.mask), own)
    replaced = tuple(dotted(d.path) for d in change.diff if d.before is not None)
    return Ready(
        change.key, change.entity, change.group, change.path, change.action, replaced, change.planned_against,
        prepared, place_of(change),
    )  # fmt: skip


def write_of(change: Ready, added: Data) -> Write:
    """The write, under the precondition that production is what the change was planned against."""
    if change.action is Action.CREATE:
        return Set(change.path, added, ABSENT, change.prepared)
    assert change.planned_against is not None
    as_planned = unchanged_since(change.planned_against)
    if change.action is Action.DELETE:
        return Delete(change.path, as_planned)
    return Update(change.path, added, (), as_planned, change.prepared)


def promoted(change: Change, entity: Entity, stamp: Data) -> Data:
    """The whole document as promotion leaves it: what a read back is held against."""
    own = own_stamp(change, entity)
    return result_of(change, {**stamp[STAMP], **own} if own and stamp else None)


def refusal(change: Change) -> dict[str, str]:
    """What is remembered of a change that a person said no to: its new values, the whole of a new record, or that it is gone."""
    if change.action is Action.UPDATE and not change.facts.get("gone"):
        return {dotted(d.path): value_fingerprint(d.after) for d in change.diff if not d.passive}
    return {"": change.fingerprint}
