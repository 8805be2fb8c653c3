"""How a promoted change is taken back: a merge of three documents, of what stood before the promotion, what it left, and what
stands now. What still is as it was promoted goes back, what somebody wrote since stays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from penstock.core.changes import Action, Change, FieldDiff
from penstock.core.comparison import identical
from penstock.core.declaration import Entity, Tree
from penstock.core.diff import TAKEN_OUT, changed_by_hand, content_fingerprint, value_fingerprint, with_value
from penstock.core.later_edits import told
from penstock.core.layout import STAMP
from penstock.core.promotion import promoted, refusal
from penstock.core.records import Snapshot
from penstock.core.values import Data, FieldPath, Value, dotted, dumps, get_in, set_in

NOTHING: Final = object()  # the absence of a field, which null is not


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a batch is to be taken back. `keys`: of these changes alone, None: of all; `fields`: what lies at or under these
    paths alone, (): everything; `overwrite`: also what was edited since."""

    keys: frozenset[str] | None = None
    fields: tuple[FieldPath, ...] = ()
    overwrite: bool = False

    def takes(self, path: FieldPath) -> bool:
        return not self.fields or any(path[: len(f)] == f for f in self.fields)


@dataclass(frozen=True, slots=True)
class FieldState:
    """One field that was promoted, with None for absence. `taken`: it goes back to `before`; `edited`: it is no longer what
    was promoted, and it is kept unless `taken`."""

    path: FieldPath
    now: Value
    promoted: Value
    before: Value
    edited: bool
    taken: bool


@dataclass(frozen=True, slots=True)
class Reversal:
    """What taking one change back comes to. `change` is None where nothing is written, and `why` says why not. `later` names who
    wrote to the record since, and when, as far as it is known; `others` are fields that only they wrote (dotted)."""

    undone: Change
    change: Change | None
    fields: tuple[FieldState, ...] = ()
    others: tuple[str, ...] = ()
    later: str = ""
    why: str = ""

    @property
    def kept(self) -> bool:
        """Whether something was edited since and is left as it is, which the promotion had written too."""
        return any(f.edited and not f.taken for f in self.fields) or (self.change is None and bool(self.later))


def reverse(batch: str, change: Change, stamp: Data, entity: Entity, now: Snapshot, choice: Choice) -> Reversal:
    """Take back a change that `batch` promoted with this stamp, as far as it is chosen. A record that nobody else wrote to gets
    exactly its prior image. What was edited since is kept, unless the choice is to overwrite."""
    was, made = change.before, None if change.action is Action.DELETE else promoted(change, entity, stamp)
    if entity.tree and now.exists:  # its path is worked out: it follows whatever is moved above, and that edits nothing
        was, made = (_at_path_of(now, entity.tree, data) for data in (was, made))
    if made is None or not now.exists:
        return _whole(batch, change, entity, made, now, choice)
    chosen = replace(choice, fields=_with_partners(entity, choice))
    merge = _Merge(chosen)
    merged = merge.run(entity, *map(_unstamped, (was or {}, made, now.fields)))
    stays = _unstamped(now.fields)
    mine = _of_batch(now.fields) == _of_batch(made)
    edited = bool(merge.others) or any(f.edited for f in merge.states)
    later = told(now, entity, later_batch=not mine) if edited else ""
    found = Reversal(change, None, tuple(merge.states), tuple(map(dotted, merge.others)), later)
    if was is None and not choice.fields:
        if edited and not choice.overwrite:
            kept = tuple(replace(f, taken=False) for f in found.fields)
            return replace(found, fields=kept, why="was edited since it was created, and is not removed")
        return _with_change(batch, found, entity, Action.DELETE, now, None, choice)
    if dumps(merged) == dumps(stays):
        return replace(found, why="every promoted field was edited since" if edited else "holds already what stood there before")
    if was is None and not merged:
        return _with_change(batch, found, entity, Action.DELETE, now, None, choice)
    whole = _Merge(replace(chosen, fields=()))
    back = mine and dumps(whole.run(entity, *map(_unstamped, (was or {}, made, now.fields)))) == dumps(merged)
    result = _stamped(entity, merged, now, was or {}, back=back)
    return _with_change(batch, found, entity, Action.UPDATE, now, result, choice)


def _at_path_of(now: Snapshot, tree: Tree, data: Data | None) -> Data | None:
    return None if data is None else with_value(data, tree.path, get_in(now.fields, tree.path, TAKEN_OUT))


