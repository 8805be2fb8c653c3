"""A tree as a run plans it: places, order, what is held back and taken up again, what is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from penstock.core.batch import Status
from penstock.core.changes import Change
from penstock.core.records import Delete, Set, Update
from penstock.core.tree import Place, place_of
from penstock.core.values import Data
from penstock.use_cases import planting, staging
from penstock.use_cases.capture import capture
from penstock.use_cases.decide import Said
from penstock.use_cases.proposing import Outcome
from support import forest, oracle
from support.faults import PlainPages
from support.world import World

FOREST = Path(__file__).parents[1] / "support" / "forest.yaml"
COUNTRY = {"c": (1, ""), "p1": (2, "c"), "p2": (2, "c"), "d": (3, "p1"), "w": (4, "d")}  # level, what it lies in


@pytest.fixture
def world() -> World:
    return World(FOREST, pages=PlainPages())


def landlords(id: str, level: int, parent: str = "", more: Data | None = None) -> Data:
    """A unit as the source has it."""
    return {"id": id, "level": level, "parent": parent, "names": {"en": id}, "active": True, **(more or {})}


def say(world: World, *gone: str, **units: tuple[Any, ...]) -> None:
    """What the source says from now on."""
    at = world.clock()
    writes = [Set(f"units/{code}", {**landlords(code, *of), "at": at}) for code, of in units.items()]
    world.source.commit([*writes, *(Delete(f"units/{code}") for code in gone)])
    world.clock.forward(7_200)


def settled(world: World, units: dict[str, tuple[int, str]] = COUNTRY) -> None:
    """A target that holds all of it."""
    say(world, **units)
    world.run()
    world.approve()


def staged(world: World, outcome: Outcome) -> list[Change]:
    return list(staging.changes_of(world.outside, outcome.batch)) if outcome.batch else []


def steps(world: World, outcome: Outcome) -> list[tuple[str, str]]:
    found = []
    for change in staged(world, outcome):
        place = place_of(change)
        assert place is not None
        found.append((change.key.removeprefix("units/"), place.step))
    return found


def documents(world: World) -> dict[str, Data]:
    return world.documents("geography")


def own(world: World, id: str, path: str, parent: str) -> None:
    world.put(world.production, "geography", [forest.custom(id, parent, path)])


def test_a_first_run_creates_the_tree_from_the_root_down(world: World) -> None:
    settled(world)
    held = documents(world)
    assert {id: d["path"] for id, d in held.items()} == {
        "c": "c", "p1": "c.p1", "p2": "c.p2", "d": "c.p1.d", "w": "c.p1.d.w",
    }  # fmt: skip
    assert held["c"].keys() & {"parentId", "landlordParent"} == set()
    assert (held["w"]["parentId"], held["w"]["official"]) == ("d", True)
    assert world.run().batch == ""
    assert world.run("full").batch == ""


def test_what_is_staged_of_a_place_is_what_promotion_gets(world: World) -> None:
    say(world, **COUNTRY)
    outcome = world.run()
    (pack,) = staging.packs_of(world.outside, outcome.batch)
    assert [change.place for change in pack.ready] == [place_of(change) for change in pack.changes]
    assert [c.place and c.place.order[0] for c in pack.ready] == [0] * 5
    assert pack.ready[-1].place == Place("create", 4, "d", "c.p1.d.w")


def test_units_that_the_target_had_under_ids_of_its_own_keep_them_and_are_hung_under_by_them(world: World) -> None:
    old = forest.unit("17", landlordId="c"), forest.unit("18", "17", path="17.18", landlordId="p1", landlordParent="c")
    world.put(world.production, "geography", old)
    settled(world)
    assert {d["landlordId"]: (id, d["path"]) for id, d in documents(world).items()} == {
        "c": ("17", "17"), "p1": ("18", "17.18"), "p2": ("p2", "17.p2"), "d": ("d", "17.18.d"), "w": ("w", "17.18.d.w"),
    }  # fmt: skip


def test_an_id_of_the_targets_own_is_not_taken_for_the_unit_of_that_key(world: World) -> None:
    """The target has c under the id `p1`, which is another unit's key."""
    settled(world)
    root = forest.unit("p1", landlordId="c")
    below = forest.unit("7", "p1", path="p1.7", landlordId="p1", landlordParent="c")
    world.production.commit([Delete(f"geography/{id}") for id in documents(world)])
    world.put(world.production, "geography", (root, below))
    say(world, c=(1, "", {"names": {"en": "land"}}), p1=(2, "c", {"names": {"en": "north"}}), n=(3, "p1"))
    outcome = world.run()
    found = {change.key: (change.path, place_of(change)) for change in staged(world, outcome)}
    assert found == {
        "units/c": ("geography/p1", Place("update", 1, "", "p1")),
        "units/p1": ("geography/7", Place("update", 2, "p1", "p1.7")),
        "units/n": ("geography/n", Place("create", 3, "7", "p1.7.n")),
    }


