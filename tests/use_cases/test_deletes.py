"""What is gone from the source: found, proved, proposed by the entity's policy, decided, promoted, and taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from penstock.core.batch import Status
from penstock.core.changes import Action
from penstock.core.errors import InvalidInput
from penstock.core.manifest import LOST, decode
from penstock.core.records import Delete, Set, Update
from penstock.core.reversal import Choice
from penstock.pipelines.schema import FOLDER
from penstock.use_cases.context import load_target
from penstock.use_cases.decide import Said
from penstock.use_cases.forgetting import forget
from penstock.use_cases.rollback import plan_rollback
from support import network as net
from support.faults import PlainPages
from support.rest import changes
from support.world import World

OFF = "deactivate: {field: active, value: false, again: true}"
POLES = tuple(net.network(range(1, 31)))  # 30 poles, a drop on each

POLE = f"poles/{net.name(7)}"

Make = Callable[..., World]


@pytest.fixture
def follow(tmp_path: Path) -> Make:
    """A world in which everything there is was promoted, and whose pipeline follows deletions as told."""

    def make(policy: str, *records: Any, more: str = "", approvals: int | None = None) -> World:
        text = (FOLDER / "fibre_network.yaml").read_text()
        for entity in ("poles", "drops"):
            text = text.replace(
                f"  {entity}:\n    source: onemap\n", f"  {entity}:\n    source: onemap\n    on_delete: {policy}\n{more}", 1
            )
        path = tmp_path / "fibre_network.yaml"
        text = text.replace("shrunken: 0.3, replaced: 0.3", "shrunken: 0.6, replaced: 0.6")
        path.write_text(text.replace("brakes: {", "brakes: {deleted_share: 0.5, "))
        world = World(path, pages=PlainPages(), approvals=approvals)
        net.feed(world, records or POLES)
        world.run()
        world.approve("approve")
        return world

    return make


def drop(world: World, *ids: str) -> None:
    """Delete records from the source."""
    world.source.commit([Delete(f"{net.SOURCE}/{id}") for id in ids])


def proposed(world: World, batch: str) -> list[tuple[str, Action]]:
    return [(change.key, change.action) for change in changes(world, batch)]


def poles(world: World) -> set[str]:
    return set(world.documents("planned-poles"))


def known(world: World) -> Any:
    return decode(world.blobs.read(load_target(world.outside).state.manifest)).keys


BOTH = [(f"drops/{net.drop_name(70)}", Action.DELETE), (f"poles/{net.name(7)}", Action.DELETE)]


@pytest.mark.parametrize("mode", ["full", "reconcile"])
def test_what_is_gone_is_removed_once_it_is_approved_children_before_parents(follow: Make, mode: Any) -> None:
    world = follow("remove")
    drop(world, "7-0")
    outcome = world.run(mode)
    assert proposed(world, outcome.batch) == BOTH
    assert all(tally.closes and tally.gone == tally.deleted == 1 for tally in outcome.tallies.values())
    assert world.batch(outcome.batch).counts == {"drops DELETE": 1, "poles DELETE": 1}
    assert net.name(7) in poles(world)
    assert world.approve().status is Status.APPLIED
    assert net.name(7) not in poles(world)
    assert len(poles(world)) == 29
    assert len(world.documents("drops")) == 29
    assert world.run("full").batch == ""
    assert f"poles/{net.name(7)}" not in known(world)


def test_a_run_that_was_not_asked_to_look_for_what_is_gone_proposes_no_delete(follow: Make) -> None:
    world = follow("remove")
    drop(world, "7-0")
    assert world.run().batch == ""
    assert world.run().mode == "changes"


def test_what_is_gone_is_looked_for_by_itself_when_it_is_due(follow: Make) -> None:
    world = follow("remove")
    drop(world, "7-0")
    world.clock.forward(7 * 86_400)
    outcome = world.run()
    assert outcome.mode == "reconcile"
    assert proposed(world, outcome.batch) == BOTH
    assert world.run().mode == "changes"


def test_a_pipeline_that_ignores_deletions_never_counts_its_source() -> None:
    world = World(pages=PlainPages())
    net.feed(world, POLES)
    world.run()
    world.approve("approve")
    world.clock.forward(365 * 86_400)
    before = world.source.bill.reads
    assert world.run().mode == "changes"
    assert world.source.bill.reads - before == 2


def test_a_source_on_which_nothing_went_costs_a_count_for_900_records_and_changes_nothing(follow: Make) -> None:
    world = follow("remove")
    before, writes = world.source.bill.reads, world.production.bill.writes
    outcome = world.run("reconcile")
    assert outcome.batch == ""
    assert outcome.notes == (
        f"onemap: 30 of 30 documents accounted for by key ranges at {outcome.read_time}; the read was complete.",
    )
    assert world.source.bill.reads - before == 3  # what is new, the window, one range
    assert world.production.bill.writes - writes == 2  # the lease, the last run


def test_a_record_of_several_that_went_leaves_its_pole_and_changes_it(follow: Make) -> None:
    world = follow("remove", *POLES, net.record("6-x", 7, drop=777, day="2026-05-03"))
    assert world.documents("planned-poles")[net.name(7)]["propertyId"] == "6-x"
    drop(world, "6-x")
    outcome = world.run("reconcile")
    assert proposed(world, outcome.batch) == [
        (f"poles/{net.name(7)}", Action.UPDATE),
        (f"drops/{net.drop_name(777)}", Action.DELETE),
    ]
    world.approve("approve")
    assert world.documents("planned-poles")[net.name(7)]["propertyId"] == "7-0"
    assert net.drop_name(777) not in world.documents("drops")


def test_a_deletion_behind_a_record_that_came_with_news_is_found(follow: Make) -> None:
    """One came and one went: as many as before are there."""
    world = follow("remove")
    drop(world, "7-0")
    net.feed(world, [net.record("8-n", 31, drop=311, day="2026-06-05")])
    outcome = world.run("reconcile")
    assert set(BOTH) < set(proposed(world, outcome.batch))
    assert (f"poles/{net.name(31)}", Action.CREATE) in proposed(world, outcome.batch)


def test_a_record_that_came_unseen_is_read_where_it_makes_a_surplus(follow: Make) -> None:
    world = follow("remove")
    net.feed(world, [net.record("late", 31, drop=311, day="2026-01-01")])
    assert world.run().batch == ""
    outcome = world.run("reconcile")
    assert {key for key, action in proposed(world, outcome.batch)} == {f"poles/{net.name(31)}", f"drops/{net.drop_name(311)}"}


def test_a_group_spelled_with_blanks_around_is_counted_where_the_database_has_it(follow: Make) -> None:
    world = follow(
        "remove", *POLES, net.record("b", 31, drop=311, Pole_Number=f"  {net.name(31)} "), net.record("w", 32, Pole_Number="  ")
    )
    assert world.run("reconcile").batch == ""
    drop(world, "b")
    outcome = world.run("reconcile")
    assert {key for key, _ in proposed(world, outcome.batch)} == {f"poles/{net.name(31)}", f"drops/{net.drop_name(311)}"}


def test_a_drop_that_moved_to_another_pole_is_not_gone(follow: Make) -> None:
    world = follow("remove", *POLES, net.record("7-x", 7, drop=777))
    net.feed(world, [net.record("7-x", 8, drop=777, day="2026-06-09")])
    outcome = world.run("reconcile")
    assert all(action is Action.UPDATE for _, action in proposed(world, outcome.batch))


def test_a_record_that_left_its_pole_in_an_ordinary_run_waits_for_the_proof(follow: Make) -> None:
    world = follow("remove")
    net.feed(world, [net.record("7-0", 8, drop=777, day="2026-06-09")])
    outcome = world.run()
    assert all(tally.closes for tally in outcome.tallies.values())
    assert outcome.tallies["poles"].skipped == {"gone from the source as it seems, kept until a whole read proves it": 1}
    assert all(action is not Action.DELETE for _, action in proposed(world, outcome.batch))
    world.approve("approve")
    assert known(world)[f"poles/{net.name(7)}"] == (LOST, net.name(7))
    outcome = world.run("reconcile")
    assert sorted(proposed(world, outcome.batch)) == BOTH


def test_a_source_that_was_emptied_deletes_nothing(follow: Make) -> None:
    world = follow("remove")
    drop(world, *(id for id, _ in POLES))
    outcome = world.run("reconcile")
    assert "onemap holds 0 documents" in outcome.held
    assert proposed(world, outcome.batch) == []
    assert len(poles(world)) == 30


@pytest.mark.parametrize("mode", ["full", "reconcile"])
def test_a_source_whose_grouping_field_went_deletes_nothing(follow: Make, mode: Any) -> None:
    world = follow("remove")
    world.source.commit([Update(f"{net.SOURCE}/{id}", {}, (("Pole Number",),)) for id, _ in POLES])
    outcome = world.run(mode)
    assert proposed(world, outcome.batch) == []
    assert len(poles(world)) == 30


def test_more_than_the_budget_is_one_decision_and_nothing_lands_without_it(follow: Make) -> None:
    world = follow("remove")
    drop(world, *(f"{n}-0" for n in range(1, 17)))
    batch = world.batch(world.run("reconcile").batch)
    brakes = [f for f in batch.batch_findings if f.rule == "brake" and "would be removed" in f.text]
    assert [f.severity for f in brakes] == ["blocker", "blocker"]
    assert "16 of 30 poles" in brakes[0].text
    with pytest.raises(InvalidInput, match="held by brake"):
        world.decide(Said("approve"))
    world.decide(Said("approve", {"rule:brake": "approve"}))
    assert len(poles(world)) == 14


def test_what_nobody_mapped_is_lost_only_by_a_word_of_its_own(follow: Make) -> None:
    world = follow("remove")
    world.production.commit([Update(f"planned-poles/{net.name(7)}", {"crew": {"lead": "x"}}, (("crew", "lead"),))])
    drop(world, "7-0")
    batch = world.batch(world.run("reconcile").batch)
    assert batch.findings["removal"] == {"blocker": 1}
    with pytest.raises(InvalidInput, match="blocker"):
        world.decide(Said("approve"))
    world.decide(Said("approve", {"rule:removal": "reject"}))
    assert net.name(7) in poles(world)
    assert net.drop_name(70) not in world.documents("drops")


def test_a_removal_that_would_leave_children_behind_is_a_blocker(follow: Make) -> None:
    world = follow("remove")
    world.production.commit([Set("drops/own", {"dropNumber": "own", "poleNumber": net.name(7)})])
    drop(world, "7-0")
    batch = world.batch(world.run("reconcile").batch)
    assert batch.findings["removal"] == {"blocker": 1}


def test_a_pole_stays_where_the_removal_of_its_drop_is_refused(follow: Make) -> None:
    world = follow("remove")
    drop(world, "7-0")
    world.run("reconcile")
    world.decide(Said("approve", {}, {f"drops/{net.drop_name(70)}": "reject"}))
    assert net.name(7) in poles(world)
    assert net.drop_name(70) in world.documents("drops")


def test_a_pole_cannot_be_removed_by_name_while_its_drop_is_kept(follow: Make) -> None:
    world = follow("remove")
    drop(world, "7-0")
    world.run("reconcile")
    with pytest.raises(InvalidInput, match="belongs to it"):
        world.decide(Said("approve", {}, {f"drops/{net.drop_name(70)}": "reject", f"poles/{net.name(7)}": "approve"}))


def test_a_removal_that_was_refused_is_silent_until_the_record_comes_back_and_goes_again(follow: Make) -> None:
    world = follow("remove")
    drop(world, "7-0")
    world.run("reconcile")
    world.decide(Said("reject"))
    for mode in ("reconcile", "full"):
        outcome = world.run(mode)  # type: ignore[arg-type]
        assert outcome.batch == ""
        assert outcome.tallies["poles"].declined == 1
        assert outcome.tallies["poles"].closes
    net.feed(world, [net.record("7-0", 7, drop=70, day="2026-06-07")])
    world.run()
    drop(world, "7-0")
    assert set(proposed(world, world.run("reconcile").batch)) >= set(BOTH)


def test_a_removal_that_is_not_decided_is_in_the_next_batch_too_though_that_run_counts_nothing(follow: Make) -> None:
    world = follow("remove")
    drop(world, "7-0")
    first = world.run("reconcile").batch
    net.feed(world, [net.record("new", 31, drop=311, day="2026-06-07")])
    outcome = world.run("changes")
    assert outcome.superseded == first
    assert set(BOTH) < set(proposed(world, outcome.batch))


def test_a_record_that_comes_back_takes_its_removal_out_of_the_open_batch(follow: Make) -> None:
    world = follow("remove")
    drop(world, "7-0")
    first = world.run("reconcile").batch
    net.feed(world, [POLES[6]])
    world.source.commit([Update(f"{net.SOURCE}/7-0", {"lst_mod_dt": "2026-06-07 10:00:00"}, (("lst_mod_dt",),))])
    assert world.run().batch == ""
    assert world.batch(first).status is Status.SUPERSEDED
    assert net.name(7) in poles(world)


def test_a_removal_whose_drop_was_edited_falls_out_with_its_pole_and_is_planned_again(follow: Make) -> None:
    world = follow("remove")
    drop(world, "7-0")
    world.run("reconcile")
    world.production.commit([Update(f"drops/{net.drop_name(70)}", {"note": "x"}, (("note",),))])
    batch = world.approve()
    assert (batch.status, batch.applied, batch.drifted) == (Status.PARTIALLY_APPLIED, 0, 2)
    assert net.name(7) in poles(world)
    followup = load_target(world.outside).state.open
    assert proposed(world, followup) == BOTH
    assert world.batch(followup).findings["removal"] == {"blocker": 1}


def test_a_removal_whose_pole_was_edited_falls_out_and_that_of_its_drop_lands(follow: Make) -> None:
    """A drop may go before its pole; found by random lives."""
    world = follow("remove")
    drop(world, "7-0")
    world.run("reconcile")
    world.production.commit([Update(f"planned-poles/{net.name(7)}", {"note": "x"}, (("note",),))])
    batch = world.approve("approve")
    assert (batch.status, batch.applied, batch.drifted) == (Status.PARTIALLY_APPLIED, 1, 1)
    assert net.name(7) in poles(world)
    assert net.drop_name(70) not in world.documents("drops")


def test_a_rolled_back_removal_puts_back_exactly_what_stood_there_and_is_not_proposed_again(follow: Make) -> None:
    world = follow("remove")
    before = {c: world.documents(c) for c in ("planned-poles", "drops")}
    drop(world, "7-0")
    batch = world.run("reconcile").batch
    world.approve()
    _, owed = plan_rollback(world.ctx, batch, "ops@example.org")
    world.pay(owed)
    world.pump()
    world.approve()
    assert {c: world.documents(c) for c in before} == before
    assert world.run("reconcile").batch == ""
    assert world.run("full").batch == ""


@pytest.mark.parametrize("policy", ["remove", "deactivate"])
def test_a_removal_that_was_taken_back_is_proposed_again_when_it_is_forgotten(follow: Make, policy: str) -> None:
    world = follow(policy, more=f"    {OFF}\n" if policy == "deactivate" else "")
    drop(world, "7-0")
    batch = world.run("reconcile").batch
    world.approve()
    choice = Choice(frozenset({POLE}), (("active",),) if policy == "deactivate" else ())
    _, owed = plan_rollback(world.ctx, batch, "ops@example.org", choice)
    world.pay(owed)
    world.pump()
    world.approve()
    assert "active" not in world.documents("planned-poles")[net.name(7)]
    assert world.run("full").batch == ""
    assert forget(world.ctx, [POLE], "ops@example.org") == ()  # only a full run tells what is gone
    assert [key for key, _ in proposed(world, world.run("full").batch)] == [POLE]


def test_flagged_deletions_are_told_with_every_batch_and_write_nothing(follow: Make) -> None:
    world = follow("flag")
    drop(world, "7-0")
    outcome = world.run("reconcile")
    assert outcome.batch == ""
    assert f"Gone from the source and still in production: 1 poles, {net.name(7)}." in outcome.notes
    assert outcome.tallies["poles"].skipped == {"gone from the source, production keeps it": 1}
    assert outcome.tallies["poles"].closes
    net.feed(world, [net.record("new", 31, drop=311, day="2026-06-07")])
    batch = world.batch(world.run().batch)
    told = [f for f in batch.batch_findings if f.rule == "gone_from_source"]
    assert [f.severity for f in told] == ["warning", "warning"]
    assert batch.findings["gone_from_source"] == {"warning": 1}
    world.decide(Said("approve"))
    assert net.name(7) in poles(world)


def test_ignored_deletions_are_counted_once_and_forgotten(follow: Make) -> None:
    world = follow("ignore")
    drop(world, "7-0")
    outcome = world.run("full")
    assert outcome.tallies["poles"].skipped == {"gone from the source, kept": 1}
    assert world.run("full").tallies["poles"].gone == 0
    assert net.name(7) in poles(world)


def test_a_deactivated_record_is_made_active_again_when_the_source_has_it_again(follow: Make) -> None:
    world = follow("deactivate", more=f"    {OFF}\n")
    drop(world, "7-0")
    outcome = world.run("reconcile")
    assert [action for _, action in proposed(world, outcome.batch)] == [Action.UPDATE, Action.UPDATE]
    assert outcome.tallies["poles"].closes
    world.approve()
    assert world.documents("planned-poles")[net.name(7)]["active"] is False
    assert world.run("full").batch == ""
    net.feed(world, [net.record("7-0", 7, drop=70, day="2026-06-07")])
    world.run()
    world.approve()
    assert world.documents("planned-poles")[net.name(7)]["active"] is True
    assert world.run("full").batch == ""


def test_what_a_person_deactivated_stays_as_it_is(follow: Make) -> None:
    world = follow("deactivate", more=f"    {OFF}\n")
    world.production.commit([Update(f"planned-poles/{net.name(7)}", {"active": False}, (("active",),))])
    assert world.run("full").batch == ""


def test_a_tombstone_needs_no_further_proof(follow: Make) -> None:
    world = follow("remove", more="    deleted_where: {field: Status, is: [Deleted]}\n")
    net.feed(world, [net.record("7-0", 7, drop=70, status="Deleted", day="2026-06-07")])
    outcome = world.run()
    assert outcome.mode == "changes"
    assert proposed(world, outcome.batch) == BOTH
    assert all(tally.closes for tally in outcome.tallies.values())
    assert outcome.tallies["poles"].skipped == {"deleted in the source": 1}


def test_a_production_document_that_is_another_record_by_its_own_word_is_left_alone(follow: Make) -> None:
    world = follow("remove")
    world.production.commit([Update(f"planned-poles/{net.name(7)}", {"poleNumber": "OTHER"}, (("poleNumber",),))])
    drop(world, "7-0")
    outcome = world.run("reconcile")
    assert [key for key, _ in proposed(world, outcome.batch)] == [f"drops/{net.drop_name(70)}"]
    assert outcome.tallies["poles"].closes


def test_what_production_does_not_hold_is_not_deleted_and_forgotten(follow: Make) -> None:
    world = follow("remove")
    world.production.commit([Delete(f"planned-poles/{net.name(7)}"), Delete(f"drops/{net.drop_name(70)}")])
    drop(world, "7-0")
    outcome = world.run("reconcile")
    assert outcome.batch == ""
    assert outcome.tallies["poles"].unchanged == 1
    assert f"poles/{net.name(7)}" not in known(world)
