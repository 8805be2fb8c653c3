"""What a run costs is foreseen and metered, and one that would cost too much stops and loses nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from penstock.core import layout
from penstock.core.batch import Status
from penstock.core.codec import Mode, to_data
from penstock.core.cost import PHASES, Cost, Prices, total
from penstock.core.errors import Conflict
from penstock.core.plan import Batch, Verdict
from penstock.core.records import Delete, Set
from penstock.core.reversal import Choice
from penstock.use_cases import effects, staging
from penstock.use_cases.context import load_target
from penstock.use_cases.decide import Said, decide, decide_by_link
from penstock.use_cases.promote import promote_pack, start
from penstock.use_cases.rollback import plan_rollback
from penstock.use_cases.sweep import sweep
from penstock.wiring import Contexts
from support import network as net
from support.faults import PlainPages
from support.rest import assert_sound, settle
from support.world import APPROVER, World

VOTER = "lerato@example.org"
LOOKS = 4  # reads of the test itself, in approving and in looking at the batch


def world_of(poles: int, **brakes: Any) -> World:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, poles + 1), drops=2))
    capped(world, **brakes)
    return world


def capped(world: World, **brakes: Any) -> None:
    pipeline = world.ctx.pipeline
    pipeline = replace(pipeline, brakes=replace(pipeline.brakes, **brakes))
    world.contexts = Contexts(world.ports, {pipeline.name: pipeline})
    world.ctx = world.outside = world.contexts.all()[0]


def billed(world: World) -> Cost:
    bills = world.source.bill, world.production.bill
    return Cost(sum(b.reads for b in bills), sum(b.writes for b in bills), sum(b.deletes for b in bills))


def since(world: World, before: Cost) -> Cost:
    now = billed(world)
    return Cost(now.reads - before.reads, now.writes - before.writes, now.deletes - before.deletes)


def spent(world: World, before: Cost) -> int:
    return since(world, before).operations


def in_all(costs: Mapping[str, Cost]) -> int:
    return total(costs.values()).operations


def agrees(batch: Batch, operations: int, by: int = 3) -> None:
    assert set(batch.costs) == set(PHASES)
    assert set(batch.foreseen) == set(PHASES)
    assert in_all(batch.costs) == operations - LOOKS
    assert in_all(batch.foreseen) == pytest.approx(in_all(batch.costs), rel=0.02, abs=by)


@pytest.mark.parametrize("poles", [5, 250])
def test_a_first_run_a_day_and_a_rollback_cost_what_was_foreseen(poles: int) -> None:
    world = world_of(poles)
    before = billed(world)
    batch = world.run().batch
    world.approve()
    agrees(world.batch(batch), spent(world, before))
    net.feed(world, net.network(range(1, poles // 2), drops=2, status=net.INSTALLED, day="2026-06-05"))
    before = billed(world)
    batch = world.run().batch
    world.approve("approve")
    agrees(world.batch(batch), spent(world, before))
    before = billed(world)
    rollback, owed = plan_rollback(world.ctx, batch, "operator@example.org")
    world.pay(owed)
    world.pump()
    world.approve("approve")
    agrees(world.batch(rollback.id), spent(world, before))


def test_what_changed_of_a_source_without_a_change_stamp_costs_what_was_foreseen() -> None:
    world = world_of(100)
    pipeline = world.ctx.pipeline
    sources = {name: replace(source, cursor=None) for name, source in pipeline.sources.items()}
    world.contexts = Contexts(world.ports, {pipeline.name: replace(pipeline, sources=sources)})
    world.ctx = world.outside = world.contexts.all()[0]
    world.run()
    world.approve()
    net.feed(world, net.network(range(1, 6), drops=2, status=net.INSTALLED, day="2026-06-05"))
    before = billed(world)
    batch = world.run().batch
    world.approve("approve")
    agrees(world.batch(batch), spent(world, before))


def of_two() -> tuple[World, str]:
    """A batch that waits for two consents."""
    world = World(pages=PlainPages(), people={"fibre_approvers": (APPROVER, VOTER)}, approvals=2)
    net.feed(world, net.network(range(1, 4)))
    return world, world.run().batch


def vote(world: World, batch: str, by: str, verdict: Verdict) -> tuple[Batch, tuple[Set, ...]]:
    return decide(world.ctx, batch, world.batch(batch).digest, by, Said(verdict))


def test_each_voice_is_billed_with_the_link_that_it_used() -> None:
    world, batch = of_two()
    token, code = world.link()
    before = billed(world)
    first, _ = decide_by_link(world.ctx, token, code, Said("approve"))
    one = since(world, before)
    assert first.costs["decide"] == one
    digest, before = first.digest, billed(world)
    last, _ = decide(world.ctx, batch, digest, VOTER, Said("approve"))
    assert last.costs["decide"] == one + since(world, before)


def test_a_refusal_is_billed_with_what_it_owes() -> None:
    world, batch = of_two()
    digest, before = world.batch(batch).digest, billed(world)
    _, owed = decide(world.ctx, batch, digest, APPROVER, Said("reject"))
    world.pay(owed)
    metered = since(world, before)
    assert world.batch(batch).costs["decide"] == metered


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_a_word_on_a_hold_is_billed(verdict: Verdict) -> None:
    world = world_of(60, max_operations=50)
    hold = world.batch(world.run().batch)
    before = billed(world)
    decided, _ = decide(world.ctx, hold.id, hold.digest, APPROVER, Said(verdict, {"rule:brake": verdict}))
    assert decided.costs["decide"] == since(world, before)


def test_a_decision_that_meets_others_is_billed_for_all_its_tries() -> None:
    world, batch = of_two()
    vote(world, batch, VOTER, "approve")
    once, digest = world.batch(batch).costs["decide"], world.batch(batch).digest
    real, met = world.ctx.store.commit, list[str]()

    def commit(writes: Any) -> Any:
        if not met:
            met.append(writes[0].path)
            raise Conflict("the target was written meanwhile")
        return real(writes)

    world.ctx.store.commit = commit  # type: ignore[method-assign]
    before = billed(world)
    decided, _ = decide(world.ctx, batch, digest, APPROVER, Said("approve"))
    assert met == [layout.batch(batch)]
    assert decided.costs["decide"] == once + since(world, before)


def test_a_pack_is_billed_with_what_falls_out_and_what_is_refused() -> None:
    world, batch = of_two()
    drops = [f"drops/{net.drop_name(n)}" for n in (10, 20)]
    for by in (VOTER, APPROVER):
        said = Said("approve", changes={drops[0]: "reject"})
        decide(world.ctx, batch, world.batch(batch).digest, by, said)
    world.put(world.production, "drops", [(net.drop_name(20), {"note": "somebody was here"})])
    promoting = start(world.ctx, batch)
    before = billed(world)
    ledger = promote_pack(world.ctx, promoting, 0)
    assert ledger is not None
    assert (ledger.rejected, ledger.drifted) == ((drops[0],), (drops[1],))
    metered = since(world, before)
    assert staging.load_pack(world.ctx, batch, 0).fields["costs"]["promote"] == to_data(metered)


def planned(world: World, batch: str, *keys: str) -> tuple[Batch, Cost]:
    """A rollback, and what planning it was billed."""
    before = billed(world)
    back, owed = plan_rollback(world.ctx, batch, "operator@example.org", Choice(frozenset(keys) or None))
    metered = since(world, before)
    world.pay(owed)
    return back, metered


@pytest.mark.parametrize(("poles", "drops", "keys"), [(1, 1, ()), (31, 1, ()), (400, 0, ()), (5, 0, (f"poles/{net.name(1)}",))])
def test_planning_a_rollback_of_what_was_created_costs_what_was_foreseen(poles: int, drops: int, keys: tuple[str, ...]) -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, poles + 1), drops=drops))
    batch = world.run().batch
    world.approve("approve")
    back, metered = planned(world, batch, *keys)
    assert back.costs["capture"] == back.foreseen["capture"] == metered


def test_planning_a_rollback_of_what_stood_there_before_costs_what_was_foreseen() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 4), drops=0))
    world.put(world.production, "planned-poles", [net.standing(n, zoneNumber=None) for n in range(1, 4)])
    batch = world.run().batch
    world.approve("approve")
    back, metered = planned(world, batch)
    assert back.counts == {"poles UPDATE": 3}
    assert back.costs["capture"] == back.foreseen["capture"] == metered


@pytest.mark.parametrize(("stood", "reported"), [(999, True), (1_001, False)])
def test_planning_a_rollback_beside_a_thousand_poles_costs_what_was_foreseen(
    stood: int, reported: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two more come. How many there are by then is told by the report, or else by the plan."""
    world = World(pages=PlainPages())
    world.put(world.production, "planned-poles", [(f"other-{n}", {}) for n in range(stood)])
    net.feed(world, net.network([1, 2], drops=0))
    if not reported:
        monkeypatch.setitem(effects.EFFECTS, "report", lambda *_: None)  # type: ignore[index]
    batch = world.run().batch
    world.approve("approve")
    assert bool(world.batch(batch).production_after) is reported
    back, metered = planned(world, batch)
    assert back.costs["capture"] == back.foreseen["capture"] == metered