def test_a_move_counts_what_follows_it_and_is_one_change(world: World) -> None:
    settled(world)
    own(world, "committee", "c.p1.d.w.committee", "w")
    people = {"a": "c.p1", "b": "c.p1.d.w.committee", "x": "c.p10", "y": "c.p1-a", "z": "c"}
    world.put(world.production, "members", ((id, {"unitPath": path}) for id, path in people.items()))
    say(world, e=(1, ""), p1=(2, "e"))
    outcome = world.run()
    assert steps(world, outcome) == [("e", "create"), ("p1", "move")]
    move = staged(world, outcome)[1]
    assert move.facts["below"] == {"units": 3, "members": 2}
    assert place_of(move) == Place("move", 2, "e", "e.p1")
    assert {".".join(d.path): (d.before, d.after) for d in move.diff} == {
        "landlordParent": ("c", "e"), "parentId": ("c", "e"), "path": ("c.p1", "e.p1"),
    }  # fmt: skip


def test_a_reform_is_promoted_as_it_was_planned_and_paths_are_what_the_parents_say(world: World) -> None:
    """A province goes to another country, a district of it back, what is new joins both, and a province is dissolved."""
    settled(world)
    own(world, "committee", "c.p1.d.w.committee", "w")
    world.put(world.production, "members", [forest.member("a", "c.p1.d.w"), forest.member("b", "c")])
    say(
        world, "p2",
        e=(1, ""), p1=(2, "e"), d=(3, "p3"), p3=(2, "c"), n=(3, "p1"), m=(4, "n"), w=(4, "d", {"names": {"en": "ward"}}),
    )  # fmt: skip
    outcome = world.run("full")
    assert steps(world, outcome) == [
        ("e", "create"), ("p3", "create"), ("n", "create"), ("m", "create"), ("w", "update"), ("p1", "move"), ("d", "move"),
        ("p2", "deactivate"),
    ]  # fmt: skip
    assert world.approve("approve").status is Status.APPLIED
    held = documents(world)
    assert oracle.faults(held, world.documents("members")) == []
    assert (held["committee"]["path"], held["m"]["path"]) == ("c.p3.d.w.committee", "e.p1.n.m")
    assert world.run("full").batch == ""


def test_packs_are_cut_so_that_what_follows_fits_into_their_commits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    more = {f"p{n}": (2, "c") for n in range(3, 7)} | {f"d{n}": (3, f"p{n}") for n in range(3, 7)}
    settled(world, {**COUNTRY, **more})
    monkeypatch.setattr("penstock.core.packs.PACK_WRITES", 4)
    monkeypatch.setattr(planting, "PACK_WRITES", 4)
    say(world, e=(1, ""), **{f"p{n}": (2, "e") for n in range(1, 7)})
    outcome = world.run()
    packs = [[c.key.removeprefix("units/") for c in pack.changes] for pack in staging.packs_of(world.outside, outcome.batch)]
    assert packs == [["e", "p1"], ["p2", "p3"], ["p4", "p5"], ["p6"]]


def test_a_move_that_no_commit_takes_is_told_and_held_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    settled(world)
    monkeypatch.setattr(planting, "PACK_WRITES", 2)
    say(world, e=(1, ""), p1=(2, "e"), p2=(2, "e"))
    outcome = world.run()
    assert steps(world, outcome) == [("e", "create"), ("p2", "move")]
    assert any("more below them than one commit takes: p1" in note for note in outcome.notes)


