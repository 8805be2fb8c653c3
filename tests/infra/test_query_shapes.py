"""Every query that the code makes finds an index where Firestore would refuse it otherwise: the emulator never does."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from penstock.adapters.memory_services import MemoryBlobs
from penstock.core import indexes, layout
from penstock.core.audit import Head
from penstock.core.declaration import Target
from penstock.core.errors import Unavailable
from penstock.core.records import Query
from penstock.core.rules import Below, Count, Judging
from penstock.pipelines.schema import FOLDER
from penstock.ports import Store
from penstock.readers.geography import Geography
from penstock.use_cases import impact, listing, releases, reviewing
from penstock.use_cases.check import _look_up
from penstock.use_cases.choosing import _found
from penstock.use_cases.context import chain_end
from penstock.use_cases.decide import Said
from penstock.use_cases.divergence import divergence
from penstock.use_cases.exporting import export
from penstock.use_cases.fan_out import Wanted, ask, lines_of, note, runs
from penstock.use_cases.forgetting import forget
from penstock.use_cases.repeating import Answer, once
from penstock.use_cases.rollback import plan_rollback
from support import forest
from support.geography import created, deactivated, unit, updated
from support.landlord import Landlord, country
from support.tenants import Tenants
from support.world import World

ROOT = Path(__file__).resolve().parents[2]
CODE = ROOT / "functions" / "penstock"
DECLARED = json.loads((ROOT / "firestore.indexes.json").read_text())
OURS = [value for value in vars(layout).values() if isinstance(value, str) and value.startswith("penstock_")]
Site = tuple[str, str]  # file and function


@dataclass
class Made:
    """The queries that were made, with the functions that made them."""

    queries: list[Query] = field(default_factory=list)
    sites: set[Site] = field(default_factory=set)
    purged: dict[str, set[bool]] = field(default_factory=dict)  # our collections: whether their documents name a time to go

    def lacking(self, declared: Mapping[str, Any]) -> list[tuple[Query, tuple[indexes.Part, ...]]]:
        return [(query, lack) for query in self.queries if (lack := indexes.lacking(query, declared))]


@pytest.fixture(scope="module")
def made() -> Made:
    """Every query of runs that go through every use case."""
    recorded, original = Made(), Query.__init__

    def record(self: Query, *given: Any, **named: Any) -> None:
        original(self, *given, **named)
        frame = sys._getframe(1)
        while frame.f_code.co_name.startswith("<"):  # a comprehension
            assert frame.f_back
            frame = frame.f_back
        if frame.f_code.co_filename.startswith(str(CODE)):
            recorded.queries.append(self)
            recorded.sites.add((Path(frame.f_code.co_filename).relative_to(CODE).as_posix(), frame.f_code.co_name))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Query, "__init__", record)
        worlds = [fibre(), library(), geography(), trees(), landlord()]
        hub = tenants()
    stores = [*(world.production for world in worlds), hub]
    for store in stores:
        for collection in OURS:
            found = {"purge_at" in s.fields for s in store.scan(Query(collection))}
            recorded.purged.setdefault(collection, set()).update(found)
    return recorded


def property_record(number: int, pole: str, **more: str) -> tuple[str, dict[str, str]]:
    stamp = f"2026-03-{number:02d} 08:00:00"
    row = {"Property ID": f"P{number}", "Pole Number": pole, "Drop Number": f"DR170000{number}", "Latitude": f"-26.{number:03d}"}
    return f"P{number}", {**row, "Longitude": "27.8", "Site": "LAWLEY", "lst_mod_dt": stamp, **more}


def fibre() -> World:
    """Two days: the first full, the second with a record that came late and a pole that changed."""
    world = World()
    world.put(world.production, "planned-poles", [("LAW.P.A001", {"poleNumber": "LAW.P.A001", "projectName": "Old"})])
    world.put(world.source, "onemap-records", [property_record(n, f"LAW.P.A00{n}") for n in range(1, 6)])
    first = world.run()
    assert first.batch
    reviewing.find_row(world.ctx, world.batch(first.batch), "poles/LAW.P.A002")
    geography = Geography(world.production)
    assert geography.unit("NP-1") is None
    assert not geography.installed()
    assert impact.unit_by_key(world.ctx, "LAW.P.A001") is not None
    once(world.ctx, "ann@example.org", "a key", "a request", lambda: Answer(200, ""))
    listing.standing(world.ctx)
    world.approve("approve")
    world.put(
        world.source, "onemap-records", [property_record(1, "LAW.P.A001", lst_mod_dt="2026-03-04 09:00:00", Site="MOHADIN")]
    )
    world.put(world.source, "onemap-records", [property_record(6, "LAW.P.A006")])
    second = world.run()
    assert second.batch
    world.run("full")
    chain_end(world.ctx, Head())
    world.clock.forward(1_000)
    world.sweep()
    world.decide(Said("reject"))
    plan_rollback(world.ctx, first.batch, "ops@example.org")
    world.pump()
    world.sweep()
    world.clock.forward(1_000)
    world.sweep()
    world.pump()
    world.decide(Said("reject"))
    forget(world.ctx, ["poles/LAW.P.A006"], "ops@example.org")
    world.run("reconcile")
    export(world.ctx, MemoryBlobs())
    return world


def library() -> World:
    """No groups, two approvals; a loan in another pack than its reader."""
    people = {"librarians": ("ann@example.org", "ben@example.org")}
    world = World(ROOT / "tests" / "pipelines" / "library_loans.yaml", people=people)
    readers = [(f"c{n}", {"card_number": f"c{n}", "active": "true", "language": "pt"}) for n in range(3)]
    world.put(world.source, "readers", readers)
    loans = [(f"l{n}", {"loan_number": str(n), "reader_card": f"c{n % 3}"}) for n in range(400)]
    world.put(world.source, "loans", loans)
    world.run()
    world.run("reconcile")
    return world


def geography() -> World:
    """A tenant in which a unit is renamed, another comes and one goes: what the rules of a tree ask about them, and where what
    hangs below may go."""
    world = World(FOLDER / "tenant_geography.yaml", targets=(Target("nepal", "nepal", "(default)"),))
    town = unit("p.d.t")
    changes = [updated(town, names={"en": "Another"}), created(unit("p.d.u")), deactivated(unit("p.d.v"))]
    judging = Judging(world.ctx.pipeline, "", changes)
    while asked := judging.asks():
        _look_up(world.ctx, "none", asked)
        judging.found |= {a: 1 if isinstance(a, Count | Below) else () for a in asked}  # something is there, so rules ask further
    assert {type(a) for a in judging.found} >= {Count, Below}
    assert world.ctx.pipeline.tree is not None
    assert not _found(world.ctx, world.ctx.pipeline.tree, "np-12").exists
    return world


def tenants() -> Store:
    """The hub of targets that operators declare."""
    world = Tenants()
    world.declare("alpha")
    world.declare("beta", database="own")
    found = world.contexts.spread("library_loans", Wanted())
    run = ask(world.ports, world.pipeline, found, "changes", "ops@example.org")
    note(found.todo[0], run.id, Unavailable("the database is away"))
    assert [one.target for one in lines_of(world.ports, world.pipeline, run.id)] == ["library_loans.alpha"]
    assert runs(world.ports, world.pipeline, 5) == [run]
    return world.hub


def trees() -> World:
    """A move and what follows it; another as a run plans it, and how the target stands to its source then."""
    world = forest.grown()
    forest.Plan(world).create("d3", "p2").move("d1", "p2").stage()
    world.approve("approve")
    moved = {"id": "d2", "level": 3, "parent": "p2", "names": {"en": "d2"}, "active": True}
    world.put(world.source, "units", [("d2", moved)])
    assert world.run().batch
    assert divergence(world.outside)
    return world


def landlord() -> World:
    """A source that targets share, read by partition: everything, what changed, and what went."""
    world = Landlord()
    world.publish(country())
    world.refresh()
    world.run()
    world.amend("XA-1", version=2)
    world.withdraw("XA-1-2")
    world.refresh()
    world.run("reconcile")
    releases.standing(world.ports, world.ctx.pipeline)
    return world


def sites() -> set[Site]:
    """Every function of what is deployed that makes a query."""
    found = set()
    for path in (path for path in CODE.rglob("*.py") if path.relative_to(CODE).parts[0] not in ("local", "cli")):
        tree = ast.parse(path.read_text())
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef) and any(_makes_query(node) for node in _own(function)):
                found.add((path.relative_to(CODE).as_posix(), function.name))
    return found


def _own(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions inside it."""
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, ast.FunctionDef):
            todo += ast.iter_child_nodes(node)


