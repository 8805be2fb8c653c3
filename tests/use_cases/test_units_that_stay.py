"""No unit goes while anything hangs under it: that is judged by production and by what the commit writes, not by the plan."""

from __future__ import annotations

from typing import Any

import pytest
from penstock.core import packs
from penstock.core.batch import Status
from penstock.core.changes import Action
from penstock.core.choices import CASCADE
from penstock.core.errors import OutcomeUnknown
from penstock.core.packs import Ledger
from penstock.core.plan import Batch
from penstock.core.records import Delete, Set, Update
from penstock.core.tree import Place
from penstock.use_cases import effects, staging
from penstock.use_cases.decide import Said, decide
from penstock.use_cases.finish import finish
from penstock.use_cases.promote import promote_pack, start
from penstock.use_cases.rollback import plan_rollback
from support.forest import UNITS, Plan, custom, faults, grown, member, unit, units
from support.world import APPROVER, World


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


def before_the_commit(world: World, path: str, do: Any) -> None:
    """Somebody else is quicker: right before that document is removed, behind all that was read for it."""
    real, left = world.production.commit, [1]

    def commit(writes: Any) -> Any:
        if left[0] and any(isinstance(write, Delete) and write.path == path for write in writes):
            left[0] = 0
            do(real)
        return real(writes)

    world.production.commit = commit  # type: ignore[method-assign]


def joins(id: str, path: str) -> Any:
    if id.startswith("c"):
        return lambda commit: commit([Set(f"{UNITS}/{id}", custom(id, path.rpartition(".")[2], f"{path}.{id}")[1])])
    return lambda commit: commit([Set(f"members/{id}", member(id, path)[1])])


