"""Which known records a source no longer holds, found by counting: no document is read where as many are there as are known.

The known keys are cut into ranges without a gap, the first and the last open-ended. Where the database counts another number
than is known, the range is halved and one half is counted; the other is what is left. A range that is down to one key, or is
cheaper read than halved further, is to be read. A count is one billed read for each started 1,000 records.

What this proves. A range that counts nothing holds nothing, and one that is read tells all: whatever is reported gone is gone.
And a record that is gone is found, unless a record that nobody knows of came into the same range. So whoever asks must put in
among the known what is new since they last looked. A record that came unseen makes a surplus where it is alone, and is found."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from penstock.core.errors import Incomplete

PER_RANGE = 910  # known records: room for 90 unknown ones before a count costs two reads, and ten halvings lead to one key


class Range(NamedTuple):
    """The keys from position `first` up to, and without, `last`; and whatever lies between them and the next."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Found:
    """`empty` ranges hold nothing any more. `unequal` ones are to be read, each with how many records are counted there. All
    others hold as many as are known. `counted`: records in all ranges together."""

    counted: int
    ranges: int
    empty: tuple[Range, ...]
    unequal: tuple[tuple[Range, int], ...]


def search(before: Sequence[int]) -> Generator[list[Range], list[int], Found]:
    """`before[i]`: how many known records stand before key `i`; the last item, one behind the keys, is all of them.

    Yields ranges to be counted, all at one moment and in any order, and takes their counts. Raises `Incomplete` where the counts
    contradict each other: then they are of different moments."""
    ranges = _cut(before)
    counts = yield ranges
    counted = sum(counts)
    empty: list[Range] = []
    unequal: list[tuple[Range, int]] = []
    open_ = list(zip(ranges, counts, strict=True))
    while open_:
        halved: list[tuple[Range, Range, int]] = []
        for at, count in open_:
            known, keys = before[at.last] - before[at.first], at.last - at.first
            if count == known:
                continue
            if count == 0:
                empty.append(at)
            elif keys < 2 or count <= halving_costs(keys, abs(known - count)):
                unequal.append((at, count))
            else:
                middle = _middle(before, at)
                halved.append((Range(at.first, middle), Range(middle, at.last), count))
        open_ = []
        if halved:
            counts = yield [first for first, _, _ in halved]
            for (first, second, both), count in zip(halved, counts, strict=True):
                if count > both:
                    raise Incomplete(
                        f"counts {count} records in one half of a range that it counts {both} in",
                        subject="source",
                        remedy="Nothing follows from this count. The next run counts again.",
                    )
                open_ += [(first, count), (second, both - count)]
    return Found(counted, len(ranges), tuple(empty), tuple(unequal))


def halving_costs(keys: int, off: int) -> int:
    """Counts that lead to `off` single keys among so many, at worst: down to each of them alone, then its own way."""
    off = min(off, keys)
    return off - 1 + off * math.ceil(math.log2(keys / off))


def _cut(before: Sequence[int]) -> list[Range]:
    keys, records = len(before) - 1, before[-1]
    parts = max(1, -(-records // PER_RANGE))
    cuts = sorted({0, keys, *(bisect_left(before, records * n // parts) for n in range(1, parts))})
    return [Range(a, b) for a, b in pairwise(cuts)] or [Range(0, 0)]


def _middle(before: Sequence[int], at: Range) -> int:
    """The key that has half of the range's records before it."""
    half = (before[at.first] + before[at.last]) // 2
    return min(max(bisect_left(before, half, at.first, at.last), at.first + 1), at.last - 1)