def test_taking_back_what_was_taken_back_costs_what_was_foreseen() -> None:
    """What stands below it stands again, and what stands below that is rolled back again."""
    world = World(pages=PlainPages())
    net.feed(world, net.network([1, 2]))
    batch = world.run().batch
    world.approve("approve")
    for _ in range(3):
        back, metered = planned(world, batch)
        assert back.costs["capture"] == back.foreseen["capture"] == metered
        world.pump()
        done = world.approve("approve")
        assert (done.status, done.foreseen) == ("APPLIED", done.costs)
        batch = back.id


def test_taking_back_a_part_leaves_the_batch_as_it_is_and_costs_what_was_foreseen() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 6), drops=0))
    batch = world.run().batch
    world.approve("approve")
    planned(world, batch, f"poles/{net.name(1)}")
    world.pump()
    done = world.approve("approve")
    assert (world.batch(batch).status, done.foreseen) == ("APPLIED", done.costs)
    planned(world, done.id)
    world.pump()
    done = world.approve("approve")
    assert (done.status, done.foreseen) == ("APPLIED", done.costs)


def test_a_rollback_that_takes_the_place_of_another_batch_was_billed_for_that_too() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network([1]))
    batch = world.run().batch
    world.approve()
    first, _ = planned(world, batch)
    again, metered = planned(world, batch)
    assert world.batch(first.id).status is Status.SUPERSEDED
    assert again.costs["capture"] == metered
    assert metered.writes == first.costs["capture"].writes + 2


