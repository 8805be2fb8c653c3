"""A run that was killed is gone on with, by the sweep, at the moment it read at."""

import pytest
from penstock.core import layout, packs
from penstock.core.batch import Status
from penstock.core.records import Set
from penstock.use_cases.context import load_target
from penstock.use_cases.lease import LEASE_SECONDS
from support import network as net
from support.faults import Faults, Killed, PlainPages
from support.rest import assert_sound, entries, settle
from support.world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A run was killed in it, behind the last of its three packs."""
    monkeypatch.setattr(packs, "MAX_CHANGES", 4)
    faults = Faults()
    world = World(wrap=faults.wrap, pages=PlainPages())
    net.feed(world, net.network(range(1, 6)))
    faults.arm(5, "killed after")
    with pytest.raises(Killed):
        world.run()
    return world


def test_a_killed_run_goes_on_at_its_own_moment_and_finds_what_it_staged(world: World) -> None:
    lease = load_target(world.outside).state.lease
    assert lease is not None
    staged = set(world.documents("penstock_staging"))
    assert len(staged) == 3
    settle(world)
    batch = load_target(world.outside).state.open
    assert set(world.documents("penstock_staging")) == staged
    assert world.batch(batch).read_time < lease.until
    assert len(world.documents("penstock_batches")) == 1
    assert [e["what"] for e in entries(world)][:2] == ["∅ → CREATED", "CREATED → STAGED"]


def test_a_run_that_makes_fewer_packs_than_the_one_it_goes_on_for_proposes_nothing_and_the_next_begins_anew(world: World) -> None:
    (old,) = world.documents("penstock_batches")
    (last,) = world.production.get([layout.pack(old, 2)])
    world.production.commit([Set(layout.pack(old, 3), {**last.fields, "number": 3})])
    world.clock.forward(LEASE_SECONDS + 1)
    (line,) = world.sweep()
    assert "has 4 packs, and the run that went on with it made 3" in line
    assert (load_target(world.outside).state.open, world.batch(old).status) == ("", Status.CREATED)
    assert world.mailer.sent == []
    new = world.run().batch
    assert new != old
    world.approve("approve")
    assert len(world.documents("planned-poles")) == 5
    settle(world)
    assert_sound(world)
