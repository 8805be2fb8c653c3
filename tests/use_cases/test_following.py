"""A promotion of a tree: packs one after the other, and whatever hangs under a moved unit follows in the commit that moves it."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import count
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from penstock.core import layout
from penstock.core.batch import Status
from penstock.core.errors import OutcomeUnknown, Unavailable
from penstock.core.followers import decode_followed
from penstock.core.records import Delete, Set, Update
from penstock.core.values import Data
from penstock.entrypoints import privileges
from penstock.use_cases import check, effects, following, staging, topics
from penstock.use_cases.decide import Said, decide
from penstock.use_cases.finish import give_up, read_back
from penstock.use_cases.leaving import hanging
from penstock.use_cases.promote import promote_pack, start
from penstock.use_cases.reviewing import find_row
from penstock.wiring import Threads
from support.forest import Plan, before_commit_of, custom, edit, faults, grown, ledger, member, unit, units
from support.world import APPROVER, World


def paths(world: World) -> dict[str, Any]:
    return {id: data["path"] for id, data in units(world).items()}


def commits(world: World) -> list[list[str]]:
    """The paths of every commit from now on that was applied."""
    seen: list[list[str]] = []
    real = world.production.commit

    def commit(writes: Any) -> Any:
        at = real(writes)
        seen.append([w.path for w in writes])
        return at

    world.production.commit = commit  # type: ignore[method-assign]
    return seen


def test_a_moved_unit_takes_its_subtree_and_its_members_along_in_one_commit() -> None:
    world = grown()
    before = world.documents("members")["m3"]
    batch = Plan(world).move("d1", "p2").stage()
    seen = commits(world)
    world.approve("approve")
    assert world.batch(batch.id).status is Status.APPLIED
    assert faults(world) == []
    assert paths(world)["c1"] == "np.p2.d1.w1.c1"
    assert units(world)["c1"]["wish"] == "ours"
    assert world.documents("members")["m2"] == member("m2", "np.p2.d1.w1.c1")[1]
    assert world.documents("members")["m3"] == before
    (moving,) = [some for some in seen if "geography/d1" in some]
    assert {"geography/w1", "geography/w2", "geography/c1", "members/m1", "members/m2", layout.pack(batch.id, 0)} <= set(moving)
    assert ledger(world, batch).followed == {"units": 3, "members": 2}


def test_what_lies_below_is_asked_for_in_all_places_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = grown()
    ctx = replace(world.ctx, ports=replace(world.ctx.ports, each=Threads(8)))
    real, all_there = world.production.scan, Barrier(3)

    def scan(*asked: Any) -> Any:
        all_there.wait(20)  # of the units below, the members below, and those of the unit itself
        return real(*asked)

    monkeypatch.setattr(world.production, "scan", scan)
    assert ctx.pipeline.tree is not None
    held = hanging(ctx, ctx.pipeline.tree, ["np.p1.d1.w1"])
    assert {of.name: [s.path for s in some] for of, some in held.items()} == {
        "units": ["geography/c1"],
        "members": ["members/m1", "members/m2"],
    }


def test_moves_within_each_other_write_each_document_once() -> None:
    world = grown(units=[unit("p3", "np", path="np.p3")])
    plan = Plan(world)
    plan.move("p1", "p3").move("d1", "p1").move("w1", "d2").update("w2", names={"en": "W2"})
    batch = plan.stage()
    seen = commits(world)
    world.approve("approve")
    assert faults(world) == []
    assert paths(world)["c1"] == "np.p3.p1.d2.w1.c1"
    assert (paths(world)["w2"], units(world)["w2"]["names"]) == ("np.p3.p1.d1.w2", {"en": "W2"})
    assert len([some for some in seen if "geography/w2" in some]) == 1
    assert ledger(world, batch).followed == {"units": 2, "members": 3}


def test_two_units_may_change_places() -> None:
    world = grown()
    Plan(world).move("d1", "np").move("p1", "d1").stage()
    world.approve("approve")
    assert faults(world) == []
    assert paths(world)["d2"] == "np.d1.p1.d2"
    assert paths(world)["c1"] == "np.d1.w1.c1"


def test_of_a_unit_that_would_come_to_lie_below_itself_the_move_falls_out() -> None:
    world = grown()
    batch = Plan(world).move("p1", "d1").update("p2", names={"en": "Two"}).stage()
    world.approve("approve")
    found = world.batch(batch.id)
    assert (found.status, found.applied, found.drifted) == (Status.PARTIALLY_APPLIED, 1, 1)
    assert "lies below it" in ledger(world, batch).why["units/p1"]
    assert paths(world)["p1"] == "np.p1"
    assert faults(world) == []


def test_why_a_move_fell_out_is_told_even_if_somebody_writes_to_its_unit_too() -> None:
    world = grown()
    batch = Plan(world).move("p1", "d1").update("p2", names={"en": "Two"}).stage()
    wish = [Update(f"geography/{id}", {"wish": "ours"}, (("wish",),)) for id in ("p1", "p2")]
    before_commit_of(world, "geography/p2", lambda real: real(wish))
    world.approve("approve")
    found = ledger(world, batch)
    assert set(found.drifted) == {"units/p1", "units/p2"}
    assert set(found.why) == {"units/p1"}


def test_of_a_unit_that_somebody_wrote_to_no_other_reason_is_told() -> None:
    world = grown()
    batch = Plan(world).update("w2", active=False).stage()
    writes = [Update("geography/w2", {"wish": "ours"}, (("wish",),)), Set("members/n", member("n", "np.p1.d1.w2")[1])]
    before_commit_of(world, "geography/w2", lambda real: real(writes))
    world.approve("approve")
    assert (ledger(world, batch).drifted, ledger(world, batch).why) == (("units/w2",), {})


def test_what_is_new_under_a_unit_that_moves_in_the_same_pack_goes_along() -> None:
    world = grown()
    Plan(world).create("w3", "d1").create("x1", "w3").move("d1", "p2").stage()
    world.approve("approve")
    assert faults(world) == []
    assert paths(world)["x1"] == "np.p2.d1.w3.x1"


def test_a_unit_may_move_under_one_that_is_new() -> None:
    world = grown()
    batch = Plan(world).create("p3", "np").move("d1", "p3").stage(per_pack=1)
    world.approve("approve")
    assert world.batch(batch.id).status is Status.APPLIED
    assert faults(world) == []
    assert paths(world)["c1"] == "np.p3.d1.w1.c1"


def test_where_the_new_parent_lies_elsewhere_by_now_the_unit_goes_there() -> None:
    world = grown(units=[unit("p3", "np", path="np.p3"), unit("z1", "p1", path="np.p1.z1"), custom("k", "z1", "np.p1.z1.k")])
    batch = Plan(world).move("p2", "p3").move("z1", "p2").stage(per_pack=1)
    world.approve("approve")
    assert world.batch(batch.id).status is Status.APPLIED
    assert faults(world) == []
    assert paths(world)["k"] == "np.p3.p2.z1.k"
    assert ledger(world, batch, 1).placed == {"units/z1": "np.p3.p2.z1"}


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (Delete("geography/p2"), "is not there"),
        (Update("geography/p2", {"official": False}, (("official",),)), "target's own"),
        (Update("geography/p2", {}, (("path",),)), "has no path"),
    ],
)
def test_what_was_to_hang_under_a_unit_that_cannot_hold_it_falls_out_with_what_hangs_under_it(how: Any, why: str) -> None:
    world = grown()
    batch = Plan(world).create("d3", "p2").create("w3", "d3").move("d2", "p2").update("np", names={"en": "Nepal"}).stage()
    world.production.commit([how])
    world.approve("approve")
    found = world.batch(batch.id)
    assert (found.status, found.applied, found.drifted) == (Status.PARTIALLY_APPLIED, 1, 3)
    assert why in ledger(world, batch).why["units/d3"]
    assert why in ledger(world, batch).why["units/d2"]
    assert "w3" not in units(world)


def test_what_is_new_falls_out_where_its_parent_lies_elsewhere_than_was_shown() -> None:
    world = grown()
    batch = Plan(world).create("w3", "d1").stage()
    edit(world, "geography/d1", path="np.p2.d1", parentId="p2")
    world.approve("approve")
    assert world.batch(batch.id).drifted == 1
    assert "np.p2.d1" in ledger(world, batch).why["units/w3"]


def test_packs_are_promoted_one_after_the_other_by_whoever_promoted_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "INLINE", 0)
    world = grown()
    batch = Plan(world).create("d3", "p2").create("w3", "d3").create("x3", "w3").stage(per_pack=1)
    before = len(world.publisher.messages)
    world.approve("approve")
    sent = [m["pack"] for topic, m in world.publisher.messages[before:] if topic == topics.PROMOTE]
    assert sent == ["0", "1", "2"]
    assert world.batch(batch.id).status is Status.APPLIED
    assert faults(world) == []


def test_a_pack_whose_turn_has_not_come_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "INLINE", 0)
    world = grown()
    batch = Plan(world).create("d3", "p2").create("w3", "d3").create("x3", "w3").stage(per_pack=1)
    world.delivered += 100  # the messages that the approval sends are lost
    world.approve("approve")
    world.delivered = len(world.publisher.messages)
    world.publisher.publish(topics.PROMOTE, [{"batch": batch.id, "pack": "2"}, {"batch": batch.id, "pack": "1"}])
    world.pump()
    assert {"d3", "w3", "x3"} & set(units(world)) == set()
    world.clock.forward(1_000)
    assert any("first of 3 packs" in line for line in world.sweep())
    world.pump()
    assert world.batch(batch.id).status is Status.APPLIED
    assert faults(world) == []


def test_a_message_that_comes_twice_is_followed_to_the_end_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "INLINE", 0)
    world = grown()
    batch = Plan(world).create("d3", "p2").create("w3", "d3").stage(per_pack=1)
    world.approve("approve")
    rest = units(world)
    for number in ("0", "1", "0"):
        world.publisher.publish(topics.PROMOTE, [{"batch": batch.id, "pack": number}])
    world.pump()
    assert units(world) == rest
    assert world.batch(batch.id).status is Status.APPLIED


def test_who_came_below_right_before_the_commit_is_seen_and_goes_along() -> None:
    world = grown()
    Plan(world).move("d1", "p2").stage()

    def moved_by_somebody(real: Any) -> None:
        data = member("m1", "np.p1.d1.w2")[1]
        real([Update("members/m1", data, tuple((name,) for name in data))])

    before_commit_of(world, "members/m1", moved_by_somebody)
    world.approve("approve")
    assert world.documents("members")["m1"]["unitPath"] == "np.p2.d1.w2"
    assert faults(world) == []


def test_an_edit_of_a_follower_is_kept_and_its_path_follows_all_the_same() -> None:
    world = grown()
    batch = Plan(world).move("d1", "p2").stage()
    before_commit_of(world, "geography/c1", lambda real: real([Update("geography/c1", {"wish": "more"}, (("wish",),))]))
    world.approve("approve")
    assert world.batch(batch.id).status is Status.APPLIED
    assert units(world)["c1"]["wish"] == "more"
    assert faults(world) == []


def test_what_followers_stored_before_lies_in_storage_as_the_landed_attempt_found_it() -> None:
    world = grown()
    batch = Plan(world).move("d1", "p2").stage()
    stood = {path: world.production.get([path])[0].fields for path in ("geography/w1", "members/m1")}
    before_commit_of(world, "geography/c1", lambda real: real([Update("geography/c1", {"wish": "more"}, (("wish",),))]))
    world.approve("approve")
    attempt = ledger(world, batch).attempt
    lines = decode_followed(world.blobs.read(layout.followers_blob(world.ctx.id, batch.id, 0, attempt)))
    by_document = {f.document: f for f in lines}
    assert set(by_document) == {"geography/w1", "geography/w2", "geography/c1", "members/m1", "members/m2"}
    assert by_document["geography/w1"].before == {"path": stood["geography/w1"]["path"]}
    assert by_document["members/m1"].before == {"unitPath": stood["members/m1"]["unitPath"], "unit2": "p1"}
    assert by_document["members/m1"].kind == "members"


def test_a_record_that_only_this_batch_moved_is_no_drift() -> None:
    world = grown()
    batch = Plan(world).move("d1", "p2").update("w2", active=False).stage(per_pack=1)
    before = units(world)["w2"]
    world.approve("approve")
    found = world.batch(batch.id)
    assert (found.status, found.drifted) == (Status.APPLIED, 0)
    assert {**before, "active": False, "path": "np.p2.d1.w2"} == {k: v for k, v in units(world)["w2"].items() if k != "penstock"}
    assert faults(world) == []
    attempt = ledger(world, batch, 1).attempt
    (line,) = decode_followed(world.blobs.read(layout.followers_blob(world.ctx.id, batch.id, 1, attempt)))
    assert (line.document, line.before) == ("geography/w2", {"path": "np.p2.d1.w2"})


def test_a_record_that_was_moved_and_edited_drifts() -> None:
    world = grown()
    batch = Plan(world).move("d1", "p2").update("w2", active=False).stage(per_pack=1)
    edit(world, "geography/w2", names={"en": "by hand"})
    world.approve("approve")
    assert world.batch(batch.id).drifted == 1
    assert units(world)["w2"]["active"] is True
    assert faults(world) == []


def test_a_stored_path_that_cannot_be_the_units_own_is_mended_and_drags_nothing_along() -> None:
    world = grown(units=[unit("d4", "p2", path="np.p1")])  # it says that it lies where p1 does
    batch = Plan(world).move("d4", "p2").stage()
    world.approve("approve")
    assert world.batch(batch.id).status is Status.APPLIED
    assert paths(world)["d4"] == "np.p2.d4"
    assert paths(world)["d1"] == "np.p1.d1"
    assert ledger(world, batch).followed == {}


def test_a_subtree_that_outgrew_one_commit_falls_out_and_the_others_land(monkeypatch: pytest.MonkeyPatch) -> None:
    world = grown(members=[member(f"n{n}", "np.p1.d2") for n in range(30)])
    batch = Plan(world).move("d1", "p2").move("d2", "p2").stage()
    monkeypatch.setattr(following, "MAX_WRITES", 20)
    world.approve("approve")
    found = world.batch(batch.id)
    assert (found.applied, found.drifted) == (1, 1)
    assert "30 documents lie below" in ledger(world, batch).why["units/d2"]
    assert faults(world) == []
    assert paths(world)["d1"] == "np.p2.d1"


def test_a_subtree_of_too_many_bytes_falls_out(monkeypatch: pytest.MonkeyPatch) -> None:
    world = grown()
    batch = Plan(world).move("d1", "p2").stage()
    monkeypatch.setattr(following, "MAX_BYTES", 500)
    world.approve("approve")
    assert world.batch(batch.id).drifted == 1
    assert paths(world)["d1"] == "np.p1.d1"


def test_a_record_read_back_may_have_been_moved_since_and_a_wrong_path_is_found() -> None:
    world = grown()
    batch = Plan(world).update("w2", names={"en": "Two"}).create("w3", "d1").move("d1", "p2").stage(per_pack=1)
    world.approve("approve")
    ctx, done = world.outside, world.batch(batch.id)
    for number in range(3):
        back = read_back(ctx, done, staging.load_pack(ctx, batch.id, number))
        assert (back.verified, back.mismatched, back.edited) == (1, (), 0)
    edit(world, "geography/w3", path="np.p1.d1.w3")
    back = read_back(ctx, done, staging.load_pack(ctx, batch.id, 0))
    assert (back.verified, back.edited) == (0, 1)


@pytest.mark.parametrize("lost", [Delete("geography/p2"), Update("geography/p2", {}, (("path",),))], ids=["gone", "without path"])
def test_a_record_read_back_whose_parent_is_gone_or_has_no_path_is_not_where_it_should_be(lost: Delete | Update) -> None:
    world = grown()
    batch = Plan(world).create("d9", "p2").stage()
    done = world.approve("approve")
    world.production.commit([lost])
    back = read_back(world.outside, done, staging.load_pack(world.outside, batch.id, 0))
    assert (back.verified, back.mismatched, back.edited) == (0, ("units/d9",), 0)


@pytest.mark.parametrize(("come", "drifted"), [(1, 0), (2, 1)])
def test_a_move_that_touches_more_than_was_approved_falls_out_beyond_the_tolerance(come: int, drifted: int) -> None:
    """The rule's tolerance is a half: two members were shown, three may be, four are too many."""
    world = grown()
    batch = Plan(world).create("w9", "d1").move("d1", "p2").stage()
    assert "impact" in world.batch(batch.id).findings
    world.put(world.production, "members", [member(f"n{n}", "np.p1.d1.w2") for n in range(come)])
    world.approve("approve")
    assert world.batch(batch.id).drifted == drifted
    assert faults(world) == []
    if drifted:
        assert ledger(world, batch).why == {
            "units/d1": "it touches more than was approved: 2 members were approved, and there are 4"
        }


