"""Documents as large, deep and wide as Firestore takes them, on both sides; and a link that is opened without end."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest
from penstock.core.errors import Refused
from penstock.core.records import Set
from penstock.core.values import Data
from penstock.use_cases.reviewing import by_link
from penstock.use_cases.rollback import plan_rollback
from simulation.simulation import small_packs
from support import network as net
from support.faults import PlainPages
from support.rest import assert_sound
from support.world import World


def deep(levels: int) -> Any:
    return reduce(lambda inner, n: {f"level{n}": inner}, range(levels), {"end": [1]})


EXTREMES: dict[str, Data] = {
    "1 MiB": {"notes": "n" * 1_040_000},
    "depth 20": {"nested": deep(17)},
    "many keys": {"meters": {f"m{n}": n for n in range(19_000)}},
    "an array of 100,000": {"readings": [n % 10 for n in range(100_000)]},
}
each = pytest.mark.parametrize("extreme", EXTREMES.values(), ids=EXTREMES)


@each
def test_what_lies_beside_the_mapped_fields_of_a_source_plays_no_part(extreme: Data) -> None:
    world = World(pages=PlainPages())
    net.feed(world, [(id, {**data, **extreme}) for id, data in net.network([1])])
    world.run()
    world.approve("approve")
    there = world.documents("planned-poles")[net.name(1)]
    assert not extreme.keys() & there.keys()


@each
def test_a_record_of_production_is_synced_and_taken_back_whatever_else_it_holds(extreme: Data) -> None:
    world = World(pages=PlainPages())
    path, standing = net.standing(1, **extreme)
    standing.pop("crew")
    world.production.commit([Set(f"planned-poles/{path}", standing)])
    net.feed(world, net.network([1], drops=0, PONs="9"))
    batch = world.run().batch
    world.approve("approve")
    after = world.documents("planned-poles")[path]
    assert after["ponNumber"] == "9"
    assert {name: after[name] for name in extreme} == extreme
    _, owed = plan_rollback(world.ctx, batch, "operator@example.org")
    world.pay(owed)
    world.pump()
    world.approve("approve")
    assert world.documents("planned-poles")[path] == standing
    assert_sound(world)


def test_opening_a_link_reads_the_link_the_batch_and_its_packs_and_writes_nothing_however_often() -> None:
    world = World(pages=PlainPages())
    with small_packs(10):
        net.feed(world, net.network(range(1, 31)))
        packs = world.batch(world.run().batch).packs
    token, _ = world.link()
    before = world.production.bill
    for _ in range(50):
        by_link(world.ctx, token)
    after = world.production.bill
    assert after.reads - before.reads == 50 * (2 + packs)
    assert (after.writes, after.deletes) == (before.writes, before.deletes)


@pytest.mark.parametrize("token", ["", "k1.made-up", "x" * 100_000, "\u202e"])
def test_a_link_that_nobody_was_given_costs_one_read_at_most(token: str) -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network([1]))
    world.run()
    before = world.production.bill.reads
    with pytest.raises(Refused, match="is not known"):
        by_link(world.ctx, token)
    assert world.production.bill.reads - before <= 1
