"""The units of Nepal as a landlord holds them: 7 provinces, 77 districts, 753 local levels and 6,743 wards, with their English
and Nepali names, from the package `nepali-address` (MIT)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from nepali_address.data.districts import DISTRICTS
from nepali_address.data.local_levels import LOCAL_LEVELS
from nepali_address.data.provinces import PROVINCES
from penstock.core.values import Data, Timestamp

COUNTRY = "NP"
AS_OF = Timestamp(1_789_000_000)
BY_LEVEL = (7, 77, 753, 6_743)


def province(number: int) -> str:
    return f"np-p{number}"


def district(number: int) -> str:
    return f"np-d{number}"


def local_level(number: int) -> str:
    return f"np-l{number}"


def ward(of: int, number: int) -> str:
    return f"np-w{of}-{number:02d}"


def unit(id: str, level: int, kind: str, parent: str, code: str, names: dict[str, str], country: str = COUNTRY) -> Data:
    """A landlord's unit; "" for no parent."""
    above: Data = {"parent": parent} if parent else {}
    own: Data = {"id": id, "country": country, "level": level, "type": kind, "code": code, "names": names}
    return {**own, **above, "active": True, "version": 1, "updatedAt": AS_OF}


def _names(of: Data) -> dict[str, str]:
    return {"en": of["name"], "ne": of["name_ne"]}


def _units() -> Iterator[Data]:
    for p in PROVINCES:
        yield unit(province(p["id"]), 1, "province", "", p["iso_code"], _names(p))
    for d in DISTRICTS:
        yield unit(district(d["id"]), 2, "district", province(d["province_id"]), f"NP-{d['id']}", _names(d))
    for of in LOCAL_LEVELS:
        here = local_level(of["id"])
        yield unit(here, 3, of["type"], district(of["district_id"]), f"NP-{of['id']}", _names(of))
        for n in range(1, of["total_wards"] + 1):
            names = {"en": f"Ward {n}", "ne": f"वडा {n}"}
            yield unit(ward(of["id"], n), 4, "ward", here, f"NP-{of['id']}-{n}", names)


@cache
def units() -> dict[str, Data]:
    """All 7,580 by id, parents before children. Not to be changed in place."""
    return {found["id"]: found for found in sorted(_units(), key=lambda of: of["level"])}