def _whole(batch: str, change: Change, entity: Entity, made: Data | None, now: Snapshot, choice: Choice) -> Reversal:
    """Where the promotion removed the record, or somebody did since: it can only come back as a whole."""
    was = change.before
    if was is None:
        return Reversal(change, None, why="is gone already")
    if now.exists and dumps(now.fields) == dumps(was):
        return Reversal(change, None, why="holds already what stood there before")
    later = told(now, entity, later_batch=bool(_of_batch(now.fields))) if made is not None or now.exists else ""
    taken = not choice.fields and (not later or choice.overwrite)
    there = made if made is not None else {}
    fields = tuple(_leaves((), was, there, now.fields if now.exists else {}, edited=bool(later), taken=taken))
    found = Reversal(change, None, fields, (), later)
    if not taken:
        gone = "was removed since" if made is not None else "was made again since" if now.exists else "was removed"
        return replace(found, why=f"{gone}, and comes back whole or not at all" if choice.fields else gone)
    return _with_change(batch, found, entity, Action.UPDATE if now.exists else Action.CREATE, now, was, choice)


def _with_change(
    batch: str, found: Reversal, entity: Entity, action: Action, now: Snapshot, after: Data | None, choice: Choice
) -> Reversal:
    undone = found.undone
    facts: dict[str, Any] = {"undoes": batch, **_remembered(undone, entity, choice)}
    edits = [[dotted(f.path), f.now, f.promoted, f.before] for f in found.fields if f.edited]
    if found.later:
        facts["later"] = found.later
        facts |= {"lost" if choice.overwrite else "kept": edits} if edits else {}
        facts |= {"others": list(found.others)} if found.others else {}
    standing = _unstamped(now.fields) if action is Action.DELETE else now.fields
    changed = list(differences((), standing, after or {}))
    written: Data = {}
    for path, _, new in changed:
        if new is not NOTHING:
            set_in(written, path, new)
    change = Change(
        key=undone.key,
        entity=undone.entity,
        group=undone.group,
        path=undone.path,
        action=action,
        before=now.data if now.exists else None,
        planned_against=now.update_time,
        after={Action.CREATE: after, Action.UPDATE: written}.get(action),
        diff=tuple(FieldDiff(path, _shown(old), _shown(new), passive=path == (STAMP,)) for path, old, new in changed),
        fingerprint=undone.fingerprint,
        facts=facts,
    )
    return replace(found, change=change)


def _remembered(undone: Change, entity: Entity, choice: Choice) -> dict[str, Mapping[str, str]]:
    """What is to be remembered when the reversal is promoted: the content that it takes back is not to be proposed again, or may
    be again ("") where a rollback is taken back, whose own word then stands in `lifts`."""
    if "undoes" not in undone.facts:
        word = refusal(undone)
        if undone.facts.get("gone"):
            return {"declines": word}  # it holds of the record as such, and one field is all that was written, or the whole
        if choice.fields and "" in word:
            made = {dotted(f.target): get_in(undone.after or {}, f.target) for f in entity.fields}
            word = {name: value_fingerprint(value) for name, value in made.items() if value is not None}
        return {"declines": _chosen(word, entity, choice)}
    if "lifts" in undone.facts:
        return {"declines": _chosen(undone.facts["lifts"], entity, choice)}
    lifts = _chosen(undone.facts["declines"], entity, choice)
    return {"declines": dict.fromkeys(lifts, ""), "lifts": lifts}


def _chosen(word: Mapping[str, str], entity: Entity, choice: Choice) -> dict[str, str]:
    names = {dotted(f.target) for f in entity.fields if choice.takes(f.target)}
    return {name: said for name, said in word.items() if name in names or not choice.fields}


def _with_partners(entity: Entity, choice: Choice) -> tuple[FieldPath, ...]:
    """A place is one thing: whoever takes back its latitude takes back its longitude."""
    if not choice.fields:
        return ()
    return (*choice.fields, *(partner for field, partner in _partners(entity).items() if choice.takes(field)))


def _partners(entity: Entity) -> dict[FieldPath, FieldPath]:
    """Fields that go back together or not at all: the halves of a place, and the two names of what a unit hangs under."""
    found = {f.target: f.compare.partner for f in entity.fields if f.compare.partner}
    if entity.tree and entity.parent:
        found |= {entity.parent.field: entity.tree.parent, entity.tree.parent: entity.parent.field}
    return found


