"""What hangs below a unit that goes, and what becomes of it: it goes along, or it moves to another unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from penstock.core.changes import Change
from penstock.core.choices import ACTIVE, CASCADE, OWN
from penstock.core.declaration import Dependents, Entity
from penstock.core.findings import listed
from penstock.core.followers import Followed, followed
from penstock.core.placing import leads_to
from penstock.core.records import Snapshot
from penstock.core.tree import DOT, is_below, joined, owns
from penstock.core.values import Data, FieldPath, Value, get_in

Held: TypeAlias = Mapping[Dependents, Sequence[Snapshot]]  # documents that store paths, by where they lie


def is_active(entity: Entity, data: Data) -> bool:
    off = entity.deactivate
    return off is None or get_in(data, off.field) != off.value


def takes_away(entity: Entity, change: Change) -> bool:
    """Whether a change makes a unit inactive, whatever else it does."""
    off = entity.deactivate
    return off is not None and get_in(change.after or {}, off.field) == off.value and off.field in change.mask


def why_no_home(entity: Entity, id: str, data: Data, level: int, path: str) -> str:
    """Why a unit cannot take what hangs below the one of this level at this path; "" where it can."""
    assert entity.tree is not None
    there, own_level = get_in(data, entity.tree.path), get_in(data, entity.tree.level)
    if there == path:
        return "is the unit itself"
    if not owns(entity.tree, data):
        return "is not official"
    if not is_active(entity, data):
        return "is not active"
    if own_level != level:
        return f"is of level {own_level}"
    if not leads_to(there, id):
        return "has no path of its own"
    return "lies below it" if is_below(there, path) else ""


def nearest(among: Collection[str], path: str, *, at: bool = False) -> str | None:
    """The nearest of the paths that lies strictly above; with `at`, or is this one."""
    above = path if at else path.rpartition(DOT)[0]
    while above and above not in among:
        above = above.rpartition(DOT)[0]
    return above or None


class Home(NamedTuple):
    """The unit that takes what hangs below another; its path once all moves are made."""

    id: str
    path: str


class Goer(NamedTuple):
    """A unit that goes, with its path once all moves are made. `home`: where what hangs below it moves to."""

    key: str
    path: str
    choice: str = ""
    home: Home | None = None


@dataclass
class Left:
    """What a unit leaves at and below it, and what is written of that."""

    counts: Counter[str] = field(default_factory=Counter)
    followed: list[Followed] = field(default_factory=list)
    taken: list[Snapshot] = field(default_factory=list)  # official units that were active

    @property
    def told(self) -> str:
        return listed(f"{many:,} {name}" for name, many in self.counts.items())


def leave(
    entity: Entity, goers: Sequence[Goer], decided: Collection[str], held: Held, final: Callable[[str], str]
) -> dict[str, Left]:
    """By the unit's key: what each unit leaves, of what stands below any. What hangs below several belongs to the nearest.
    `decided`: paths of units that went before: what is left below those is decided. `final`: where a path as stored leads in the
    end."""
    assert entity.tree is not None
    tree, off = entity.tree, entity.deactivate
    by_path = {goer.path: goer for goer in goers}
    gone = {*by_path, *decided}
    units = next((some for of, some in held.items() if of.name == entity.name), ())
    official = {final(str(get_in(u.fields, tree.path))) for u in units if owns(tree, u.fields)} | gone
    found = {goer.key: Left() for goer in goers}
    for of, some in held.items():
        is_unit = of.name == entity.name
        for now in some:
            path = final(str(get_in(now.fields, of.path)))
            above = nearest(gone, path, at=not is_unit)
            if above not in by_path or (is_unit and path in gone):
                continue
            goer = by_path[above]
            left, own = found[goer.key], is_unit and not owns(tree, now.fields)
            active = is_unit and is_active(entity, now.fields)
            if is_unit and not own and not active:
                continue
            left.counts[of.name if not is_unit else OWN if own else ACTIVE] += 1
            also: dict[FieldPath, Value] = {}
            if goer.choice == CASCADE and off is not None and active:
                also[off.field] = off.value
                left.taken += [] if own else [now]
            elif goer.home is not None and (own or not is_unit):
                at = nearest(official, path, at=not is_unit) or ""
                tail = path[len(at) + 1 :]
                path = joined(goer.home.path, tail) if tail else goer.home.path
                also |= {tree.parent: goer.home.id} if is_unit and DOT not in tail else {}
            if wrote := followed(of, now, path, also):
                left.followed.append(wrote._replace(by=goer.key, to=goer.home.id if goer.home else ""))
    return found