def test_a_rollback_is_reckoned_at_the_prices_of_its_pipeline() -> None:
    world = world_of(1)
    batch = world.run().batch
    world.approve()
    prices = Prices(reads=0.03, writes=0.09)
    world.ctx = replace(world.ctx, pipeline=replace(world.ctx.pipeline, prices=prices))
    assert planned(world, batch)[0].prices == prices


def test_an_idle_run_says_what_it_cost() -> None:
    world = world_of(5)
    world.run()
    world.approve()
    before = billed(world)
    outcome = world.run()
    assert (outcome.batch, outcome.cost.operations) == ("", spent(world, before))


def test_everything_delivered_three_times_costs_the_same_writes() -> None:
    costs = []
    for times in (1, 3):
        world = world_of(250)
        before = billed(world)
        world.run()
        again(world, times)
        world.approve()
        again(world, times)
        costs.append(billed(world).writes - before.writes)
        assert_sound(world)
    assert costs[0] == costs[1]


def again(world: World, times: int) -> None:
    for topic, message in world.publisher.messages * (times - 1):
        world.deliver(topic, message)


def test_a_run_foreseen_to_cost_too_much_does_not_start_and_an_approval_lets_it_pass() -> None:
    world = world_of(60, max_operations=50)
    outcome = world.run()
    hold = world.batch(outcome.batch)
    assert (hold.kind, hold.status) == ("hold", Status.UNDER_REVIEW)
    assert "foreseen to cost" in outcome.held
    assert "the band is 50" in outcome.held
    assert not world.documents("penstock_staging")
    assert world.run().batch == ""  # people are asked once
    world.approve("approve")
    batch = world.batch(load_target(world.ctx).state.open)
    assert (batch.kind, batch.total) == ("sync", 180)
    assert "the band is 50" in "".join(f.text for f in batch.batch_findings)
    world.approve("approve")
    assert world.batch(batch.id).status is Status.APPLIED
    settle(world)
    assert_sound(world)


@pytest.mark.parametrize("mode", ["changes", "full"])
def test_an_approved_run_goes_on_as_it_was_asked_for(mode: Mode) -> None:
    world = world_of(60)
    world.run()
    world.approve("approve")
    net.feed(world, net.network(range(61, 91)))
    capped(world, max_operations=50)
    hold = world.batch(world.run(mode).batch)
    _, owed = decide(world.ctx, hold.id, hold.digest, APPROVER, Said("approve", {"rule:brake": "approve"}))
    assert [(fact.data["kind"], fact.data["mode"]) for fact in owed] == [("proceed", mode)]


