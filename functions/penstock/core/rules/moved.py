"""A thing with a place would move: told in metres against where production has it and against its neighbours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from penstock.core.changes import Action, Change, Finding
from penstock.core.comparison import distance, is_number
from penstock.core.findings import about, business_key, listed, metres, title
from penstock.core.mapping import pairs_of
from penstock.core.rules.base import ChangeRule, Get, Lookup, View, proposed
from penstock.core.values import Data, FieldPath, get_in

NAME = "moved"


@dataclass(frozen=True, slots=True)
class Settings:
    """`metres`: from how far on a move is told. `far`: from how far on the neighbours are looked at (numbers just below and
    above); a move away from both of them is a blocker."""

    metres: float
    far: float


def _move(view: View, change: Change) -> tuple[tuple[float, float], tuple[float, float], FieldPath, FieldPath] | None:
    """(from, to, latitude's field, longitude's field), or None where nothing moves."""
    if change.action is not Action.UPDATE:
        return None
    for lat, lon in pairs_of(view.pipeline.entity(change.entity)):
        if lat.target in change.mask:
            old = _place(change.before or {}, lat.target, lon.target)
            new = (proposed(change, lat.target), proposed(change, lon.target))
            if old is not None and all(map(is_number, new)):
                return old, new, lat.target, lon.target
    return None


def _place(data: Data, lat: FieldPath, lon: FieldPath) -> tuple[float, float] | None:
    place = (get_in(data, lat), get_in(data, lon))
    return place if all(map(is_number, place)) else None


def _neighbours(view: View, change: Change) -> Iterator[tuple[str, str]]:
    """(key, path) of the things numbered just below and above: of `LAW.P.A007` the A006 and the A008."""
    entity, match = view.pipeline.entity(change.entity), re.fullmatch(r"(.*?)(\d+)", business_key(change))
    if match is None:
        return
    for number in (int(match[2]) - 1, int(match[2]) + 1):
        if number >= 0:
            key = f"{match[1]}{number:0{len(match[2])}d}"
            yield key, view.path(entity, key)


def lookups(view: View, settings: Settings, changes: Sequence[Change]) -> Iterable[Lookup]:
    for change in changes:
        move = _move(view, change)
        if move is not None and distance(*move[0], *move[1]) >= settings.far:
            yield from (Get(path) for _, path in _neighbours(view, change) if path not in view.by_path)


def check(view: View, settings: Settings, change: Change) -> Iterable[Finding]:
    move = _move(view, change)
    if move is None:
        return
    old, new, lat, lon = move
    far = distance(*old, *new)
    if far < settings.metres:
        return
    text = f"{title(change)} would move {metres(far)}, from {old[0]:.6f}, {old[1]:.6f} to {new[0]:.6f}, {new[1]:.6f}."
    astray = False
    if far >= settings.far:
        near = []
        for key, path in _neighbours(view, change):
            place = _place(view.document(path) or {}, lat, lon)
            if place is not None:
                near.append((key, distance(*old, *place), distance(*new, *place)))
        astray = bool(near) and all(then > now and then > settings.far for _, now, then in near)
        said = (f"{key} is {metres(now)} from the old place and {metres(then)} from the new one" for key, now, then in near)
        text += f" Of its neighbours, {listed(said)}." if near else ""
    remedy = "Look at the map; approve only if the new place is right."
    yield about(change, NAME, "blocker" if astray else "warning", text, remedy, lat)


RULE = ChangeRule(NAME, Settings, check, lookups)
