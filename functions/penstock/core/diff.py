"""From a projected record and what production holds to the change that would be proposed, or to none."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.changes import Action, Change, FieldDiff
from penstock.core.comparison import equal, identical, same_place, target_value
from penstock.core.declaration import Entity, Field
from penstock.core.layout import STAMP
from penstock.core.manifest import GONE
from penstock.core.projection import Projected
from penstock.core.records import Snapshot
from penstock.core.values import Data, FieldPath, Timestamp, Value, dotted, dumps, get_in, set_in
from penstock.core.watermark import AHEAD_SECONDS

TAKEN_OUT: Any = object()  # in place of a value: null is one


@dataclass(frozen=True, slots=True)
class Declined:
    """All that is left to propose was declined by a person before, and the source has not changed since."""

    entity: str
    key: str
    fields: tuple[str, ...]  # dotted; ("",) where the whole record was declined


@dataclass(frozen=True, slots=True)
class Older:
    """The source's record is older than what production was last brought up to: it would move current state backwards."""

    entity: str
    key: str


def value_fingerprint(value: Value) -> str:
    """16 hex digits of one value: what a declined value is remembered by. None stands for removal."""
    return hashlib.blake2b(dumps(value).encode(), digest_size=8).hexdigest()


def content_fingerprint(entity: Entity, data: Data) -> str:
    """16 hex digits of the mapped fields as they stand in a production document; other fields play no part."""
    return value_fingerprint({dotted(f.target): v for f in entity.fields if (v := get_in(data, f.target)) is not None})


def plan(
    entity: Entity,
    projected: Projected,
    production: Snapshot,
    *,
    declined: Mapping[str, str] = {},
    matched_by: str = "id",
    near: str = "",
    rival_of: str = "",
    parent_exists: bool = False,
    claim: int = 1,
    older: bool = False,
    also: Sequence[FieldDiff] = (),
) -> Change | Declined | Older | None:
    """The change that makes `production` (present or absent, at the path to be written) say what the source says.

    None: they agree. `declined` maps dotted fields to the `value_fingerprint` of the new value that a person declined, and ""
    to the `Projected.fingerprint` of a whole record that was declined. `matched_by` is `key` where production holds the
    record under another document id; `near` is the path of a production document spelled alike; `rival_of` is the group that
    claims the same record in this run, and `claim` the number of this claim; `parent_exists`: production holds the parent.
    `older`: this is an older state of the record than was seen before, so only what adds to history is proposed. `also`: what
    is to be written beside the mapped fields."""
    diff = [*_compare(entity, projected, production.fields), *_again(entity, production), *also]
    if all(d.passive for d in diff) and production.exists:
        return None
    if older:
        history = {f.target for f in entity.fields if f.compare.how in ("union", "earliest")}
        diff = [d for d in diff if d.path in history]
        if not diff:
            return Older(entity.name, projected.key)
    if declined.get("") == projected.fingerprint:
        return Declined(entity.name, projected.key, ("",))
    if declined and production.exists:
        refused = {d.path for d in diff if declined.get(dotted(d.path)) == value_fingerprint(d.after)}
        refused |= {p for f in entity.fields if (p := f.compare.partner) and f.target in refused}  # a place is one thing
        diff = [d for d in diff if d.path not in refused]
        if all(d.passive for d in diff):
            return Declined(entity.name, projected.key, tuple(sorted(map(dotted, refused))))
    facts: dict[str, Any] = dict(projected.facts)
    edited = changed_by_hand(entity, production)
    extras = {"near": near, "rival_of": rival_of, "parent_exists": parent_exists, "edited_by_hand": edited}
    facts |= {name: value for name, value in extras.items() if value}
    if matched_by != "id":
        facts["matched_by"] = matched_by
    after: Data = {}
    for d in diff:
        if d.after is not None:
            set_in(after, d.path, d.after)
    return Change(
        key=f"{entity.name}/{projected.key}" + (f"#{claim}" if claim > 1 else ""),
        entity=entity.name,
        group=projected.group,
        path=production.path,
        action=Action.UPDATE if production.exists else Action.CREATE,
        before=production.data if production.exists else None,
        planned_against=production.update_time,
        after=after,
        diff=tuple(diff),
        fingerprint=projected.fingerprint,
        facts=facts,
    )


def beside(change: Change, also: Sequence[FieldDiff], **facts: Any) -> Change:
    """The change with more to be written, beside what it has; and with these facts, where there is something to say."""
    after = _with_values(change.after or {}, [(d.path, d.after) for d in also if d.after is not None])
    more = {name: value for name, value in facts.items() if value}
    return change._replace(after=after, diff=(*change.diff, *also), facts={**change.facts, **more})


