"""Administrative units as applications see them, and what makes a member's chain of units valid. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

from penstock.core.values import Value

Source = Literal["production", "staged", "landlord"]
Kind = Literal["required", "too-short", "too-long", "gap", "missing", "not-installed", "inactive", "wrong-country", "not-a-child"]

KEY, COUNTRY, LEVEL, TYPE, CODE, NAMES = "landlordId", "country", "level", "type", "code", "names"  # fields in production
PARENT, PATH, ACTIVE, OFFICIAL = "parentId", "path", "active", "official"
LAST_LEVEL = 8  # a member names so many units at most
FROM_LANDLORD = {KEY: "id", PARENT: "parent"}  # what the landlord calls them, where it is another name
LANDLORD_FIELDS = tuple((FROM_LANDLORD.get(name, name),) for name in (KEY, COUNTRY, LEVEL, TYPE, PARENT, CODE, NAMES, ACTIVE))


@dataclass(frozen=True, slots=True)
class Unit:
    """An administrative unit. `id` is the tenant's document id, which members point at, `parent` that of the unit above ("" at a
    root); of the landlord's own data `id` and `path` are "", and `parent` is a landlord id. `status` is ACTIVE or INACTIVE in
    production; PENDING, APPROVED, REJECTED … while staged; of the landlord's DECLINED where a person said no to it, else
    OFFERED."""

    id: str
    landlord_id: str  # "" of a unit of the tenant's own
    country: str  # ISO 3166-1 alpha-2
    level: int  # from 1
    type: str
    parent: str
    path: str  # document ids from the root down, joined by dots
    code: str
    names: Mapping[str, str]  # by language
    active: bool
    official: bool
    source: Source
    status: str

    @property
    def accepted(self) -> bool:
        """Whether it stands in production. What is staged, declined or only the landlord's must not be built upon."""
        return self.source == "production"


def unit_of(value: Callable[[str], Value], id: str, source: Source, status: str = "") -> Unit:
    """A unit from the values of its fields. What is not of its type counts as nothing: applications read on where somebody
    edited by hand."""

    def text(name: str) -> str:
        found = value(name)
        return found if isinstance(found, str) else ""

    level, names, active = value(LEVEL), value(NAMES), value(ACTIVE) is True
    return Unit(
        id=id,
        landlord_id=text(KEY),
        country=text(COUNTRY),
        level=level if isinstance(level, int) else 0,
        type=text(TYPE),
        parent=text(PARENT),
        path=text(PATH),
        code=text(CODE),
        names=MappingProxyType({k: v for k, v in names.items() if isinstance(v, str)} if isinstance(names, dict) else {}),
        active=active,
        official=source == "landlord" or value(OFFICIAL) is True,
        source=source,
        status=status or ("ACTIVE" if active else "INACTIVE"),
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """What a country asks of a member's chain: so many units at least, counted from the root; and whether it may be empty."""

    minimum: int = 1
    optional: bool = True


class Link(NamedTuple):
    """What a chain is judged by of one unit."""

    country: str
    parent: str
    active: bool


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a chain does not hold. `unit` is the id at fault, "" where it is the chain as a whole; `text` is for people."""

    kind: Kind
    unit: str
    text: str


@dataclass(frozen=True, slots=True)
class Validity:
    """The answer about a chain: `chain` as it was judged, without what is empty at its end."""

    chain: tuple[str, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def valid(self) -> bool:
        return not self.problems


def trimmed(chain: Sequence[str | None]) -> tuple[str, ...]:
    """The ids of a member's level fields up to the last that is filled; an empty text stands for a gap."""
    ids = [id or "" for id in chain]
    while ids and not ids[-1]:
        ids.pop()
    return tuple(ids)


def shape_problems(chain: tuple[str, ...], rule: Rule) -> tuple[Problem, ...]:
    """What can be said without looking at any unit."""
    if not chain:
        return () if rule.optional else (Problem("required", "", "A unit must be given."),)
    if len(chain) > LAST_LEVEL:
        return (Problem("too-long", "", f"{len(chain)} units are given, and there are {LAST_LEVEL} levels at most."),)
    if "" in chain:
        return (Problem("gap", "", f"No unit is given at level {chain.index('') + 1}, but one below it."),)
    return ()


def problems_of(chain: tuple[str, ...], links: Sequence[Link | None], country: str, rule: Rule) -> tuple[Problem, ...]:
    """What is wrong with a chain whose units, read at one moment, are `links` (None: there is no such unit)."""
    found: list[Problem] = []
    above = ""
    for id, link in zip(chain, links, strict=True):
        if link is None:
            found.append(Problem("missing", id, f"There is no unit {id[:80]!r}."))
        else:
            if not link.active:
                found.append(Problem("inactive", id, f"The unit {id!r} is not active."))
            if link.country != country:
                found.append(
                    Problem("wrong-country", id, f"The unit {id!r} lies in {link.country or 'no country'}, not in {country}.")
                )
            if link.parent != above:
                under = f"under {above!r}" if above else "at the root"
                found.append(Problem("not-a-child", id, f"The unit {id!r} does not stand {under}."))
        above = id
    if len(chain) < rule.minimum:
        found.append(Problem("too-short", "", f"{len(chain)} units are given, and {country} asks for {rule.minimum} at least."))
    return tuple(found)