@pytest.mark.parametrize("who", ["m9", "c9"])
@PACKS
def test_a_unit_to_which_somebody_comes_as_it_is_removed_stands_again_with_all_above(
    who: str, per_pack: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = grown()
    batch = Plan(world).create("d3", "p2").create("w3", "d3").create("w4", "d3").move("w2", "d2").stage()
    world.approve("approve")
    stood = units(world)
    monkeypatch.setattr(packs, "MAX_CHANGES", per_pack)
    back = proposed_back(world, batch)
    before_the_commit(world, f"{UNITS}/w3", joins(who, "np.p2.d3.w3"))
    done = world.approve("approve")
    assert (done.status, done.applied, done.drifted) == (Status.PARTIALLY_APPLIED, 2, 2)
    assert {id: units(world)[id] for id in ("d3", "w3")} == {id: stood[id] for id in ("d3", "w3")}
    assert "w4" not in units(world)
    assert faults(world) == []
    kind = "members" if who == "m9" else "units"
    assert why(world, back) == {
        "units/w3": f"1 {kind} came to hang under it as it was removed",
        "units/d3": "a unit that was removed from below it came back",
    }
    assert staging.declined(world.outside).keys() == {"units/w2", "units/w4"}


def test_who_comes_by_an_old_path_to_a_unit_removed_below_one_that_moves_has_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = grown()
    batch = Plan(world).create("w9", "d1").move("d1", "p2").stage()
    world.approve("approve")
    back = proposed_back(world, batch)
    before_the_commit(world, f"{UNITS}/w9", joins("m9", "np.p2.d1.w9"))
    done = world.approve("approve")
    assert (done.applied, done.drifted) == (1, 1)
    assert why(world, back) == {"units/w9": "1 members came to hang under it as it was removed"}
    assert world.documents("members")["m9"]["unitPath"] == units(world)["w9"]["path"] == "np.p1.d1.w9"
    assert faults(world) == []


def test_a_unit_that_stands_again_is_taken_back_by_nobody_and_may_be_removed_later() -> None:
    world = grown()
    batch = Plan(world).create("w9", "d1").create("w8", "d1").stage()
    world.approve("approve")
    back = proposed_back(world, batch)
    before_the_commit(world, f"{UNITS}/w9", joins("m9", "np.p1.d1.w9"))
    world.approve("approve")
    again = proposed_back(world, back)
    assert [c.key for c in staging.changes_of(world.outside, again.id)] == ["units/w8"]
    assert world.approve("approve").status is Status.APPLIED
    world.production.commit([Delete("members/m9")])
    last = proposed_back(world, batch)
    assert {c.key for c in staging.changes_of(world.outside, last.id)} == {"units/w8", "units/w9"}
    assert world.approve("approve").status is Status.APPLIED
    assert not {"w8", "w9"} & set(units(world))


def test_what_was_promoted_wrongly_is_told_so_although_a_unit_of_its_pack_was_put_back() -> None:
    """Not as edited since: nobody wrote to it but the promotion."""
    world = grown()
    batch = Plan(world).create("w9", "d1").update("d2", name="Other").stage()
    world.approve("approve")
    proposed_back(world, batch)
    before_the_commit(world, f"{UNITS}/w9", joins("m9", "np.p1.d1.w9"))
    real = world.production.commit

    def commit(writes: Any) -> Any:
        wrong = Update(f"{UNITS}/d2", {"name": "Wrong"}, (("name",),))
        return real([wrong if write.path == wrong.path else write for write in writes])

    world.production.commit = commit  # type: ignore[method-assign]
    done = world.approve("approve")
    assert (done.drifted, done.mismatched, done.edited_since) == (1, 1, 0)


def test_what_hung_under_a_unit_that_somebody_else_removed_does_not_come_back_to_hang_under_nothing() -> None:
    world = grown(units=[unit("d9", "p2", path="np.p2.d9")])
    batch = Plan(world).create("w9", "d9").stage()
    world.approve("approve")
    proposed_back(world, batch)
    before_the_commit(world, f"{UNITS}/w9", lambda commit: (joins("m9", "np.p2.d9.w9")(commit), commit([Delete(f"{UNITS}/d9")])))
    assert world.approve("approve").status is Status.APPLIED
    assert not {"d9", "w9"} & set(units(world))


def test_who_leaves_again_before_the_end_keeps_no_unit() -> None:
    world = grown()
    batch = Plan(world).create("w9", "d1").stage()
    world.approve("approve")
    back = proposed_back(world, batch)
    rolled = start_of(world, back)
    joins("m9", "np.p1.d1.w9")(world.production.commit)
    world.production.commit([Delete("members/m9")])
    effects.pay(world.ctx, finish(world.ctx, rolled.id))
    assert world.batch(back.id).status is Status.APPLIED
    assert "w9" not in units(world)


def start_of(world: World, batch: Batch) -> Batch:
    """Decided and promoted, and not at its end."""
    decide(world.ctx, batch.id, batch.digest, APPROVER, Said("approve"))
    begun = start(world.ctx, batch.id)
    for number in range(begun.packs):
        promote_pack(world.ctx, begun, number)
    return begun


def test_of_two_who_end_a_rollback_the_one_that_sleeps_puts_nothing_back() -> None:
    """It saw a member who was gone when the other looked."""
    world = grown()
    batch = Plan(world).create("w9", "d1").stage()
    world.approve("approve")
    back = start_of(world, proposed_back(world, batch))
    joins("m9", "np.p1.d1.w9")(world.production.commit)
    real, slept = world.production.commit, list[int]()

    def commit(writes: Any) -> Any:
        if not slept and any(write.path == f"{UNITS}/w9" for write in writes):
            slept.append(1)
            real([Delete("members/m9")])
            effects.pay(world.ctx, finish(world.ctx, back.id))
            joins("m9", "np.p1.d1")(real)
        return real(writes)

    world.production.commit = commit  # type: ignore[method-assign]
    assert finish(world.ctx, back.id) == ()
    assert slept
    assert world.batch(back.id).status is Status.APPLIED
    assert "w9" not in units(world)
    assert ledgers(world, back)[0].applied == 1


def test_a_process_that_dies_after_a_unit_was_put_back_is_gone_on_with() -> None:
    world = grown()
    batch = Plan(world).create("w9", "d1").stage()
    world.approve("approve")
    back = start_of(world, proposed_back(world, batch))
    joins("m9", "np.p1.d1.w9")(world.production.commit)
    real = world.production.commit

    def commit(writes: Any) -> Any:
        at = real(writes)
        if any(write.path == f"{UNITS}/w9" for write in writes):
            world.production.commit = real  # type: ignore[method-assign]
            raise OutcomeUnknown("broke off", subject="a commit", remedy="Look.")
        return at

    world.production.commit = commit  # type: ignore[method-assign]
    effects.pay(world.ctx, finish(world.ctx, back.id))
    done = world.batch(back.id)
    assert (done.status, done.applied, done.drifted) == (Status.PARTIALLY_APPLIED, 0, 1)
    assert faults(world) == []
