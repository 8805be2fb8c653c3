"""What a run over a tree reads, and what judging it reads, is foreseen within 2 % where production can tell it before; and a run
that would cost too much by what it found stops before it spends that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from penstock.core import manifest
from penstock.core.cost import total
from penstock.core.records import Delete, Set, Update
from penstock.core.values import Data
from penstock.use_cases.context import load_target
from penstock.use_cases.decide import Said
from penstock.wiring import Contexts
from support import tenancy
from support.faults import PlainPages
from support.tenancy import UNITS, of_landlord
from support.world import World

Unit = tuple[str, Data]


def country(wards: int) -> list[Unit]:
    """Two regions, ten districts, and in each so many wards."""
    units = [of_landlord("p1"), of_landlord("m0", "p1", 2), of_landlord("m1", "p1", 2)]
    for d in range(10):
        units.append(of_landlord(f"d{d}", f"m{d % 2}", 3))
        units += [of_landlord(f"w{d}x{n:03d}", f"d{d}", 4) for n in range(wards)]
    return units


def wards_of(units: list[Unit]) -> list[Unit]:
    return [(id, data) for id, data in units if data["level"] == 4]


def settled(units: list[Unit]) -> World:
    world = tenancy.tenancy(pages=PlainPages())
    tenancy.feed(world, *units)
    world.run()
    world.approve("approve")
    world.clock.forward(86_400)
    return world


def with_own_ids(units: list[Unit]) -> World:
    """The tenant has all of them under ids of its own, and a first run found that out."""
    world = tenancy.tenancy(pages=PlainPages())
    ids, paths = {id: f"own{n}" for n, (id, _) in enumerate(units)}, dict[str, str]()
    for id, data in units:
        above = str(data.get("parent", ""))
        paths[id] = f"{paths[above]}.{ids[id]}" if above else ids[id]
        held = {name: data[name] for name in ("country", "level", "type", "code", "names", "active", "validFrom", "version")}
        held |= {"landlordId": id, "official": True, "path": paths[id]}
        held |= {"parentId": ids[above], "landlordParent": above} if above else {}
        world.put(world.production, UNITS, [(ids[id], held)])
    tenancy.feed(world, *units)
    assert world.run().batch == ""
    world.clock.forward(86_400)
    return world


def changed(world: World, some: list[Unit], day: int = 3, **by_unit: Any) -> None:
    """The landlord changes fields of some units, each as a function of the unit says."""
    units = ((id, {**data, **{name: of(id, data) for name, of in by_unit.items()}}) for id, data in some)
    tenancy.feed(world, *((id, {**data, "updatedAt": tenancy.at(day)}) for id, data in units))


def agree(world: World, batch: str, *phases: str) -> None:
    """Phase by phase, and in all once it is applied."""
    world.approve("approve")
    done = world.batch(batch)
    assert done.status == "APPLIED"
    for phase in phases:
        assert done.foreseen[phase].reads == pytest.approx(done.costs[phase].reads, rel=0.02, abs=2), phase
    assert total(done.foreseen.values()).operations == pytest.approx(total(done.costs.values()).operations, rel=0.02, abs=8)


@pytest.mark.parametrize("hands", ["change", "stay"])
def test_a_thousand_units_that_are_recoded_whether_or_not_codes_change_hands(hands: str) -> None:
    units = country(100)
    world, wards = settled(units), wards_of(units)
    codes = [data["code"] for _, data in wards]
    taken = [*codes[1:], codes[0]] if hands == "change" else [f"X{code}" for code in codes]
    new = {id: code for (id, _), code in zip(wards, taken, strict=True)}
    changed(world, wards, code=lambda id, _: new[id])
    batch = world.run().batch
    assert world.batch(batch).total == 1_000
    assert (world.batch(batch).costs["check"].reads > 1_000) == (hands == "change")
    agree(world, batch, "capture", "check", "promote")


def test_units_that_take_the_codes_of_such_as_keep_them() -> None:
    units = country(30)
    world, wards = settled(units), wards_of(units)
    new = {id: other["code"] for (id, _), (_, other) in zip(wards[:100], wards[100:200], strict=True)}
    changed(world, wards[:100], code=lambda id, _: new[id])
    agree(world, world.run().batch, "capture", "check")


def test_a_target_with_own_ids_costs_a_read_for_each_unit_and_is_foreseen_so() -> None:
    units = country(40)
    world, some = with_own_ids(units), wards_of(units)[:200]
    changed(world, some, names=lambda id, _: {"en": f"New {id}"})
    batch = world.run().batch
    assert world.batch(batch).costs["capture"].reads < 3.1 * len(some) + 30  # two of the source, whose window is read again
    agree(world, batch, "capture", "check", "promote")


def test_units_that_come_below_known_parents_and_such_as_move() -> None:
    units = country(60)
    world = with_own_ids(units)
    tenancy.feed(world, *(of_landlord(f"n{n}", "d3", 4, day=3) for n in range(60)))
    agree(world, world.run().batch, "capture", "check")
    world.clock.forward(86_400)
    changed(world, wards_of(units)[:60], day=5, parent=lambda *_: "d9")
    agree(world, world.run().batch, "capture", "check", "promote")


def known_ids(world: World) -> dict[str, str]:
    return manifest.decode(world.blobs.read(load_target(world.ctx).state.manifest)).ids


def test_the_id_that_production_has_a_unit_under_is_known_as_long_as_it_is_so() -> None:
    units = country(2)
    world, (id, data) = with_own_ids(units), wards_of(units)[0]
    own = known_ids(world)[f"units/{id}"]
    assert known_ids(world).keys() == {f"units/{id}" for id, _ in units}
    document = world.production.get([f"{UNITS}/{own}"])[0].fields
    path = f"{str(document['path']).rpartition('.')[0]}.again"
    world.production.commit([Delete(f"{UNITS}/{own}"), Set(f"{UNITS}/again", {**document, "path": path})])
    changed(world, [(id, data)], names=lambda *_: {"en": "renamed"})
    world.run()
    assert known_ids(world)[f"units/{id}"] == "again"
    world.approve("approve")
    assert world.production.get([f"{UNITS}/again"])[0].fields["names"] == {"en": "renamed"}


def test_a_document_that_is_another_record_by_now_is_not_taken_for_the_one_it_was() -> None:
    units = country(2)
    world, (id, data) = with_own_ids(units), wards_of(units)[0]
    own = known_ids(world)[f"units/{id}"]
    world.production.commit([Update(f"{UNITS}/{own}", {"landlordId": "other"}, (("landlordId",),))])
    changed(world, [(id, data)], names=lambda *_: {"en": "renamed"})
    batch = world.run().batch
    assert world.batch(batch).counts == {"units CREATE": 1}
    assert f"units/{id}" not in known_ids(world)


def capped(world: World, most: int) -> None:
    pipeline = replace(world.ctx.pipeline, brakes=replace(world.ctx.pipeline.brakes, max_operations=most))
    world.contexts = Contexts(world.ports, {pipeline.name: replace(pipeline, targets=pipeline.targets[:1])})
    world.ctx = world.outside = world.contexts.all()[0]


def spent(world: World) -> int:
    return world.source.bill.operations + world.production.bill.operations


@pytest.mark.parametrize("most", [500, 900])
def test_moves_that_must_be_counted_stop_a_run_before_they_are(most: int) -> None:
    """That 200 units move is known once they were compared; to count what follows each takes three reads more."""
    units = country(40)
    world = settled(units)
    changed(world, wards_of(units)[:200], parent=lambda *_: "d9")
    capped(world, most)
    before = spent(world)
    outcome = world.run()
    assert "foreseen to cost" in outcome.held
    assert spent(world) - before < most
    world.decide(Said("approve", {"rule:brake": "approve"}))
    batch = load_target(world.ctx).state.open
    assert world.batch(batch).total == 200


def test_a_manifest_that_knows_no_ids_is_what_it_was() -> None:
    of = {"units/a": ("print", "g")}
    assert manifest.decode(manifest.encode(manifest.Manifest({}, of))) == manifest.Manifest({}, of)
    one = manifest.Manifest({}, of, {"units/a": "own"})
    assert manifest.decode(manifest.encode(one)) == one
    one.name("units/a", "a")
    assert manifest.encode(one) == manifest.encode(manifest.Manifest({}, of))


def renaming_beside(*under: int) -> World:
    """Three wards get another name, and below some of them hang units of the tenant's own."""
    units = country(2)
    wards = wards_of(units)[:3]
    world = settled(units)
    for n in under:
        above = world.documents(UNITS)[wards[n][0]]
        own = {"parentId": wards[n][0], "path": f"{above['path']}.own{n}", "level": 5, "official": False, "names": {"en": "own"}}
        world.put(world.production, UNITS, [(f"own{n}", own)])
    changed(world, wards, names=lambda id, _: {"en": f"{id} anew"})
    world.run()
    return world


def test_what_hangs_below_leaves_is_counted_ahead_only_where_a_target_has_units_of_its_own() -> None:
    without, beside = (world.batch(load_target(world.ctx).state.open) for world in (renaming_beside(), renaming_beside(1)))
    assert beside.costs["capture"].reads == without.costs["capture"].reads + 1


def test_of_units_below_several_leaves_each_is_foreseen_at_one() -> None:
    world = renaming_beside(0, 2)
    done = world.approve("approve")
    assert (done.status, done.foreseen["check"]) == ("APPLIED", done.costs["check"])
