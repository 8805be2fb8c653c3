"""What differs from its source by decision is listed, stays silent, and is proposed again when a person says so."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from penstock.core import layout
from penstock.core.errors import NotFound, Refused, Unavailable
from penstock.core.records import Delete
from penstock.core.reversal import Choice
from penstock.ports import Ports
from penstock.use_cases import effects
from penstock.use_cases.context import load_target
from penstock.use_cases.decide import Said
from penstock.use_cases.forgetting import forget, intended
from penstock.use_cases.listing import standing
from penstock.use_cases.rollback import plan_rollback
from support import network as net
from support.faults import MODES, Faults, Killed, Mode, PlainPages
from support.rest import assert_sound, changes, entries
from support.world import World

OPERATOR = "operator@example.org"
KEY, OTHER = f"drops/{net.drop_name(10)}", f"drops/{net.drop_name(20)}"


def world_of(*choices: Choice, wrap: Callable[[Ports], Ports] = lambda ports: ports) -> World:
    """Three poles promoted, and taken back as chosen."""
    world = World(pages=PlainPages(), wrap=wrap)
    net.feed(world, net.network(range(1, 4)))
    promoted = world.run().batch
    world.approve()
    for choice in choices:
        _, owed = plan_rollback(world.ctx, promoted, OPERATOR, choice)
        effects.pay(world.ctx, owed)
        world.pump()
        world.approve()
    return world


def of(key: str, *fields: str) -> Choice:
    return Choice(frozenset({key}), tuple((field,) for field in fields))


def test_what_was_taken_back_or_rejected_is_listed_with_the_batch_that_decided_it() -> None:
    world = world_of(of(KEY), of(OTHER, "ponNumber"))
    back = [b for b, data in world.documents(layout.BATCHES).items() if data["kind"] == "rollback"]
    assert [(i.key, i.fields, i.batch) for i in intended(world.ctx)] == [(KEY, ("",), back[0]), (OTHER, ("ponNumber",), back[1])]
    assert standing(world.ctx).declined == 2
    net.feed(world, [net.record("7-0", 7, day="2026-06-05")])
    rejected = world.run().batch
    world.decide(Said("reject"))
    assert intended(world.ctx)[-1].batch == rejected


def test_what_is_forgotten_is_proposed_by_the_next_run_and_nothing_else_is() -> None:
    world = world_of(of(KEY), of(OTHER))
    assert world.run("full").batch == ""
    assert forget(world.ctx, [KEY], OPERATOR) == (KEY,)
    assert [i.key for i in intended(world.ctx)] == [OTHER]
    again = world.run().batch
    assert [c.key for c in changes(world, again)] == [KEY]
    assert "drift" not in changes(world, again)[0].facts
    world.approve()
    assert net.drop_name(10) in world.documents("drops")
    assert_sound(world)


def test_one_field_is_forgotten_and_the_others_stay_declined() -> None:
    world = world_of(of(KEY, "ponNumber", "zoneNumber"))
    forget(world.ctx, [KEY], OPERATOR, ["zoneNumber"])
    (change,) = changes(world, world.run().batch)
    assert [d.path for d in change.diff if not d.passive] == [("zoneNumber",)]


def test_nobody_need_start_a_run_for_it() -> None:
    world = world_of(of(KEY))
    forget(world.ctx, [KEY], OPERATOR)
    world.clock.forward(1_000)
    assert any("planned again" in line for line in world.sweep())


def test_what_is_staged_no_more_is_proposed_by_a_full_run() -> None:
    world = world_of(of(KEY))
    back = intended(world.ctx)[0].batch
    world.production.commit([Delete(layout.pack(back, 0))])
    assert forget(world.ctx, [KEY], OPERATOR) == ()
    assert load_target(world.outside).state.recheck == ()
    assert world.run().batch == ""
    assert [c.key for c in changes(world, world.run("full").batch)] == [KEY]


def test_who_let_it_be_proposed_again_is_in_the_audit_chain() -> None:
    world = world_of(of(KEY))
    forget(world.ctx, [KEY], OPERATOR)
    last = entries(world)[-1]
    assert (last["what"], last["who"], last["detail"]["keys"]) == ("forgot what was declined", OPERATOR, [KEY])
    world.run()
    assert_sound(world)


@pytest.mark.parametrize("mode", MODES)
def test_whatever_goes_wrong_it_is_forgotten_once_and_told_once(mode: Mode) -> None:
    faults = Faults()
    world = world_of(of(KEY), wrap=faults.wrap)
    faults.arm(1, mode)
    try:
        forget(world.ctx, [KEY], OPERATOR)
    except (Killed, Unavailable):
        with suppress(NotFound):  # it was done, and who asks again is told that nothing is left
            forget(world.ctx, [KEY], OPERATOR)
    assert faults.struck
    assert intended(world.ctx) == []
    assert [e["who"] for e in entries(world) if e["what"] == "forgot what was declined"] == [OPERATOR]
    assert [c.key for c in changes(world, world.run().batch)] == [KEY]
    assert_sound(world)


def test_what_is_not_declined_cannot_be_forgotten_and_nothing_is_while_a_batch_is_applied() -> None:
    world = world_of(of(KEY))
    before = world.documents(layout.REJECTIONS)
    for keys, fields in (([KEY, OTHER], ()), ([KEY], ["zoneNumber"])):
        with pytest.raises(NotFound, match="nothing that was declined is remembered"):
            forget(world.ctx, keys, OPERATOR, fields)
    target = load_target(world.outside)
    world.production.commit([target.write(applying="x")])
    with pytest.raises(Refused, match="is being promoted now"):
        forget(world.ctx, [KEY], OPERATOR)
    assert world.documents(layout.REJECTIONS) == before
