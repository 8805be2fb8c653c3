from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from penstock.readers.cache import Cache


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> Cache[str, int]:
    return Cache(3, 60.0, clock)


def keep(value: int) -> bool:
    return value > 0


def test_what_was_read_is_held_until_its_time_is_over(cache: Cache[str, int], clock: Clock) -> None:
    assert cache.read("a", lambda: 1, keep) == 1
    clock.now = 59.9
    assert cache.held("a") == 1
    clock.now = 60.0
    assert cache.held("a") is None
    assert len(cache) == 0


def test_its_age_counts_from_the_moment_its_reading_began(cache: Cache[str, int], clock: Clock) -> None:
    def slow() -> int:
        clock.now = 50.0
        return 1

    cache.read("a", slow, keep)
    clock.now = 60.0
    assert cache.held("a") is None


def test_what_is_not_to_be_kept_takes_an_older_value_along(cache: Cache[str, int]) -> None:
    cache.read("a", lambda: 1, keep)
    assert cache.read("a", lambda: -1, keep) == -1
    assert cache.held("a") is None


def test_the_one_used_longest_ago_goes_first(cache: Cache[str, int]) -> None:
    for n, key in enumerate("abc"):
        cache.read(key, lambda n=n: n + 1, keep)
    cache.held("a")
    cache.read("d", lambda: 4, keep)
    assert [cache.held(key) for key in "abcd"] == [1, None, 3, 4]
    assert len(cache) == 3


def test_many_who_ask_at_once_have_it_read_once(cache: Cache[str, int]) -> None:
    reading, go, read = threading.Event(), threading.Event(), []

    def load() -> int:
        read.append(1)
        reading.set()
        assert go.wait(10)
        return 7

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(cache.read, "a", load, keep)
        assert reading.wait(10)
        others = [pool.submit(cache.read, "a", load, keep) for _ in range(7)]
        go.set()
        assert [f.result(10) for f in (first, *others)] == [7] * 8
    # One that asks right after the first has ended reads again; none did while it went on.
    assert len(read) <= 2


def test_a_failure_is_told_to_all_who_wait_and_is_not_kept(cache: Cache[str, int]) -> None:
    reading, go = threading.Event(), threading.Event()

    def fails() -> int:
        reading.set()
        assert go.wait(10)
        raise OSError("no answer")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.read, "a", fails, keep)
        assert reading.wait(10)
        other = pool.submit(cache.read, "a", fails, keep)
        go.set()
        for failed in (first, other):
            with pytest.raises(OSError, match="no answer"):
                failed.result(10)
    assert cache.read("a", lambda: 1, keep) == 1
