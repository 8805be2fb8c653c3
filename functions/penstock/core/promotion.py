"""From an approved change to the write that promotes it, and from a promoted one to the change that takes it back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from penstock.core.changes import Action, Change, FieldDiff
from penstock.core.comparison import identical
from penstock.core.decisions import person
from penstock.core.declaration import Entity
from penstock.core.diff import content_fingerprint, result_of, value_fingerprint
from penstock.core.layout import STAMP
from penstock.core.packs import Ready
from penstock.core.plan import Batch
from penstock.core.records import ABSENT, Delete, Prepared, Set, Snapshot, Update, Write, unchanged_since
from penstock.core.values import Data, FieldPath, Timestamp, dotted, get_in, set_in


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
    if change.action is Action.CREATE or change.replace:
        prepared = prepare(Set(change.path, after), own)
    elif change.action is Action.UPDATE:
        prepared = prepare(Update(change.path, after, (*change.mask, (STAMP,)) if own else change.mask), own)
    replaced = tuple(dotted(d.path) for d in change.diff if d.before is not None)
    return Ready(
        change.key, change.entity, change.group, change.path, change.action, replaced, change.planned_against,
        change.replace, prepared,
    )  # fmt: skip


def write_of(change: Ready, added: Data) -> Write:
    """The write, under the precondition that production is what the change was planned against."""
    if change.action is Action.CREATE:
        return Set(change.path, added, ABSENT, change.prepared)
    assert change.planned_against is not None
    as_planned = unchanged_since(change.planned_against)
    if change.action is Action.DELETE:
        return Delete(change.path, as_planned)
    if change.replace:
        return Set(change.path, added, as_planned, change.prepared)
    return Update(change.path, added, (), as_planned, change.prepared)


def promoted(change: Change, entity: Entity, stamp: Data) -> Data:
    """The whole document as promotion leaves it: what a read back is held against."""
    own = own_stamp(change, entity)
    return result_of(change, {**stamp[STAMP], **own} if own and stamp else None)


def refusal(change: Change) -> dict[str, str]:
    """What is remembered of a change that a person said no to: its new values, or the whole of a new record."""
    if change.action is Action.UPDATE:
        return {dotted(d.path): value_fingerprint(d.after) for d in change.diff if not d.passive}
    return {"": change.fingerprint}


def reverse(batch: str, change: Change, promoted_at: Timestamp, now: Snapshot) -> Change | None:
    """The change that takes a promoted one back; None where nothing is left to take back.

    A record nobody touched since the promotion gets exactly its prior image. Where it was edited later, only the promoted
    fields go back, and `edited_since` in the facts makes that a decision."""
    touched = now.exists and now.update_time != promoted_at
    facts: dict[str, Any] = {"undoes": batch, "declines": refusal(change)}
    if change.action is Action.CREATE:
        if not now.exists:
            return None
        if touched:
            facts["edited_since"] = str(now.update_time)
        diff = tuple(FieldDiff(d.path, get_in(now.fields, d.path), None, d.passive) for d in change.diff)
        return _reversal(change, Action.DELETE, now, None, diff, facts, replace=False)
    if change.action is Action.DELETE:
        if touched:
            facts["edited_since"] = str(now.update_time)
        diff = tuple(FieldDiff((name,), now.fields.get(name), value) for name, value in (change.before or {}).items())
        action = Action.UPDATE if now.exists else Action.CREATE
        return _reversal(change, action, now, change.before, diff, facts, replace=True)
    before = change.before or {}
    if not now.exists:
        facts["edited_since"] = "it was deleted"
        diff = tuple(FieldDiff((name,), None, value) for name, value in before.items())
        return _reversal(change, Action.CREATE, now, before, diff, facts, replace=True)
    paths: Sequence[FieldPath] = (*(d.path for d in change.diff), (STAMP,))
    diff = tuple(FieldDiff(p, get_in(now.fields, p), get_in(before, p), p == (STAMP,)) for p in paths)
    if not touched:
        return _reversal(change, Action.UPDATE, now, before, diff, facts, replace=True)
    if all(identical(d.before, d.after) for d in diff if not d.passive):
        return None
    facts["edited_since"] = str(now.update_time)
    diff = tuple(_without_empty_maps(diff, now.fields, before))
    after: Data = {}
    for d in diff:
        if d.after is not None:
            set_in(after, d.path, d.after)
    return _reversal(change, Action.UPDATE, now, after, diff, facts, replace=False)


def _without_empty_maps(diff: Iterable[FieldDiff], now: Data, before: Data) -> Iterator[FieldDiff]:
    """A map that the promotion brought and that holds nothing else goes as a whole, so that no empty one is left behind."""
    diff = list(diff)
    brought: dict[FieldPath, set[str]] = {}
    for d in diff:
        if len(d.path) > 1 and d.after is None and get_in(before, d.path[:-1]) is None:
            brought.setdefault(d.path[:-1], set()).add(d.path[-1])
    whole = {path for path, names in brought.items() if set(get_in(now, path) or ()) <= names}
    yield from (d for d in diff if d.path[:-1] not in whole)
    yield from (FieldDiff(path, get_in(now, path), None) for path in sorted(whole))


def _reversal(
    change: Change,
    action: Action,
    now: Snapshot,
    after: Data | None,
    diff: tuple[FieldDiff, ...],
    facts: Mapping[str, Any],
    *,
    replace: bool,
) -> Change:
    return Change(
        key=change.key,
        entity=change.entity,
        group=change.group,
        path=change.path,
        action=action,
        before=now.data if now.exists else None,
        planned_against=now.update_time,
        after=after,
        diff=diff,
        fingerprint=change.fingerprint,
        facts=facts,
        replace=replace,
    )