def test_what_names_an_unknown_unit_is_told_and_taken_up_once_that_is_there(world: World) -> None:
    settled(world)
    say(world, n=(3, "p9"), m=(4, "n"), p2=(2, "c", {"names": {"en": "south"}}))
    outcome = world.run()
    assert steps(world, outcome) == [("p2", "update")]
    tally = outcome.tallies["units"]
    assert (tally.held, tally.created, tally.closes) == (2, 0, True)
    told = [f for f in world.batch(outcome.batch).batch_findings if f.rule == "held_back"]
    assert [(f.severity, "n under p9" in f.text, "m under n" in f.text) for f in told] == [
        ("warning", True, False), ("warning", False, True),
    ]  # fmt: skip
    world.approve()
    say(world, p9=(2, "c"))
    assert steps(world, world.run()) == [("p9", "create"), ("n", "create"), ("m", "create")]
    world.approve()
    assert documents(world)["m"]["path"] == "c.p9.n.m"


def test_what_is_held_back_alone_makes_no_batch_and_is_told(world: World) -> None:
    settled(world)
    say(world, n=(2, ""))
    outcome = world.run()
    assert (outcome.batch, outcome.tallies["units"].held) == ("", 1)
    assert any("only level 1 stands by itself: n" in note for note in outcome.notes)
    before = world.production.bill.operations
    world.run()
    assert world.production.bill.operations - before < 10


def test_what_hangs_under_a_declined_unit_is_held_back_until_that_is_let_in(world: World) -> None:
    settled(world)
    say(world, p3=(2, "c"))
    world.run()
    world.decide(Said("reject"))
    say(world, n=(3, "p3"))
    outcome = world.run()
    assert outcome.batch == ""
    assert any("under one that was declined: n under p3" in note for note in outcome.notes)
    say(world, p3=(2, "c", {"names": {"en": "new name"}}))
    assert steps(world, world.run()) == [("p3", "create"), ("n", "create")]


def test_a_refused_unit_takes_what_would_hang_under_it_along(world: World) -> None:
    settled(world)
    say(world, p3=(2, "c"), n=(3, "p3"), d=(3, "p3"))
    world.run()
    batch = world.decide(Said("approve", changes={"units/p3": "reject"}))
    assert (batch.approved, batch.rejected, batch.status) == (0, 3, Status.REJECTED)


def test_a_declined_move_leaves_the_unit_and_what_is_new_below_it_where_they_are(world: World) -> None:
    settled(world)
    say(world, p1=(2, "e"), e=(1, ""))
    world.run()
    world.decide(Said("approve", changes={"units/p1": "reject"}))
    say(world, p1=(2, "e", {"names": {"en": "north"}}), n=(3, "p1"))
    outcome = world.run("full")
    assert steps(world, outcome) == [("n", "create"), ("p1", "update")]
    assert [place_of(c).path for c in staged(world, outcome)] == ["c.p1.n", "c.p1"]  # type: ignore[union-attr]
    assert staged(world, outcome)[0].facts["parent_exists"]


def test_the_targets_own_units_are_never_planned_whatever_the_source_says(world: World) -> None:
    settled(world)
    own(world, "n", "c.n", "c")
    before = documents(world)["n"]
    say(world, n=(2, "c"), m=(3, "n"))
    outcome = world.run()
    assert (outcome.batch, outcome.tallies["units"].held) == ("", 2)
    assert documents(world)["n"] == before


def test_a_unit_of_the_targets_own_bears_no_key_and_answers_to_none(world: World) -> None:
    own(world, "mine", "mine", "")
    say(world, **{"None": (1, "")})
    assert steps(world, world.run("full")) == [("None", "create")]
    world.approve()
    assert {id: d.get("landlordId") for id, d in documents(world).items()} == {"mine": None, "None": "None"}