def _again(entity: Entity, production: Snapshot) -> list[FieldDiff]:
    """What takes a deactivation back that this pipeline made: the source holds the record again."""
    off, stamp = entity.deactivate, get_in(production.fields, (STAMP, "sourceFingerprint"))
    if off is None or stamp != GONE or get_in(production.fields, off.field) != off.value:
        return []
    if any(f.target == off.field for f in entity.fields):
        return []  # the source says itself whether it is active
    return [FieldDiff(off.field, off.value, off.again)]


def is_older(
    projected: Projected, production: Snapshot, version: FieldPath | None, seen: tuple[Timestamp, str] | None, at: Timestamp
) -> bool:
    """Whether the source shows an older state than it did (`seen`: the latest stamp that its records had, and the id of the last
    of those that had it), or than production was brought up to (`version`: the target field that holds the stamp). A stamp far
    ahead of `at`, when it was read, is none."""
    if (
        projected.stamp is not None
        and seen is not None
        and (projected.stamp, projected.sources[-1]) < seen
        and seen[0] <= at.plus(AHEAD_SECONDS)
    ):
        return True
    now, held = (projected.values.get(version), get_in(production.fields, version)) if version is not None else (None, None)
    return isinstance(now, Timestamp) and isinstance(held, Timestamp) and now < held <= at.plus(AHEAD_SECONDS)


def lapsed(entity: Entity, projected: Projected, production: Snapshot, declined: Mapping[str, str]) -> list[str]:
    """Of what was declined: the fields (dotted; "" for the whole record) for which the source says something else by now. A value
    that cannot be read says nothing."""
    targets = {dotted(f.target): f for f in entity.fields}
    found = []
    for name, print in declined.items():
        f = targets.get(name)
        if f is None:
            now = projected.fingerprint if name == "" else print
        elif f.target in projected.values:
            value, old = projected.values[f.target], get_in(production.fields, f.target)
            merged = old is not None and f.compare.how in ("union", "earliest")
            now = value_fingerprint(target_value(f.compare, old, value) if merged else value)
        else:
            now = value_fingerprint(None) if f.target in projected.blank else print
        if now != print:
            found.append(name)
    return found


def changed_by_hand(entity: Entity, production: Snapshot) -> bool:
    """Whether production's mapped fields are no longer what the last promotion left there."""
    promoted = get_in(production.fields, (STAMP, "content"))
    return promoted is not None and promoted != content_fingerprint(entity, production.fields)


def _compare(entity: Entity, projected: Projected, held: Data) -> list[FieldDiff]:
    values, blank, out = projected.values, projected.blank, []
    for f in entity.fields:
        target, how = f.target, f.compare.how
        old = held.get(target[0]) if len(target) == 1 else get_in(held, target)
        if target not in values:
            if f.blank_erases and target in blank and old is not None:
                out.append(FieldDiff(target, old, None, how == "passive"))
            continue
        new = values[target]
        if old is not None and (how == "union" or how == "earliest"):
            new = target_value(f.compare, old, new)
        if how == "metres" and f.compare.partner:
            differs = not _same_place(f, f.compare.partner, values, held)
        else:
            differs = not (identical(old, new) if how == "passive" else equal(f.compare, old, new))
        if differs:
            out.append(FieldDiff(target, old, new, how == "passive"))
    return out


def _same_place(f: Field, partner: FieldPath, values: Mapping[FieldPath, Value], held: Data) -> bool:
    lat, lon = (f.target, partner) if f.convert == "latitude" else (partner, f.target)
    if lat not in values or lon not in values:
        return False
    return same_place(f.compare.amount, (get_in(held, lat), get_in(held, lon)), (values[lat], values[lon]))


def result_of(change: Change, stamp: Data | None) -> Data:
    """The whole document after promotion: what was there, the change, and the stamp (None: a rollback, which leaves none of its
    own). {} after a DELETE. It shares the maps that do not change with `before`; neither is to be changed in place."""
    if change.action is Action.DELETE:
        return {}
    result: Data = (change.after if change.action is Action.CREATE else change.before) or {}
    if change.action is Action.UPDATE:
        result = _with_values(result, [(d.path, get_in(change.after or {}, d.path, TAKEN_OUT)) for d in change.diff])
    return result if stamp is None else {**result, STAMP: stamp}


def with_value(data: Data, path: FieldPath, value: Value) -> Data:
    """The map with one value put in, or `TAKEN_OUT`; only the maps on the way are copied."""
    return _with_values(data, [(path, value)])


def _with_values(data: Data, values: Sequence[tuple[FieldPath, Value]]) -> Data:
    changed = dict(data)
    for (name, *rest), value in values:
        inner = changed.get(name)
        if rest and (isinstance(inner, dict) or value is not TAKEN_OUT):
            changed[name] = with_value(inner if isinstance(inner, dict) else {}, tuple(rest), value)
        elif not rest and value is TAKEN_OUT:
            changed.pop(name, None)
        elif not rest:
            changed[name] = value
    return changed
