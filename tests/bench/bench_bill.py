"""What a run costs in billed operations: one that finds over a thousand changed records, from the capture to the report after
their promotion, and one that finds nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.measure import Ratio
from bench.whole import SOURCE, Whole, new_project
from penstock.adapters.firestore import FirestoreStores
from penstock.core.records import Bill, Snapshot, Update
from penstock.local.emulators import FIRESTORE, clear_firestore, started_or_reused
from penstock.local.sample import Sample


def ratios() -> Iterator[Ratio]:
    with tempfile.TemporaryDirectory() as folder:
        emulator = started_or_reused(FIRESTORE, Path(folder))
        stores = FirestoreStores(emulator.address)
        world = Whole(stores, new_project(), new_project())
        try:
            yield from _ratios(world)
        finally:
            for project in world.ports.project_ids.values():
                clear_firestore(emulator.address, project)
            stores.close()
            emulator.stop()


def _ratios(world: Whole) -> Iterator[Ratio]:
    sample = Sample()
    world.put(world.source, SOURCE, sample.records(blanks=False))
    world.load_production(sample)
    world.run()
    world.approve()
    yield from _of_nothing(world)
    yield from _of_a_day(world, sample)


def _of_nothing(world: Whole) -> Iterator[Ratio]:
    before = world.bill
    assert world.run().batch == ""
    collections = len(world.ctx.pipeline.sources)
    cost = _since(world, before).operations
    yield Ratio("billed operations of a run that finds nothing", cost, 2 * collections + 3, at_most=True)


def _of_a_day(world: Whole, sample: Sample) -> Iterator[Ratio]:
    """A change is one production document. Each needs one read of its source record, where it is no sibling of another, and one
    of itself. Siblings, read since they share a changed record's group, are counted apart: only they are read by id."""
    day = sample.second_day()
    world.put(world.source, SOURCE, day.records.items())
    for path, fields in day.edits.items():
        world.production.commit([Update(path, fields, tuple((name,) for name in fields))])
    source: Any = world.source
    get, siblings = source.get, []

    def counted(paths: Sequence[str], *more: Any) -> list[Snapshot]:
        siblings.extend(paths)
        found: list[Snapshot] = get(paths, *more)
        return found

    source.get = counted
    before = world.bill
    batch = world.run().batch
    world.approve()
    done = world.batch(batch)
    assert (done.status, done.drifted) == ("APPLIED", 0)
    assert "post-sync.html" in done.reports
    cost, changed = _since(world, before), done.applied
    assert len(day.records) >= 1_000
    reads = cost.reads - len(siblings)
    detail = (
        f"{reads:,} and {len(siblings):,} of siblings, for {len(day.records):,} records and {changed:,} documents: "
        f"{reads / (len(day.records) + changed):.3f} for each of both; {cost.rpcs:,} calls"
    )
    yield Ratio("billed reads / changed documents", reads / changed, 2.05, detail, at_most=True)
    yield Ratio("billed writes / changed documents", cost.writes / changed, 1.05, f"{cost.writes:,} writes", at_most=True)


def _since(world: Whole, before: Bill) -> Bill:
    now = world.bill
    return Bill(now.reads - before.reads, now.writes - before.writes, now.deletes - before.deletes, now.rpcs - before.rpcs)
