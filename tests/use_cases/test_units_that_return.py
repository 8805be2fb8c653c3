"""What a unit left behind when it went returns with it, exactly; what somebody changed since is kept, and named."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from penstock.core import packs
from penstock.core.batch import Status
from penstock.core.choices import CASCADE, active_below, reassign
from penstock.core.errors import Refused
from penstock.core.followers import decode_followed, encode_followed
from penstock.core.plan import DEPENDENTS, Batch
from penstock.core.records import Delete, Set, Update
from penstock.core.reversal import Choice
from penstock.core.values import Data, dumps
from penstock.use_cases import staging
from penstock.use_cases.decide import Said
from penstock.use_cases.reviewing import find_row
from penstock.use_cases.rollback import plan_rollback, preview
from penstock.use_cases.staging import Tampered
from support.faults import PlainPages
from support.forest import FILE, UNITS, Plan, before_commit_of, custom, faults, grown, member, taken_back, unit, units, way_back
from support.world import APPROVER, World


def standing(world: World) -> dict[str, str]:
    """Production, byte for byte."""
    return {f"{name}/{id}": dumps(data) for name in (UNITS, "members") for id, data in world.documents(name).items()}


def unstamped(world: World) -> dict[str, str]:
    documents = [(f"{name}/{id}", data) for name in (UNITS, "members") for id, data in world.documents(name).items()]
    return {path: dumps({name: value for name, value in data.items() if name != "penstock"}) for path, data in documents}


def promoted(world: World, plan: Plan, per_pack: int = 350, **chosen: str) -> Batch:
    batch = plan.stage(per_pack=per_pack)
    done = world.decide(Said("approve", choices={f"units/{id}": choice for id, choice in chosen.items()}))
    assert (done.status, done.drifted) == (Status.APPLIED, 0)
    return world.batch(batch.id)


def told(world: World, batch: Batch) -> dict[str, str]:
    return {f.rule: f.text for pack in staging.packs_of(world.outside, batch.id) for f in pack.findings}


@pytest.mark.parametrize("per_pack", [1, 350])
@pytest.mark.parametrize("choice", [CASCADE, reassign("w2")])
def test_what_went_along_or_moved_returns_byte_for_byte_and_goes_again_with_the_rollback_of_the_rollback(
    choice: str, per_pack: int
) -> None:
    world = grown()
    before = standing(world)
    done = promoted(world, Plan(world).update("w1", active=False).update("d2", names={"en": "D2"}), per_pack, w1=choice)
    there = unstamped(world)
    back = taken_back(world, done.id)
    assert (back.status, world.batch(done.id).status) == (Status.APPLIED, Status.ROLLED_BACK)
    assert standing(world) == before
    again = taken_back(world, back.id)
    assert again.status is Status.APPLIED
    assert unstamped(world) == there
    assert faults(world) == []


@pytest.mark.parametrize("per_pack", [1, 350])
def test_what_was_decided_with_a_unit_below_is_so_again_with_the_rollback_of_the_rollback(
    per_pack: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "MAX_CHANGES", per_pack)
    world = grown(members=[member("m5", "np.p1.d1")])
    before = standing(world)
    plan = Plan(world).update("w1", active=False).update("w2", active=False).update("d1", active=False)
    done = promoted(world, plan, per_pack, w1=CASCADE, d1=reassign("d2"))
    there = unstamped(world)
    back = taken_back(world, done.id)
    assert standing(world) == before
    again = taken_back(world, back.id)
    assert (again.packs, again.status) == (3 if per_pack == 1 else 1, Status.APPLIED)
    assert unstamped(world) == there


def test_a_unit_that_goes_again_alone_leaves_what_was_decided_with_one_below_it() -> None:
    world = grown(members=[member("m5", "np.p1.d1")])
    plan = Plan(world).update("w1", active=False).update("w2", active=False).update("d1", active=False)
    done = promoted(world, plan, w1=CASCADE, d1=reassign("d2"))
    there = unstamped(world)
    back = taken_back(world, done.id, Choice(keys=frozenset({"units/d1"})))
    assert world.documents("members")["m5"] == member("m5", "np.p1.d1")[1]
    assert taken_back(world, back.id).status is Status.APPLIED
    assert unstamped(world) == there


def test_all_that_went_along_with_a_district_returns_with_it_and_nothing_is_declined_any_more() -> None:
    world = grown()
    before = standing(world)
    done = promoted(world, Plan(world).update("d1", active=False), d1=CASCADE)
    assert set(staging.declined(world.outside)) == {"units/w1", "units/w2"}
    back = taken_back(world, done.id)
    assert standing(world) == before
    assert set(staging.declined(world.outside)) == {"units/d1"}
    assert "3 units return to where they were" in told(world, back)["returns"]


def test_a_merger_is_taken_back_whole() -> None:
    world = grown()
    before = standing(world)
    plan = Plan(world).create("w3", "d1").update("w1", active=False).update("w2", active=False)
    done = promoted(world, plan, w1=reassign("w3"))
    assert units(world)["c1"]["path"] == "np.p1.d1.w3.c1"
    back = taken_back(world, done.id)
    assert (back.status, back.drifted) == (Status.APPLIED, 0)
    assert standing(world) == before


def test_who_joined_the_new_unit_of_a_merger_keeps_it_from_being_removed() -> None:
    world = grown()
    done = promoted(world, Plan(world).create("w3", "d1").update("w1", active=False), w1=reassign("w3"))
    world.put(world.production, "members", [member("new", "np.p1.d1.w3")])
    rollback = way_back(world, done.id)
    assert rollback.findings["removal"] == {"blocker": 1}
    world.approve("reject")
    assert "w3" in units(world)
    assert world.documents("members")["m1"] == member("m1", "np.p1.d1.w1")[1]
    assert faults(world) == []


def test_what_was_changed_since_stays_and_is_named_when_it_is_planned() -> None:
    world = grown(members=[member("m5", "np.p1.d1.w1")])
    done = promoted(world, Plan(world).update("w1", active=False), w1=reassign("w2"))
    data = member("m5", "np.p2")[1] | {"unit3": None, "unit4": None}
    world.production.commit([Set("members/m5", data), Delete("members/m2")])
    (found,) = preview(world.ctx, done.id)
    assert found.change is not None
    assert found.change.facts["stays"] == {
        "members/m5": "belongs elsewhere by now", "members/m2": "was removed since",
    }  # fmt: skip
    back = way_back(world, done.id)
    assert "2 stay as they are by now: members/m2 was removed since and members/m5 belongs" in told(world, back)["edit_kept"]
    world.approve("reject")
    assert world.documents("members")["m5"] == data
    assert world.documents("members")["m1"] == member("m1", "np.p1.d1.w1")[1]
    assert units(world)["c1"] == custom("c1", "w1", "np.p1.d1.w1.c1", wish="ours")[1]


def test_what_is_changed_after_the_rollback_was_shown_stays_and_the_ledger_names_it() -> None:
    world = grown()
    done = promoted(world, Plan(world).update("w1", active=False), w1=reassign("w2"))
    back = way_back(world, done.id)
    data = member("m1", "np.p2")[1] | {"unit3": None, "unit4": None}
    world.production.commit([Set("members/m1", data)])
    world.approve("reject")
    ledger = staging.load_pack(world.outside, back.id, 0).ledger
    assert ledger is not None
    assert ledger.kept == {"members/m1": "belongs elsewhere by now"}
    told = find_row(world.outside, world.batch(back.id), "units/w1").note
    assert told == "2 documents that it had left behind returned with it. 1 stayed: members/m1 belongs elsewhere by now."
    went = find_row(world.outside, world.batch(done.id), "units/w1").note
    assert went == "What hung below it moved to w2."
    assert world.documents("members")["m1"] == data
    assert world.documents("members")["m2"] == member("m2", "np.p1.d1.w1.c1")[1]


def test_it_returns_to_where_its_unit_is_by_now() -> None:
    world = grown()
    done = promoted(world, Plan(world).update("w1", active=False), w1=reassign("w2"))
    promoted(world, Plan(world).move("d1", "p2"))
    taken_back(world, done.id)
    assert world.documents("members")["m2"] == member("m2", "np.p2.d1.w1.c1")[1]
    assert faults(world) == []


@pytest.mark.parametrize("per_pack", [1, 350])
def test_moves_and_what_moved_with_a_unit_that_went_are_taken_back_together(per_pack: int) -> None:
    world = grown()
    before = standing(world)
    done = promoted(world, Plan(world).move("d1", "p2").update("w1", active=False), per_pack, w1=reassign("w2"))
    taken_back(world, done.id)
    assert standing(world) == before


@pytest.mark.parametrize("per_pack", [1, 350])
def test_a_unit_that_was_renamed_and_went_along_is_taken_back_once_with_both(per_pack: int) -> None:
    world = grown()
    before = standing(world)
    renamed = promoted(world, Plan(world).update("w2", names={"en": "Two"}))
    middle = standing(world)
    done = promoted(world, Plan(world).update("d1", active=False), per_pack, d1=CASCADE)
    taken_back(world, done.id)
    assert standing(world) == middle
    taken_back(world, renamed.id)
    assert standing(world) == before


def test_a_rename_and_what_went_along_of_one_batch_are_one_write() -> None:
    world = grown()
    before = standing(world)
    plan = Plan(world).update("w2", names={"en": "Two"}).update("d1", active=False)
    done = promoted(world, plan, 1, d1=CASCADE)
    assert units(world)["w2"]["active"] is False
    back = taken_back(world, done.id)
    assert (back.status, back.applied) == (Status.APPLIED, 2)
    assert standing(world) == before


def test_without_the_list_of_what_was_left_nothing_is_taken_back_half() -> None:
    world = grown()
    done = promoted(world, Plan(world).update("w1", active=False), w1=CASCADE)
    for name in [name for name in world.blobs.objects if ".followers." in name]:
        del world.blobs.objects[name]
    with pytest.raises(Refused, match="what pack 0 wrote beside its changes is gone"):
        plan_rollback(world.ctx, done.id, "operator@example.org")
    assert units(world)["w1"]["active"] is False


def test_a_list_that_is_not_the_one_that_was_written_is_not_followed() -> None:
    world = grown()
    done = promoted(world, Plan(world).update("w1", active=False), w1=CASCADE)
    (name,) = [name for name in world.blobs.objects if ".followers." in name]
    lines = [line._replace(before={"active": "yes"}) for line in decode_followed(world.blobs.read(name))]
    world.blobs.write(name, encode_followed(lines), "application/gzip", replace=True)
    with pytest.raises(Tampered, match="is not the list that the promotion wrote"):
        plan_rollback(world.ctx, done.id, "operator@example.org")


def test_one_unit_taken_back_by_its_key_brings_back_its_own_alone() -> None:
    world = grown(units=[custom("k", "w2", "np.p1.d1.w2.k")])
    done = promoted(world, Plan(world).update("w1", active=False).update("w2", active=False), w1=CASCADE, w2=CASCADE)
    taken_back(world, done.id, Choice(frozenset({"units/w2"})))
    assert {id: u["active"] for id, u in units(world).items() if id in ("w1", "c1", "w2", "k")} == {
        "w1": False, "c1": False, "w2": True, "k": True,
    }  # fmt: skip


def test_an_edit_right_before_the_commit_is_kept_and_the_document_returns_all_the_same() -> None:
    world = grown()
    done = promoted(world, Plan(world).update("w1", active=False), w1=reassign("w2"))
    way_back(world, done.id)
    before_commit_of(world, "geography/c1", lambda real: real([Update("geography/c1", {"wish": "more"}, (("wish",),))]))
    world.approve("reject")
    expected: Data = custom("c1", "w1", "np.p1.d1.w1.c1", wish="more")[1]
    assert units(world)["c1"] == expected
    assert unit("w1", "d1", path="np.p1.d1.w1")[1] == units(world)["w1"]


def test_what_came_below_a_unit_that_was_moved_for_another_returns_along_with_it() -> None:
    world = grown()
    batch = promoted(world, Plan(world).update("w1", active=False), w1=reassign("w2"))
    world.put(world.production, UNITS, [custom("c9", "c1", "np.p1.d1.w2.c1.c9")])
    world.put(world.production, "members", [member("m9", "np.p1.d1.w2.c1"), member("m8", "np.p1.d1.w2.c1.c9")])
    back = taken_back(world, batch.id)
    assert back.status is Status.APPLIED
    assert units(world)["c9"]["path"] == "np.p1.d1.w1.c1.c9"
    assert world.documents("members")["m8"]["unitPath"] == "np.p1.d1.w1.c1.c9"
    assert faults(world) == []


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_any_units_go_with_any_choices_in_any_packs_and_all_of_it_returns(seed: int) -> None:
    chance = random.Random(seed)
    grow: list[tuple[str, Data]] = []
    paths: dict[str, str] = {"np": "np"}
    own: list[str] = []
    for n in range(chance.randint(4, 14)):
        above = chance.choice([id for id, path in paths.items() if path.count(".") < 6])
        id, path = f"u{n}", f"{paths[above]}.u{n}"
        if above in own or path.count(".") > 3 or chance.random() < 0.25:
            own.append(id)
            grow.append(custom(id, above, path))
        else:
            grow.append(unit(id, above, path=path))
        paths[id] = path
    at = chance.choices(sorted(paths), k=chance.randint(0, 8))
    world = World(FILE, people={"foresters": (APPROVER,)}, pages=PlainPages())
    world.put(world.production, UNITS, [unit("np"), *grow])
    world.put(world.production, "members", [member(f"m{n}", paths[id]) for n, id in enumerate(at)])
    before = standing(world)
    official = [id for id in paths if id not in own and id != "np"]
    if not official:
        return
    gone = chance.sample(official, k=chance.randint(1, min(5, len(official))))
    plan = Plan(world)
    for id in gone:
        plan.update(id, active=False)
    stays = [id for id in official if id not in gone]
    if stays and (mover := chance.choice([None, *stays])):
        above = paths[mover].split(".")[-2]
        stand = [id for id in stays if not set(paths[id].split(".")) & set(gone)]  # a source that says otherwise is quarantined
        tops = [id for id in stand if id != above and paths[id].count(".") == paths[mover].count(".") - 1]
        if tops:
            plan.move(mover, chance.choice(tops))
    batch = plan.stage(per_pack=chance.choice([1, 3, 350]))
    chosen: dict[str, str] = {}
    for found in (f for f in batch.batch_findings if f.rule == DEPENDENTS):
        level = paths[found.key.removeprefix("units/")].count(".")
        homes = [id for id in stays if paths[id].count(".") == level and not set(paths[id].split(".")) & set(gone)]
        homes = [] if active_below(found) else homes
        chosen[found.key] = chance.choice([CASCADE, *map(reassign, homes)])
    done = world.decide(Said("approve", choices=chosen))
    assert (done.status, done.drifted) == (Status.APPLIED, 0)
    assert faults(world) == []
    held = units(world)
    assert {id for id, choice in chosen.items() if choice == CASCADE and held[id.removeprefix("units/")]["active"]} == set()
    there = unstamped(world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packs, "MAX_CHANGES", chance.choice([1, 3, 350]))
        back = taken_back(world, done.id)
        assert (back.status, back.drifted) == (Status.APPLIED, 0)
        assert standing(world) == before
        again = taken_back(world, back.id)
    assert (again.status, again.drifted) == (Status.APPLIED, 0)
    assert unstamped(world) == there
