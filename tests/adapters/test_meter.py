from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from penstock.adapters.meter import Meter
from penstock.core.records import Bill, Delete, Set


def test_many_threads_lose_no_count() -> None:
    meter = Meter()

    def work(_n: int) -> None:
        for _ in range(500):
            meter.call()
            meter.get("c/a")
            meter.commit([Set("c/a", {}), Delete("c/b")])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert meter.bill == Bill(reads=4_000, writes=4_000, deletes=4_000, rpcs=4_000, by_collection={"c": 4_000})


@pytest.mark.parametrize(("entries", "reads"), [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (2_000, 2), (24_001, 25)])
def test_a_count_costs_a_read_for_every_thousand_entries_begun(entries: int, reads: int) -> None:
    meter = Meter()
    meter.count("c", entries)
    assert (meter.bill.reads, meter.bill.by_collection) == (reads, {"c": reads})


def test_reads_are_told_apart_by_collection() -> None:
    meter = Meter()
    meter.get("tenants/nepal/units/a")
    meter.reads("c", 3)
    assert meter.bill.by_collection == {"tenants/nepal/units": 1, "c": 3}
