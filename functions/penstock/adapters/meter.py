"""Counts what a store does as Firestore bills it (`core.bill` has the rules). Many threads may use one meter."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from penstock.core.bill import count_of
from penstock.core.records import Bill, Delete, Write
from penstock.ports import TAB


class Meter:
    """A document read costs one read, a query that finds nothing one, looking up an absent document one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bill = Bill()

    @property
    def bill(self) -> Bill:
        """What was counted so far; a copy."""
        with self._lock:
            return replace(self._bill, by_collection=dict(self._bill.by_collection))

    def call(self) -> None:
        """One RPC was sent."""
        with self._lock:
            self._bill.rpcs += 1

    def reads(self, collection: str, reads: int) -> None:
        _put_on_tab(reads, 0, 0)
        with self._lock:
            self._bill.reads += reads
            self._bill.by_collection[collection] = self._bill.by_collection.get(collection, 0) + reads

    def count(self, collection: str, entries: int) -> None:
        self.reads(collection, count_of(entries))

    def get(self, path: str) -> None:
        self.reads(path.rpartition("/")[0], 1)

    def commit(self, writes: Sequence[Write]) -> None:
        """A commit went through."""
        deletes = sum(isinstance(write, Delete) for write in writes)
        _put_on_tab(0, len(writes) - deletes, deletes)
        with self._lock:
            self._bill.deletes += deletes
            self._bill.writes += len(writes) - deletes


def _put_on_tab(reads: int, writes: int, deletes: int) -> None:
    if (tab := TAB.get()) is not None:
        tab.add(reads, writes, deletes)
