"""A run that was killed is gone on with, by the sweep, at the moment it read at."""

import pytest
from penstock.core import packs
from penstock.use_cases.context import load_target
from support import network as net
from support.faults import Faults, Killed, PlainPages
from support.rest import entries, settle
from support.world import World


def test_a_killed_run_goes_on_at_its_own_moment_and_finds_what_it_staged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "MAX_CHANGES", 4)
    faults = Faults()
    world = World(wrap=faults.wrap, pages=PlainPages())
    net.feed(world, net.network(range(1, 6)))
    faults.arm(5, "killed after")
    with pytest.raises(Killed):
        world.run()
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
