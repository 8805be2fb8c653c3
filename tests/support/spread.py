"""Work spread over all cores."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")
FEW = 40  # jobs that are not worth a process


def spread(do: Callable[[A], B], jobs: Sequence[A]) -> Iterator[B]:
    """The results, in no order. `do` is a function of a module, and both jobs and results can be pickled."""
    cores = os.cpu_count() or 1
    if len(jobs) <= FEW or cores == 1:
        yield from map(do, jobs)
        return
    with multiprocessing.get_context("fork").Pool(cores) as pool:
        yield from pool.imap_unordered(do, jobs, chunksize=max(1, min(50, len(jobs) // (4 * cores))))


def evenly(items: Sequence[A], many: int) -> list[A]:
    """So many of the items, at equal distances: all of them where there are no more."""
    return list(items) if many >= len(items) else [items[n * len(items) // many] for n in range(many)]
