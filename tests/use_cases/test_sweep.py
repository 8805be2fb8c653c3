"""The sweep: safe at any time and twice at once, and what it does with things that nobody goes on with."""

from __future__ import annotations

from typing import Any

import pytest
from penstock.core.batch import Status
from penstock.core.codec import Hold, Recheck
from penstock.core.errors import Refused, Unavailable
from penstock.use_cases import effects
from penstock.use_cases.context import load_target
from penstock.use_cases.decide import Said, decide
from penstock.use_cases.lease import LEASE_SECONDS, RESUMABLE_SECONDS
from penstock.use_cases.pausing import pause, resume
from penstock.use_cases.promote import promote_pack
from penstock.use_cases.sweep import _expire, retry
from support import network as net
from support.faults import Faults, Killed, PlainPages
from support.rest import assert_sound, entries, settle
from support.world import APPROVER, World


def fed(faults: Faults | None = None) -> World:
    world = World(pages=PlainPages(), **({"wrap": faults.wrap} if faults else {}))
    net.feed(world, net.network(range(1, 4)))
    return world


def state(world: World) -> Any:
    return load_target(world.outside).state


def killed(at: int) -> World:
    faults = Faults()
    world = fed(faults)
    faults.arm(at, "killed after")
    with pytest.raises(Killed):
        world.run()
    return world


def test_at_rest_it_does_nothing_and_writes_nothing() -> None:
    world = fed()
    world.run()
    before = world.production.bill.writes
    assert world.sweep() == []
    world.approve("approve")
    after = world.production.bill.writes
    assert after > before
    world.clock.forward(86_400)
    assert "was anchored" in world.sweep()[0]  # once a day, where the audit chain has grown
    assert world.production.bill.writes == after + 1
    world.clock.forward(86_400)
    assert world.sweep() == []
    assert world.production.bill.writes == after + 1


def test_a_target_at_rest_costs_two_reads() -> None:
    world = fed()
    world.run()
    world.approve("approve")
    for _ in range(4):
        world.clock.forward(86_400)
        world.sweep()
    before = world.production.bill
    assert world.sweep() == []
    after = world.production.bill
    assert (after.reads - before.reads, after.writes, after.deletes) == (2, before.writes, before.deletes)


def test_a_target_whose_document_cannot_be_read_is_told_of_once() -> None:
    world = fed()
    world.run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.production, "get", unavailable)
        told = world.sweep()
    assert [line for line in told if "the database is away" in line] == [f"{world.ctx.id}: the database is away"]


def unavailable(*_: object, **__: object) -> None:
    raise Unavailable("the database is away")


def test_a_run_that_is_still_at_it_is_left_alone() -> None:
    world = killed(2)
    assert world.sweep() == []
    assert state(world).lease is not None


def test_a_run_that_died_is_gone_on_with_once_its_lease_has_ended() -> None:
    world = killed(2)
    world.clock.forward(LEASE_SECONDS + 1)
    (line,) = [line for line in world.sweep() if "resumed" in line]
    assert state(world).open in line
    world.pump()
    assert world.batch(state(world).open).status is Status.UNDER_REVIEW


def test_a_run_that_died_too_long_ago_begins_anew_and_what_it_left_is_dropped() -> None:
    world = killed(3)
    (old,) = world.documents("penstock_batches")
    world.clock.forward(RESUMABLE_SECONDS + LEASE_SECONDS)
    world.sweep()
    world.pump()
    new = state(world).open
    assert new != old
    assert world.batch(old).status is Status.SUPERSEDED
    world.approve("approve")
    assert_sound(world)
    assert len(world.documents("planned-poles")) == 3


def test_a_paused_target_is_not_read_by_the_sweep_either() -> None:
    world = killed(2)
    pause(world.ctx, "operator@example.org")
    world.clock.forward(LEASE_SECONDS + 1)
    assert world.sweep() == []
    assert state(world).lease is not None
    resume(world.ctx, "operator@example.org")
    world.sweep()
    assert state(world).lease is None


def test_pausing_is_in_the_audit_once_and_twice_is_once() -> None:
    world = fed()
    assert pause(world.ctx, "o@example.org")
    assert not pause(world.ctx, "o@example.org")
    assert resume(world.ctx, "o@example.org")
    assert [e["what"] for e in entries(world)] == ["paused", "resumed"]


