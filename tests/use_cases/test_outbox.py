"""Effects that are owed: caused after the commit, again when they failed, and never in the way of the work."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from penstock.core.batch import Status
from penstock.core.errors import Unavailable
from penstock.core.records import Delete, Set
from penstock.use_cases import effects, outbox
from penstock.use_cases.decide import Said, decide
from penstock.use_cases.outbox import BACKOFF_SECONDS
from support import network as net
from support.faults import FailingMailer, Faults, PlainPages
from support.rest import assert_sound, facts, settle
from support.world import APPROVER, World


def with_dead_mail() -> tuple[World, FailingMailer]:
    found: list[FailingMailer] = []

    def wrap(ports: Any) -> Any:
        found.append(FailingMailer(ports.mailer))
        return replace(ports, mailer=found[0])

    world = World(pages=PlainPages(), wrap=wrap)
    net.feed(world, net.network(range(1, 4)))
    world.patient = True
    return world, found[0]


def review_mail(world: World) -> dict[str, Any]:
    (fact,) = [f for f in facts(world).values() if f["kind"] == "review"]
    return fact


def test_a_dead_mail_server_is_noted_and_blocks_no_work() -> None:
    world, _ = with_dead_mail()
    batch = world.run().batch
    assert world.batch(batch).status is Status.UNDER_REVIEW
    fact = review_mail(world)
    assert (fact["state"], fact["attempts"]) == ("owed", 1)
    assert "refuses connections" in fact["error"]
    assert world.mailer.sent == []


def test_an_approved_brake_that_is_owed_from_before_it_said_how_to_run_is_a_full_run() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 4)))
    world.run()
    world.approve("approve")
    world.source.commit([Delete(f"{net.SOURCE}/{id}") for id, _ in net.network(range(1, 4))])
    hold = world.batch(world.run("full").batch)
    _, (owed,) = decide(world.ctx, hold.id, hold.digest, APPROVER, Said("approve", {"rule:brake": "approve"}))
    older = {name: value for name, value in owed.data.items() if name != "mode"}
    world.production.commit([Set(owed.path, older)])
    world.clock.forward(1_000)
    assert world.sweep() == []
    assert (facts(world)[owed.path.rpartition("/")[2]]["state"], world.batch(hold.id).status) == ("paid", Status.APPLIED)
    assert world.publisher.messages[-1] == ("penstock-capture", {"target": world.ctx.id, "mode": "full"})


def test_it_is_tried_again_with_growing_waits_and_goes_out_once_when_the_server_is_back() -> None:
    world, server = with_dead_mail()
    world.run()
    waits = []
    for _ in range(len(BACKOFF_SECONDS) + 1):
        fact = review_mail(world)
        before = fact["attempts"]
        assert world.sweep() == []  # not due yet
        assert review_mail(world)["attempts"] == before
        waits.append(fact["due"].seconds - world.clock.time.seconds)
        world.clock.forward(waits[-1] + 2)
        assert [line for line in world.sweep() if "owed and not paid" in line]
    assert [round(wait, -1) for wait in waits] == [*BACKOFF_SECONDS, BACKOFF_SECONDS[-1]]
    server.down = False
    settle(world)
    assert len(world.mailer.sent) == 1
    assert review_mail(world)["state"] == "paid"
    world.approve("approve")
    assert_sound(world)


def test_a_repeat_carries_the_same_message_id() -> None:
    faults = Faults()
    world = World(pages=PlainPages(), wrap=faults.wrap)
    net.feed(world, net.network(range(1, 4)))
    world.patient = True
    calls = 0
    faults.arm(0, "refused")
    world.run()
    calls = faults.calls.index("send") + 1
    world = World(pages=PlainPages(), wrap=(again := Faults()).wrap)
    net.feed(world, net.network(range(1, 4)))
    world.patient = True
    again.arm(calls, "answer lost")
    world.run()
    assert again.struck == [("send", "answer lost")]
    settle(world)
    assert len(world.mailer.sent) == 2
    assert len(world.mailer.mailbox) == 1


def test_two_sweeps_at_once_pay_once() -> None:
    world, server = with_dead_mail()
    world.run()
    server.down = False
    world.clock.forward(4_200)
    real, nested = world.ctx.store.commit, []

    def commit(writes: Any) -> Any:
        if writes[0].path.startswith("penstock_outbox") and not nested:
            nested.append(1)
            outbox.pay_due(world.ctx, effects.EFFECTS)
        return real(writes)

    world.ctx.store.commit = commit  # type: ignore[method-assign]
    outbox.pay_due(world.ctx, effects.EFFECTS)
    assert len(world.mailer.sent) == 1


def test_a_mail_about_a_batch_that_was_decided_meanwhile_is_not_sent() -> None:
    world, server = with_dead_mail()
    batch = world.run().batch
    held = world.batch(batch)
    _, owed = decide(world.ctx, batch, held.digest, APPROVER, Said("reject"))
    effects.pay(world.ctx, owed)
    server.down = False
    world.clock.forward(4_000)
    world.sweep()
    assert world.mailer.sent == []
    assert review_mail(world)["state"] == "paid"


def test_the_database_holds_no_token_and_no_code() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network([1]))
    world.run()
    token, code = world.link()
    mac = token.partition(".")[2]
    for collection in ("penstock_outbox", "penstock_tokens", "penstock_batches", "penstock_audit", "penstock_staging"):
        assert mac not in repr(world.documents(collection))
        assert code not in repr(world.documents(collection))


@pytest.mark.parametrize("kind", sorted(effects.EFFECTS))
def test_every_kind_of_effect_is_noted_when_it_fails_and_told_in_words(kind: str) -> None:
    world = World(pages=PlainPages())

    def broken(*_: Any) -> None:
        raise Unavailable("does not answer", subject="service", remedy="Wait.")

    fact = outbox.owe(world.ctx, "b", kind)
    world.production.commit([fact])
    (failure,) = outbox.pay(world.ctx, [fact], {kind: broken})
    assert failure == f"b-{kind}: service: does not answer Wait."
    (noted,) = facts(world).values()
    assert (noted["state"], noted["attempts"], noted["error"]) == ("owed", 1, "service: does not answer Wait.")