def _makes_query(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Query"


def test_every_place_that_makes_a_query_was_passed(made: Made) -> None:
    assert sites() - made.sites == set()


def test_every_query_is_served_by_an_index(made: Made) -> None:
    assert {query.collection for query in made.queries} >= {layout.STAGING, layout.OUTBOX, layout.BATCHES, "planned-poles"}
    assert made.lacking(DECLARED) == []


def without(entry: dict[str, Any]) -> dict[str, Any]:
    return {kind: [other for other in entries if other != entry] for kind, entries in DECLARED.items()}


INDEXED = [*DECLARED["indexes"], *(override for override in DECLARED["fieldOverrides"] if override["indexes"])]


@pytest.mark.parametrize(
    "entry", INDEXED, ids=[json.dumps(e.get("fields") or [e["collectionGroup"], e["fieldPath"]]) for e in INDEXED]
)
def test_every_index_declared_is_needed_by_a_query(made: Made, entry: dict[str, Any]) -> None:
    assert made.lacking(without(entry)) != []


def test_nothing_of_ours_is_indexed_but_what_is_named() -> None:
    assert {o["collectionGroup"] for o in DECLARED["fieldOverrides"] if o["fieldPath"] == "*" and not o["indexes"]} == set(OURS)


def test_documents_that_name_a_time_to_go_lie_where_it_is_kept(made: Made) -> None:
    timed = {o["collectionGroup"] for o in DECLARED["fieldOverrides"] if o.get("ttl") and o["fieldPath"] == "purge_at"}
    assert timed == {collection for collection, found in made.purged.items() if True in found}
    assert [o["fieldPath"] for o in DECLARED["fieldOverrides"] if o.get("ttl") and o["indexes"]] == []  # such a field only grows
