"""Freeze windows: runs and reviews go on, no promotion begins."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from penstock.core.batch import Status
from penstock.core.declaration import Freeze
from penstock.core.errors import InvalidInput, Refused
from penstock.core.plan import Batch
from penstock.core.records import Delete, Query
from penstock.core.values import Timestamp
from penstock.use_cases import effects, topics
from penstock.use_cases.context import Context, load_target
from penstock.use_cases.decide import Said
from penstock.use_cases.rollback import plan_rollback
from penstock.use_cases.sweep import resume_promotion
from support import network as net
from support.faults import PlainPages
from support.rest import assert_sound
from support.world import World

BEFORE = Timestamp(int(dt.datetime(2026, 12, 14, 12, tzinfo=dt.UTC).timestamp()))
DAY = 86_400


def world_at(days: float) -> World:
    """A world so many days after noon of 14 December, with production frozen from the 15th to the 18th."""
    world = World(pages=PlainPages())
    freeze = Freeze(dt.date(2026, 12, 15), dt.date(2026, 12, 18))
    pipeline = replace(world.ctx.pipeline, brakes=replace(world.ctx.pipeline.brakes, freeze=(freeze,)))
    frozen: Context = replace(world.ctx, pipeline=pipeline)
    world.ctx = world.outside = frozen
    world.contexts.target = lambda _: frozen  # type: ignore[method-assign]
    world.contexts.of_batch = lambda _: frozen  # type: ignore[method-assign]
    world.clock.time = BEFORE.plus(days * DAY)
    net.feed(world, net.network(range(1, 4)))
    return world


def only(world: World) -> Batch:
    (id,) = world.documents("penstock_batches")
    return world.batch(id)


def test_a_batch_of_a_freeze_says_so_and_is_not_approved_in_passing() -> None:
    world = world_at(1)
    world.run()
    (fact,) = only(world).batch_findings
    assert (fact.rule, fact.severity) == ("freeze", "blocker")
    assert "No promotion begins before 19 December 2026, 00:00 (Africa/Johannesburg)" in fact.text
    with pytest.raises(InvalidInput, match="held by freeze"):
        world.decide(Said("approve"))
    assert world.documents("planned-poles") == {}


def test_a_freeze_that_is_overridden_is_so_in_the_decision_and_the_batch_is_promoted_at_once() -> None:
    world = world_at(1)
    world.run()
    batch = world.decide(Said("approve", {"rule:freeze": "approve"}))
    assert (batch.status, batch.decisions[0].groups) == (Status.APPLIED, {"rule:freeze": "approve"})
    assert len(world.documents("planned-poles")) == 3
    assert_sound(world)


def test_what_was_opened_before_a_freeze_and_approved_in_it_waits_for_its_end_and_is_promoted_then_by_itself() -> None:
    world = world_at(0)
    world.run()
    assert only(world).batch_findings == ()
    world.clock.forward(DAY)
    assert world.decide(Said("approve")).status is Status.APPROVED
    for _ in range(3):
        world.clock.forward(0.9 * DAY)
        assert world.sweep() == []
        with pytest.raises(Refused, match=r"waits for the end of a freeze, 19 December 2026, 00:00"):
            resume_promotion(world.ctx, only(world))
        assert world.documents("planned-poles") == {}
    world.clock.forward(DAY)
    world.sweep()
    world.pump()
    assert only(world).status is Status.APPLIED
    assert len(world.documents("planned-poles")) == 3
    assert_sound(world)


def test_no_pack_of_a_batch_that_waits_is_promoted_by_a_stray_message() -> None:
    world = world_at(0)
    world.run()
    world.clock.forward(DAY)
    world.decide(Said("approve"))
    world.publisher.publish(topics.PROMOTE, [{"batch": only(world).id, "pack": "0"}])
    world.pump()
    assert only(world).status is Status.APPROVED
    assert world.documents("planned-poles") == {}


def test_the_way_back_is_never_frozen() -> None:
    world = world_at(0)
    world.run()
    done = world.approve("approve")
    world.clock.forward(DAY)
    _, owed = plan_rollback(world.ctx, done.id, "op@example.org")
    effects.pay(world.ctx, owed)
    world.pump()
    back = world.batch(load_target(world.ctx).state.open)
    assert back.batch_findings == ()  # it need not be said that the freeze may be broken
    assert world.decide(Said("approve")).status is Status.APPLIED
    assert world.documents("planned-poles") == {}


def test_a_hold_is_decided_in_a_freeze_like_on_any_day() -> None:
    world = world_at(1)
    world.source.commit([Delete(s.path) for s in world.source.scan(Query(net.SOURCE))])
    assert world.run().held
    assert world.approve().status is Status.APPLIED