def test_a_promotion_whose_messages_were_lost_is_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "INLINE", 0)
    world = fed()
    batch = world.batch(world.run().batch)
    _, owed = decide(world.ctx, batch.id, batch.digest, APPROVER, Said("approve"))
    effects.pay(world.ctx, owed)
    world.publisher.messages.clear()
    world.delivered = 0
    assert world.batch(batch.id).status is Status.APPLYING
    world.clock.forward(200)
    assert [line for line in world.sweep() if "sent to be promoted" in line]
    world.pump()
    assert world.batch(batch.id).status is Status.APPLIED
    assert_sound(world)


def test_a_promotion_that_only_lacks_its_end_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "INLINE", 0)
    world = fed()
    batch = world.batch(world.run().batch)
    _, owed = decide(world.ctx, batch.id, batch.digest, APPROVER, Said("approve"))
    effects.pay(world.ctx, owed)
    world.publisher.messages.clear()
    world.delivered = 0
    promote_pack(world.ctx, world.batch(batch.id), 0)
    world.clock.forward(200)
    assert [line for line in world.sweep() if "brought to its end" in line]
    assert world.batch(batch.id).status is Status.APPLIED


def test_an_approval_whose_promotion_nobody_started_is_started() -> None:
    world = fed()
    batch = world.batch(world.run().batch)
    decide(world.ctx, batch.id, batch.digest, APPROVER, Said("approve"))  # killed before it paid what it owed
    assert world.documents("planned-poles") == {}
    settle(world)
    assert world.batch(batch.id).status is Status.APPLIED
    assert_sound(world)


def test_while_a_batch_is_being_promoted_nothing_is_captured() -> None:
    world = fed()
    batch = world.batch(world.run().batch)
    decide(world.ctx, batch.id, batch.digest, APPROVER, Said("approve"))
    with pytest.raises(Exception, match="is being promoted now") as told:
        world.run()
    assert told.value.remedy  # type: ignore[attr-defined]


def test_only_what_failed_can_be_retried() -> None:
    world = fed()
    batch = world.run().batch
    with pytest.raises(Refused, match="cannot become CHECKING"):
        retry(world.ctx, batch, "o@example.org")


def test_two_sweeps_at_once_resume_one_run() -> None:
    world = killed(2)
    world.clock.forward(LEASE_SECONDS + 1)
    nested: list[Any] = []
    stores, opened = world.ctx.ports.stores, world.ctx.ports.stores.open

    class Hooked:
        def __init__(self, store: Any) -> None:
            self._store = store

        def __getattr__(self, name: str) -> Any:
            return getattr(self._store, name)

        def commit(self, writes: Any) -> Any:
            if writes[0].path.startswith("penstock_targets") and not nested:
                nested.append(1)
                nested.append(world.sweep())
            return self._store.commit(writes)

    stores.open = lambda project, database: Hooked(opened(project, database))  # type: ignore[method-assign]
    told = world.sweep()
    assert len(nested) == 2
    settle(world)
    assert len([b for b in world.documents("penstock_batches").values() if b["status"] == "UNDER_REVIEW"]) == 1
    assert [line for line in told if "could not be taken for a run" in line]
    assert_sound(world)


def fallen_out(**more: Any) -> World:
    """What fell out of a promotion waits to be planned again, and nobody was told."""
    world = fed()
    batch = world.run().batch
    world.approve("approve")
    settle(world)
    recheck = (Recheck(batch, ("poles/LAW.P.A001",)),)
    world.production.commit([load_target(world.outside).write(recheck=recheck, **more)])
    return world


def test_what_fell_out_is_planned_again_once_its_message_is_taken_for_lost() -> None:
    world = fallen_out()
    assert world.sweep() == []
    assert len(state(world).recheck) == 1
    world.clock.forward(world.ports.stale_seconds + 1)
    assert world.sweep() == [f"{world.ctx.id}: what fell out of a promotion was planned again (nothing to propose)"]
    assert state(world).recheck == ()
    assert_sound(world)


def test_while_a_hold_stands_rejected_nothing_is_planned_again() -> None:
    world = fallen_out(hold=Hold("a batch", "Held.", {}, "reject"))
    world.clock.forward(world.ports.stale_seconds + 1)
    before = world.production.bill.writes
    assert world.sweep() == []
    assert (len(state(world).recheck), world.production.bill.writes) == (1, before)


def test_a_batch_that_was_decided_since_the_target_was_read_does_not_expire() -> None:
    world = fed()
    batch = world.run().batch
    as_read = load_target(world.outside)
    world.approve("approve")
    world.clock.forward(30 * 86_400)
    assert _expire(world.ctx, as_read) == []
    assert world.batch(batch).status is Status.APPLIED
