"""A tree is taken back as it was promoted: in order, with what follows, and nothing is left without a place."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from penstock.core import packs
from penstock.core.batch import Status
from penstock.core.records import Delete, Update
from penstock.core.reversal import Choice
from penstock.core.values import Data, dumps
from penstock.use_cases import staging
from penstock.use_cases.rollback import plan_rollback, preview
from support.forest import FILE, UNITS, Plan, custom, faults, fed, grown, member, taken_back, unit, units
from support.world import World

Standing = dict[str, dict[str, str]]


def standing(world: World) -> Standing:
    """Production, byte for byte."""
    return {name: {id: dumps(data) for id, data in world.documents(name).items()} for name in (UNITS, "members")}


def steps(world: World, batch: str) -> list[tuple[str, str]]:
    return [(c.key, c.facts["place"].step) for c in staging.changes_of(world.outside, batch)]


def test_a_move_taken_back_leaves_everything_as_it_was() -> None:
    world = grown()
    before = standing(world)
    batch = Plan(world).move("d1", "p2").stage()
    world.approve("approve")
    assert standing(world) != before
    back = taken_back(world, batch.id)
    assert (back.status, world.batch(batch.id).status) == (Status.APPLIED, Status.ROLLED_BACK)
    assert standing(world) == before
    assert steps(world, back.id) == [("units/d1", "move")]
    again = taken_back(world, back.id)
    assert again.status is Status.APPLIED
    assert units(world)["c1"]["path"] == "np.p2.d1.w1.c1"
    assert faults(world) == []


def test_creates_moves_and_updates_are_taken_back_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    world = grown()
    before = standing(world)
    plan = Plan(world).create("p3", "np").create("d3", "p3").create("w3", "d3").move("d1", "d3").update("w2", names={"en": "Two"})
    batch = plan.stage(per_pack=1)
    world.approve("approve")
    assert faults(world) == []
    monkeypatch.setattr(packs, "MAX_CHANGES", 1)
    back = taken_back(world, batch.id)
    assert steps(world, back.id) == [
        ("units/w2", "update"), ("units/d1", "move"), ("units/w3", "remove"), ("units/d3", "remove"), ("units/p3", "remove"),
    ]  # fmt: skip
    assert (back.status, back.drifted) == (Status.APPLIED, 0)
    assert standing(world) == before
    again = taken_back(world, back.id)
    assert (again.status, again.drifted) == (Status.APPLIED, 0)
    assert units(world)["c1"]["path"] == "np.p3.d3.d1.w1.c1"
    assert faults(world) == []


def test_a_path_that_followed_is_no_later_edit() -> None:
    world = grown()
    first = Plan(world).update("w1", names={"en": "One"}).stage()
    world.approve("approve")
    new = Plan(world).create("w9", "d1").stage()
    world.approve("approve")
    Plan(world).move("d1", "p2").stage()
    world.approve("approve")
    found = preview(world.ctx, first.id)
    assert [(r.kept, r.others, r.later) for r in found] == [(False, (), "")]
    taken_back(world, first.id)
    assert units(world)["w1"] == unit("w1", "d1", path="np.p2.d1.w1")[1]
    assert faults(world) == []
    taken_back(world, new.id)
    assert "w9" not in units(world)


def test_where_the_old_parent_lies_elsewhere_by_now_the_unit_goes_back_under_it_there() -> None:
    world = grown(units=[unit("p3", "np", path="np.p3")])
    batch = Plan(world).move("d1", "p2").stage()
    world.approve("approve")
    Plan(world).move("p1", "p3").stage()
    world.approve("approve")
    (found,) = preview(world.ctx, batch.id)
    assert found.change is not None
    assert found.change.facts["below"] == {"units": 3, "members": 2}
    back = taken_back(world, batch.id)
    assert back.status is Status.APPLIED
    assert units(world)["c1"]["path"] == "np.p3.p1.d1.w1.c1"
    assert faults(world) == []


def test_where_the_old_parent_is_gone_the_unit_stays_where_it_is() -> None:
    world = grown()
    batch = Plan(world).move("d1", "p2").move("d2", "p2").stage()
    world.approve("approve")
    world.production.commit([Delete(f"{UNITS}/p1"), Delete("members/m4")])
    back = taken_back(world, batch.id)
    assert back.drifted == 2
    assert units(world)["d1"]["path"] == "np.p2.d1"
    assert faults(world) == []


def test_a_unit_moved_on_since_is_kept_whole_both_its_parents() -> None:
    world = grown(units=[unit("p3", "np", path="np.p3")])
    batch = Plan(world).move("d1", "p2").update("w2", names={"en": "Two"}).stage()
    world.approve("approve")
    Plan(world).move("d1", "p3").stage()
    world.approve("approve")
    back = taken_back(world, batch.id)
    assert back.status is Status.APPLIED
    d1 = units(world)["d1"]
    assert (d1["parentId"], d1["landlordParent"], d1["path"]) == ("p3", "p3", "np.p3.d1")
    assert faults(world) == []


def test_of_two_names_of_what_a_unit_hangs_under_none_goes_back_alone() -> None:
    world = grown()
    before = standing(world)
    batch = Plan(world).move("d1", "p2").stage()
    world.approve("approve")
    taken_back(world, batch.id, Choice(fields=(("landlordParent",),)))
    assert units(world)["d1"]["parentId"] == "p1"
    assert faults(world) == []
    assert standing(world)["members"] == before["members"]


@pytest.mark.parametrize("what", ["unit", "member"])
def test_a_new_unit_that_others_hang_under_by_now_is_a_blocker_and_is_not_removed_even_so(what: str) -> None:
    world = grown()
    batch = Plan(world).create("w9", "d1").update("w2", names={"en": "Two"}).stage()
    world.approve("approve")
    if what == "unit":
        world.put(world.production, UNITS, [custom("c9", "w9", "np.p1.d1.w9.c9")])
    else:
        world.put(world.production, "members", [member("m9", "np.p1.d1.w9")])
    rollback, owed = plan_rollback(world.ctx, batch.id, "operator@example.org")
    world.pay(owed)
    world.pump()
    assert world.batch(rollback.id).findings["removal"] == {"blocker": 1}
    world.approve("approve")
    assert (world.batch(rollback.id).applied, world.batch(rollback.id).drifted) == (1, 1)
    assert "w9" in units(world)
    assert faults(world) == []


def test_what_came_below_while_the_rollback_was_reviewed_keeps_its_unit_and_all_above(monkeypatch: pytest.MonkeyPatch) -> None:
    world = grown()
    batch = Plan(world).create("d3", "p2").create("w3", "d3").create("w4", "d3").stage()
    world.approve("approve")
    monkeypatch.setattr(packs, "MAX_CHANGES", 1)
    rollback, owed = plan_rollback(world.ctx, batch.id, "operator@example.org")
    world.pay(owed)
    world.pump()
    world.put(world.production, UNITS, [custom("c9", "w3", "np.p2.d3.w3.c9")])
    world.approve("approve")
    done = world.batch(rollback.id)
    assert (done.status, done.applied, done.drifted) == (Status.PARTIALLY_APPLIED, 1, 2)
    assert {"d3", "w3", "c9"} <= set(units(world))
    assert faults(world) == []


def test_a_removal_that_falls_out_takes_all_above_it_out_with_it_and_nothing_beside() -> None:
    world = grown()
    batch = Plan(world).create("d3", "p2").create("w3", "d3").create("w4", "d3").create("x3", "w3").stage()
    world.approve("approve")
    rollback, owed = plan_rollback(world.ctx, batch.id, "operator@example.org")
    world.pay(owed)
    world.pump()
    world.production.commit([Update(f"{UNITS}/x3", {"wish": "ours"}, (("wish",),))])
    world.approve("approve")
    found = staging.load_pack(world.outside, rollback.id, 0).ledger
    assert found is not None
    assert (found.applied, found.drifted, found.why) == (1, ("units/x3", "units/d3", "units/w3"), {})
    assert {"d3", "w3", "x3"} <= set(units(world))
    assert faults(world) == []


def test_what_is_no_unit_is_taken_back_beside_the_tree_and_gets_no_place(tmp_path: Path) -> None:
    file = tmp_path / "forest.yaml"
    offices = """  offices:
    source: offices
    collection: offices
    key: code
    fields: {code: {from: code}, title: {from: title}, path: {from: path}}
