from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from penstock.adapters.meter import Meter
from penstock.core.records import Bill, Delete, Set
from penstock.ports import tab_of_this_thread
from penstock.wiring import Threads


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


def test_a_thread_runs_up_a_tab_of_its_own_and_of_the_threads_it_starts() -> None:
    meter, other = Meter(), Meter()

    def request(reads: int) -> tuple[int, int, int]:
        before = tab_of_this_thread().billed
        meter.reads("c", reads)
        Threads(4)(lambda n: other.reads("d", n), range(1, 5))
        meter.commit([Set("c/a", {}), Delete("c/b")])
        now = tab_of_this_thread().billed
        return now[0] - before[0], now[1] - before[1], now[2] - before[2]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(request, range(100))) == [(n + 10, 1, 1) for n in range(100)]


def test_what_failed_in_a_thread_is_on_the_tab_all_the_same() -> None:
    meter, before = Meter(), tab_of_this_thread().billed

    def fail(n: int) -> None:
        meter.reads("c", n)
        if n == 4:
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - any error
        Threads(2)(fail, [3, 4])
    assert tab_of_this_thread().billed[0] - before[0] == 7
