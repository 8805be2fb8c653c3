"""ISO 3166-2 as the world changed it: pairs of releases in which codes changed hands or regions were redrawn, and releases that
were malformed. ISO knows codes and no identities; a landlord does, and gives them here: a unit of the newer release is the one of
the older that has its name, else the one that has its code and whose name is gone; anything else is new."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

from penstock.core.values import Data, Timestamp

from support.iso_archives import CASES, FIXTURE, Rows
from support.nepal import AS_OF, unit

MALFORMED = ("its own parent", "parents that are not there")
GOOD = tuple(name for name in CASES if name not in MALFORMED)


@cache
def _cases() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FIXTURE.read_text())["cases"]
    return found


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", letters).strip("-")


def identities(older: Rows, newer: Rows, known: dict[str, str]) -> dict[str, str]:
    """code → id, of the newer release; `known` is that of the older."""
    was = {_plain(name): code for code, name, *_ in older}
    names = {_plain(name) for _, name, *_ in newer}
    found: dict[str, str] = {}
    taken: set[str] = set()
    for code, name, *_ in newer:
        if _plain(name) in was and known[was[_plain(name)]] not in taken:
            found[code] = known[was[_plain(name)]]
            taken.add(found[code])
    left = {code for code, name, *_ in older if _plain(name) not in names}
    for code, *_ in newer:
        if code not in found and code in left and known[code] not in taken:
            found[code] = known[code]
            taken.add(found[code])
    used = set(known.values()) | taken
    for code, name, *_ in newer:
        if code not in found:
            found[code] = _free(f"{code[:2].lower()}-{_plain(name)}", used)
            used.add(found[code])
    return found


def _free(id: str, used: set[str]) -> str:
    return next(one for one in (id, *(f"{id}-{n}" for n in range(2, 99))) if one not in used)


def _first(rows: Rows) -> dict[str, str]:
    used: set[str] = set()
    found = {}
    for code, name, *_ in rows:
        found[code] = _free(f"{code[:2].lower()}-{_plain(name)}", used)
        used.add(found[code])
    return found


def _level(code: str, parents: dict[str, str], seen: Sequence[str] = ()) -> int:
    above = parents.get(code, "")
    return 1 if not above or above in seen else 1 + _level(above, parents, (*seen, code))


def _units(rows: Rows, ids: dict[str, str], country: str, at: Timestamp) -> dict[str, Data]:
    parents = {code: above for code, _, _, above in rows}
    found = {}
    for code, name, kind, above in rows:
        made = unit(ids[code], _level(code, parents), kind, ids.get(above, above), code, {"en": name}, country)
        found[ids[code]] = {**made, "updatedAt": at}
    return found


def releases(case: str) -> tuple[str, list[dict[str, Data]]]:
    """(country, the landlord's units by id after each release). A unit that a release did not change keeps its stamp."""
    of = _cases()[case]
    found: list[dict[str, Data]] = []
    ids: dict[str, str] = {}
    before: Rows = []
    for number, (_, rows) in enumerate(of["releases"]):
        ids = identities(before, rows, ids) if found else _first(rows)
        units = _units(rows, ids, of["country"], AS_OF.plus(86_400.0 * number))
        if found:
            stale = found[-1]
            units = {
                id: stale[id] if id in stale and {**data, "updatedAt": None} == {**stale[id], "updatedAt": None} else data
                for id, data in units.items()
            }
        found.append(units)
        before = rows
    return of["country"], found
