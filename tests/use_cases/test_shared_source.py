"""Targets take a shared source from its releases: what each of them proposes, and what it costs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from penstock.core.codec import Mode
from penstock.core.errors import PenstockError, Refused
from penstock.core.plan import Batch
from penstock.core.values import Data
from penstock.entrypoints import privileges
from penstock.use_cases import lease
from penstock.use_cases.capture import capture
from penstock.use_cases.context import load_target
from penstock.use_cases.proposing import Outcome
from support.landlord import UNITS, Landlord, country, tenant, unit


@pytest.fixture
def world() -> Landlord:
    world = Landlord(tenant("nepal", "XA"), tenant("both", "XA", "XB"))
    world.publish(country())
    world.publish(country("XB"))
    world.refresh("XA")
    world.refresh("XB")
    return world


def run(world: Landlord, name: str, mode: Mode = "changes") -> Outcome:
    world.of(name)
    return world.run(mode)


def applied(world: Landlord, name: str, mode: Mode = "changes") -> Batch:
    outcome = run(world, name, mode)
    assert outcome.batch
    return world.approve("approve")


def geography(world: Landlord, name: str) -> dict[str, Data]:
    return world.documents(f"tenants/{name}/geography")


def test_a_target_mirrors_the_partitions_that_it_lists_and_no_other(world: Landlord) -> None:
    applied(world, "nepal")
    assert set(geography(world, "nepal")) == dict(country()).keys()
    applied(world, "both")
    assert set(geography(world, "both")) == dict([*country(), *country("XB")]).keys()


def test_no_read_of_the_source_is_billed_to_a_target(world: Landlord) -> None:
    before = dict(world.source.bill.by_collection)
    applied(world, "nepal")
    world.amend("XA-1", names={"en": "Renamed"})
    world.refresh()
    between = world.source.bill.by_collection[UNITS]
    applied(world, "nepal")
    run(world, "nepal", "reconcile")
    run(world, "nepal", "full")
    assert world.source.bill.by_collection[UNITS] == between
    assert before[UNITS] < between
    assert geography(world, "nepal")["XA-1"]["names"] == {"en": "Renamed"}


def test_where_it_has_dealt_with_the_releases_a_run_reads_nothing_and_proposes_nothing(world: Landlord) -> None:
    applied(world, "nepal")
    state = load_target(world.outside).state
    assert set(state.dealt) == {"XA"}
    fetched: list[str] = []
    blobs = world.ports.blobs
    read = blobs.read
    blobs.read = lambda name: fetched.append(name) or read(name)  # type: ignore[func-returns-value,method-assign]
    before = world.production.bill.reads
    outcome = run(world, "nepal")
    assert outcome.batch == ""
    assert fetched == []
    assert world.production.bill.reads - before <= 4


def test_only_what_differs_is_looked_up_and_proposed(world: Landlord) -> None:
    applied(world, "nepal")
    world.amend("XA-0-1", names={"en": "Renamed"})
    world.refresh()
    batch = applied(world, "nepal")
    assert dict(batch.counts) == {"units UPDATE": 1}
    assert batch.tallies["units"].read == 1


def test_what_a_release_no_longer_holds_is_deactivated_with_the_proof_of_a_whole_read(world: Landlord) -> None:
    applied(world, "nepal")
    world.withdraw("XA-1-2")
    state = world.refresh()
    outcome = run(world, "nepal")
    batch = world.batch(outcome.batch)
    (certificate,) = batch.certificates
    assert certificate.proves_absence
    assert (certificate.counted, certificate.streamed) == (7, 7)
    assert state.current is not None
    assert certificate.at == state.current.at
    assert dict(batch.counts) == {"units UPDATE": 1}
    assert batch.tallies["units"].gone == 1


def test_a_run_that_died_goes_on_with_the_releases_that_it_began_with(world: Landlord) -> None:
    ctx = world.serving(privileges.CAPTURE)
    lease.take(ctx, load_target(ctx), "full", "schedule")
    world.clock.forward(lease.LEASE_SECONDS + 1)
    world.publish([unit("XA-2", 1)])
    world.refresh()
    batch = applied(world, "nepal")
    assert "XA-2" not in geography(world, "nepal")
    assert dict(batch.counts) == {"units CREATE": 8}
    applied(world, "nepal")
    assert "XA-2" in geography(world, "nepal")


def test_a_quarantine_is_told_by_every_run_and_what_was_current_stands(world: Landlord) -> None:
    applied(world, "both")
    world.publish([unit("XA-7-1", 2, "XA-7")])
    world.amend("XB-1", names={"en": "Renamed"})
    held = world.refresh("XA").quarantine
    world.refresh("XB")
    outcome = run(world, "both")
    assert held is not None
    (told,) = [note for note in outcome.notes if "quarantined" in note]
    assert "landlord XA" in told
    assert "1 fault: 1 orphan" in told
    assert held.reports["html"] in told
    assert told in world.batch(outcome.batch).notes
    assert dict(world.batch(outcome.batch).counts) == {"units UPDATE": 1}
    assert told in run(world, "both").notes


def test_a_target_of_a_partition_that_never_was_sound_is_refused_and_nothing_is_gone_for_it(world: Landlord) -> None:
    applied(world, "nepal")
    before = geography(world, "nepal")
    world.publish([unit("XC-1", 2, country="XC")])
    world.refresh("XC")
    ctx = replace(world.serving(privileges.CAPTURE), target=tenant("nepal", "XA", "XC"))
    with pytest.raises(Refused, match=r"landlord XC.*1 level gap.*Mend the source"):
        capture(ctx)
    assert geography(world, "nepal") == before
    assert load_target(world.outside).state.lease is None


def test_what_drifted_is_planned_again_from_the_release_that_was_dealt_with(world: Landlord) -> None:
    applied(world, "nepal")
    world.amend("XA-0-1", names={"en": "Renamed"})
    world.refresh()
    run(world, "nepal")
    path = "tenants/nepal/geography/XA-0-1"
    world.put(world.production, "tenants/nepal/geography", [("XA-0-1", {**geography(world, "nepal")["XA-0-1"], "mine": 1})])
    batch = world.approve("approve")
    assert batch.drifted == 1, path
    world.pump()
    again = world.approve("approve")
    assert again.follows == batch.id
    assert geography(world, "nepal")["XA-0-1"]["names"] == {"en": "Renamed"}
    assert geography(world, "nepal")["XA-0-1"]["mine"] == 1


def test_a_release_that_shrank_beyond_its_band_holds_the_target(world: Landlord) -> None:
    world.publish(country("XA", 4, 9))
    world.refresh()
    applied(world, "nepal")
    world.withdraw(*[id for id, _ in country("XA", 4, 9) if id > "XA-2"])
    world.refresh()
    outcome = run(world, "nepal")
    assert "landlord holds 21 documents; at the last complete read it held 40" in outcome.held
    assert len(geography(world, "nepal")) == 40
    assert run(world, "nepal").held


def test_a_broken_target_is_one_line_and_the_other_goes_on(world: Landlord) -> None:
    broken = replace(world.contexts.target("tenant_geography.nepal"), target=tenant("nepal"))
    results = []
    for ctx in (broken, world.contexts.target("tenant_geography.both")):
        try:
            results.append(capture(replace(ctx, ports=world.ports)).batch)
        except PenstockError as error:
            results.append(str(error))
    assert "lists no partition" in results[0]
    assert results[1].startswith("tenant_geography.both.")