"""
    source = (
        "sources:\n  offices: {project: landlord, collection: offices, cursor: {field: at, kind: timestamp, overlap: 1 hour}}\n"
    )
    text = FILE.read_text().replace("sources:\n", source).replace("entities:\n", f"entities:\n{offices}")
    file.write_text(text)
    world = grown(file=file)
    world.put(world.production, "offices", [("o1", {"code": "o1", "title": "Old", "path": "left"})])
    before = standing(world), world.documents("offices")
    fed(world, d1="p2")
    world.put(world.source, "offices", [("o1", {"code": "o1", "title": "New", "path": "right", "at": world.clock()})])
    batch = world.run("full").batch
    assert world.batch(batch).counts == {"units UPDATE": 1, "offices UPDATE": 1}
    assert world.approve("approve").status is Status.APPLIED
    assert world.documents("offices")["o1"]["title"] == "New"
    back = taken_back(world, batch)
    assert [(c.key, "place" in c.facts) for c in staging.changes_of(world.outside, back.id)] == [
        ("offices/o1", False), ("units/d1", True),
    ]  # fmt: skip
    assert (standing(world), world.documents("offices")) == before
    assert back.foreseen["capture"].reads == back.costs["capture"].reads  # an office's path leads nowhere, and moves nothing


def test_a_unit_removed_by_hand_comes_back_where_its_parent_is_now() -> None:
    world = grown()
    batch = Plan(world).create("w9", "d1").stage()
    world.approve("approve")
    back = taken_back(world, batch.id)
    Plan(world).move("d1", "p2").stage()
    world.approve("approve")
    again = taken_back(world, back.id)
    assert again.status is Status.APPLIED
    assert units(world)["w9"]["path"] == "np.p2.d1.w9"
    assert faults(world) == []


def test_a_deactivation_is_taken_back_as_a_restore() -> None:
    world = grown()
    before = standing(world)
    batch = Plan(world).update("w2", active=False).stage()
    world.approve("approve")
    back = taken_back(world, batch.id)
    assert steps(world, back.id) == [("units/w2", "restore")]
    assert standing(world) == before


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_whatever_was_moved_goes_back(seed: int, per_pack: int) -> None:
    chance = random.Random(seed)
    ids = [f"u{n}" for n in range(10)]
    above: dict[str, str] = {}
    path = {"": ""}
    some: list[tuple[str, Data]] = []
    for n, id in enumerate(ids):
        above[id] = chance.choice(["", *ids[:n]])
        path[id] = f"{path[above[id]]}.{id}".lstrip(".")
        some += [unit(id, above[id], path=path[id]), custom(f"k{n}", id, f"{path[id]}.k{n}")]
    world = grown(units=some, members=[member(f"x{n}", path[id]) for n, id in enumerate(chance.sample(ids, 5))])
    before = standing(world)
    plan = Plan(world)
    for id in chance.sample(ids, 4):
        plan.move(id, chance.choice([other for other in ["", *ids] if other not in (id, above[id])]))
    batch = plan.stage(per_pack)
    world.approve("approve")
    assert [text for text in faults(world) if "units of its levels" not in text] == []
    if not world.batch(batch.id).applied:
        return
    back = taken_back(world, batch.id)
    assert [text for text in faults(world) if "units of its levels" not in text] == []
    if not back.drifted:
        assert standing(world)[UNITS] == before[UNITS]
