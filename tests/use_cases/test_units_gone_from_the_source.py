"""From what the landlord says to what a tenant has: units that others hang below, through a whole run each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from penstock.adapters.memory_services import MemoryBlobs
from penstock.core.batch import Status
from penstock.core.choices import CASCADE, reassign
from penstock.core.followers import encode_followed
from penstock.core.plan import DEPENDENTS, Batch
from penstock.core.records import Delete, Set, Update
from penstock.core.values import Data
from penstock.use_cases.decide import Said
from penstock.use_cases.exporting import export
from penstock.use_cases.rollback import plan_rollback
from penstock.use_cases.verifying import verify
from support import forest, oracle
from support.faults import PlainPages
from support.world import World

FOREST = Path(__file__).parents[1] / "support" / "forest.yaml"
COUNTRY = {"c": (1, ""), "p1": (2, "c"), "p2": (2, "c"), "d": (3, "p1"), "e": (3, "p2"), "w": (4, "d"), "x": (4, "d")}


def say(world: World, *gone: str, **units: tuple[Any, ...]) -> None:
    """What the source says from now on: level, what it lies in, and perhaps more."""
    at = world.clock()
    of = {id: {"id": id, "level": u[0], "parent": u[1], "names": {"en": id}, "active": True, "at": at} for id, u in units.items()}
    writes = [Set(f"units/{id}", {**data, **(units[id][2] if len(units[id]) > 2 else {})}) for id, data in of.items()]
    world.source.commit([*writes, *(Delete(f"units/{id}") for id in gone)])
    world.clock.forward(7_200)


@pytest.fixture
def world() -> World:
    """A tenant that holds all of it, with a committee below a ward and members here and there."""
    made = World(FOREST, pages=PlainPages())
    say(made, **COUNTRY)
    made.run()
    made.approve()
    made.put(made.production, "geography", [forest.custom("k", "w", "c.p1.d.w.k", wish="ours")])
    at = {"m1": "c.p1.d.w", "m2": "c.p1.d.w.k", "m3": "c.p1.d", "m4": "c.p2"}
    made.put(made.production, "members", [forest.member(id, path) for id, path in at.items()])
    return made


def faults(world: World) -> list[str]:
    members = {id: {f"unit{n}": None for n in range(1, 9)} | m for id, m in world.documents("members").items()}
    return oracle.faults(world.documents("geography"), members)


def batch(world: World, mode: Any = "changes") -> Batch:
    return world.batch(world.run(mode).batch)


def below(found: Batch) -> dict[str, dict[str, int]]:
    return {f.key: {name: n for name, _, n in f.table} for f in found.batch_findings if f.rule == DEPENDENTS}


def decided(world: World, **choices: str) -> Batch:
    """The brake on how much may go is passed: of eight units one is too much."""
    said = {f"units/{id}": choice for id, choice in choices.items()}
    return world.decide(Said("approve", {"rule:brake": "approve"}, choices=said))


OFF: Data = {"active": False}


def test_a_ward_that_the_landlord_closes_is_merged_into_another_and_taken_back(world: World) -> None:
    before = {name: world.documents(name) for name in ("geography", "members")}
    say(world, w=(4, "d", OFF))
    found = batch(world)
    assert below(found) == {"units/w": {"members": 2, "units of the target's own": 1}}
    done = decided(world, w=reassign("x"))
    assert done.status is Status.APPLIED
    assert world.documents("members")["m2"] == forest.member("m2", "c.p1.d.x.k")[1]
    assert world.documents("geography")["k"] == forest.custom("k", "x", "c.p1.d.x.k", wish="ours")[1]
    assert faults(world) == []
    assert world.run("full").batch == ""
    _, owed = plan_rollback(world.ctx, done.id, "operator@example.org")
    world.pay(owed)
    world.pump()
    world.approve("reject")
    assert {name: world.documents(name) for name in before} == before
    assert world.run("full").batch == ""


def test_a_district_that_is_gone_from_the_source_is_taken_along_with_what_the_source_still_has(world: World) -> None:
    say(world, "w", "x", "d")
    found = batch(world, "reconcile")
    assert found.counts == {"units UPDATE": 3}
    assert below(found) == {"units/w": {"members": 2, "units of the target's own": 1}, "units/d": {"members": 1}}
    assert decided(world, w=CASCADE, d=reassign("e")).status is Status.APPLIED
    held = world.documents("geography")
    assert {id for id, u in held.items() if not u["active"]} == {"d", "w", "x", "k"}
    assert world.documents("members")["m3"] == forest.member("m3", "c.p2.e")[1]
    assert world.documents("members")["m1"] == forest.member("m1", "c.p1.d.w")[1]
    assert faults(world) == []
    assert world.run("full").batch == ""


def test_a_unit_taken_along_stays_away_until_its_source_says_something_else_of_it(world: World) -> None:
    say(world, d=(3, "p1", OFF))
    found = batch(world)
    assert below(found)["units/d"]["active units"] == 2
    decided(world, d=CASCADE)
    assert world.run("full").batch == ""
    say(world, x=(4, "d", {"names": {"en": "Ward X"}}))
    changed = batch(world)
    assert changed.findings.get("edited_by_hand") is None
    world.approve("approve")
    held = world.documents("geography")["x"]
    assert (held["names"], held["active"]) == ({"en": "Ward X"}, False)
    assert faults(world) == []


def test_a_district_that_moves_away_first_is_no_reason_to_keep_its_province(world: World) -> None:
    say(world, p1=(2, "c", OFF), d=(3, "p2"))
    found = batch(world)
    assert below(found) == {}
    world.approve("approve")
    assert world.documents("geography")["k"]["path"] == "c.p2.d.w.k"
    assert world.documents("geography")["p1"]["active"] is False
    assert faults(world) == []


def test_a_unit_that_fell_out_is_proposed_again_with_what_hangs_below_it_then(world: World) -> None:
    say(world, x=(4, "d", OFF))
    assert below(batch(world)) == {}
    world.put(world.production, "members", [forest.member("late", "c.p1.d.x")])
    world.approve("approve")
    world.pump()
    (open_,) = [b for b in map(world.batch, world.documents("penstock_batches")) if b.status is Status.UNDER_REVIEW]
    assert below(open_) == {"units/x": {"members": 1}}
    decided(world, x=reassign("w"))
    assert world.documents("members")["late"] == forest.member("late", "c.p1.d.w")[1]


def exported(world: World) -> MemoryBlobs:
    world.clock.forward(100)
    files = MemoryBlobs()
    assert export(world.outside, files).lacking == ()
    return files


def test_what_went_along_is_proved_to_be_approved_and_the_list_of_it_is_held_to_the_chain(world: World) -> None:
    say(world, d=(3, "p1", OFF))
    batch(world)
    done = decided(world, d=CASCADE)
    held = verify(exported(world))
    assert (held.holds, held.faults, held.edited) == (True, (), ())
    assert {a.batch: a.values for a in held.approvals}[done.id] == 3  # of d, and of the two wards that went along
    files = exported(world)
    (name,) = [name for name in files.names("batches/") if ".beside." in name]
    files.objects[name] = encode_followed([])
    assert [f.what for f in verify(files).faults] == ["pack 0: what it wrote beside its changes is not what its ledger says"]
    del files.objects[name]
    assert not verify(files).holds


def test_a_unit_that_went_along_and_was_made_active_by_hand_is_told_to_be_edited(world: World) -> None:
    say(world, d=(3, "p1", OFF))
    batch(world)
    decided(world, d=CASCADE)
    world.production.commit([Update("geography/x", {"active": True}, (("active",),))])
    (edit,) = verify(exported(world)).edited
    assert (edit.path, edit.field) == ("geography/x", "active")
