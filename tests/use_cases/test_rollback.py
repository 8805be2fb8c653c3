"""Rollback: the exact prior image, later edits kept unless decided, and no second proposal of what was taken back."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
from penstock.core.batch import Status
from penstock.core.errors import InvalidInput, Refused
from penstock.core.plan import Batch
from penstock.core.records import Delete, Update
from penstock.core.values import dumps
from penstock.use_cases import effects
from penstock.use_cases.context import load_target
from penstock.use_cases.decide import Said
from penstock.use_cases.rollback import plan_rollback
from penstock.use_cases.sweep import sweep
from support import network as net
from support.faults import PlainPages
from support.rest import assert_sound, changes
from support.world import World

OPERATOR = "operator@example.org"
POLE = f"planned-poles/{net.name(2)}"
KEY = f"poles/{net.name(2)}"


def applied() -> tuple[World, dict[str, str]]:
    """Three poles promoted, of which the second stood there before; and all of production as it was."""
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 4)))
    bare = {"poleNumber": net.name(2), "ponNumber": "9", "crew": {"lead": 2, "tools": ["spade"]}}
    world.put(world.production, "planned-poles", [(net.name(2), bare)])
    before = everything(world)
    world.run()
    world.approve("approve")
    return world, before


def everything(world: World) -> dict[str, str]:
    """All of production, byte for byte, stamps included."""
    return {f"{c}/{id}": dumps(data) for c in ("planned-poles", "drops") for id, data in world.documents(c).items()}


def synced(world: World) -> str:
    return min(world.documents("penstock_batches"))


def plan(world: World, batch: str, keys: Collection[str] | None = None) -> Batch:
    back, owed = plan_rollback(world.ctx, batch, OPERATOR, keys)
    effects.pay(world.ctx, owed)
    world.pump()
    return world.batch(back.id)


def edit(world: World, path: str = POLE, **fields: Any) -> None:
    world.production.commit([Update(path, fields, tuple((name,) for name in fields))])


def test_a_rollback_restores_exactly_what_was_there_and_removes_what_was_created() -> None:
    world, before = applied()
    assert "location" in world.documents("planned-poles")[net.name(2)]
    back = plan(world, synced(world))
    assert back.status is Status.UNDER_REVIEW
    assert everything(world) != before  # planned is not promoted
    done = world.approve()
    assert (done.status, done.applied) == (Status.APPLIED, 6)
    assert everything(world) == before
    assert world.batch(synced(world)).status is Status.ROLLED_BACK
    assert_sound(world)


def test_nothing_that_was_taken_back_is_proposed_again_until_its_source_changes() -> None:
    world, before = applied()
    plan(world, synced(world))
    world.approve()
    for mode in ("changes", "full", "recheck", "full"):
        assert world.run(mode).batch == ""  # type: ignore[arg-type]
    net.feed(world, [net.record("1-0", 1, drop=10, Sections="7", day="2026-06-05")])
    again = world.run().batch
    assert {c.key for c in changes(world, again)} == {f"poles/{net.name(1)}", f"drops/{net.drop_name(10)}"}
    net.feed(world, [net.record("2-0", 2, drop=20, Sections="8", day="2026-06-06")])
    by_key = {c.key: c for c in changes(world, world.run().batch)}
    assert ("zoneNumber",) in by_key[KEY].mask
    assert ("ponNumber",) not in by_key[KEY].mask
    assert before


def test_a_rollback_can_be_rolled_back() -> None:
    world, before = applied()
    after = everything(world)
    first = plan(world, synced(world))
    world.approve()
    assert everything(world) == before
    plan(world, first.id)
    world.approve()
    assert everything(world) == after
    assert world.batch(first.id).status is Status.ROLLED_BACK
    assert world.batch(synced(world)).status is Status.APPLIED
    assert world.run("full").batch == ""
    assert_sound(world)


def test_a_later_edit_is_named_and_kept_unless_it_is_decided() -> None:
    world, before = applied()
    edit(world, ponNumber="a later edit", note="mine")
    back = plan(world, synced(world))
    assert back.findings["later_edit"] == {"blocker": 1}
    with pytest.raises(InvalidInput, match="with a blocker"):
        world.decide(Said("approve"))
    done = world.approve("reject")
    assert (done.applied, done.rejected) == (5, 1)
    pole = world.documents("planned-poles")[net.name(2)]
    assert (pole["ponNumber"], pole["note"], pole["importStatus"]) == ("a later edit", "mine", net.APPROVED)
    assert len(everything(world)) == len(before)
    assert_sound(world)


def test_a_later_edit_that_is_given_up_loses_the_promoted_fields_alone() -> None:
    world, _ = applied()
    edit(world, ponNumber="a later edit", note="mine")
    plan(world, synced(world))
    world.approve("approve")
    pole = world.documents("planned-poles")[net.name(2)]
    assert pole == {"poleNumber": net.name(2), "ponNumber": "9", "crew": {"lead": 2, "tools": ["spade"]}, "note": "mine"}
    assert_sound(world)


def test_a_map_that_others_added_to_meanwhile_stays_with_what_they_added() -> None:
    world, _ = applied()
    where = world.documents("planned-poles")[net.name(2)]["location"]
    edit(world, location={**where, "altitude": 1_700})
    plan(world, synced(world))
    world.approve("approve")
    assert world.documents("planned-poles")[net.name(2)]["location"] == {"altitude": 1_700}


def test_a_created_record_that_was_edited_since_is_not_removed_without_a_word() -> None:
    world, before = applied()
    edit(world, f"planned-poles/{net.name(1)}", note="in use")
    plan(world, synced(world))
    world.approve("reject")
    assert "planned-poles/LAW.P.A001" in everything(world)
    assert set(everything(world)) == {*before, "planned-poles/LAW.P.A001"}


def test_a_record_that_is_gone_already_is_not_taken_back_twice() -> None:
    world, before = applied()
    world.production.commit([Delete(f"planned-poles/{net.name(1)}")])
    back = plan(world, synced(world))
    assert back.total == 5
    world.approve()
    assert everything(world) == before


def test_an_edit_after_the_plan_falls_out_of_the_rollback_too() -> None:
    world, _ = applied()
    back = plan(world, synced(world))
    edit(world, ponNumber="a very late edit")
    world.approve()
    assert world.batch(back.id).status is Status.PARTIALLY_APPLIED
    assert world.documents("planned-poles")[net.name(2)]["ponNumber"] == "a very late edit"
    assert world.batch(synced(world)).status is Status.APPLIED
    again = plan(world, synced(world))
    assert [c.key for c in changes(world, again.id)] == [KEY]
    world.approve("approve")
    assert world.documents("planned-poles")[net.name(2)]["ponNumber"] == "9"


def test_one_record_can_be_taken_back_and_the_rest_later() -> None:
    world, before = applied()
    back = plan(world, synced(world), [KEY])
    assert [c.key for c in changes(world, back.id)] == [KEY]
    world.approve()
    assert everything(world)[POLE] == before[POLE]
    assert len(everything(world)) == 6
    assert world.batch(synced(world)).status is Status.APPLIED  # the rest of it stands
    rest = plan(world, synced(world))
    assert rest.total == 5
    world.approve()
    assert everything(world) == before
    assert_sound(world)


def test_outside_the_window_it_is_refused_and_says_where_the_prior_images_are() -> None:
    world, _ = applied()
    world.clock.forward(30 * 86_400 + 1)
    with pytest.raises(Refused, match=r"could be rolled back until .*backups/"):
        plan(world, synced(world))


def test_what_was_not_applied_cannot_be_rolled_back() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network([1]))
    batch = world.run().batch
    for _ in range(2):
        with pytest.raises(Refused, match="Only what was applied"):
            plan(world, batch)
        if world.batch(batch).status is Status.UNDER_REVIEW:
            world.decide(Said("reject"))


def test_who_asks_for_a_rollback_does_not_approve_it() -> None:
    world, _ = applied()
    back, owed = plan_rollback(world.ctx, synced(world), "thandi@example.org")
    effects.pay(world.ctx, owed)
    world.pump()
    with pytest.raises(Refused, match="nobody approves what they started"):
        world.approve()
    assert world.batch(back.id).status is Status.UNDER_REVIEW


def test_the_batch_that_a_rollback_pushed_aside_is_proposed_again_after_it() -> None:
    world, _ = applied()
    net.feed(world, [net.record("7-0", 7, day="2026-06-05")])
    waiting = world.run().batch
    plan(world, synced(world))
    assert world.batch(waiting).status is Status.SUPERSEDED
    world.approve()
    assert [c.key for c in changes(world, world.run().batch)] == [f"poles/{net.name(7)}"]


def test_a_rollback_that_nobody_decides_expires_and_runs_go_on() -> None:
    world, _ = applied()
    back = plan(world, synced(world))
    world.clock.forward(7 * 86_400 + 60)
    sweep(world.ctx)
    assert world.batch(back.id).status is Status.EXPIRED
    assert load_target(world.outside).state.recheck == ()
    assert world.run().batch == ""


def test_a_rejected_rollback_changes_nothing_and_can_be_asked_for_again() -> None:
    world, before = applied()
    stands = everything(world)
    plan(world, synced(world))
    assert world.decide(Said("reject")).status is Status.REJECTED
    assert everything(world) == stands
    assert world.run("full").batch == ""
    plan(world, synced(world))
    world.approve()
    assert everything(world) == before
