"""A unit of a tree comes, is renamed or moves to where another of its name is, goes, or comes too. A name is no identity: it may
be the same place under a new id or code, or two."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from penstock.core.changes import Action, Change, Finding
from penstock.core.declaration import Entity, Pipeline
from penstock.core.findings import listed, named, one, show, title
from penstock.core.leaving import is_active, takes_away
from penstock.core.records import Snapshot
from penstock.core.rules.base import BatchRule, Find, Judgement, Lookup, View, proposed, values_of
from penstock.core.spelling import folded_name
from penstock.core.tree import Place, owns, place_of
from penstock.core.values import FieldPath, Value, as_path, get_in

NAME = "same_name"
TOLD = 300  # records that are told by themselves; a batch can hold no more words. The others are counted
_AT_ONCE = 10  # parents that are asked about together
_MOST = 5_000  # units that are looked at below so many parents
_NAMED = 5  # of those that have one name
_REMEDY = "If they are one, keep production and give it back its id in the source. Approve only if they are two."


@dataclass(frozen=True, slots=True)
class Settings:
    """The target fields, dotted, that hold the name (a text, or texts by language), the type and the code. Roots are compared
    with those that have the same values in the fields `within`."""

    name: str
    type: str
    code: str
    within: tuple[str, ...] = ()


def _names(name: Value) -> set[str]:
    """In every language, as names are compared."""
    texts = name.values() if isinstance(name, dict) else (name,)
    return {folded for text in texts if isinstance(text, str) and (folded := folded_name(text))}


class _Coming(NamedTuple):
    """A change, and where it puts a unit, with the names that are new there."""

    change: Change
    place: Place
    new: set[str]


def _coming(view: View, settings: Settings, changes: Sequence[Change]) -> Iterator[_Coming]:
    """The changes that put a unit somewhere under a name that is new there."""
    name = as_path(settings.name)
    for change in changes:
        entity, place = view.pipeline.entity(change.entity), place_of(change)
        if entity.tree is None or place is None or takes_away(entity, change):
            continue
        stays = place.step == "update"
        new = _names(proposed(change, name)) - (_names(get_in(change.before or {}, name)) if stays else set())
        if new:
            yield _Coming(change, place, new)


class _Asked(NamedTuple):
    """What comes, and what is asked of production for which of it."""

    coming: list[_Coming]
    finds: list[tuple[Find, list[Change]]]


def _asked(view: View, settings: Settings, changes: Sequence[Change]) -> _Asked:
    def work_out() -> _Asked:
        coming = list(_coming(view, settings, changes))
        return _Asked(coming, list(_finds(view, settings, coming)))

    return view.once(NAME, work_out)


def _finds(view: View, settings: Settings, coming: Iterable[_Coming]) -> Iterator[tuple[Find, list[Change]]]:
    """Below a unit that this pack creates production has nothing."""
    below: dict[str, dict[str, list[Change]]] = {}
    roots: dict[tuple[str, tuple[tuple[FieldPath, Value], ...]], list[Change]] = {}
    for change, place, _ in coming:
        entity = view.pipeline.entity(change.entity)
        above = view.by_path.get(view.path(entity, place.parent))
        if not place.parent:
            roots.setdefault((change.entity, _level(entity, settings, change)), []).append(change)
        elif above is None or above.action is not Action.CREATE:
            below.setdefault(change.entity, {}).setdefault(place.parent, []).append(change)
    for (name, scope), of in roots.items():
        yield _find(view, settings, view.pipeline.entity(name), scope), of
    for name, by_parent in below.items():
        entity, parents = view.pipeline.entity(name), list(by_parent)
        assert entity.tree is not None
        for n in range(0, len(parents), _AT_ONCE):
            some = tuple(parents[n : n + _AT_ONCE])
            yield _find(view, settings, entity, ((entity.tree.parent, some),)), [c for p in some for c in by_parent[p]]


def _find(view: View, settings: Settings, entity: Entity, equal: tuple[tuple[FieldPath, Value], ...]) -> Find:
    assert entity.tree is not None
    tree = entity.tree
    fields = entity.key, as_path(settings.name), as_path(settings.type), as_path(settings.code), tree.parent, tree.own[0]
    return Find(view.collection(entity), equal, (*fields, *([entity.deactivate.field] if entity.deactivate else [])), _MOST)


def _level(entity: Entity, settings: Settings, change: Change) -> tuple[tuple[FieldPath, Value], ...]:
    """What roots that stand side by side have in common."""
    assert entity.tree is not None
    return values_of(change, (entity.tree.level, *map(as_path, settings.within)))


def lookups(view: View, settings: Settings, changes: Sequence[Change]) -> Iterable[Lookup]:
    return (find for find, _ in _asked(view, settings, changes).finds)


def gather(view: View, settings: Settings, changes: Sequence[Change]) -> Any:
    """`gone`: the paths of documents that are deactivated, `left`: of those that get another name or place. `comes`: [key, group,
    path, words, marks, type, twins], and of each unit of the same name in production [path, words, type, whether it is active].
    Those with a mark in common have a name in common and stand side by side. `cut`: there were more than are looked at."""
    name, kind = as_path(settings.name), as_path(settings.type)
    coming, finds = _asked(view, settings, changes)
    answers = {change.path: view.documents(find) or () for find, some in finds for change in some}
    comes = []
    for change, place, new in coming:
        entity = view.pipeline.entity(change.entity)
        assert entity.tree is not None
        parent = entity.tree.parent
        beside = (s for s in answers.get(change.path, ()) if (get_in(s.fields, parent) or "") == place.parent)
        twins = [s for s in beside if s.path != change.path and new & _names(get_in(s.fields, name))]
        told = [
            [s.path, _words(entity, settings, s), show(get_in(s.fields, kind)), is_active(entity, s.fields)]
            for s in twins[:_NAMED]
        ]
        words = named(title(change), proposed(change, name), proposed(change, as_path(settings.code)))
        marks = sorted(_mark(place.parent or _level(entity, settings, change), one_of) for one_of in new)
        comes.append([change.key, change.group, change.path, words, marks, show(proposed(change, kind)), told])
    gone = [change.path for change in changes if takes_away(view.pipeline.entity(change.entity), change)]
    left = [change.path for change, *_ in coming if change.action is Action.UPDATE]
    return {"gone": gone, "left": left, "comes": comes, "cut": any(len(found) == _MOST for found in answers.values())}


def _mark(where: object, name: str) -> str:
    return hashlib.blake2b(f"{where}\n{name}".encode(), digest_size=8).hexdigest()


def _words(entity: Entity, settings: Settings, held: Snapshot) -> str:
    assert entity.tree is not None
    data = held.fields
    thing = f"{one(entity.name)} {get_in(data, entity.key) or held.id}"
    words = named(thing, get_in(data, as_path(settings.name)), get_in(data, as_path(settings.code)))
    return words if owns(entity.tree, data) else f"the target's own {words}"


def judge(_pipeline: Pipeline, settings: Settings, gathered: Sequence[Any], _totals: Mapping[str, int]) -> Judgement:
    gone, left = ({path for pack in gathered for path in pack[name]} for name in ("gone", "left"))
    comes = [came for pack in gathered for came in pack["comes"]]
    together: dict[str, list[Any]] = {}
    for came in comes:
        for mark in came[4]:
            together.setdefault(mark, []).append(came)
    told = []
    for came in comes:
        key, group, path, words, marks, kind, twins = came
        said = {other[0]: _held(kind, other, gone, left) for other in twins}
        for other in (other for mark in marks for other in together[mark] if other[2] != path):
            said.setdefault(other[2], f"{other[3]}, which comes with this batch{_of_type(kind, other[5])}")
        if said:
            text = f"{words} would stand beside {listed(said.values(), _NAMED)}: the same name."
            told.append(Finding(NAME, "blocker", key, group, text, _REMEDY, settings.name))
    of_all = []
    if len(told) > TOLD:
        rest = f"{len(told)} records would stand beside another of the same name; the first {TOLD} are told one by one."
        of_all.append(Finding(NAME, "blocker", "", "", rest, _REMEDY))
    if any(pack["cut"] for pack in gathered):
        text = f"More than {_MOST:,} units stand below a few parents; names were compared with that many of them alone."
        of_all.append(Finding(NAME, "warning", "", "", text, "Look for others of the same name by hand."))
    return Judgement((*told[:TOLD], *of_all))


def _held(kind: str, twin: Sequence[Any], gone: set[str], left: set[str]) -> str:
    path, words, of_type, active = twin
    if path in gone:
        fate = ", which goes with this batch"
    elif path in left:
        fate = ", which gets another name or place with this batch"
    else:
        fate = "" if active else ", which is not active any more"
    return f"{words}{fate}{_of_type(kind, of_type)}"


def _of_type(kind: str, other: str) -> str:
    return "" if kind == other else f", of type {other} and not {kind}"


RULE = BatchRule(NAME, Settings, gather, judge, lookups)
