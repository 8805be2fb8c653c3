from __future__ import annotations

from penstock.adapters.memory import MemoryStore, MemoryStores
from penstock.core.records import Query, Set
from penstock.core.values import Timestamp


class Clock:
    def __init__(self) -> None:
        self.time = Timestamp(1_750_000_000, 123_456_789)

    def __call__(self) -> Timestamp:
        return self.time


def store_of(clock: Clock) -> MemoryStore:
    return MemoryStores(clock).open("p", "d")


def test_commit_times_rise_by_a_microsecond_while_the_clock_stands_still_or_goes_back() -> None:
    clock = Clock()
    store = store_of(clock)
    first, second = store.commit([Set("c/a", {"n": 1})]), store.commit([Set("c/a", {"n": 2})])
    clock.time = clock.time.plus(-3_600)
    third = store.commit([Set("c/a", {"n": 3})])
    assert first == Timestamp(1_750_000_000, 123_456_000)
    assert (second, third) == (first.plus(1e-6), first.plus(2e-6))
    clock.time = clock.time.plus(7_200)
    assert store.commit([Set("c/a", {"n": 4})]) == Timestamp(1_750_003_600, 123_456_000)


def test_what_was_read_at_a_moment_stays_true_for_that_moment() -> None:
    clock = Clock()
    store = store_of(clock)
    store.commit([Set("c/a", {"n": 1})])
    clock.time = Timestamp(1_750_000_010)
    now = clock.time
    assert [s.data for s in store.scan(Query("c"), now)] == [{"n": 1}]
    assert store.commit([Set("c/a", {"n": 2}), Set("c/b", {})]) > now
    assert [s.data for s in store.scan(Query("c"), now)] == [{"n": 1}]
    assert store.count(Query("c"), now) == 1


def test_two_stores_of_one_database_are_one_and_of_two_are_apart() -> None:
    stores = MemoryStores(Clock())
    assert stores.open("p", "d") is stores.open("p", "d")
    stores.open("p", "d").commit([Set("c/a", {})])
    assert [s.exists for s in stores.open("p", "e").get(["c/a"])] == [False]


def test_the_cost_of_a_scan_in_many_pages_is_that_of_one_look_at_each_document() -> None:
    store = store_of(Clock())
    for start in range(0, 10_000, 500):
        store.commit([Set(f"c/{n:05d}", {"v": n % 7}) for n in range(start, start + 500)])
    assert sum(1 for _ in store.scan(Query("c", order_by=("v",)))) == 10_000
    assert (store.bill.reads, store.bill.rpcs) == (10_000, 21)


def test_what_one_database_committed_has_passed_in_every_other_though_the_clock_stands_still() -> None:
    stores = MemoryStores(Clock())
    one, other = stores.open("p", "d"), stores.open("p", "e")
    other.commit([Set("c/a", {"n": 1})])
    times = [one.commit([Set("c/a", {"n": n})]) for n in range(3)]
    assert [s.fields for s in other.get(["c/a"], times[-1])] == [{"n": 1}]
    later = other.commit([Set("c/a", {"n": 2})])
    assert later > times[-1]
    assert [s.fields for s in other.get(["c/a"], times[-1])] == [{"n": 1}]
