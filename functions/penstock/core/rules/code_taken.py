"""A record would take the code that another has or had: a code that changed hands, a swap, a ring of several. Who gives a code
up, and for which, is known once every pack was looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.changes import Change, Finding
from penstock.core.declaration import Entity, Pipeline
from penstock.core.findings import listed, named, one, show, title
from penstock.core.leaving import is_active, takes_away
from penstock.core.limits import MAX_DISJUNCTIONS
from penstock.core.records import Snapshot
from penstock.core.rings import rings
from penstock.core.rules.base import BatchRule, Find, Judgement, Lookup, View, proposed, values_of
from penstock.core.values import FieldPath, Value, as_path, get_in

NAME = "code_taken"
TOLD = 300  # records that are told by themselves; a batch can hold no more words. The others are counted
_MOST = 300  # documents that are looked at for so many codes
_NAMED = 5  # of those that have one code
_REMEDY = "Look up what each of them is. Approve only if the code was really given to it; decide alike for all that are named."


@dataclass(frozen=True, slots=True)
class Settings:
    """The target fields, dotted, that hold the code and the name, and those `within` whose values a code stands for one thing."""

    code: str
    name: str
    within: tuple[str, ...] = ()


def _new_code(settings: Settings, change: Change) -> Value:
    """The code that a change gives to its record, if another than it has."""
    code = as_path(settings.code)
    new = proposed(change, code)
    return new if new is not None and new != get_in(change.before or {}, code) else None


def _asked(view: View, settings: Settings, changes: Sequence[Change]) -> Sequence[tuple[Find, list[Change]]]:
    """What is asked, and for which changes."""
    return view.once(NAME, lambda: list(_finds(view, settings, changes)))


def _finds(view: View, settings: Settings, changes: Sequence[Change]) -> Iterator[tuple[Find, list[Change]]]:
    code, within = as_path(settings.code), [as_path(name) for name in settings.within]
    gains: dict[tuple[str, tuple[tuple[FieldPath, Value], ...]], list[tuple[Change, Value]]] = {}
    for change in changes:
        if (new := _new_code(settings, change)) is not None:
            scope = values_of(change, within)
            gains.setdefault((change.entity, scope), []).append((change, new))
    for (name, scope), of in gains.items():
        entity = view.pipeline.entity(name)
        for n in range(0, len(of), MAX_DISJUNCTIONS):
            some = of[n : n + MAX_DISJUNCTIONS]
            codes = tuple(dict.fromkeys(new for _, new in some))
            select = entity.key, code, as_path(settings.name), *([entity.deactivate.field] if entity.deactivate else [])
            yield Find(view.collection(entity), (*scope, (code, codes)), select, _MOST), [change for change, _ in some]


def lookups(view: View, settings: Settings, changes: Sequence[Change]) -> Iterable[Lookup]:
    return (find for find, _ in _asked(view, settings, changes))


def gather(view: View, settings: Settings, changes: Sequence[Change]) -> Any:
    """`gives`: by path of a document that gives a code up, [words, code, new code]. `gone`: the paths of those that are
    deactivated. `takes`: [key, group, words, path, code, holders], and of each holder [path, words, whether it is active]; no
    holders where so many have one of the codes that a code tells nothing. Codes are as people read them."""
    code, name = as_path(settings.code), as_path(settings.name)
    gives: dict[str, list[str]] = {}
    for change in changes:
        old = get_in(change.before or {}, code)
        if old is not None and code in change.mask:
            gives[change.path] = [_words(change, name), show(old), show(proposed(change, code))]
    takes = []
    for find, some in _asked(view, settings, changes):
        found = view.documents(find) or ()
        for change in some if found else ():
            entity, new = view.pipeline.entity(change.entity), _new_code(settings, change)
            others = [s for s in found if s.path != change.path and get_in(s.fields, code) == new]
            if others or len(found) == _MOST:
                holders = [[s.path, _holder(entity, name, s), is_active(entity, s.fields)] for s in others[:_NAMED]]
                takes.append([change.key, change.group, _words(change, name), change.path, show(new), holders])
    return {"gives": gives, "gone": [c.path for c in changes if takes_away(view.pipeline.entity(c.entity), c)], "takes": takes}


def _words(change: Change, name: FieldPath) -> str:
    return named(title(change), get_in(change.before or change.after or {}, name))


def _holder(entity: Entity, name: FieldPath, held: Snapshot) -> str:
    return named(f"{one(entity.name)} {get_in(held.fields, entity.key) or held.id}", get_in(held.fields, name))


def judge(_pipeline: Pipeline, settings: Settings, gathered: Sequence[Any], _totals: Mapping[str, int]) -> Judgement:
    gives = {path: told for pack in gathered for path, told in pack["gives"].items()}
    gone = {path for pack in gathered for path in pack["gone"]}
    takes = [took for pack in gathered for took in pack["takes"]]
    takes_from = {path: next((h[0] for h in holders if h[0] in gives), "") for *_, path, _, holders in takes if path in gives}
    ring_of = {path: ring for ring in rings(takes_from) for path in ring}
    findings = []
    for key, group, words, path, code, holders in takes[:TOLD]:
        if path in ring_of:
            text = _ring(ring_of[path], gives)
        elif holders:
            text = f"{words} takes the code {code}, which {listed(_fate(h, gives, gone) for h in holders)}."
        else:
            text = f"{words} takes the code {code}; so many have it, or one like it, that a code tells nothing here."
        findings.append(Finding(NAME, "blocker", key, group, text, _REMEDY, settings.code))
    if len(takes) > TOLD:
        text = f"{len(takes)} records take a code that another has; the first {TOLD} are told one by one."
        findings.append(Finding(NAME, "blocker", "", "", text, _REMEDY))
    return Judgement(tuple(findings))


def _fate(holder: Sequence[Any], gives: Mapping[str, Sequence[str]], gone: Iterable[str]) -> str:
    path, words, active = holder
    if path in gives:
        return f"{words} gives up for {gives[path][2]} in this batch"
    if path in gone:
        return f"{words} has, which goes with this batch"
    return f"{words} has and keeps: both would have it" if active else f"{words} had, which is not active any more"


def _ring(ring: Sequence[str], gives: Mapping[str, Sequence[str]]) -> str:
    parts = (f"{gives[path][0]} gives {gives[path][1]} for {gives[path][2]}" for path in ring)
    how = "Two swap their codes" if len(ring) == 2 else f"The codes of {len(ring)} go round"
    return f"{how}: {listed(parts)}."


RULE = BatchRule(NAME, Settings, gather, judge, lookups)
