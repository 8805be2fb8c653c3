"""Source records and production documents of the fibre network, as small as a test needs them."""

from __future__ import annotations

from typing import Any

from penstock.core import diff
from penstock.core.changes import Change
from penstock.core.projection import Projected, Projection, Projector
from penstock.core.records import Snapshot
from penstock.core.values import Data, Timestamp
from penstock.pipelines.schema import load_all

PIPELINE = load_all()["fibre_network"]
POLES, DROPS = PIPELINE.entity("poles"), PIPELINE.entity("drops")
PROJECTOR = Projector(PIPELINE, "onemap")
SEEN = Timestamp(1_750_000_000)
APPROVED = "Pole Permission: Approved"

TRUE: dict[str, Any] = {
    "Property ID": "100001",
    "Pole Number": "LAW.P.A007",
    "Drop Number": "DR1700001",
    "Latitude": "-26.3784901600001",
    "Longitude": "28.8083746089681",
    "Location Address": "12 Protea Street",
    "PONs": "4",
    "Sections": "1",
    "Site": "LAWLEY",
    "Status": APPROVED,
    "Flow Name Groups": APPROVED,
    "lst_mod_dt": "2025-06-01 10:00:00.5+02",
    "date_status_changed": "2025-05-30",
}


def record(id: str = "100001", **columns: Any) -> Snapshot:
    """A source record; `Pole_Number="…"` sets the column `Pole Number`."""
    known = {name.replace(" ", "_"): name for name in TRUE}
    return Snapshot(f"onemap-records/{id}", TRUE | {"Property ID": id} | {known.get(k, k): v for k, v in columns.items()}, SEEN)


def project(*records: Snapshot) -> Projection:
    return PROJECTOR.project(records)


def pole(*records: Snapshot) -> Projected:
    return next(p for p in project(*records).projected if p.entity == "poles")


def drop(*records: Snapshot) -> Projected:
    return next(p for p in project(*records).projected if p.entity == "drops")


def stands(path: str, data: Data | None) -> Snapshot:
    """A production document, or its absence."""
    return Snapshot(path, data, None if data is None else SEEN)


def document(projected: Projected) -> Data:
    """What production holds when it agrees with a projected record."""
    change = planned(projected, None)
    assert change.after is not None
    return change.after


def planned(projected: Projected, data: Data | None, **more: Any) -> Change:
    """The change against a production document; fails where there is none."""
    entity = PIPELINE.entity(projected.entity)
    change = diff.plan(entity, projected, stands(f"{entity.collection}/{projected.key}", data), **more)
    assert isinstance(change, Change)
    return change
