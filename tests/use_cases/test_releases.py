"""A partition of a source is read once for all targets: judged whole, quarantined whole, and nothing partial becomes current."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from penstock.core import layout
from penstock.core.errors import InvalidInput, Refused, Unavailable
from penstock.core.records import Query
from penstock.use_cases import releases
from support.landlord import UNITS, Landlord, country, tenant, unit

OVERLAP = 3_600


@pytest.fixture
def world() -> Landlord:
    world = Landlord()
    world.publish(country())
    world.publish(country("XB"))
    return world


def plain(units: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    return dict(units)


def settled(world: Landlord, provinces: int, districts: int) -> None:
    """A country that was read, and whose last change is not among the many that were made at once."""
    world.publish(country("XA", provinces, districts))
    world.refresh()
    world.clock.forward(2 * OVERLAP)
    world.amend("XA-0", version=2)
    world.refresh()
    world.clock.forward(2 * OVERLAP)


def test_the_first_reading_is_of_everything_in_its_partition_alone(world: Landlord) -> None:
    state = world.refresh()
    assert state.current is not None
    assert state.current.documents == 8
    assert state.current == state.read
    assert world.released() == plain(country())
    assert world.ports.blobs.names("releases/") == [layout.release_blob("tenant_geography.landlord.XA", state.current.name)]


def test_where_nothing_happened_the_release_stays_and_a_constant_is_billed(world: Landlord) -> None:
    first = world.refresh()
    world.clock.forward(2 * OVERLAP)
    world.refresh()
    before = world.source.bill.operations
    again = world.refresh()
    assert again.current == first.current
    assert world.source.bill.operations - before <= 6  # the hub's document, the moment, and three counts


def test_what_changed_is_read_and_nothing_else(world: Landlord) -> None:
    settled(world, 10, 30)
    world.amend("XA-1-2", names={"en": "Renamed"})
    before = world.source.bill.reads
    state = world.refresh()
    assert world.source.bill.reads - before <= 10
    assert world.released()["XA-1-2"]["names"] == {"en": "Renamed"}
    assert state.current is not None
    assert state.current.documents == 310


def test_a_unit_that_came_late_with_an_older_stamp_is_found(world: Landlord) -> None:
    world.refresh()
    stamp = world.clock.time.plus(-OVERLAP / 2)
    world.publish([unit("XA-0-9", 2, "XA-0")], at=stamp)
    world.refresh()
    assert "XA-0-9" in world.released()


def test_what_was_withdrawn_is_found_by_counting_without_reading_everything(world: Landlord) -> None:
    settled(world, 20, 60)
    world.withdraw("XA-3-7")
    before = world.source.bill.reads
    state = world.refresh()
    assert "XA-3-7" not in world.released()
    assert state.current is not None
    assert state.current.documents == 1_219
    assert world.source.bill.reads - before < 40


def test_a_unit_that_came_without_a_stamp_is_found_by_counting(world: Landlord) -> None:
    world.refresh()
    world.put(world.source, UNITS, [unit("XA-0-9", 2, "XA-0")])
    world.refresh()
    assert "XA-0-9" in world.released()


def test_a_silent_edit_is_found_by_a_full_reading(world: Landlord) -> None:
    world.refresh()
    world.clock.forward(2 * OVERLAP)
    world.refresh()
    stored = world.stored()["XA-1"]
    world.put(world.source, UNITS, [("XA-1", {**stored, "names": {"en": "Silently"}})])
    assert world.refresh().current == world.refresh().current
    assert world.released()["XA-1"]["names"] == {"en": "Unit XA-1"}
    world.refresh(full=True)
    assert world.released()["XA-1"]["names"] == {"en": "Silently"}


def test_reading_everything_again_with_no_difference_keeps_the_release(world: Landlord) -> None:
    first = world.refresh()
    assert world.refresh(full=True).current == first.current


def test_a_unit_that_goes_to_another_partition_leaves_the_one_and_comes_to_the_other(world: Landlord) -> None:
    world.refresh("XA")
    world.refresh("XB")
    world.amend("XA-1-2", country="XB", parent="XB-1")
    world.refresh("XA")
    world.refresh("XB")
    assert "XA-1-2" not in world.released("XA")
    assert "XA-1-2" in world.released("XB")


def faulty(world: Landlord) -> None:
    world.clock.forward(2 * OVERLAP)
    world.publish([unit("XA-7-1", 2, "XA-7"), unit("XA-0-8", 2, "XB-0")])


def test_a_faulty_release_is_quarantined_whole_and_explained(world: Landlord) -> None:
    good = world.refresh()
    faulty(world)
    state = world.refresh()
    assert state.current == good.current
    assert world.released() == plain(country())
    assert state.quarantine is not None
    assert state.quarantine.faults == {"orphan": 1, "parent of another partition": 1}
    assert state.quarantine.since == state.read.at  # type: ignore[union-attr]
    name = layout.quarantine_blob(state.id, state.quarantine.release.name, "json")
    told = json.loads(world.ports.blobs.read(name))
    assert [fault["ids"] for fault in told["faults"]] == [["XA-7-1"], ["XA-0-8"]]
    assert state.quarantine.reports["html"] == world.ports.blobs.url(name.removesuffix("json") + "html")
    assert "belongs to XB and not to XA" in told["faults"][1]["text"]


def test_while_a_faulty_release_stays_as_it_is_nothing_is_stored(world: Landlord, monkeypatch: pytest.MonkeyPatch) -> None:
    world.refresh()
    faulty(world)
    first = world.refresh()
    stored: list[str] = []
    write = world.blobs.write
    monkeypatch.setattr(world.blobs, "write", lambda name, *a, **more: (stored.append(name), write(name, *a, **more))[1])
    world.clock.forward(2 * OVERLAP)
    for full in (False, True):
        again = world.refresh(full=full)
        assert (again.read, again.quarantine, stored) == (first.read, first.quarantine, [])


@pytest.mark.parametrize("content", [None, b"x"], ids=["gone", "broken"])
def test_the_object_of_a_faulty_release_is_stored_again_where_it_was_lost(world: Landlord, content: bytes | None) -> None:
    world.refresh()
    faulty(world)
    state = world.refresh()
    assert state.read is not None
    name = layout.release_blob(state.id, state.read.name)
    before = world.blobs.read(name)
    if content is None:
        del world.blobs.objects[name]
    else:
        world.blobs.write(name, content, "application/gzip", replace=True)
    assert world.refresh().read == state.read
    assert world.blobs.read(name) == before


def test_a_quarantine_lasts_until_the_source_is_mended_and_says_since_when(world: Landlord) -> None:
    world.refresh()
    faulty(world)
    first = world.refresh()
    world.clock.forward(2 * OVERLAP)
    reports = world.ports.blobs.names("quarantine/")
    assert world.refresh().quarantine == first.quarantine
    assert world.ports.blobs.names("quarantine/") == reports
    world.withdraw("XA-7-1")
    second = world.refresh().quarantine
    assert first.quarantine is not None
    assert second is not None
    assert (second.since, second.faults) == (first.quarantine.since, {"parent of another partition": 1})
    world.amend("XA-0-8", parent="XA-0")
    mended = world.refresh()
    assert mended.quarantine is None
    assert mended.current == mended.read
    assert "XA-0-8" in world.released()


def test_an_emptied_partition_is_quarantined_and_never_taken_for_all_gone(world: Landlord) -> None:
    world.refresh()
    world.withdraw(*dict(country()))
    state = world.refresh()
    assert state.quarantine is not None
    assert state.quarantine.faults == {"empty": 1}
    assert world.released() == plain(country())


def test_a_partition_that_never_was_is_told_and_gives_nothing(world: Landlord) -> None:
    state = world.refresh("XX")
    assert state.current is None
    assert state.quarantine is not None
    assert world.refresh("XX").quarantine == state.quarantine
    with pytest.raises(Refused, match="1 empty"):
        world.released("XX")


def test_before_the_first_refresh_a_target_is_told_what_to_do(world: Landlord) -> None:
    with pytest.raises(Unavailable, match=r"no release of XA yet.*penstock run tenant_geography"):
        world.released()


def test_a_name_that_cannot_be_one_is_refused(world: Landlord) -> None:
    with pytest.raises(InvalidInput, match="partition"):
        world.refresh("X/A")
    with pytest.raises(InvalidInput, match="is not read by partition"):
        releases.refresh(Landlord().ports, fibre(), "onemap", "XA")


def fibre() -> Any:
    from support.world import World

    return World().ctx.pipeline


def test_one_partition_that_cannot_be_read_stops_no_other(world: Landlord) -> None:
    found = releases.refresh_all(world.ports, world.ctx.pipeline, ["XB", "X/A", "XA", "XB"])
    assert [(one.partition, one.error is None) for one in found] == [("X/A", False), ("XA", True), ("XB", True)]
    assert [state.partition for state in releases.standing(world.ports, world.ctx.pipeline)] == ["XA", "XB"]


def test_other_fields_than_before_are_read_again_for_all(world: Landlord) -> None:
    import dataclasses

    first = world.refresh()
    assert first.current is not None
    pipeline = world.ctx.pipeline
    (entity,) = pipeline.entities
    fewer = dataclasses.replace(entity, fields=tuple(f for f in entity.fields if f.target != ("version",)))
    other = dataclasses.replace(pipeline, entities=(fewer,))
    second = releases.refresh(world.ports, other, "landlord", "XA")
    assert second.current is not None
    assert second.current.name != first.current.name
    assert "version" not in world.released()["XA-0"]


@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_an_object_that_is_lost_or_broken_is_never_taken_and_read_anew(world: Landlord, harm: str) -> None:
    state = world.refresh()
    assert state.current is not None
    name = layout.release_blob(state.id, state.current.name)
    if harm == "gone":
        del world.blobs.objects[name]
    else:
        world.blobs.objects[name] = b"\x1f\x8b"
    with pytest.raises(Exception, match=r"not in the bucket|not the release that was stored"):
        world.released()
    world.refresh(full=True)
    assert world.released() == plain(country())


def test_the_partition_of_a_release_is_told_by_its_document(world: Landlord) -> None:
    world.refresh()
    (found,) = world.source.scan(Query(layout.RELEASES))
    assert found.id == "tenant_geography.landlord.XA"
    assert [found.fields[name] for name in ("pipeline", "source", "partition")] == ["tenant_geography", "landlord", "XA"]


def test_a_target_that_lists_no_partition_is_told_so(world: Landlord) -> None:
    from dataclasses import replace

    ctx = replace(world.ctx, target=tenant("nobody"))
    with pytest.raises(Refused, match="lists no partition"):
        releases.shared(ctx, ctx.pipeline.sources["landlord"], {}, world.ask())


def test_what_no_pipeline_names_is_in_no_release_no_report_and_no_document_of_the_hub(world: Landlord) -> None:
    world.publish([unit("XA-0", 1, secret="canary")])
    world.refresh()
    world.publish([unit("XA-7-1", 2, "XA-7", secret="canary")])
    assert world.refresh().quarantine is not None
    assert "XA-7-1" in world.blobs.objects[next(iter(world.blobs.names("quarantine/")))].decode()
    kept = [gzip.decompress(content) if name.endswith(".gz") else content for name, content in world.blobs.objects.items()]
    kept += [repr(found.fields).encode() for found in world.source.scan(Query(layout.RELEASES))]
    assert len(kept) == 5
    assert not any(b"canary" in content for content in kept)
