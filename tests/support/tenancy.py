"""Tenants of the geography whose declarations are in the file: what is tried is not how operators declare them, nor how their
source is shared."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from penstock.core.declaration import Target
from penstock.core.values import Data, Timestamp
from penstock.pipelines.schema import FOLDER

from support.world import APPROVER, World

SECOND, OPERATOR, ELSEWHERE = "sipho@example.org", "ops@example.org", "karma@example.org"
UNITS, MEMBERS = "tenants/nepal/geography", "tenants/nepal/members"
TARGETS = (
    Target("nepal", "tenants", "(default)", "tenants/nepal/", approvers=(APPROVER, SECOND)),
    Target("bhutan", "tenants", "(default)", "tenants/bhutan/", approvers=(ELSEWHERE,)),
)
PEOPLE = {"geography_approvers": (APPROVER,), "geography_operators": (OPERATOR,)}


@cache
def _file() -> Path:
    text = re.sub(r"\n(hub|active_schedule):.*", "", (FOLDER / "tenant_geography.yaml").read_text())
    path = Path(tempfile.mkdtemp(prefix="penstock-tenancy-")) / "tenant_geography.yaml"
    path.write_text(re.sub(r"\n *partition:.*", "", text) + "\ntargets: {nepal: {project: tenants}}\n")
    return path


def tenancy(*, people: Mapping[str, tuple[str, ...]] | None = None, **options: Any) -> World:
    """A world of two tenants, of which `world.ctx` is the first, and a landlord with nothing in it."""
    return World(_file(), targets=TARGETS, people=people or PEOPLE, **options)


def at(day: int) -> Timestamp:
    return Timestamp(1_780_000_000 + day * 86_400)


def of_landlord(id: str, parent: str = "", level: int = 1, *, day: int = 1, **more: Any) -> tuple[str, Data]:
    """A unit as the landlord has it; `day` is when it was changed last."""
    fields = {"id": id, "country": "NP", "level": level, "type": f"type {level}", "code": id.upper(), "active": True}
    above = {"parent": parent} if parent else {}
    rest = {"names": {"en": f"Unit {id}"}, "validFrom": at(0), "version": 1, "updatedAt": at(day), "secret": "the landlord's"}
    return id, {**fields, **above, **rest, **more}


def feed(world: World, *units: tuple[str, Data]) -> None:
    world.put(world.source, "geography-units", units)


def country() -> list[tuple[str, Data]]:
    """Two provinces, a district in each; a ward in the first, nine in the second."""
    return [
        of_landlord("p1"),
        of_landlord("p2"),
        of_landlord("d1", "p1", 2),
        of_landlord("d2", "p2", 2),
        of_landlord("w1", "d1", 3),
        *(of_landlord(f"w{n}", "d2", 3) for n in range(2, 11)),
    ]


def member(id: str, path: str) -> tuple[str, Data]:
    return id, {"unitPath": path, "name": f"Member {id}", **{f"unit{n}": unit for n, unit in enumerate(path.split("."), 1)}}
