"""An export of a real Firestore, at one of its own moments, proves what an approver said."""

from __future__ import annotations

import pytest
from penstock.adapters.firestore import FirestoreStores
from penstock.core.records import Update
from penstock.use_cases.verifying import verify
from support import logs
from support import network as net
from support.world import APPROVER, World

pytestmark = pytest.mark.emulator


def test_what_lies_in_a_real_store_is_proved_and_an_edit_is_named(firestore_emulator: str) -> None:
    world = World(stores=FirestoreStores(firestore_emulator))
    net.feed(world, net.network(range(1, 6)))
    world.put(world.production, "planned-poles", [net.standing(2)])
    world.run()
    world.approve("approve")
    told = verify(logs.exported(world))
    assert told.holds, told.faults
    assert [a.by for a in told.approvals] == [(APPROVER,)]
    assert told.approved > 50
    assert told.anchored == told.entries
    world.production.commit([Update(f"planned-poles/{net.name(1)}", {"zoneNumber": "9"}, (("zoneNumber",),))])
    world.run()  # a later entry: the export is of that moment
    net.feed(world, net.network(range(6, 7), day="2026-06-02"))
    world.run()
    told = verify(logs.exported(world))
    assert [(e.path, e.field) for e in told.edited] == [(f"planned-poles/{net.name(1)}", "zoneNumber")]