def test_what_the_batch_itself_moved_below_a_unit_was_approved() -> None:
    """One member stands under p2 when it is shown; three more come with d1, which an earlier pack moves there."""
    world = grown(units=[unit("p9", "np", path="np.p9")])
    batch = Plan(world).move("d1", "p2").move("p2", "p9").stage(per_pack=1)
    world.approve("approve")
    assert world.batch(batch.id).status is Status.APPLIED
    assert paths(world)["c1"] == "np.p9.p2.d1.w1.c1"
    assert faults(world) == []


def test_a_deactivation_is_held_to_what_was_approved_too() -> None:
    world = grown()
    batch = Plan(world).update("w2", active=False).stage()
    world.put(world.production, "members", [member("n", "np.p1.d1.w2")])
    world.approve("approve")
    assert world.batch(batch.id).drifted == 1
    assert units(world)["w2"]["active"] is True


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_any_moves_in_any_packs_leave_paths_that_the_parents_say(seed: int, per_pack: int) -> None:
    chance = random.Random(seed)
    ids = [f"u{n}" for n in range(12)]
    above: dict[str, str] = {}
    standing: list[tuple[str, Data]] = []
    path = {"": ""}
    for n, id in enumerate(ids):
        above[id] = chance.choice(["", *ids[:n]])
        path[id] = f"{path[above[id]]}.{id}".lstrip(".")
        standing.append(unit(id, above[id], path=path[id]))
    standing += [custom(f"k{n}", id, f"{path[id]}.k{n}") for n, id in enumerate(ids)]
    world = grown(units=standing, members=[member(f"x{n}", path[id]) for n, id in enumerate(chance.sample(ids, 6))])
    plan = Plan(world)
    for id in chance.sample(ids, 5):
        plan.move(id, chance.choice(["", *(other for other in ids if other != id)]))
    batch = plan.stage(per_pack)
    world.approve("approve")
    assert world.batch(batch.id).status in (Status.APPLIED, Status.PARTIALLY_APPLIED)
    assert [text for text in faults(world) if "units of its levels" not in text] == []  # some lie deeper than members tell


