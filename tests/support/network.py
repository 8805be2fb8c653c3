"""A small made-up fibre network: source records and production documents of some dozens of poles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.core.values import Data

from support.world import World

APPROVED = "Pole Permission: Approved"
INSTALLED = "Home Installation: Installed"
SOURCE = "onemap-records"


def name(n: int) -> str:
    return f"LAW.P.A{n:03d}"


def drop_name(n: int) -> str:
    return f"DR{1_700_000 + n}"


def record(
    id: str, n: int, *, drop: int | None = None, status: str = APPROVED, day: str = "2026-06-01", **more: str
) -> tuple[str, Data]:
    """A source record of pole `n`; `more` gives columns by name, blanks as underscores. `day` is its change stamp."""
    columns = {
        "Property ID": id,
        "Pole Number": name(n),
        "Drop Number": "no drop allocated" if drop is None else drop_name(drop),
        "Latitude": f"-26.37{n:03d}0160000001",
        "Longitude": "28.8083746089681",
        "Location Address": f"{n} Protea Street",
        "PONs": "4",
        "Sections": "1",
        "Site": "LAWLEY",
        "Status": status,
        "Flow Name Groups": status,
        "lst_mod_dt": day if len(day) > 10 else f"{day} 10:00:00.5+02",
        "date_status_changed": "2026-05-30",
    }
    return id, columns | {key.replace("_", " ") if key not in columns else key: value for key, value in more.items()}


def network(poles: Iterable[int], drops: int = 1, **more: Any) -> list[tuple[str, Data]]:
    """For each pole one record for each of its drops, or one without any."""
    return [record(f"{n}-{d}", n, drop=n * 10 + d if drops else None, **more) for n in poles for d in range(max(drops, 1))]


def feed(world: World, records: Iterable[tuple[str, Data]]) -> None:
    """Write records into the source."""
    world.put(world.source, SOURCE, records)


def standing(n: int, **fields: Any) -> tuple[str, Data]:
    """A pole as production held it before us, with a field that no pipeline knows."""
    place = {"latitude": float(f"-26.37{n:03d}016"), "longitude": 28.8083746089681}
    return name(n), {"poleNumber": name(n), "ponNumber": "4", "location": place, "crew": {"lead": n, "tools": ["spade"]}} | fields