def test_what_is_gone_is_deactivated_from_the_leaves_up_and_the_targets_own_are_left(world: World) -> None:
    settled(world)
    own(world, "x1", "c.p1.x1", "p1")
    say(world, "p1", "d", "w")
    outcome = world.run("full")
    assert steps(world, outcome) == [("w", "deactivate"), ("d", "deactivate"), ("p1", "deactivate")]
    assert place_of(staged(world, outcome)[0]) == Place("deactivate", 4, "d", "c.p1.d.w")
    assert all(c.after == {"active": False} and c.facts["gone"] for c in staged(world, outcome))


def test_a_unit_that_was_gone_comes_back_with_what_hangs_under_it(world: World) -> None:
    settled(world)
    say(world, "d", "w")
    world.run("full")
    world.approve("approve")
    assert not documents(world)["d"]["active"]
    say(world, d=(3, "p1"), w=(4, "d"))
    assert steps(world, world.run()) == [("d", "restore"), ("w", "restore")]
    world.decide(Said("approve", changes={"units/d": "reject"}))
    assert not documents(world)["w"]["active"]


def test_a_unit_whose_document_became_the_targets_own_is_not_deactivated_when_it_is_gone(world: World) -> None:
    settled(world)
    world.production.commit([Update("geography/w", {"official": False}, (("official",),))])
    say(world, "w")
    outcome = world.run("full")
    assert (outcome.batch, outcome.tallies["units"].gone, outcome.tallies["units"].closes) == ("", 1, True)


def test_what_the_source_marks_inactive_is_taken_out_as_well_and_comes_back_from_the_root_down(world: World) -> None:
    settled(world)
    off = {"active": False}
    say(world, p1=(2, "c", off), d=(3, "p1", off), w=(4, "d", off))
    outcome = world.run()
    assert steps(world, outcome) == [("w", "deactivate"), ("d", "deactivate"), ("p1", "deactivate")]
    assert taken_out(world, outcome) == ["3 of 5 units"]
    world.approve()
    say(world, p1=(2, "c"), d=(3, "p1"), w=(4, "d"))
    outcome = world.run()
    assert steps(world, outcome) == [("p1", "restore"), ("d", "restore"), ("w", "restore")]
    assert taken_out(world, outcome) == []


def taken_out(world: World, outcome: Outcome) -> list[str]:
    """What the brake on taking out of production says of a batch."""
    parts = (
        finding.text.partition(" in production would be removed or") for finding in world.batch(outcome.batch).batch_findings
    )
    return [many for many, told, _ in parts if told]


def test_a_parent_is_not_deactivated_while_a_child_is_kept(world: World) -> None:
    settled(world)
    say(world, "p1", "d", "w")
    world.run("full")
    batch = world.decide(Said("approve", {"rule:brake": "approve"}, {"units/d": "reject"}))
    assert (batch.approved, batch.rejected) == (1, 2)


def test_new_units_under_one_that_is_gone_are_held_back(world: World) -> None:
    settled(world)
    say(world, "p2", n=(3, "p2"))
    outcome = world.run("full")
    assert steps(world, outcome) == [("p2", "deactivate")]
    assert any("under one that is gone from the source: n under p2" in note for note in outcome.notes)


def test_a_full_run_mends_a_place_that_is_not_as_the_parents_say(world: World) -> None:
    settled(world)
    world.production.commit([Update("geography/d", {"path": "c.p2.d"}, (("path",),))])
    assert world.run().batch == ""
    outcome = world.run("full")
    assert steps(world, outcome) == [("d", "move")]
    assert staged(world, outcome)[0].after == {"path": "c.p1.d"}
    world.approve()
    assert (documents(world)["d"]["path"], world.run("full").batch) == ("c.p1.d", "")


def paths_changed(world: World, outcome: Outcome) -> list[list[str]]:
    return [sorted(".".join(d.path) for d in change.diff) for change in staged(world, outcome)]


def test_a_mend_that_was_declined_stays_so_and_holds_nothing_else_up(world: World) -> None:
    settled(world)
    world.production.commit([Update("geography/d", {"path": "c.p2.d"}, (("path",),))])
    world.run("full")
    world.decide(Said("reject"))
    outcome = world.run("full")
    assert (outcome.batch, outcome.tallies["units"].declined, outcome.tallies["units"].closes) == ("", 1, True)
    say(world, d=(3, "p1", {"names": {"en": "dale"}}))
    assert paths_changed(world, world.run("full")) == [["names"]]
    say(world, d=(3, "p2"))
    assert paths_changed(world, world.run("full")) == [["landlordParent", "parentId"], ["path"]]  # the ward below did not follow


