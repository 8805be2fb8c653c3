"""Each record is equal to its source, or differs for a reason that is known: proposed, declined, or nobody's."""

from __future__ import annotations

from penstock.core.divergence import Standing, hash_of
from penstock.core.records import Delete, Update
from penstock.core.reversal import Choice
from penstock.use_cases import effects
from penstock.use_cases.decide import Said
from penstock.use_cases.divergence import divergence
from penstock.use_cases.rollback import plan_rollback
from support import network as net
from support.faults import PlainPages
from support.world import World

DROP, POLE = f"drops/{net.drop_name(10)}", f"poles/{net.name(1)}"


def promoted() -> World:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 4)))
    world.run()
    world.approve()
    return world


def stands(world: World) -> Standing:
    (found,) = divergence(world.outside)
    return found


def reasons(world: World) -> list[tuple[str, str]]:
    return [(d.key, d.state) for d in stands(world).differences]


def test_what_was_promoted_whole_is_equal_and_its_hashes_are() -> None:
    found = stands(promoted())
    assert (found.state, found.differences) == ("equal", ())
    assert found.counts == {"equal": 6, "pending": 0, "declined": 0, "unexplained": 0}
    assert found.source_hash == found.production_hash


def test_before_the_first_run_everything_is_pending() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 4)))
    found = stands(world)
    assert (found.state, found.counts) == ("pending", {"equal": 0, "pending": 6, "declined": 0, "unexplained": 0})
    assert found.source_hash != found.production_hash


def test_what_is_proposed_is_pending_until_it_is_declined_and_silent_then() -> None:
    world = promoted()
    net.feed(world, [net.record("2-0", 2, drop=20, day="2026-06-05", PONs="9")])
    assert reasons(world) == [(f"drops/{net.drop_name(20)}", "pending"), (f"poles/{net.name(2)}", "pending")]
    world.run()
    assert stands(world).counts == {"equal": 4, "pending": 2, "declined": 0, "unexplained": 0}
    assert {d.why for d in stands(world).differences} == {f"proposed by {world.batch(link(world)).id}"}
    world.decide(Said("reject"))
    assert reasons(world) == [(f"drops/{net.drop_name(20)}", "declined"), (f"poles/{net.name(2)}", "declined")]
    assert stands(world).state == "declined"


def link(world: World) -> str:
    return next(b for b, data in world.documents("penstock_batches").items() if data["status"] == "UNDER_REVIEW")


def test_what_was_rolled_back_is_declined() -> None:
    world = promoted()
    batch = next(iter(world.documents("penstock_batches")))
    _, owed = plan_rollback(world.ctx, batch, "operator@example.org", Choice(frozenset({DROP})))
    effects.pay(world.ctx, owed)
    world.pump()
    world.approve()
    assert reasons(world) == [(DROP, "declined")]


def test_an_edit_by_hand_and_a_loss_by_hand_have_no_explanation() -> None:
    world = promoted()
    world.production.commit([Update(f"planned-poles/{net.name(1)}", {"ponNumber": "77"}, (("ponNumber",),))])
    world.production.commit([Delete(f"drops/{net.drop_name(10)}")])
    found = stands(world)
    assert found.state == "unexplained"
    told = {d.key: d.why for d in found.differences}
    assert told == {DROP: "production lost it", POLE: "production was changed by somebody else"}


def test_of_several_documents_of_one_key_that_is_looked_at_which_a_run_would_take() -> None:
    world = promoted()
    world.put(world.production, "planned-poles", [("zz-copy", {"poleNumber": net.name(1), "ponNumber": "9"})])
    assert world.run("full").batch == ""
    assert reasons(world) == []


def test_a_hash_is_that_of_its_records_in_any_order() -> None:
    assert hash_of({"a": "1", "b": "2"}) == hash_of({"b": "2", "a": "1"}) != hash_of({"a": "2", "b": "1"})
