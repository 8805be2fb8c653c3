"""Rollback: the exact prior image, later edits kept unless decided, and no second proposal of what was taken back."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest
from penstock.core import layout, packs
from penstock.core.batch import Status
from penstock.core.changes import Action
from penstock.core.codec import Recheck
from penstock.core.diff import changed_by_hand, value_fingerprint
from penstock.core.errors import Conflict, InvalidInput, NotFound, Refused
from penstock.core.plan import Batch
from penstock.core.records import Delete, Set, Update
from penstock.core.reversal import Choice
from penstock.core.values import dotted, dumps
from penstock.use_cases import check, effects, staging
from penstock.use_cases.capture import capture
from penstock.use_cases.context import load_target
from penstock.use_cases.decide import Said, decide_by_link
from penstock.use_cases.reviewing import find_row, review
from penstock.use_cases.rollback import plan_rollback, preview
from penstock.use_cases.staging import Tampered, declined
from support import network as net
from support.faults import PlainPages
from support.rest import assert_sound, changes, entries
from support.world import APPROVER, World

OPERATOR = "operator@example.org"
OURS = ("planned-poles", "drops", layout.BATCHES, layout.STAGING, layout.AUDIT, layout.OUTBOX, layout.REJECTIONS, layout.TARGETS)
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


def plan(world: World, batch: str, keys: Collection[str] | None = None, *fields: str, overwrite: bool = False) -> Batch:
    choice = Choice(None if keys is None else frozenset(keys), tuple(tuple(f.split(".")) for f in fields), overwrite)
    back, owed = plan_rollback(world.ctx, batch, OPERATOR, choice)
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


def test_a_later_edit_is_named_and_kept_while_the_rest_of_the_record_goes_back() -> None:
    world, before = applied()
    edit(world, ponNumber="a later edit", note="mine")
    at = world.production.get([POLE])[0].update_time
    back = plan(world, synced(world))
    assert back.findings["edit_kept"] == {"warning": 1, "notice": 1}
    named = find_row(world.outside, back, KEY).findings
    assert [f.field for f in named] == ["ponNumber", ""]
    assert f"outside Penstock, the last time at {at}" in named[0].text
    assert 'it is "a later edit" now, was promoted as "4", and was "9" before' in named[0].text
    done = world.approve()
    assert (done.applied, done.rejected) == (6, 0)
    pole = world.documents("planned-poles")[net.name(2)]
    bare = {"poleNumber": net.name(2), "crew": {"lead": 2, "tools": ["spade"]}}
    assert pole == {**bare, "ponNumber": "a later edit", "note": "mine"}
    assert len(everything(world)) == len(before)
    assert world.batch(synced(world)).status is Status.APPLIED  # something of it is not taken back
    assert_sound(world)


def test_a_later_edit_is_lost_only_by_a_rollback_that_says_so_and_an_approver_who_does() -> None:
    world, _ = applied()
    edit(world, ponNumber="a later edit", note="mine")
    back = plan(world, synced(world), overwrite=True)
    assert back.findings["later_edit"] == {"blocker": 1}
    with pytest.raises(InvalidInput, match="with a blocker"):
        world.decide(Said("approve"))
    world.approve("approve")
    pole = world.documents("planned-poles")[net.name(2)]
    assert pole == {"poleNumber": net.name(2), "ponNumber": "9", "crew": {"lead": 2, "tools": ["spade"]}, "note": "mine"}
    assert world.batch(synced(world)).status is Status.ROLLED_BACK
    assert_sound(world)


def test_a_later_edit_that_the_approver_keeps_is_kept_and_can_be_asked_about_again() -> None:
    world, _ = applied()
    edit(world, ponNumber="a later edit")
    plan(world, synced(world), overwrite=True)
    done = world.approve("reject")
    assert (done.applied, done.rejected) == (5, 1)
    assert world.documents("planned-poles")[net.name(2)]["importStatus"] == net.APPROVED
    assert world.batch(synced(world)).status is Status.APPLIED
    plan(world, synced(world), overwrite=True)
    world.approve("approve")
    assert world.documents("planned-poles")[net.name(2)]["ponNumber"] == "9"


def test_what_a_later_batch_wrote_is_named_with_its_people_and_kept() -> None:
    world, _ = applied()
    net.feed(world, [net.record("2-0", 2, drop=20, PONs="5", day="2026-06-05")])
    later = world.run().batch
    world.approve("approve")
    first_of = synced(world)
    back = plan(world, first_of)
    (named,) = [f for f in find_row(world.outside, back, KEY).findings if f.field == "ponNumber"]
    assert f"by batch {later}, approved by thandi@example.org, applied at" in named.text
    world.approve()
    pole = world.documents("planned-poles")[net.name(2)]
    assert (pole["ponNumber"], pole["penstock"]["batch"]) == ("5", later)
    assert "zoneNumber" not in pole
    entity = world.ctx.pipeline.entity("poles")
    assert not changed_by_hand(entity, world.production.get([POLE])[0])  # what Penstock took back, no hand edited
    assert_sound(world)


def test_a_batch_below_one_that_was_rolled_back_goes_back_exactly_and_without_a_word() -> None:
    world, before = applied()
    after = everything(world)
    net.feed(world, [net.record("2-0", 2, drop=20, PONs="5", day="2026-06-05")])
    later = world.run().batch
    world.approve("approve")
    plan(world, later)
    world.approve()
    assert everything(world) == after
    assert plan(world, synced(world)).findings == {}
    world.approve()
    assert everything(world) == before


def test_a_map_that_others_added_to_meanwhile_stays_with_what_they_added() -> None:
    world, _ = applied()
    where = world.documents("planned-poles")[net.name(2)]["location"]
    edit(world, location={**where, "altitude": 1_700})
    plan(world, synced(world))
    world.approve()
    assert world.documents("planned-poles")[net.name(2)]["location"] == {"altitude": 1_700}


def test_half_a_place_is_never_restored() -> None:
    world, _ = applied()
    where = world.documents("planned-poles")[net.name(2)]["location"]
    edit(world, location={**where, "latitude": -26.0})
    plan(world, synced(world))
    world.approve()
    assert world.documents("planned-poles")[net.name(2)]["location"] == {**where, "latitude": -26.0}


def test_a_created_record_that_was_edited_since_is_not_removed_without_a_word() -> None:
    world, before = applied()
    edit(world, f"planned-poles/{net.name(1)}", note="in use")
    back = plan(world, synced(world))
    (told,) = back.batch_findings
    assert (told.rule, told.severity) == ("edit_kept", "warning")
    assert f"poles/{net.name(1)}" in told.text
    world.approve()
    assert set(everything(world)) == {*before, f"planned-poles/{net.name(1)}"}
    with pytest.raises(Refused, match="nothing left to take back but what was edited since, in 1 record") as refused:
        plan(world, synced(world))
    assert "--overwrite-edits" in refused.value.remedy
    assert plan(world, synced(world), overwrite=True).findings == {"later_edit": {"blocker": 1}}
    world.approve("approve")
    assert everything(world) == before
    assert world.batch(synced(world)).status is Status.ROLLED_BACK


def test_an_updated_record_that_was_removed_since_comes_back_only_by_decision() -> None:
    world, before = applied()
    world.production.commit([Delete(POLE)])
    assert plan(world, synced(world)).total == 5
    world.approve()
    assert POLE not in everything(world)
    plan(world, synced(world), overwrite=True)
    world.approve("approve")
    assert everything(world) == before


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
    again = plan(world, synced(world), overwrite=True)
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


def test_one_field_can_be_taken_back_and_the_rest_later() -> None:
    world, before = applied()
    standing = world.documents("planned-poles")[net.name(2)]
    plan(world, synced(world), [KEY], "ponNumber")
    world.approve()
    pole = world.documents("planned-poles")[net.name(2)]
    stamp = pole.pop("penstock")
    assert stamp["batch"] == synced(world)  # the rest of what it brought is still there
    assert pole == {**{k: v for k, v in standing.items() if k != "penstock"}, "ponNumber": "9"}
    assert not changed_by_hand(world.ctx.pipeline.entity("poles"), world.production.get([POLE])[0])
    plan(world, synced(world))
    world.approve()
    assert everything(world) == before
    assert_sound(world)


def test_a_field_is_taken_back_from_every_record_that_got_it_with_the_other_half_of_a_place() -> None:
    world, _ = applied()
    plan(world, synced(world), None, "location.latitude")
    world.approve()
    assert [("location" in pole) for pole in world.documents("planned-poles").values()] == [False] * 3
    with pytest.raises(InvalidInput, match="crew: is mapped by no entity"):
        plan(world, synced(world), None, "crew")


def test_a_field_that_was_taken_back_is_not_proposed_again_until_its_source_changes() -> None:
    world, _ = applied()
    plan(world, synced(world), [KEY], "ponNumber")
    world.approve()
    assert world.run("full").batch == ""
    net.feed(world, [net.record("2-0", 2, drop=20, PONs="5", day="2026-06-05")])
    (change, *_) = changes(world, world.run().batch)
    assert (change.key, ("ponNumber",) in change.mask) == (KEY, True)


def test_a_rollback_of_a_field_can_be_rolled_back_and_lifts_what_it_had_remembered() -> None:
    world, _ = applied()
    after = everything(world)
    field = plan(world, synced(world), [KEY], "ponNumber")
    world.approve()
    assert declined(world.outside) == {KEY: {"ponNumber": value_fingerprint("4")}}
    again = plan(world, field.id)
    world.approve()
    assert everything(world) == after
    assert declined(world.outside) == {}
    plan(world, again.id)
    world.approve()
    assert declined(world.outside) == {KEY: {"ponNumber": value_fingerprint("4")}}
    assert world.run("full").batch == ""


def test_a_rollback_can_be_rolled_back_again_and_again_and_each_batch_says_how_it_stands() -> None:
    world, before = applied()
    images, chain = [before, everything(world)], [synced(world)]
    for turn in range(5):
        chain.append(plan(world, chain[-1]).id)
        world.approve()
        assert everything(world) == images[turn % 2]
        assert bool(declined(world.outside)) is (turn % 2 == 0)
        stands = [world.batch(id).status is Status.APPLIED for id in reversed(chain)]
        assert stands == [place % 2 == 0 for place in range(len(chain))]
    assert_sound(world)


def test_a_created_record_to_which_others_belong_by_now_is_not_removed_without_a_word() -> None:
    world, before = applied()
    net.feed(world, [net.record("1-9", 1, drop=19, day="2026-06-05")])
    world.run()
    world.approve()
    back = plan(world, synced(world), [f"poles/{net.name(1)}", f"poles/{net.name(3)}", f"drops/{net.drop_name(30)}"])
    (row,) = [r for r in review(world.outside, back, "").rows if r.findings]
    assert (row.change.key, row.findings[0].rule, row.findings[0].severity) == (f"poles/{net.name(1)}", "removal", "blocker")
    assert "2 drops in production would still name it" in row.findings[0].text
    world.approve("reject")
    assert net.name(1) in world.documents("planned-poles")
    assert net.name(3) not in world.documents("planned-poles")
    assert len(world.documents("drops")) == len(before) + 2


def test_a_batch_that_landed_in_part_goes_back_exactly_in_that_part() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 6)))
    world.put(world.production, "planned-poles", [net.standing(n, zoneNumber=None) for n in (1, 2, 3)])
    before = everything(world)
    world.run()
    edit(world, f"planned-poles/{net.name(1)}", ponNumber="moved meanwhile")
    edit(world, f"planned-poles/{net.name(4)}", note="made meanwhile")
    world.patient = True
    world.approve("approve")
    done = world.batch(synced(world))
    assert (done.status, done.drifted) == (Status.PARTIALLY_APPLIED, 2)
    world.decide(Said("reject"))  # the follow-up
    plan(world, synced(world))
    world.approve()
    moved = {f"planned-poles/{net.name(n)}": everything(world)[f"planned-poles/{net.name(n)}"] for n in (1, 4)}
    assert everything(world) == before | moved
    assert "moved meanwhile" in moved[f"planned-poles/{net.name(1)}"]
    assert world.batch(synced(world)).status is Status.ROLLED_BACK


def test_a_record_as_large_as_could_be_promoted_can_be_taken_back() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network([1], drops=0))
    world.put(world.production, "planned-poles", [net.standing(1, scan=random.Random(7).randbytes(600_000))])
    before = everything(world)
    world.run()
    world.approve("approve")
    assert everything(world) != before
    plan(world, synced(world))
    world.approve()
    assert everything(world) == before


def test_a_batch_whose_packs_were_purged_is_refused_and_not_rolled_back_in_part() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 401)))
    world.run()
    world.approve("approve")
    assert world.batch(synced(world)).packs > 1
    world.production.commit([Delete(layout.pack(synced(world), 0))])
    with pytest.raises(Refused, match=r"1 of its \d packs were purged.*backups/"):
        plan(world, synced(world))


def test_a_pack_is_kept_until_the_window_ends_however_late_it_was_promoted() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network([1]))
    batch = world.run().batch
    world.clock.forward(6 * 86_400)
    world.approve()
    ends = world.batch(batch).finished_at.plus(world.ctx.pipeline.rollback_window.total_seconds())  # type: ignore[union-attr]
    assert all(pack["purge_at"] > ends for pack in world.documents(layout.STAGING).values())


def test_a_pack_of_another_batch_is_never_rolled_back() -> None:
    world, _ = applied()
    net.feed(world, [net.record("7-0", 7, day="2026-06-05")])
    other = world.run().batch
    world.approve()
    path = layout.pack(synced(world), 0)
    foreign = {**world.production.get([layout.pack(other, 0)])[0].fields, "batch": synced(world)}
    world.production.commit([Set(path, foreign)])
    with pytest.raises(Tampered, match="is not the pack that was shown"):
        plan(world, synced(world))


def test_a_preview_tells_of_every_record_and_writes_nothing() -> None:
    world, _ = applied()
    edit(world, ponNumber="a later edit", note="mine")
    edit(world, f"planned-poles/{net.name(1)}", note="in use")
    world.production.commit([Delete(f"drops/{net.drop_name(30)}")])
    stands = {collection: world.documents(collection) for collection in OURS}
    found = {r.undone.key: r for r in preview(world.ctx, synced(world))}
    assert {collection: world.documents(collection) for collection in OURS} == stands
    assert len(found) == 6
    fields = {dotted(f.path): f for f in found[KEY].fields}
    pon = fields["ponNumber"]
    assert (pon.now, pon.promoted, pon.before, pon.edited, pon.taken) == ("a later edit", "4", "9", True, False)
    assert (fields["zoneNumber"].taken, fields["zoneNumber"].before) == (True, None)
    assert found[KEY].others == ("note",)
    assert (found[f"poles/{net.name(1)}"].change, found[f"poles/{net.name(1)}"].kept) == (None, True)
    assert found[f"drops/{net.drop_name(30)}"].why == "is gone already"


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


def test_what_a_rollback_pushed_aside_is_proposed_again_where_nobody_decides_on_that() -> None:
    world, _ = applied()
    net.feed(world, [net.record("7-0", 7, day="2026-06-05")])
    world.run()
    back = plan(world, synced(world))
    world.clock.forward(7 * 86_400 + 60)
    world.sweep()
    assert world.batch(back.id).status is Status.EXPIRED
    assert [c.key for c in changes(world, world.run().batch)] == [f"poles/{net.name(7)}"]


def test_a_rollback_that_nobody_decides_expires_and_runs_go_on() -> None:
    world, _ = applied()
    back = plan(world, synced(world))
    world.clock.forward(7 * 86_400 + 60)
    world.sweep()
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


def test_a_rollback_is_a_batch_that_says_what_it_takes_back_and_who_asked() -> None:
    world, _ = applied()
    back = plan(world, synced(world))
    assert (back.kind, back.rolls_back, back.started_by, back.part) == ("rollback", synced(world), OPERATOR, False)
    assert (back.pipeline, back.target, back.packs) == (world.ctx.pipeline.name, world.ctx.id, 1)
    assert back.counts == {"poles UPDATE": 1, "poles DELETE": 2, "drops DELETE": 3}
    assert (back.approvals, back.prices) == (world.ctx.pipeline.gate.approvals, world.ctx.pipeline.prices)
    steps = [e for e in entries(world) if e["batch"] == back.id]
    assert [(e["what"], e["who"]) for e in steps[:2]] == [("∅ → CREATED", OPERATOR), ("CREATED → STAGED", OPERATOR)]
    assert steps[0]["detail"]["rolls_back"] == synced(world)
    (packed,) = steps[1]["detail"]["packs"]
    assert packed == staging.load_pack(world.outside, back.id, 0).fields["digest"]
    assert load_target(world.outside).state.open == back.id


def test_a_rollback_needs_as_many_approvals_as_the_pipeline_asks_for() -> None:
    world = World(pages=PlainPages(), people={"fibre_approvers": (APPROVER, "lerato@example.org")}, approvals=2)
    net.feed(world, net.network([1]))
    world.run()
    world.approve()
    world.approve(to="lerato@example.org")
    assert plan(world, synced(world)).approvals == 2
    assert world.approve().status is Status.UNDER_REVIEW
    assert world.approve(to="lerato@example.org").status is Status.APPLIED
    assert everything(world) == {}


@pytest.mark.parametrize(
    ("keys", "fields", "edited", "part"),
    [
        (None, (), False, False),
        ("all", (), False, False),
        ("one", (), False, True),
        (None, ("ponNumber",), False, True),
        (None, (), True, True),
    ],
)
def test_a_rollback_knows_whether_it_takes_all_of_a_batch_back(
    keys: str | None, fields: tuple[str, ...], edited: bool, part: bool
) -> None:
    world, _ = applied()
    every = {c.key for c in changes(world, synced(world))}
    if edited:
        edit(world, ponNumber="a later edit")
    back = plan(world, synced(world), {"all": every, "one": {KEY}}.get(keys or ""), *fields)
    assert back.part is part


def test_a_key_that_the_batch_does_not_hold_is_told_and_nothing_is_planned() -> None:
    world, _ = applied()
    for keys in (["poles/NO.SUCH", KEY], ["poles/NO.SUCH", "poles/ZZ"]):
        with pytest.raises(NotFound, match=r"poles/NO\.SUCH: is not in this batch"):
            plan(world, synced(world), keys)
        with pytest.raises(NotFound, match=r"poles/NO\.SUCH: is not in this batch"):
            preview(world.ctx, synced(world), Choice(frozenset(keys)))
    assert load_target(world.outside).state.open == ""
    assert len(world.documents(layout.BATCHES)) == 1


def test_nothing_is_taken_back_while_a_batch_is_promoted() -> None:
    world, _ = applied()
    net.feed(world, [net.record("7-0", 7, day="2026-06-05")])
    other = world.run().batch
    token, code = world.link()
    decide_by_link(world.ctx, token, code, Said("approve"))
    with pytest.raises(Refused, match=f"is being promoted now \\({other}\\)") as told:
        plan(world, synced(world))
    assert told.value.remedy
    assert preview(world.ctx, synced(world))  # looking is free


def test_the_window_ends_at_its_last_moment_and_not_before() -> None:
    world, _ = applied()
    finished = world.batch(synced(world)).finished_at
    assert finished is not None
    ends = finished.plus(world.ctx.pipeline.rollback_window.total_seconds())
    at = replace(world.ctx, ports=replace(world.ports, now=lambda: ends))
    assert preview(at, synced(world))
    past = replace(world.ctx, ports=replace(world.ports, now=lambda: ends.plus(0.001)))
    with pytest.raises(Refused, match=f"could be rolled back until {ends}"):
        preview(past, synced(world))


def test_a_batch_that_left_nothing_is_told_to_have_nothing_left() -> None:
    world, before = applied()
    plan(world, synced(world))
    world.approve()
    assert everything(world) == before
    done = world.batch(synced(world))
    world.production.commit([Update(layout.batch(done.id), {"status": "APPLIED"}, (("status",),))])
    with pytest.raises(Refused, match="has nothing left to take back Production holds none"):
        plan(world, synced(world))
    assert all(r.change is None and r.why for r in preview(world.ctx, synced(world)))


def test_the_open_batch_that_a_rollback_pushes_aside_leads_to_it_and_is_remembered() -> None:
    world, _ = applied()
    net.feed(world, [net.record("7-0", 7, day="2026-06-05")])
    waiting = world.run().batch
    back = plan(world, synced(world))
    assert world.batch(waiting).superseded_by == back.id
    assert [r.batch for r in load_target(world.outside).state.recheck] == [waiting]
    again = plan(world, synced(world))
    assert world.batch(back.id).superseded_by == again.id
    assert [r.batch for r in load_target(world.outside).state.recheck] == [waiting]  # a rollback is not proposed again by itself


def test_a_batch_whose_check_failed_is_pushed_aside_too_and_proposed_again() -> None:
    world, _ = applied()
    net.feed(world, [net.record("7-0", 7, day="2026-06-05")])
    failed = capture(world.ctx).batch
    assert check.fail(world.ctx, failed, 0)
    back = plan(world, synced(world), [KEY])
    assert (world.batch(failed).status, world.batch(failed).superseded_by) == (Status.SUPERSEDED, back.id)
    world.approve()
    assert [c.key for c in changes(world, world.run().batch)] == [f"poles/{net.name(7)}"]


def test_a_batch_that_is_approved_while_a_rollback_is_planned_goes_on_and_nothing_is_staged() -> None:
    world, _ = applied()
    net.feed(world, [net.record("7-0", 7, day="2026-06-05")])
    waiting = world.run().batch
    token, code = world.link()
    real, meanwhile = world.ctx.store.get, [True]

    def get(paths: Any, *more: Any, **named: Any) -> Any:
        if meanwhile and paths == [layout.batch(waiting)]:
            meanwhile.clear()
            decide_by_link(world.ctx, token, code, Said("approve"))
        return real(paths, *more, **named)

    world.ctx.store.get = get  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        plan_rollback(world.ctx, synced(world), OPERATOR)
    assert meanwhile == []
    assert world.batch(waiting).status is Status.APPROVED
    state = load_target(world.outside).state
    assert (state.open, state.applying) == ("", waiting)


def test_what_waited_to_be_planned_again_still_waits_behind_a_rollback() -> None:
    world, _ = applied()
    net.feed(world, [net.record("7-0", 7, day="2026-06-05")])
    waiting = world.run().batch
    world.production.commit([load_target(world.outside).write(recheck=(Recheck("earlier"),))])
    plan(world, synced(world))
    assert [r.batch for r in load_target(world.outside).state.recheck] == ["earlier", waiting]


def test_the_check_of_a_rollback_is_owed_in_the_commit_that_stages_it() -> None:
    world, _ = applied()
    back, owed = plan_rollback(world.ctx, synced(world), OPERATOR)
    (fact,) = owed
    assert back.status is Status.STAGED
    assert (fact.data["kind"], fact.data["packs"]) == ("check", 1)
    assert world.production.get([fact.path])[0].fields == fact.data


def test_what_falls_out_of_a_rollback_takes_removals_with_it_and_nothing_else_of_its_group() -> None:
    world, before = applied()
    plan(world, synced(world))
    edit(world, f"drops/{net.drop_name(20)}", note="in use")
    assert world.approve().drifted == 1
    assert everything(world)[POLE] == before[POLE]
    assert f"drops/{net.drop_name(20)}" in everything(world)


def test_what_was_refused_of_a_batch_is_no_part_of_taking_it_back() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 4)))
    world.run()
    refused = f"drops/{net.drop_name(10)}"
    world.decide(Said("approve", changes={refused: "reject"}))
    assert refused not in {r.undone.key for r in preview(world.ctx, synced(world))}
    assert refused not in {c.key for c in changes(world, plan(world, synced(world)).id)}


def test_a_group_is_taken_back_in_one_pack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "MAX_CHANGES", 2)
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 4)))
    world.run()
    world.approve("approve")
    back = plan(world, synced(world))
    assert (back.packs, back.counts) == (3, {"poles DELETE": 3, "drops DELETE": 3})
    for number in range(3):
        assert len({c.group for c in staging.load_pack(world.outside, back.id, number).changes}) == 1
    world.approve()
    assert everything(world) == {}


def test_what_would_be_left_is_counted_of_what_stays_and_nothing_is_forgotten_of_the_change() -> None:
    world, _ = applied()
    net.feed(world, [net.record("1-9", 1, drop=19, day="2026-06-05")])
    world.run()
    world.approve()
    pole = f"poles/{net.name(1)}"
    by_key = {c.key: c for c in changes(world, plan(world, synced(world)).id)}
    assert by_key[pole].facts["left"] == {"drops": 1}  # drop 10 goes with it, drop 19 stays
    assert by_key[pole].facts["undoes"] == synced(world)
    assert "declines" in by_key[pole].facts
    assert {key for key, c in by_key.items() if "left" in c.facts} == {pole}
    alone = {c.key: c for c in changes(world, plan(world, synced(world), [pole]).id)}
    assert alone[pole].facts["left"] == {"drops": 2}


def test_a_refusal_for_want_of_anything_names_the_batch() -> None:
    world, _ = applied()
    edit(world, ponNumber="a later edit", importStatus="x", zoneNumber="9")
    with pytest.raises(Refused, match="nothing left to take back") as told:
        plan(world, synced(world), [KEY], "ponNumber")
    assert told.value.subject == synced(world)
    world.production.commit([Delete(f"drops/{net.drop_name(10)}")])
    with pytest.raises(Refused, match="nothing left to take back") as told:
        plan(world, synced(world), [f"drops/{net.drop_name(10)}"])
    assert told.value.subject == synced(world)


def test_a_record_that_was_updated_is_not_removed_and_leaves_nobody() -> None:
    world, _ = applied()
    net.feed(world, [net.record("2-9", 2, drop=29, day="2026-06-05")])
    world.run()
    world.approve()
    back = plan(world, synced(world))
    assert all("left" not in c.facts for c in changes(world, back.id))
    assert back.findings == {}


def test_a_parent_whose_key_was_edited_since_leaves_those_behind_that_it_was_created_for() -> None:
    world, _ = applied()
    pole = f"poles/{net.name(1)}"
    edit(world, f"planned-poles/{net.name(1)}", poleNumber="another")
    (change,) = changes(world, plan(world, synced(world), [pole], overwrite=True).id)
    assert (change.action, change.facts["left"]) == (Action.DELETE, {"drops": 1})


def test_who_goes_back_to_another_parent_is_not_left_by_the_one_that_is_removed() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network([1]))
    world.run()
    world.approve()
    before = everything(world)
    net.feed(world, [net.record("1-0", 2, drop=10, day="2026-06-05")])
    moved = world.run().batch
    world.approve("approve")
    assert world.documents("drops")[net.drop_name(10)]["poleNumber"] == net.name(2)
    back = plan(world, moved)
    assert (back.counts, back.findings) == ({"poles DELETE": 1, "drops UPDATE": 1}, {})
    world.approve()
    assert everything(world) == before


def test_who_is_taken_back_and_goes_on_naming_a_parent_is_left_by_it() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network([1]))
    drop = {"dropNumber": net.drop_name(10), "poleNumber": net.name(1), "ponNumber": "9"}
    world.put(world.production, "drops", [(net.drop_name(10), drop)])
    world.run()
    world.approve("approve")
    back = plan(world, synced(world))
    assert back.counts == {"poles DELETE": 1, "drops UPDATE": 1}
    assert {c.key: c.facts.get("left") for c in changes(world, back.id)} == {
        f"poles/{net.name(1)}": {"drops": 1},
        f"drops/{net.drop_name(10)}": None,
    }