def test_a_name_that_was_declined_does_not_come_with_the_mend_of_a_place(world: World) -> None:
    settled(world)
    say(world, d=(3, "p1", {"names": {"en": "dale"}}))
    world.run()
    world.decide(Said("reject"))
    world.production.commit([Update("geography/d", {"path": "c.p2.d"}, (("path",),))])
    assert paths_changed(world, world.run("full")) == [["path"]]


def test_a_move_that_was_declined_once_is_whole_when_the_source_says_it_again(world: World) -> None:
    settled(world)
    say(world, d=(3, "p2"))
    world.run()
    world.decide(Said("reject"))
    say(world, p3=(2, "c"), d=(3, "p3"))
    world.run()
    world.approve()
    say(world, d=(3, "p2"))
    assert paths_changed(world, world.run()) == [["landlordParent", "parentId", "path"]]
    world.approve()
    assert oracle.faults(documents(world)) == []


def test_an_incremental_run_looks_again_at_a_place_that_is_at_odds_with_itself(world: World) -> None:
    settled(world)
    world.production.commit([Update("geography/d", {"parentId": "p2"}, (("parentId",),))])
    say(world, d=(3, "p1", {"names": {"en": "dale"}}))
    assert paths_changed(world, world.run()) == [["names", "parentId"]]


def test_a_record_claimed_twice_is_held_back(world: World) -> None:
    settled(world)
    at = world.clock()
    world.put(world.source, "units", ((f"n{n}", {**landlords("n", 2, w), "at": at}) for n, w in enumerate(("c", "e"))))
    world.clock.forward(60)
    outcome = world.run()
    assert (outcome.batch, outcome.tallies["units"].held, outcome.tallies["units"].closes) == ("", 2, True)


def test_what_the_places_cost_is_foreseen(world: World) -> None:
    settled(world)
    say(world, e=(1, ""), p1=(2, "e"), n=(3, "p2"), w=(3, "p2"))
    batch = world.batch(world.run().batch)
    assert batch.foreseen["capture"].reads == batch.costs["capture"].reads
    world.approve()
    say(world, d=(3, "p2"))
    batch = world.batch(world.run().batch)
    assert batch.foreseen["capture"].reads == batch.costs["capture"].reads


def test_a_rename_costs_no_look_at_what_is_above(world: World) -> None:
    settled(world)
    say(world, w=(4, "d", {"names": {"en": "ward"}}))
    before = world.production.bill.by_collection["geography"]
    outcome = capture(world.ctx)
    assert steps(world, outcome) == [("w", "update")]
    assert world.production.bill.by_collection["geography"] - before == 2  # the unit, and a count of what production holds


def test_a_run_that_is_repeated_proposes_the_same_again(world: World) -> None:
    settled(world)
    say(world, e=(1, ""), p1=(2, "e"))
    first = world.run()
    assert world.run("full").batch == ""
    assert world.batch(first.batch).status is Status.UNDER_REVIEW


def test_what_is_to_hang_under_a_unit_of_the_open_batch_joins_it(world: World) -> None:
    settled(world)
    say(world, p3=(2, "c"))
    first = world.run()
    say(world, n=(3, "p3"))
    second = world.run()
    assert steps(world, second) == [("p3", "create"), ("n", "create")]
    assert second.superseded == first.batch


def test_units_that_had_no_path_get_one_before_what_is_new_below_them(world: World) -> None:
    settled(world)
    world.production.commit([Update(f"geography/{id}", {}, (("path",), ("parentId",))) for id in documents(world)])
    say(world, n=(4, "d"))
    outcome = world.run("full")
    assert {step for _, step in steps(world, outcome)} == {"restore", "create"}
    assert world.approve("approve").status is Status.APPLIED
    assert oracle.faults(documents(world)) == []