def test_a_sleeper_begins_no_pack_of_a_promotion_that_is_given_up() -> None:
    """It saw the batch being applied, and wakes up right when the pack before its own is closed."""
    world = grown()
    batch = Plan(world).create("d3", "p2").move("d1", "p2").update("w2", active=False).stage(per_pack=1)
    decide(world.ctx, batch.id, batch.digest, APPROVER, Said("approve"))
    asleep = start(world.ctx, batch.id)
    assert check.fail(world.ctx, batch.id, 0)
    before = paths(world)
    real, woken = world.production.commit, list[int]()

    def commit(writes: Any) -> Any:
        at = real(writes)
        if not woken and any(w.path == layout.pack(batch.id, 0) for w in writes):
            woken.append(1)
            promote_pack(world.ctx, asleep, 1)
        return at

    world.production.commit = commit  # type: ignore[method-assign]
    give_up(world.ctx, batch.id)
    assert woken
    assert paths(world) == before
    assert world.batch(batch.id).status is Status.SUPERSEDED


def test_a_pack_that_was_promoted_gives_its_ledger_again() -> None:
    world = grown()
    batch = Plan(world).move("d1", "p2").stage()
    world.approve("approve")
    assert promote_pack(world.outside, start(world.outside, batch.id), 0) == ledger(world, batch)


