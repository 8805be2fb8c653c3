from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.world import APPROVER, World
from terminal import Terminal

LIBRARY = Path(__file__).parents[1] / "pipelines" / "library_loans.yaml"
POLES = 20


def record(n: int, **columns: Any) -> tuple[str, dict[str, Any]]:
    """The n-th source record: three of them make a pole with three drops, in a row of poles forty metres apart."""
    pole = n // 3
    columns = {name.replace("_", " ") if name[0].isupper() else name: value for name, value in columns.items()}
    return f"{n:06d}", {
        "Property ID": f"{n:06d}", "Pole Number": f"LAW.P.A{pole:03d}", "Drop Number": f"DR17{n:05d}",
        "Latitude": f"{-26.37 - pole * 0.0004:.7f}", "Longitude": "28.8083746", "Location Address": f"{n} Protea Street",
        "PONs": "4", "Sections": "1", "Site": "LAWLEY", "Status": "Pole Permission: Approved",
        "Flow Name Groups": "Pole Permission: Approved", "lst_mod_dt": "2025-06-01 10:00:00.5+02",
        "date_status_changed": "2025-05-30", **columns,
    }  # fmt: skip


@pytest.fixture
def world() -> World:
    """A small network: twenty new poles with sixty drops; one pole has no place, which blocks its creation."""
    world = World()
    blank = {"Latitude": "", "Longitude": ""}
    world.put(world.source, "onemap-records", [record(n, **(blank if n < 3 else {})) for n in range(3 * POLES)])
    return world


@pytest.fixture
def library() -> World:
    """A pipeline with two targets, on which two people must agree; both targets are empty."""
    return World(LIBRARY, people={"librarians": (APPROVER, "sipho@example.org")})


@pytest.fixture
def type_(world: World) -> Terminal:
    return Terminal(world)
