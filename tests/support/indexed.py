"""A store for large counts: it keeps its documents sorted by each field that is asked for, as Firestore does, and so counts a
range without looking at what lies outside. It knows ranges over one field alone, and the present alone."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from penstock.adapters.meter import Meter
from penstock.core.ordering import key
from penstock.core.records import NAME, Bill, Delete, Query, Set, Snapshot, Where, Write
from penstock.core.values import Data, FieldPath, Timestamp, Value, get_in

_MISSING = object()


class IndexedStore:
    def __init__(self, now: Callable[[], Timestamp]) -> None:
        self._now, self._meter = now, Meter()
        self._documents: dict[str, Snapshot] = {}
        self._sorted: dict[tuple[str, FieldPath], list[tuple[Any, str]]] = {}

    @property
    def bill(self) -> Bill:
        return self._meter.bill

    def commit(self, writes: Sequence[Write]) -> Timestamp:
        at = self._now()
        for write in writes:
            if isinstance(write, Delete):
                del self._documents[write.path]
            else:
                assert isinstance(write, Set)
                self._documents[write.path] = Snapshot(write.path, dict(write.data), at)
        self._sorted.clear()
        self._meter.commit(writes)
        return at

    def get(self, paths: Sequence[str], read_time: Timestamp | None = None, select: Any = None) -> list[Snapshot]:
        for path in paths:
            self._meter.get(path)
        return [self._documents.get(path) or Snapshot(path, None, None) for path in paths]

    def count(self, query: Query, read_time: Timestamp | None = None) -> int:
        _, low, high = self._range(query)
        self._meter.count(query.collection, high - low)
        return high - low

    def scan(self, query: Query, read_time: Timestamp | None = None) -> Iterator[Snapshot]:
        index, low, high = self._range(query)
        self._meter.reads(query.collection, max(1, high - low))
        for _, path in index[low:high]:
            found = self._documents[path]
            yield found if query.select is None else Snapshot(path, _some(found.fields, query.select), found.update_time)

    def _range(self, query: Query) -> tuple[list[tuple[Any, str]], int, int]:
        index = self._index(query.collection, query.order_by)
        low, high = 0, len(index)
        for where in query.where:
            assert where.field == query.order_by, "ranges over one field alone"
            value = self._key(where)
            if where.op in (">", ">="):
                kind = bisect_left(index, value[:1], key=lambda item: item[0][:1])
                low = max(low, kind, (bisect_right if where.op == ">" else bisect_left)(index, value, key=lambda item: item[0]))
                high = min(high, bisect_right(index, value[:1], key=lambda item: item[0][:1]))
            else:
                assert where.op in ("<", "<="), where.op
                high = min(high, (bisect_left if where.op == "<" else bisect_right)(index, value, key=lambda item: item[0]))
        return index, low, max(low, high)

    def _key(self, where: Where) -> Any:
        value: Value = where.value.rpartition("/")[2] if where.field == NAME else where.value
        return key(value)

    def _index(self, collection: str, field: FieldPath) -> list[tuple[Any, str]]:
        if (collection, field) not in self._sorted:
            of = (s for path, s in self._documents.items() if path.rpartition("/")[0] == collection)
            pairs = ((s.id if field == NAME else get_in(s.fields, field, _MISSING), s.path) for s in of)
            self._sorted[collection, field] = sorted((key(value), path) for value, path in pairs if value is not _MISSING)
        return self._sorted[collection, field]


def _some(data: Data, select: Sequence[FieldPath]) -> Data:
    return {path[0]: data[path[0]] for path in select if path[0] in data}


class IndexedStores:
    def __init__(self, now: Callable[[], Timestamp]) -> None:
        self._now = now
        self._stores: dict[tuple[str, str], IndexedStore] = {}

    def open(self, project: str, database: str) -> Any:
        return self._stores.setdefault((project, database), IndexedStore(self._now))
