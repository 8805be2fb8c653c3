"""What operators did in a hub is proved offline with the export of any of its targets."""

from __future__ import annotations

import pytest
from penstock.adapters.memory_services import MemoryBlobs
from penstock.core import audit, layout
from penstock.core.errors import Conflict
from penstock.core.records import Delete, Query, Set, Write
from penstock.core.values import Timestamp, dumps, loads
from penstock.use_cases import registry
from penstock.use_cases.sweep import sweep_hub
from penstock.use_cases.verifying import verify
from support import logs
from support import network as net
from support.faults import PlainPages
from support.tenants import OPERATOR, Tenants
from support.world import World

PIPELINE, ALPHA = "library_loans", "library_loans.alpha"
ENTRIES = "hub/audit/00000.jsonl"


@pytest.fixture
def world() -> Tenants:
    """Two targets are declared, one is disabled, and two stages are opened, the second before the first."""
    world = Tenants()
    world.declare("alpha", stage="second")
    world.declare("beta")
    registry.change(world.ports, world.pipeline, ALPHA, {"enabled": False}, "maya@example.org")
    registry.set_stages(world.ports, world.pipeline, ("second",), (), "zoe@example.org")
    registry.set_stages(world.ports, world.pipeline, ("first",), (), OPERATOR)
    return world


def swept(world: Tenants) -> list[str]:
    return sweep_hub(world.ports, world.pipeline)


def test_who_disabled_a_target_and_skipped_a_stage_is_told_from_the_files_alone(world: Tenants) -> None:
    swept(world)
    told = verify(logs.exported_tenant(world))
    assert told.holds
    assert told.hub is not None
    assert (told.hub.name, told.hub.entries, told.hub.anchored) == (PIPELINE, 5, 5)
    assert [(s.entry, s.who, s.what, s.target) for s in told.hub.steps] == [  # not what was done with beta
        (1, OPERATOR, "added", ALPHA), (3, "maya@example.org", "changed", ALPHA), (4, "zoe@example.org", "rollout", ""),
        (5, OPERATOR, "rollout", ""),
    ]  # fmt: skip
    assert told.hub.steps[2].detail["after"] == ["second"]


def test_edits_are_anchored_by_the_next_sweep_and_the_next_edit_names_the_anchor(world: Tenants) -> None:
    assert verify(logs.exported_tenant(world)).hub.anchored == 0  # type: ignore[union-attr]
    assert swept(world) == ["library_loans: entry 5 of the hub's audit chain was anchored"]
    before = world.hub.bill.writes
    assert swept(world) == []
    assert world.hub.bill.writes == before
    registry.set_stages(world.ports, world.pipeline, (), ("first",), OPERATOR)
    files = logs.exported_tenant(world)
    assert loads(files.read(ENTRIES).splitlines()[-1])["detail"]["anchored"] == 5
    told = verify(files)
    assert told.holds
    assert (told.hub.entries, told.hub.anchored) == (6, 5)  # type: ignore[union-attr]
    gone = MemoryBlobs({n: c for n, c in files.objects.items() if not n.startswith("hub/anchors/")})
    assert [(f.place, f.first) for f in verify(gone).faults] == [("hub", 5)]


def test_what_was_tampered_with_in_the_hub_is_named(world: Tenants) -> None:
    swept(world)
    files = logs.exported_tenant(world)
    lines = files.read(ENTRIES).splitlines()
    forged = loads(lines[2]) | {"who": "m@example.org"}
    altered = dumps(forged | {"hash": audit.digest(forged)}).encode()
    for instead, first, last in (
        ([*lines[:2], altered, *lines[3:]], 3, 4),
        ([*lines[:2], *lines[3:]], 3, 3),
        ([*lines[:2], lines[3], lines[2], lines[4]], 3, 4),
        ([*lines[:3], lines[2], *lines[3:]], 3, 4),
        (lines[:3], 4, 5),
    ):
        tampered = MemoryBlobs({**files.objects, ENTRIES: b"".join(line + b"\n" for line in instead)})
        told = verify(tampered)
        assert not told.holds
        assert {f.place for f in told.faults} == {"hub"}
        assert any(f.first <= first and last <= f.last for f in told.faults), told.faults


def test_an_entry_that_is_gone_from_the_hub_is_named(world: Tenants) -> None:
    world.hub.commit([Delete(layout.audit(PIPELINE, 3))])
    (fault,) = verify(logs.exported_tenant(world)).faults
    assert (fault.place, fault.first, fault.what) == ("hub", 3, "entries 3 to 3 are missing")


def test_a_target_that_nobody_declared_is_named(world: Tenants) -> None:
    world.break_("gamma", prefix="tenants/gamma/")
    told = verify(logs.exported_tenant(world, "gamma"))
    assert [f.place for f in told.faults] == ["hub"]
    assert "does not say who declared library_loans.gamma" in told.faults[0].what


def test_a_hub_that_the_export_no_longer_names_is_missed(world: Tenants) -> None:
    files = logs.exported_tenant(world)
    about = loads(files.read("export.json"))
    files.write("export.json", dumps({**about, "hub": ""}).encode(), "", replace=True)
    assert "names none" in verify(files).faults[0].what


def test_the_chain_of_a_hub_that_was_rewritten_is_noticed_by_the_next_sweep(world: Tenants) -> None:
    swept(world)
    document = world.hub.get([layout.rollout(PIPELINE)])[0].fields
    other = {**document, "anchored": 0, "audit": {"sequence": 5, "hash": "0" * 64}}
    world.hub.commit([Set(layout.rollout(PIPELINE), other)])
    (line,) = swept(world)
    assert "library_loans: has another entry 5 than was anchored" in line
    assert "`penstock export TARGET FOLDER`" in line


def test_an_edit_between_anchoring_and_noting_it_loses_nothing(world: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = world.hub.commit

    def raced(writes: list[Write]) -> Timestamp:
        raise Conflict("somebody edits")

    monkeypatch.setattr(world.hub, "commit", raced)
    assert swept(world) == []
    monkeypatch.setattr(world.hub, "commit", commit)
    registry.set_stages(world.ports, world.pipeline, ("third",), (), OPERATOR)
    assert swept(world) == ["library_loans: entry 6 of the hub's audit chain was anchored"]
    told = verify(logs.exported_tenant(world))
    assert told.holds
    assert told.hub.anchored == 6  # type: ignore[union-attr]


def test_a_hub_that_cannot_be_reached_is_one_line(world: Tenants) -> None:
    nameless = {name: id for name, id in world.ports.project_ids.items() if name != "hub"}
    object.__setattr__(world.ports, "project_ids", nameless)
    (line,) = swept(world)
    assert "PENSTOCK_PROJECT_HUB" in line


def test_an_export_of_a_target_that_a_file_declares_has_no_hub() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 3)))
    world.run()
    told = verify(logs.exported(world))
    assert told.holds
    assert told.hub is None
    assert list(world.production.scan(Query(layout.AUDIT)))