def test_whoever_lets_a_source_pass_is_asked_for_the_cost_of_reading_it_too() -> None:
    world = world_of(60)
    world.run()
    world.approve("approve")
    world.source.commit([Delete(f"{net.SOURCE}/{id}") for id, _ in net.network(range(1, 41), drops=2)])
    capped(world, max_operations=50)
    assert "% fewer" in world.run("full").held
    world.approve("approve")
    hold = world.batch(load_target(world.ctx).state.open)
    assert (hold.kind, "foreseen to cost" in hold.batch_findings[0].text) == ("hold", True)
    world.approve("approve")
    state = load_target(world.ctx).state
    assert (state.open, state.hold) == ("", None)
    assert world.run().held == ""
    settle(world)
    assert_sound(world)


def test_a_batch_that_two_approvals_let_through_names_both_brakes() -> None:
    world = world_of(60)
    world.run()
    world.approve("approve")
    world.source.commit([Delete(f"{net.SOURCE}/{id}") for id, _ in net.network(range(1, 41), drops=2)])
    net.feed(world, net.network([50], drops=2, status=net.INSTALLED, day="2026-06-05"))
    capped(world, max_operations=50)
    source = world.run("full").batch
    world.approve("approve")
    cost = load_target(world.ctx).state.open
    world.approve("approve")
    batch = world.batch(load_target(world.ctx).state.open)
    of_source, of_cost = (world.batch(id).batch_findings[0].text for id in (source, cost))
    assert ("% fewer" in of_source, "foreseen to cost" in of_cost) == (True, True)
    told = [note for note in batch.notes if note.startswith("A brake was approved")]
    assert told == [f"A brake was approved ({source}): {of_source}", f"A brake was approved ({cost}): {of_cost}"]


def test_a_run_is_let_pass_by_a_higher_band_without_a_word() -> None:
    world = world_of(60, max_usd=0.000_01)
    assert "USD" in world.run().held
    capped(world, max_usd=1.0)
    assert world.batch(world.run().batch).kind == "sync"


def test_a_rejected_run_stays_held_in_silence() -> None:
    world = world_of(60, max_operations=50)
    world.run()
    world.decide(Said("reject"))
    mails = len(world.mailer.sent)
    outcome = world.run()
    assert (outcome.batch, len(world.mailer.sent)) == ("", mails)
    assert "This was rejected" in outcome.held


def stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The first run, metered beyond its band although less was foreseen."""
    monkeypatch.setattr("penstock.use_cases.capture.rest_of_capture", lambda *_, **__: Cost())
    outcome = world.run()
    monkeypatch.undo()
    assert "stopped on the way" in outcome.held
    return outcome


def test_a_run_metered_beyond_its_band_stops_and_goes_on_at_its_moment_once_that_is_approved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_of(900, max_operations=300)
    outcome = stopped(world, monkeypatch)
    state = load_target(world.ctx).state
    staged = {id: data["digest"] for id, data in world.documents("penstock_staging").items()}
    assert staged
    assert all(of.watermark is None for of in state.sources.values())
    assert not state.manifest
    held = world.run()
    assert (held.batch, held.cost.operations) == ("", 1)
    assert sweep(world.ctx) == []
    net.feed(world, net.network([950], drops=1))  # not there at the run's moment
    world.approve("approve")
    batch = world.batch(load_target(world.ctx).state.open)
    assert batch.read_time == outcome.read_time
    assert batch.total == 900 * 3
    now = {id: data["digest"] for id, data in world.documents("penstock_staging").items()}
    assert {id: now[id] for id in staged} == staged
    world.approve("approve")
    capped(world, max_operations=None)
    world.run()
    world.approve("approve")
    assert len(world.documents("planned-poles")) == 901
    settle(world)
    assert_sound(world)


def test_a_stopped_run_approved_too_late_starts_anew_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of(900, max_operations=300)
    stopped(world, monkeypatch)
    world.clock.forward(5 * 3_600)
    world.approve("approve")
    world.approve("approve")
    assert len(world.documents("planned-poles")) == 900
    settle(world)
    assert_sound(world)
