"""An independent judge of a tenant's geography: it walks from parent to parent, and knows nothing of the engine's paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from penstock.core.values import Data

Documents = Mapping[str, Data]  # by document id
NONE: Documents = {}
SAID = {"level": "level", "type": "type", "landlordParent": "parent", "code": "code", "names": "names", "active": "active"}


def walked(units: Documents, id: str) -> list[str] | None:
    """The ids from the root down to this unit; None where that leads nowhere, or in a circle."""
    found: list[str] = []
    here: str | None = id
    while here:
        if here not in units or here in found:
            return None
        found.insert(0, here)
        here = units[here].get("parentId")
    return found


def faults(units: Documents, members: Documents = NONE) -> list[str]:
    """Everything that is wrong with a tenant's units and with where its members say that they belong, in words."""
    return [*_of_units(units), *_of_members(units, members)]


def _of_units(units: Documents) -> Iterator[str]:
    named = Counter(u["landlordId"] for u in units.values() if u.get("landlordId"))
    for landlord, many in named.items():
        if many > 1:
            yield f"{many} units say that they are {landlord}"
    for id, unit in units.items():
        way = walked(units, id)
        if way is None:
            yield f"{id}: its parents lead nowhere, or in a circle"
            continue
        if unit.get("path") != ".".join(way):
            yield f"{id}: its path is {unit.get('path')}, and its parents say {'.'.join(way)}"
        if unit.get("official") and not all(units[above].get("official") for above in way):
            yield f"{id}: an official unit hangs under one of the tenant's own"
        if unit.get("official") and unit.get("level") != len(way):
            yield f"{id}: level {unit.get('level')}, and it is the {len(way)}th from the root"
        above = units.get(unit.get("parentId") or "")
        if above is not None and unit.get("official") and unit.get("landlordParent") != above.get("landlordId"):
            yield f"{id}: its landlord's parent is {unit.get('landlordParent')}, and it hangs under {above.get('landlordId')}"


def _of_members(units: Documents, members: Documents) -> Iterator[str]:
    for id, member in members.items():
        path = member.get("unitPath")
        if not path:
            continue
        way = walked(units, path.rpartition(".")[2])
        if way is None or path != ".".join(way):
            yield f"member {id}: says {path}, and the unit's parents say {'.'.join(way or ['nothing'])}"
        elif [member.get(f"unit{n}") for n in range(1, 9)] != [*way, *([None] * (8 - len(way)))]:
            yield f"member {id}: the units of its levels are not those of its path {path}"


def untouched(before: Documents, after: Documents, way_before: Documents, way_after: Documents) -> list[str]:
    """Which documents of a tenant's own (custom units, members) are not byte for byte what they were, although nothing above them
    moved. `way_*`: the units before and after."""
    wrong = []
    for id, was in before.items():
        path = was.get("unitPath", was.get("path")) or ""
        way = walked(way_before, path.rpartition(".")[2]) if path else []
        if way == (walked(way_after, path.rpartition(".")[2]) if path else []) and repr(after.get(id)) != repr(was):
            wrong.append(f"{id} was {was!r} and is {after.get(id)!r}")
    return wrong


def missing(units: Documents, wanted: Documents) -> list[str]:
    """How a tenant's official units differ from what the landlord says: `wanted` are the landlord's units by id."""
    held = {u["landlordId"]: u for u in units.values() if u.get("landlordId")}
    told = [f"{id} is not there" for id in wanted if id not in held and wanted[id].get("active")]
    for id, unit in held.items():
        if id not in wanted:
            told += [f"{id} is gone from the landlord, and is active"] if unit.get("active") else []
            continue
        for name, theirs in SAID.items():
            if unit.get(name) != _trimmed(wanted[id].get(theirs)):
                told.append(f"{id}: {name} is {unit.get(name)!r}, and the landlord says {wanted[id].get(theirs)!r}")
    return told


def _trimmed(value: object) -> object:
    """As a tenant gets it: texts without the spaces around them."""
    if isinstance(value, dict):
        return {name: _trimmed(inner) for name, inner in value.items()}
    return value.strip() if isinstance(value, str) else value


def table(units: Documents) -> dict[str, int]:
    """How a tenant stands, in numbers: active official units by level, inactive ones, and its own."""
    counted: Counter[str] = Counter()
    for unit in units.values():
        if not unit.get("official"):
            counted["own"] += 1
        elif not unit.get("active"):
            counted["inactive"] += 1
        else:
            counted[f"level {unit['level']}"] += 1
    return dict(sorted(counted.items()))