class _Merge:
    """One run over three documents. `states` are the promoted fields met, `others` the fields that only others wrote."""

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self.states: list[FieldState] = []
        self.others: list[FieldPath] = []
        self.held: set[FieldPath] = set()  # taken for edited, because the other half of the place was

    def run(self, entity: Entity, was: Data, made: Data, now: Data) -> Data:
        partners = _partners(entity)
        while True:
            self.states, self.others = [], []
            names = sorted({*was, *made, *now})
            merged = {name: self._at((name,), *(d.get(name, NOTHING) for d in (was, made, now))) for name in names}
            halves = {partners[s.path] for s in self.states if s.edited and s.path in partners}
            if halves <= self.held:
                return {name: value for name, value in merged.items() if value is not NOTHING}
            self.held |= halves

    def _at(self, path: FieldPath, was: Value, made: Value, now: Value) -> Value:
        if _exact(was, made):
            if not _same(now, made):
                self.others.append(path)
            return now
        maps = all(isinstance(value, dict) or value is NOTHING for value in (was, made, now))
        if not self.choice.takes(path):
            return self._inside(path, was, made, now) if maps and _leads(path, self.choice.fields) else now
        if _same(now, made) and not _leads(path, self.held):
            self.states += _leaves(path, was, made, now, edited=False, taken=True)
            return was
        if _same(now, was):
            return now
        if maps:
            return self._inside(path, was, made, now)
        self.states.append(_state(path, was, made, now, edited=True, taken=self.choice.overwrite))
        return was if self.choice.overwrite else now

    def _inside(self, path: FieldPath, was: Value, made: Value, now: Value) -> Value:
        """A map: name by name. One that the promotion brought, and that holds nothing else, goes as a whole."""
        held = [value if isinstance(value, dict) else {} for value in (was, made, now)]
        names = sorted({name for data in held for name in data})
        merged = {name: self._at((*path, name), *(data.get(name, NOTHING) for data in held)) for name in names}
        left = {name: value for name, value in merged.items() if value is not NOTHING}
        stands = isinstance(was, dict) and (now is not NOTHING or self.choice.overwrite)
        return left if left or stands else NOTHING


def _exact(one: Value, other: Value) -> bool:
    return one is other or (one is not NOTHING and other is not NOTHING and dumps(one) == dumps(other))


def _same(one: Value, other: Value) -> bool:
    """The same to whoever wrote it: an application that saves 4.0 as 4 has edited nothing."""
    return one is other or (one is not NOTHING and other is not NOTHING and identical(one, other))


def _leads(path: FieldPath, to: Iterable[FieldPath]) -> bool:
    return any(there[: len(path)] == path for there in to)


def _leaves(path: FieldPath, was: Value, made: Value, now: Value, *, edited: bool, taken: bool) -> Iterator[FieldState]:
    """The single fields at or below a path in which the promotion made a difference."""
    if _exact(was, made):
        return
    three = (was, made, now)
    if any(isinstance(v, dict) and v for v in three) and all(isinstance(v, dict) or v is NOTHING for v in three):
        inner = [v if isinstance(v, dict) else {} for v in three]
        for name in sorted({name for data in inner for name in data}):
            if path or name != STAMP:
                some = (data.get(name, NOTHING) for data in inner)
                yield from _leaves((*path, name), *some, edited=edited, taken=taken)
        return
    yield _state(path, was, made, now, edited=edited, taken=taken)


def _state(path: FieldPath, was: Value, made: Value, now: Value, *, edited: bool, taken: bool) -> FieldState:
    return FieldState(path, _shown(now), _shown(made), _shown(was), edited, taken)


def differences(path: FieldPath, now: Data, then: Data) -> Iterator[tuple[FieldPath, Value, Value]]:
    """The single fields that would change, with their values now and then. A map that goes is one, so that no empty one is left
    behind; the stamp is one."""
    for name in sorted({*now, *then}):
        at, old, new = (*path, name), now.get(name, NOTHING), then.get(name, NOTHING)
        if _exact(old, new):
            continue
        if at != (STAMP,) and isinstance(new, dict) and (isinstance(old, dict) or (old is NOTHING and new)):
            yield from differences(at, old if isinstance(old, dict) else {}, new)
        else:
            yield at, old, new


def _shown(value: Value) -> Value:
    return None if value is NOTHING else value


def _unstamped(data: Data) -> Data:
    return {name: value for name, value in data.items() if name != STAMP}


def _of_batch(data: Data) -> Value:
    return get_in(data, (STAMP, "batch"))


def _stamped(entity: Entity, merged: Data, now: Snapshot, was: Data, *, back: bool) -> Data:
    """With the stamp of before where nothing of the promotion is left, else with the one that stands. Either goes on to tell
    edits by hand from what was promoted: where there was none until now, there is none after."""
    stamp = (was if back else now.fields).get(STAMP, NOTHING)
    if stamp is NOTHING or (back and dumps(merged) == dumps(_unstamped(was))):
        return merged if stamp is NOTHING else {**merged, STAMP: stamp}
    if isinstance(stamp, dict) and "content" in stamp and not changed_by_hand(entity, now):
        stamp = {**stamp, "content": content_fingerprint(entity, merged)}
    return {**merged, STAMP: stamp}
