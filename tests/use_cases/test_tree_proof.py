"""A tree is proved offline like anything else: paths that followed are no edits, and a wrong one is found."""

from __future__ import annotations

from typing import Any

from penstock.adapters.memory_services import MemoryBlobs
from penstock.core.batch import Status
from penstock.core.records import Delete, Set, Update
from penstock.use_cases.exporting import export
from penstock.use_cases.rollback import plan_rollback
from penstock.use_cases.verifying import Verdict, verify
from support.faults import PlainPages
from support.forest import Plan, faults, fed, grown, member
from support.world import World


def moved() -> World:
    """w1 was renamed; then what is above it was moved, and moved again."""
    world = grown(pages=PlainPages())
    Plan(world).update("w1", names={"en": "One"}).create("w3", "d1").stage()
    world.approve("approve")
    fed(world, d1="p2")
    assert world.run("full").batch
    assert world.approve("approve").status is Status.APPLIED
    Plan(world).move("p2", "p1").stage()
    assert world.approve("approve").status is Status.APPLIED
    assert faults(world) == []
    world.clock.forward(60)
    return world


def proved(world: World) -> Verdict:
    into = MemoryBlobs()
    export(world.outside, into)
    return verify(into)


def test_a_tree_whose_paths_followed_holds() -> None:
    found = proved(moved())
    assert (found.holds, found.edited, found.faults) == (True, (), ())
    assert found.approved > 0


def test_a_path_that_was_changed_by_hand_is_found_and_only_that() -> None:
    world = moved()
    world.production.commit([Update("geography/w3", {"path": "np.p2.d1.w3"}, (("path",),))])
    world.production.commit([Update("geography/c1", {"path": "np.c1"}, (("path",),))])  # the tenant's own: its business
    world.clock.forward(60)
    found = proved(world)
    assert [(e.path, e.field) for e in found.edited] == [("geography/w3", "path")]
    assert not found.holds


def test_a_unit_that_hangs_under_none_any_more_is_found() -> None:
    world = moved()
    world.production.commit([Delete("geography/d1")])
    world.clock.forward(60)
    assert {e.path for e in proved(world).edited} == {"geography/d1", "geography/w1", "geography/w3"}


def test_a_rollback_that_put_a_unit_back_holds() -> None:
    world = grown(pages=PlainPages())
    batch = Plan(world).create("d9", "p2").create("w9", "d9").create("w8", "d1").stage()
    world.approve("approve")
    rollback, owed = plan_rollback(world.ctx, batch.id, "operator@example.org")
    world.pay(owed)
    world.pump()
    real = world.production.commit

    def commit(writes: Any) -> Any:
        if any(isinstance(write, Delete) for write in writes):
            world.production.commit = real  # type: ignore[method-assign]
            real([Set("members/m9", member("m9", "np.p2.d9.w9")[1])])
        return real(writes)

    world.production.commit = commit  # type: ignore[method-assign]
    world.approve("approve")
    assert (world.batch(rollback.id).applied, world.batch(rollback.id).drifted) == (1, 2)
    assert faults(world) == []
    world.clock.forward(60)
    found = proved(world)
    assert (found.holds, found.edited, found.faults) == (True, (), ())
