"""Finding what is gone by counting: every deletion, at a bounded number of billed reads, and never one that is none."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.core.errors import Incomplete
from penstock.core.reconcile import PER_RANGE, Found, Range, halving_costs, search


def counted(before: Sequence[int], there: Sequence[int]) -> tuple[Found, list[Range], int]:
    """What a search finds over keys 0, 1, … where the records in `there` (their keys, sorted) are; all that it asked, and its
    billed reads."""
    asked: list[Range] = []
    bill = 0

    def count(part: Range) -> int:
        nonlocal bill
        low = bisect_left(there, part.first) if part.first else 0
        high = bisect_left(there, part.last) if part.last < len(before) - 1 else len(there)
        bill += max(1, -(-(high - low) // 1_000))
        return high - low

    searching = search(before)
    parts = next(searching)
    while True:
        asked += parts
        try:
            parts = searching.send([count(part) for part in parts])
        except StopIteration as done:
            found: Found = done.value
            return found, asked, bill + sum(max(1, many) for _, many in found.unequal)


def missing(found: Found, before: Sequence[int], there: Sequence[int]) -> set[int]:
    """What a reader of the unequal ranges comes to: the keys of which a record is gone."""
    left = Counter(there)
    parts = (*found.empty, *(part for part, _ in found.unequal))
    return {key for part in parts for key in range(*part) if left[key] < before[key + 1] - before[key]}


sizes = st.lists(st.integers(1, 20), max_size=400)


@given(sizes, st.data())
def test_every_deletion_is_found_and_nothing_else(groups: list[int], data: st.DataObject) -> None:
    before = [0, *(sum(groups[: n + 1]) for n in range(len(groups)))]
    known = [key for key, many in enumerate(groups) for _ in range(many)]
    there = data.draw(st.lists(st.sampled_from(range(len(known))), unique=True)) if known else []
    left = sorted(known[n] for n in there)
    found, _, _ = counted(before, left)
    assert found.counted == len(left)
    assert missing(found, before, left) == {key for key, many in enumerate(groups) if left.count(key) < many}


@pytest.mark.parametrize("many", [1, 909, 910, 911, 10_000, 54_321])
def test_the_ranges_are_without_a_gap_and_none_costs_two_reads(many: int) -> None:
    _, asked, bill = counted(range(many + 1), range(many))
    assert [part.first for part in asked] == [0, *(part.last for part in asked[:-1])]
    assert asked[-1].last == many
    assert bill == len(asked) == -(-many // PER_RANGE)


@pytest.mark.parametrize("gone", [1, 2, 3, 17, 300, 9_000, 10_000])
def test_a_deletion_costs_at_most_ten_reads(gone: int) -> None:
    many = 10_000
    there = [key for key in range(many) if key * gone // many == (key + 1) * gone // many]  # evenly spread: the dearest
    found, _, bill = counted(range(many + 1), there)
    assert len(missing(found, range(many + 1), there)) == gone
    assert bill <= 1.15 * many / 1_000 + 10 * gone


def test_a_source_that_lost_most_is_read_rather_than_halved() -> None:
    there = list(range(0, 900, 3))
    found, asked, bill = counted(range(901), there)
    assert asked == [Range(0, 900)]
    assert bill == 1 + len(there)
    assert found.unequal == ((Range(0, 900), 300),)


def test_a_range_that_holds_nothing_is_not_read() -> None:
    found, _, bill = counted(range(901), [])
    assert (found.empty, found.unequal, bill) == ((Range(0, 900),), (), 1)


def test_what_came_before_the_first_key_and_behind_the_last_is_counted() -> None:
    found, _, _ = counted(range(5_001), sorted([-3, *range(5_000), 7_000]))
    assert found.counted == 5_002
    assert [part for part, _ in found.unequal] == [Range(0, 1), Range(4_999, 5_000)]


def test_where_nothing_is_known_whatever_is_there_is_read() -> None:
    assert counted([0], [1, 2])[0].unequal == ((Range(0, 0), 2),)
    assert counted([0], [])[0].unequal == ()


def test_counts_of_different_moments_are_refused() -> None:
    searching = search(range(101))
    next(searching)
    searching.send([99])
    with pytest.raises(Incomplete):
        searching.send([100])


def test_halving_leads_to_one_key_in_as_many_steps_as_it_has_bits() -> None:
    assert [halving_costs(keys, 1) for keys in (1, 2, 3, 900, 1_024)] == [0, 1, 2, 10, 10]
