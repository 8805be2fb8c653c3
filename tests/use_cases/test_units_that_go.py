"""A unit that goes: what hangs below it is kept, goes along or moves, as was chosen, in one commit, or nothing of it happens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from penstock.core import layout
from penstock.core.batch import Status
from penstock.core.choices import CASCADE, EACH, reassign
from penstock.core.codec import to_data
from penstock.core.diff import changed_by_hand
from penstock.core.errors import InvalidInput
from penstock.core.followers import decode_followed
from penstock.core.packs import digest_of
from penstock.core.plan import DEPENDENTS, Batch
from penstock.core.records import Delete, Set, Update
from penstock.core.values import Data, dumps
from penstock.use_cases import following, staging
from penstock.use_cases.decide import Said
from penstock.use_cases.finish import read_back
from penstock.use_cases.reviewing import find_row
from support.forest import Plan, before_commit_of, custom, edit, faults, grown, ledger, member, unit, units
from support.world import World


def choose(world: World, *, keep: tuple[str, ...] = (), **choices: str) -> Batch:
    said = {f"units/{id}": choice for id, choice in choices.items()}
    return world.decide(Said("approve", {}, {f"units/{id}": "reject" for id in keep}, "", said))


def going(*ids: str, per_pack: int = 350, **given: Any) -> tuple[World, Batch]:
    """A world in which these units are to go."""
    world = grown(**given)
    plan = Plan(world)
    for id in ids:
        plan.update(id, active=False)
    return world, plan.stage(per_pack=per_pack)


def unstamped(world: World) -> dict[str, Data]:
    return {id: {k: v for k, v in data.items() if k != "penstock"} for id, data in units(world).items()}


def test_who_comes_below_a_unit_that_moves_for_another_follows_before_the_batch_comes_to_rest() -> None:
    world, batch = going("w1")
    commit = world.production.commit

    def late(writes: Any) -> Any:
        if any(write.path == "geography/w1" for write in writes):
            commit([Set("members/late", member("late", "np.p1.d1.w1.c1")[1])])
        return commit(writes)

    world.production.commit = late  # type: ignore[method-assign]
    choose(world, w1=reassign("w2"))
    assert world.batch(batch.id).status is Status.APPLIED
    assert world.documents("members")["late"]["unitPath"] == "np.p1.d1.w2.c1"
    assert faults(world) == []


def test_the_review_is_told_what_each_unit_leaves_and_nothing_of_what_the_batch_takes_too() -> None:
    _, batch = going("d1", "w1", "w2", per_pack=1)
    found = {f.key: {name: n for name, _, n in f.table} for f in batch.batch_findings}
    assert found == {"units/w1": {"members": 2, "units of the target's own": 1}}
    assert batch.findings[DEPENDENTS] == {"blocker": 1}


@pytest.mark.parametrize("words", [{}, {f"rule:{DEPENDENTS}": "approve"}])
def test_without_a_choice_nothing_is_decided(words: Any) -> None:
    world, batch = going("w1")
    with pytest.raises(InvalidInput):
        world.decide(Said("approve", words))
    assert world.batch(batch.id).decisions == ()
    with pytest.raises(InvalidInput, match="choose"):
        world.decide(Said("approve", {}, {"units/w1": "approve"}))


def test_to_keep_a_unit_keeps_all_that_hangs_below_it() -> None:
    world, batch = going("w1", "w2")
    before = units(world)["w1"], units(world)["c1"], world.documents("members")
    done = choose(world, keep=("w1",))
    assert (done.status, done.applied, done.rejected) == (Status.APPLIED, 1, 1)
    assert (units(world)["w1"], units(world)["c1"], world.documents("members")) == before
    assert world.batch(batch.id).decisions[0].choices == {}


def test_taken_along_own_units_go_too_in_the_same_commit_and_members_stay() -> None:
    world, batch = going("w1")
    before, real, seen = world.documents("members"), world.production.commit, []
    world.production.commit = lambda writes: (real(writes), seen.append({w.path for w in writes}))[0]  # type: ignore[method-assign]
    done = choose(world, w1=CASCADE)
    assert done.status is Status.APPLIED
    assert {"geography/w1", "geography/c1", layout.pack(batch.id, 0)} <= next(some for some in seen if "geography/w1" in some)
    assert {id: units(world)[id]["active"] for id in ("w1", "c1", "w2")} == {"w1": False, "c1": False, "w2": True}
    assert world.documents("members") == before
    assert ledger(world, batch).followed == {"units": 1}
    assert faults(world) == []


def test_moved_own_units_and_members_belong_to_the_other_unit() -> None:
    world, batch = going("w1")
    done = choose(world, w1=reassign("w2"))
    assert (done.status, done.decisions[0].choices) == (Status.APPLIED, {"units/w1": "reassign:w2"})
    assert units(world)["c1"] == custom("c1", "w2", "np.p1.d1.w2.c1", wish="ours")[1]
    assert world.documents("members")["m1"] == member("m1", "np.p1.d1.w2")[1]
    assert world.documents("members")["m2"] == member("m2", "np.p1.d1.w2.c1")[1]
    assert units(world)["w1"]["active"] is False
    assert ledger(world, batch).followed == {"units": 1, "members": 2}
    assert faults(world) == []


def test_the_other_unit_may_be_named_by_the_landlords_id() -> None:
    world = grown(units=[("own-w9", unit("w9", "d2", path="np.p1.d2.own-w9")[1])])
    Plan(world).update("w1", active=False).stage()
    done = choose(world, w1=reassign("w9"))
    assert done.decisions[0].choices == {"units/w1": "reassign:own-w9"}
    assert units(world)["c1"]["path"] == "np.p1.d2.own-w9.c1"
    assert faults(world) == []


def test_the_other_unit_may_come_with_the_same_batch() -> None:
    world = grown()
    Plan(world).create("w3", "d2").update("w1", active=False).stage()
    done = choose(world, w1=reassign("w3"))
    assert (done.status, done.applied) == (Status.APPLIED, 2)
    assert world.documents("members")["m2"] == member("m2", "np.p1.d2.w3.c1")[1]
    assert faults(world) == []


@pytest.mark.parametrize("per_pack", [1, 350])
@pytest.mark.parametrize("stored", [{"path": None}, {"path": "np.p1.d2.edited"}, {"path": "np.p1.d2.w3", "active": False}])
def test_the_other_unit_may_be_put_right_with_the_same_batch(stored: Data, per_pack: int) -> None:
    id, data = unit("w3", "d2", path="np.p1.d2.w3")
    world = grown(units=[(id, {name: value for name, value in (data | stored).items() if value is not None})])
    plan = Plan(world)
    plan._paths["w3"] = "np.p1.d2.w3"
    (plan.update if "active" in stored else plan.move)("w3", *([] if "active" in stored else ["d2"]), active=True)
    plan.update("w1", active=False).stage(per_pack=per_pack)
    done = choose(world, w1=reassign("w3"))
    assert (done.status, done.applied) == (Status.APPLIED, 2)
    assert (units(world)["w3"]["path"], units(world)["w3"]["active"]) == ("np.p1.d2.w3", True)
    assert world.documents("members")["m2"] == member("m2", "np.p1.d2.w3.c1")[1]
    assert faults(world) == []


@pytest.mark.parametrize("per_pack", [1, 350])
def test_where_units_move_in_the_same_batch_what_is_left_goes_to_where_they_are_then(per_pack: int) -> None:
    world = grown()
    Plan(world).move("d1", "p2").update("w1", active=False).stage(per_pack=per_pack)
    done = choose(world, w1=reassign("w2"))
    assert (done.status, done.drifted) == (Status.APPLIED, 0)
    assert world.documents("members")["m2"] == member("m2", "np.p2.d1.w2.c1")[1]
    assert world.documents("members")["m1"] == member("m1", "np.p2.d1.w2")[1]
    assert faults(world) == []


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ("w1", "is the unit itself"),
        ("d2", "is of level 3"),
        ("c1", "is not official"),
        ("w8", "is not active"),
        ("w7", "is not active"),
        ("nowhere", "is not there"),
        ("x/y", "is not there"),
        ("w6", "has no path of its own"),
    ],
)
def test_a_unit_that_cannot_take_it_is_refused_before_anything_is_decided(other: str, why: str) -> None:
    astray = unit("w6", "d2", path="np.p1.d2.edited")
    asleep = unit("w8", "d2", path="np.p1.d2.w8", active=False)
    world, batch = going("w1", "w7", units=[unit("w7", "d2", path="np.p1.d2.w7"), asleep, astray])
    with pytest.raises(InvalidInput, match=why):
        choose(world, w1=reassign(other))
    assert world.batch(batch.id).status is Status.UNDER_REVIEW


@pytest.mark.parametrize("other", [".", "..", "__id__", "x" * 2_000, "a\x00b", "`w2`", "*", "w2/../d2", "w2.c1"])
def test_whatever_is_typed_for_an_id_names_no_unit_and_changes_nothing(other: str) -> None:
    world, batch = going("w1")
    before = units(world), world.documents("members")
    with pytest.raises(InvalidInput):
        choose(world, w1=reassign(other))
    assert (units(world), world.documents("members"), world.batch(batch.id).decisions) == (*before, ())


def test_a_unit_that_goes_along_with_another_takes_nothing() -> None:
    world, _ = going("w1", "d2", units=[unit("w5", "d2", path="np.p1.d2.w5")])
    with pytest.raises(InvalidInput, match="goes along with units/d2"):
        choose(world, w1=reassign("w5"), d2=CASCADE)
    assert choose(world, w1=reassign("w2"), d2=CASCADE).status is Status.APPLIED


def test_a_unit_that_comes_below_one_which_goes_elsewhere_for_another_takes_what_hangs_below_a_third() -> None:
    world = grown(members=[member("m9", "np.p1.d2")])
    batch = Plan(world).update("w1", active=False).update("d2", active=False).create("w9", "d2").stage()
    done = choose(world, w1=reassign("w9"), d2=reassign("d1"))
    assert (done.status, done.applied, list(ledger(world, batch).why)) == (Status.PARTIALLY_APPLIED, 2, ["units/d2"])
    assert units(world)["c1"]["path"] == "np.p1.d2.w9.c1"
    assert faults(world) == []


def test_active_units_that_the_batch_does_not_take_away_go_along_or_stay_and_are_not_moved() -> None:
    world, batch = going("d1")
    with pytest.raises(InvalidInput, match="2 active units"):
        choose(world, d1=reassign("d2"))
    done = choose(world, d1=CASCADE)
    assert done.status is Status.APPLIED
    assert {id for id, u in units(world).items() if not u["active"]} == {"d1", "w1", "w2", "c1"}
    back = read_back(world.outside, done, staging.load_pack(world.outside, batch.id, 0))
    assert (back.verified, back.mismatched) == (1, ())


def test_official_units_that_went_along_are_declined_and_not_taken_for_edited() -> None:
    world = grown()
    Plan(world).update("w2", names={"en": "W2"}).stage()
    world.approve("approve")
    Plan(world).update("d1", active=False).stage()
    choose(world, d1=CASCADE)
    assert set(staging.declined(world.outside)) == {"units/w1", "units/w2"}
    entity = world.outside.pipeline.entity("units")
    (w2,) = world.production.get(["geography/w2"])
    assert w2.fields["active"] is False
    assert not changed_by_hand(entity, w2)


def test_who_came_below_since_is_not_left_behind_by_a_unit_without_a_choice() -> None:
    world, batch = going("w2", "d2")
    world.put(world.production, "members", [member("late", "np.p1.d1.w2")])
    done = world.approve("approve")
    assert (done.status, done.applied, done.drifted) == (Status.PARTIALLY_APPLIED, 1, 1)
    assert "0 members were approved, and there are 1" in ledger(world, batch).why["units/w2"]
    assert units(world)["w2"]["active"] is True


def test_who_belongs_to_a_unit_without_a_choice_by_now_keeps_it_also_where_there_are_no_more_than_were_shown() -> None:
    world, batch = going("d1", "w1", "w2", per_pack=1)
    data = member("m1", "np.p1.d1")[1] | {"unit4": None}
    world.production.commit([Update("members/m1", data, tuple((name,) for name in data))])
    done = choose(world, w1=CASCADE)
    assert (done.applied, done.drifted) == (2, 1)
    assert "1 members hang at or below it by now" in ledger(world, batch, 2).why["units/d1"]
    assert units(world)["d1"]["active"] is True


def test_a_unit_stays_where_one_below_it_falls_out() -> None:
    world, batch = going("d1", "w1", "w2", per_pack=1)
    edit(world, "geography/w2", names={"en": "by hand"})
    done = choose(world, w1=CASCADE)
    assert (done.applied, done.drifted) == (1, 2)
    assert "1 active units" in ledger(world, batch, 2).why["units/d1"]
    assert {id for id, u in units(world).items() if not u["active"]} == {"w1", "c1"}


def test_what_was_decided_with_a_unit_below_stays_so_when_what_is_above_moves_its_own() -> None:
    world, batch = going("d1", "w1", "w2", per_pack=1, members=[member("m5", "np.p1.d1")])
    done = choose(world, w1=CASCADE, d1=reassign("d2"))
    assert done.status is Status.APPLIED
    assert world.documents("members")["m5"] == member("m5", "np.p1.d2")[1]
    assert world.documents("members")["m1"] == member("m1", "np.p1.d1.w1")[1]
    assert (units(world)["c1"]["path"], units(world)["c1"]["active"]) == ("np.p1.d1.w1.c1", False)
    assert faults(world) == []
    assert batch.packs == 3


def test_a_unit_falls_out_where_another_change_of_its_pack_writes_what_would_go_along() -> None:
    world = grown()
    batch = Plan(world).update("d1", active=False).update("w1", names={"en": "One"}).stage()
    choose(world, d1=CASCADE)
    why = "geography/w1, below it, is written by another change of the same pack"
    assert find_row(world.outside, world.batch(batch.id), "units/d1").note == f"It fell out when it was promoted: {why}."
    assert (units(world)["d1"]["active"], units(world)["w1"]["active"], units(world)["w1"]["names"]) == (
        True,
        True,
        {"en": "One"},
    )


@pytest.mark.parametrize("per_pack", [1, 350])
@pytest.mark.parametrize("renamed", [False, True])
def test_what_an_earlier_batch_left_at_a_unit_that_went_moves_with_what_is_above_that(renamed: bool, per_pack: int) -> None:
    world = grown(units=[unit("d9", "p2", path="np.p2.d9", active=False)], members=[member("m9", "np.p2.d9")])
    plan = Plan(world).update("p2", active=False)
    if renamed:
        plan.update("d9", names={"en": "Nine"})
    plan.stage(per_pack=per_pack)
    choose(world, p2=reassign("p1"))
    assert units(world)["p2"]["active"] is False
    assert world.documents("members")["m9"] == member("m9", "np.p1")[1]


def test_one_word_for_each_takes_all_along() -> None:
    world, _ = going("w1", "p2")
    done = world.decide(Said("approve", choices={EACH: CASCADE}))
    assert (done.status, done.applied) == (Status.APPLIED, 2)
    assert done.decisions[0].choices == {"units/w1": CASCADE, "units/p2": CASCADE}


@pytest.mark.parametrize(
    ("since", "why"),
    [
        (Update("geography/w2", {"active": False}, (("active",),)), "is not active"),
        (Update("geography/w2", {"official": False}, (("official",),)), "is not official"),
        (Delete("geography/w2"), "is not there"),
        (Update("geography/w2", {"path": "np.p1.d1.edited"}, (("path",),)), "has no path of its own"),
    ],
)
def test_a_unit_whose_home_is_none_any_more_falls_out_and_nothing_of_it_is_done(since: Any, why: str) -> None:
    world, batch = going("w1", "p2")
    _hold_effects(world)
    choose(world, w1=reassign("w2"), p2=CASCADE)
    world.production.commit([since])
    before = unstamped(world), world.documents("members")
    world.release()  # type: ignore[attr-defined]
    done = world.batch(batch.id)
    assert (done.applied, done.drifted) == (1, 1)
    assert why in ledger(world, batch).why["units/w1"]
    before[0]["p2"]["active"] = False
    assert (unstamped(world), world.documents("members")) == before


def _hold_effects(world: World) -> None:
    """What is owed is paid later: `release` does."""
    owed: list[Any] = []
    real = world.pay

    def release() -> None:
        world.pay = real  # type: ignore[method-assign]
        for facts, grant in owed:
            world.pay(facts, grant)
        world.pump()

    world.pay = lambda facts, grant=None: owed.append((tuple(facts), grant))  # type: ignore[method-assign]
    world.release = release  # type: ignore[attr-defined]


def test_an_edit_right_before_the_commit_is_kept_and_the_document_moves_all_the_same() -> None:
    world, batch = going("w1")
    before_commit_of(world, "geography/c1", lambda real: real([Update("geography/c1", {"wish": "more"}, (("wish",),))]))
    choose(world, w1=reassign("w2"))
    assert units(world)["c1"] == custom("c1", "w2", "np.p1.d1.w2.c1", wish="more")[1]
    assert world.batch(batch.id).status is Status.APPLIED
    assert faults(world) == []


def test_a_member_that_comes_right_before_the_commit_is_moved_too() -> None:
    world, _ = going("w1")
    late = member("late", "np.p1.d1.w1")[1]

    def somebody(real: Any) -> None:
        real([Set("members/late", late), Update("members/m1", {"name": "M"}, (("name",),))])

    before_commit_of(world, "members/m1", somebody)
    choose(world, w1=reassign("w2"))
    assert world.documents("members")["late"] == member("late", "np.p1.d1.w2")[1]


def test_a_unit_that_leaves_more_than_one_commit_takes_falls_out(monkeypatch: pytest.MonkeyPatch) -> None:
    world, batch = going("w1", "p2", members=[member(f"n{n}", "np.p1.d1.w1") for n in range(30)])
    monkeypatch.setattr(following, "MAX_WRITES", 20)
    done = choose(world, w1=reassign("w2"), p2=CASCADE)
    assert (done.applied, done.drifted) == (1, 1)
    assert "33 documents" in ledger(world, batch).why["units/w1"]
    assert units(world)["c1"]["path"] == "np.p1.d1.w1.c1"


def test_what_was_left_is_kept_as_a_list_with_the_unit_that_left_it() -> None:
    world, batch = going("w1", "p2")
    choose(world, w1=reassign("w2"), p2=CASCADE)
    name = layout.followers_blob(world.ctx.id, batch.id, 0, ledger(world, batch).attempt)
    lines = {f.document: f for f in decode_followed(world.blobs.read(name))}
    assert {document: (f.by, f.to) for document, f in lines.items()} == {
        "geography/c1": ("units/w1", "w2"), "members/m1": ("units/w1", "w2"), "members/m2": ("units/w1", "w2"),
    }  # fmt: skip
    assert lines["geography/c1"].before == {"path": "np.p1.d1.w1.c1", "parentId": "w1"}


def test_a_promotion_that_died_is_begun_again_and_does_it_once() -> None:
    world, batch = going("w1")
    _hold_effects(world)
    choose(world, w1=reassign("w2"))
    world.clock.forward(1_000)
    world.sweep()
    rest = units(world), world.documents("members")
    world.release()  # type: ignore[attr-defined]
    assert (units(world), world.documents("members")) == rest
    assert world.batch(batch.id).status is Status.APPLIED
    assert faults(world) == []


def test_two_approvers_choose_alike() -> None:
    w9 = ("own-w9", unit("w9", "d1", path="np.p1.d1.own-w9")[1])
    world = grown(approvals=2, people=("thandi@example.org", "ben@example.org"), units=[w9])
    batch = Plan(world).update("w1", active=False).stage()
    choose(world, w1=reassign("own-w9"))
    other = Said("approve", choices={"units/w1": CASCADE})
    with pytest.raises(InvalidInput, match=r"thandi@example\.org with another choice: reassign:own-w9"):
        world.decide(other, "ben@example.org")
    assert len(world.batch(batch.id).decisions) == 1
    done = world.decide(Said("approve", choices={"units/w1": reassign("w9")}), "ben@example.org")
    assert done.status is Status.APPLIED
    assert world.documents("members")["m1"] == member("m1", "np.p1.d1.own-w9")[1]


def test_what_was_chosen_is_bound_into_the_chain_with_the_decision() -> None:
    world, batch = going("w1")
    done = choose(world, w1=CASCADE)
    said = digest_of(dumps(to_data(done.decisions[0])))
    entries = [e for e in world.documents(layout.AUDIT).values() if e["batch"] == batch.id]
    assert said in [e["detail"].get("decision") for e in entries]
    otherwise = replace(done.decisions[0], choices={"units/w1": reassign("w2")})
    assert digest_of(dumps(to_data(otherwise))) != said