@pytest.mark.parametrize("inline", [0, 500], ids=["by messages", "inline"])
def test_who_comes_below_between_the_look_and_the_commit_follows_before_the_batch_comes_to_rest(
    inline: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing stands where it comes to, so nothing tells the commit of it."""
    monkeypatch.setattr(effects, "INLINE", inline)
    world = grown(units=[custom(f"k{n}", "w2", f"np.p1.d1.w2.k{n}") for n in range(2)])
    batch = Plan(world).move("d1", "p2").move("p2", "d2").stage(per_pack=1)
    late = custom("late", "w1", "np.p1.d1.w1.late")
    before_commit_of(
        world,
        "geography/d1",
        lambda real: real([Set("geography/late", late[1]), Set("members/late", member("late", "np.p1.d1")[1])]),
    )
    world.approve("approve")
    assert world.batch(batch.id).status is Status.APPLIED
    assert faults(world) == []
    assert paths(world)["late"] == "np.p1.d2.p2.d1.w1.late"
    names = [name for name in world.blobs.names(f"backups/{world.ctx.id}/{batch.id}/") if "late" in name]
    kept = [(f.document, f.before) for name in sorted(names) for f in decode_followed(world.blobs.read(name))]
    assert [b["path"] for document, b in kept if document == "geography/late"] == ["np.p1.d1.w1.late"]
    assert [b["unitPath"] for document, b in kept if document == "members/late"] == ["np.p1.d1"]


def test_who_comes_below_right_before_the_commit_follows_though_the_promotion_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(effects, "INLINE", 0)
    monkeypatch.setattr(topics, "send_packs", lambda *_: None)
    world = grown()
    batch = Plan(world).move("d1", "p2").move("w2", "d2").stage(per_pack=1)
    late = Set("geography/late", custom("late", "w1", "np.p1.d1.w1.late")[1])
    before_commit_of(world, "geography/d1", lambda real: real([late]))
    decide(world.ctx, batch.id, batch.digest, APPROVER, Said("approve"))
    promote_pack(world.ctx, start(world.ctx, batch.id), 0)
    assert check.fail(world.ctx, batch.id, 1)
    assert paths(world)["late"] == "np.p1.d1.w1.late"
    effects.pay(world.serving(privileges.CAPTURE), give_up(world.serving(privileges.CAPTURE), batch.id))
    assert world.batch(batch.id).status is Status.PARTIALLY_APPLIED
    before_commit_of(world, "geography/late", _edited_again, 2 * following.STRAGGLING)
    for _ in range(2):
        world.clock.forward(1_000)
        assert any("latecomers" in line for line in world.sweep())
        assert paths(world)["late"] == "np.p1.d1.w1.late"
    world.clock.forward(1_000)
    world.sweep()
    assert paths(world)["late"] == "np.p2.d1.w1.late"
    assert faults(world) == []


NUMBERS = count()


def _edited(real: Any) -> None:
    real([Update("geography/late", {"wish": "more"}, (("wish",),))])


def _edited_again(real: Any) -> None:
    real([Update("geography/late", {"wish": next(NUMBERS)}, (("wish",),))])


def _lost(_: Any) -> None:
    raise OutcomeUnknown("gave no answer", subject="geography/late", remedy="Look what became of it.")


@pytest.mark.parametrize(("strikes", "wish"), [(_edited, "more"), (_lost, None)], ids=["edited", "no answer"])
def test_who_came_late_and_could_not_be_fetched_is_looked_for_once_more(strikes: Any, wish: str | None) -> None:
    world = grown()
    batch = Plan(world).move("d1", "p2").stage()
    late = custom("late", "w1", "np.p1.d1.w1.late")
    before_commit_of(world, "geography/d1", lambda real: real([Set("geography/late", late[1])]))
    before_commit_of(world, "geography/late", strikes)
    world.approve("approve")
    assert world.batch(batch.id).status is Status.APPLIED
    assert (paths(world)["late"], units(world)["late"].get("wish")) == ("np.p2.d1.w1.late", wish)


@pytest.mark.parametrize("strikes", [_edited_again, _lost], ids=["edited", "no answer"])
def test_a_batch_does_not_come_to_rest_while_who_came_late_cannot_be_fetched(strikes: Any) -> None:
    world = grown()
    batch = Plan(world).move("d1", "p2").stage()
    late = custom("late", "w1", "np.p1.d1.w1.late")
    before_commit_of(world, "geography/d1", lambda real: real([Set("geography/late", late[1])]))
    before_commit_of(world, "geography/late", strikes, following.STRAGGLING)
    world.patient = True
    world.approve("approve")
    assert (world.batch(batch.id).status, paths(world)["late"]) == (Status.APPLYING, "np.p1.d1.w1.late")
    world.clock.forward(1_000)
    world.sweep()
    assert (world.batch(batch.id).status, paths(world)["late"]) == (Status.APPLIED, "np.p2.d1.w1.late")
    assert faults(world) == []


def test_more_who_came_late_than_one_try_fetches_are_fetched_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_LATE", 1)
    monkeypatch.setattr(effects, "INLINE", 0)
    world = grown()
    batch = Plan(world).move("d1", "p2").stage()
    late = [Set(f"members/x{n}", member(f"x{n}", "np.p1.d1.w1")[1]) for n in range(following.STRAGGLING + 2)]
    before_commit_of(world, "geography/d1", lambda real: real(late))
    with pytest.raises(Unavailable, match="pack 0"):
        world.approve("approve")
    assert world.batch(batch.id).status is Status.APPLYING
    world.pump()
    assert world.batch(batch.id).status is Status.APPLIED
    assert faults(world) == []


def test_a_moved_unit_that_somebody_stores_below_itself_keeps_no_batch_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    world = grown()
    batch = Plan(world).move("d1", "p2").stage()
    finish = effects.finish

    def finish_later(*given: Any) -> Any:
        edit(world, "geography/d1", path="np.p1.d1.d1")
        world.put(world.production, "members", [member("late", "np.p1.d1")])
        return finish(*given)

    monkeypatch.setattr(effects, "finish", finish_later)
    world.approve("approve")
    assert world.batch(batch.id).status is Status.APPLIED
    assert world.documents("members")["late"]["unitPath"] == "np.p1.d1"


def test_what_somebody_moved_back_before_the_end_of_the_batch_stays_where_they_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = grown()
    Plan(world).move("d1", "p2").stage()
    back = [Set(f"{name}/{id}", data) for name in ("geography", "members") for id, data in world.documents(name).items()]
    finish = effects.finish

    def finish_later(*given: Any) -> Any:
        world.production.commit(back)
        return finish(*given)

    monkeypatch.setattr(effects, "finish", finish_later)
    world.approve("approve")
    assert paths(world)["c1"] == "np.p1.d1.w1.c1"
    assert faults(world) == []


def test_why_a_change_fell_out_is_told_where_it_is_shown() -> None:
    world = grown()
    batch = Plan(world).move("p1", "d1").stage()
    world.approve("approve")
    row = find_row(world.outside, world.batch(batch.id), "units/p1")
    assert (row.status, row.note) == ("DRIFTED", "It fell out when it was promoted: its new parent lies below it by now.")
