"""A world whose targets are documents of a hub: the lending of a library, with tenants that a test declares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from penstock.core import layout
from penstock.core.declaration import Hub, Pipeline
from penstock.core.records import Set
from penstock.core.values import Data, Timestamp
from penstock.pipelines.schema import FOLDER, load
from penstock.ports import Store
from penstock.use_cases import registry
from penstock.wiring import Contexts

from support.world import World

LIBRARY = Path(__file__).parents[1] / "pipelines" / "library_loans.yaml"
OPERATOR = "ops@example.org"
CENTRAL = ("thandi@example.org", "sipho@example.org")


def library() -> Pipeline:
    """Its targets are declared in a hub; two of the central librarians decide."""
    pipeline = load(LIBRARY)
    return replace(pipeline, targets=(), hub=Hub("hub"), active_schedule="0 * * * *")


class Tenants(World):
    """`declare` adds a target as an operator does; each has a prefix of its own in one database."""

    def __init__(self, pipeline: Pipeline | None = None) -> None:
        super().__init__(LIBRARY, people={"librarians": CENTRAL})
        self.pipeline = pipeline or library()
        projects = {name: f"demo-{name}" for name in (*self.ports.project_ids, "hub", "landlord", "tenants")}
        self.ports = replace(self.ports, project_ids=projects, people={self.pipeline.gate.approvers: CENTRAL})
        self.contexts = Contexts(self.ports, {self.pipeline.name: self.pipeline})

    @property
    def hub(self) -> Store:
        assert self.pipeline.hub
        return self.ports.stores.open(f"demo-{self.pipeline.hub.project}", self.pipeline.hub.database)

    def declare(self, name: str, **given: object) -> None:
        usual: Data = {"project": "tenants", "prefix": f"tenants/{name}/"}
        registry.add(self.ports, self.pipeline, name, {**usual, **given}, OPERATOR)  # type: ignore[dict-item]

    def declare_many(self, names: Iterable[str], **given: Data) -> None:
        """Targets as if operators had declared them, without looking into each database."""
        stamped: Data = {"project": "tenants", "changed_by": OPERATOR, "changed_at": Timestamp(1)}
        documents = [
            (
                f"{self.pipeline.name}.{name}",
                {**stamped, "pipeline": self.pipeline.name, "target": name, "prefix": f"tenants/{name}/", **given.get(name, {})},
            )
            for name in names
        ]
        self.put(self.hub, layout.REGISTRY, documents)

    def break_(self, name: str, **fields: object) -> None:
        """A document that somebody wrote by hand, and wrongly."""
        id = f"{self.pipeline.name}.{name}"
        data: Mapping[str, object] = {"pipeline": self.pipeline.name, "target": name, "project": "tenants", **fields}
        stamped = {**data, "changed_by": OPERATOR, "changed_at": Timestamp(1)}
        self.hub.commit([Set(f"penstock_registry/{id}", stamped)])  # type: ignore[arg-type]


class LandlordTenants(Tenants):
    """Tenants of a landlord, who publishes units by country."""

    def __init__(self) -> None:
        super().__init__(load(FOLDER / "tenant_geography.yaml"))
        self.landlord = self.ports.stores.open("demo-landlord", "(default)")

    def publish(self, units: list[tuple[str, Data]]) -> None:
        self.put(self.landlord, "geography-units", [(id, {**data, "updatedAt": self.clock.time}) for id, data in units])
