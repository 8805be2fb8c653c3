"""A small landlord: official units of made-up countries, and a world with tenants that list them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from penstock.core.declaration import Target
from penstock.core.records import Delete, Query, Set
from penstock.core.release import ReleaseState
from penstock.core.values import Data, Timestamp
from penstock.entrypoints import privileges
from penstock.pipelines.schema import FOLDER
from penstock.use_cases import releases

from support.world import World

GEOGRAPHY = FOLDER / "tenant_geography.yaml"
UNITS = "geography-units"


def unit(id: str, level: int, parent: str = "", country: str = "XA", **more: Any) -> tuple[str, Data]:
    type = ("province", "district", "municipality", "ward")[level - 1] if 1 <= level <= 4 else "place"
    data = {"id": id, "country": country, "level": level, "type": type, "code": id, "names": {"en": f"Unit {id}"}, "active": True}
    return id, {**data, **({"parent": parent} if parent else {}), "version": 1, **more}


def country(code: str = "XA", provinces: int = 2, districts: int = 3) -> list[tuple[str, Data]]:
    """Provinces, and districts below each."""
    found = [unit(f"{code}-{p}", 1, country=code) for p in range(provinces)]
    return found + [unit(f"{code}-{p}-{d}", 2, f"{code}-{p}", code) for p in range(provinces) for d in range(districts)]


def tenant(name: str, *countries: str) -> Target:
    return Target(name, "tenants", "(default)", f"tenants/{name}/", countries)


class Landlord(World):
    """A world whose source is a landlord's. `refresh` is what the capture entry point does."""

    def __init__(self, *targets: Target, **more: Any) -> None:
        super().__init__(GEOGRAPHY, targets=targets or (tenant("nepal", "XA"),), **more)

    def publish(self, units: Iterable[tuple[str, Data]], *, at: Timestamp | None = None) -> None:
        """The landlord writes these units, stamped now or at another time; None removes a field."""
        stamp = at or self.clock.time
        self.put(self.source, UNITS, [(id, {**data, "updatedAt": stamp}) for id, data in units])

    def withdraw(self, *ids: str) -> None:
        self.source.commit([Delete(f"{UNITS}/{id}") for id in ids])

    def stored(self) -> dict[str, Data]:
        return {found.id: found.fields for found in self.source.scan(Query(UNITS))}

    def amend(self, id: str, **fields: Any) -> None:
        """Change one unit; it is stamped now."""
        self.source.commit([Set(f"{UNITS}/{id}", {**self.stored()[id], **fields, "updatedAt": self.clock.time})])

    def of(self, name: str) -> None:
        """From here on this tenant is meant."""
        self.ctx, self.outside = (replace(ctx, target=self.of_tenant(name)) for ctx in (self.ctx, self.outside))

    def refresh(self, partition: str = "XA", *, full: bool = False) -> ReleaseState:
        ports = self.serving(privileges.CAPTURE).ports
        return releases.refresh(ports, self.ctx.pipeline, "landlord", partition, full=full)

    def of_tenant(self, name: str) -> Target:
        return next(target for target in self.ctx.pipeline.targets if target.name == name)

    def released(self, partition: str = "XA") -> dict[str, Data]:
        """What tenants get of a partition, by id; without the stamps."""
        ctx = replace(self.outside, target=tenant("anybody", partition))
        source = self.ctx.pipeline.sources["landlord"]
        store = releases.shared(ctx, source, {}, self.ask()).store
        found = store.scan(Query(UNITS))
        return {s.id: {name: value for name, value in s.fields.items() if name != "updatedAt"} for s in found}

    def ask(self) -> Timestamp:
        """A moment that has passed and that nothing before is missing from."""
        return self.source.commit([Set("clock/now", {"n": self.ports.new_id()})])
