"""No unit goes while anything hangs under it: that is judged by production and by what the commit writes, not by the plan."""

from __future__ import annotations

from typing import Any

import pytest
from penstock.core import packs
from penstock.core.batch import Status
from penstock.core.changes import Action
from penstock.core.choices import CASCADE
from penstock.core.packs import Ledger
from penstock.core.plan import Batch
from penstock.core.records import Update
from penstock.core.tree import Place
from penstock.use_cases import staging
from penstock.use_cases.decide import Said
from penstock.use_cases.rollback import plan_rollback
from support.forest import UNITS, Plan, faults, grown, member, unit, units
from support.world import World


def ledgers(world: World, batch: Batch) -> list[Ledger]:
    return [pack.ledger for pack in staging.packs_of(world.outside, batch.id) if pack.ledger is not None]


def why(world: World, batch: Batch) -> dict[str, str]:
    return {key: text for ledger in ledgers(world, batch) for key, text in ledger.why.items()}


def proposed_back(world: World, batch: Batch) -> Batch:
    rollback, owed = plan_rollback(world.ctx, batch.id, "operator@example.org")
    world.pay(owed)
    world.pump()
    return world.batch(rollback.id)


def edited(world: World, id: str) -> None:
    world.production.commit([Update(f"{UNITS}/{id}", {"note": "by hand"}, (("note",),))])


def decided(world: World, batch: Batch, id: str, how: str) -> Batch:
    """Everything is approved, but that one of the moves does not happen."""
    if how == "drifted":
        edited(world, id)
    words: dict[str, Any] = {f"rule:{rule}": "approve" for rule, of in batch.findings.items() if "blocker" in of}
    return world.decide(Said("approve", words, {f"units/{id}": "reject"} if how == "refused" else {}))


HOW = pytest.mark.parametrize("how", ["refused", "drifted"])
PACKS = pytest.mark.parametrize("per_pack", [1, 350], ids=["an earlier pack", "the same pack"])


@HOW
@PACKS
def test_a_unit_is_not_removed_while_one_that_was_to_move_away_still_hangs_under_it(
    how: str, per_pack: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = grown()
    batch = Plan(world).create("p3", "np").move("d1", "p3").stage()
    world.approve("approve")
    monkeypatch.setattr(packs, "MAX_CHANGES", per_pack)
    back = proposed_back(world, batch)
    assert back.packs == (2 if per_pack == 1 else 1)
    done = decided(world, back, "d1", how)
    assert done.status is Status.PARTIALLY_APPLIED
    assert units(world)["d1"]["parentId"] == "p3"
    assert why(world, back)["units/p3"] == "1 units hang under it by now"
    assert faults(world) == []


@HOW
@PACKS
def test_a_unit_stays_active_while_one_that_was_to_move_away_still_hangs_under_it(how: str, per_pack: int) -> None:
    world = grown()
    batch = Plan(world).move("w1", "d2").move("w2", "d2").update("d1", active=False).stage(per_pack=per_pack)
    assert "dependents" not in batch.findings
    done = decided(world, batch, "w1", how)
    assert done.status is Status.PARTIALLY_APPLIED
    assert (units(world)["w1"]["parentId"], units(world)["w2"]["parentId"]) == ("d1", "d2")
    assert units(world)["d1"]["active"] is True
    assert "1 active units" in why(world, batch)["units/d1"]
    assert faults(world) == []


def test_a_unit_that_was_moved_by_an_earlier_pack_is_not_left_by_who_came_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = grown()
    batch = Plan(world).create("w9", "d1").move("d1", "p2").stage()
    world.approve("approve")
    monkeypatch.setattr(packs, "MAX_CHANGES", 1)
    back = proposed_back(world, batch)
    world.put(world.production, "members", [member("m9", "np.p2.d1.w9")])
    done = world.approve("approve")
    assert (done.applied, done.drifted) == (1, 1)
    assert why(world, back) == {"units/w9": "1 members hang under it by now"}
    assert world.documents("members")["m9"]["unitPath"] == "np.p1.d1.w9"
    assert faults(world) == []


def test_a_unit_whose_path_alone_is_put_right_still_hangs_where_it_did() -> None:
    world = grown(units=[unit("d9", "p2", path="np.p2.d9"), unit("w9", "d9", path="np.p1.d9.w9")])
    plan = Plan(world).move("w9", "d9")
    gone = plan.now("d9")
    plan._add("d9", Action.DELETE, gone, {}, (), Place("remove", 3, "p2", "np.p2.d9"))
    batch = plan.stage()
    world.approve("approve")
    assert "d9" in units(world)
    assert why(world, batch) == {"units/d9": "1 units hang under it by now"}
    assert faults(world) == []


@PACKS
def test_a_unit_does_not_go_as_another_comes_under_it(per_pack: int) -> None:
    world = grown()
    batch = Plan(world).create("w9", "d2").update("d2", active=False).stage(per_pack=per_pack)
    done = world.approve("approve")
    assert (done.applied, done.drifted) == (1, 1)
    assert "1 active units" in why(world, batch)["units/d2"]
    assert (units(world)["w9"]["active"], units(world)["d2"]["active"]) == (True, True)


@PACKS
def test_a_unit_does_not_go_as_one_below_it_is_active_again(per_pack: int) -> None:
    world = grown(units=[unit("w9", "d2", path="np.p1.d2.w9", active=False)])
    batch = Plan(world).update("w9", active=True).update("d2", active=False).stage(per_pack=per_pack)
    done = world.approve("approve")
    assert (done.applied, done.drifted) == (1, 1)
    assert "1 active units" in why(world, batch)["units/d2"]
    assert (units(world)["w9"]["active"], units(world)["d2"]["active"]) == (True, True)


@PACKS
def test_a_unit_goes_although_one_that_is_not_active_comes_under_it(per_pack: int) -> None:
    world = grown()
    Plan(world).create("w9", "d2", active=False).update("d2", active=False).stage(per_pack=per_pack)
    assert world.approve("approve").status is Status.APPLIED


def test_what_moves_under_a_unit_that_goes_with_the_same_pack_is_not_taken_along_unasked() -> None:
    world = grown()
    batch = Plan(world).move("w2", "d2").update("d2", active=False).stage()
    done = world.decide(Said("approve", {}, {}, "", {"units/d2": CASCADE}))
    assert (done.applied, done.drifted) == (1, 1)
    assert why(world, batch) == {"units/d2": "1 active units come to lie below it with the same commit"}
    assert (units(world)["w2"]["active"], units(world)["d2"]["active"]) == (True, True)
    assert faults(world) == []
