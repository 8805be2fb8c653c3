"""The store in memory, with Firestore's semantics: the contract suite holds it and the emulator to the same answers.

Every version of every document is kept, so that a read at a past time sees what stood then."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from penstock.adapters.meter import Meter
from penstock.core import limits
from penstock.core.errors import Conflict, InvalidInput, PenstockError
from penstock.core.limits import ByClass
from penstock.core.matching import matcher
from penstock.core.ordering import Key, key
from penstock.core.query_limits import check_query
from penstock.core.records import NAME, Bill, Cursor, Delete, Precondition, Prepared, Query, Set, Snapshot, Update, Write
from penstock.core.values import Data, FieldPath, Timestamp, Value, dumps, get_in, loads, set_in

GET_AT_ONCE = 1_000  # as the Firestore adapter does, so that the bill is the same
OLDEST = 7 * 86_400  # seconds that a read may look back
_ABSENT = object()


class Moments:
    """The time of all databases, as Google's servers keep it: it never goes back, and what one of them committed has passed in
    every other, so that a read there may name it."""

    def __init__(self, now: Callable[[], Timestamp]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._last = Timestamp(0)  # the latest moment that was committed or read at: the next commit is later

    def read(self, at: Timestamp) -> None:
        """Raises where a moment is yet to come or too long ago."""
        with self._lock:
            latest = max(self._now(), self._last)
            if at > latest:
                raise InvalidInput("is in the future", subject=f"read time {at}", remedy="Read at a time that has passed.")
            if at < latest.plus(-OLDEST):
                raise PenstockError("is too old", subject=f"read time {at}", remedy="Start the run again.")
            self._last = max(self._last, at)

    def commit(self) -> Timestamp:
        """A moment of its own, in whole microseconds."""
        with self._lock:
            now = self._now()
            self._last = max(Timestamp(now.seconds, now.nanos // 1_000 * 1_000), self._last.plus(1e-6))
            return self._last


class MemoryStores:
    """Opens stores that live as long as this object. `now` tells the time; commit times follow it and never repeat."""

    def __init__(self, now: Callable[[], Timestamp]) -> None:
        self._moments = Moments(now)
        self._lock = threading.Lock()
        self._stores: dict[tuple[str, str], MemoryStore] = {}

    def open(self, project: str, database: str) -> MemoryStore:
        with self._lock:
            if (project, database) not in self._stores:
                self._stores[project, database] = MemoryStore(project, database, self._moments)
            return self._stores[project, database]


_KEEP = ByClass(
    {
        int: int,
        float: float,
        str: str.__str__,
        bytes: bytes,
        list: lambda value: [_kept(inner) for inner in value],
        dict: lambda value: {str.__str__(name): _kept(inner) for name, inner in value.items()},
        Timestamp: lambda value: Timestamp(value.seconds, value.nanos // 1_000 * 1_000),
    }
)
_IMMUTABLE = frozenset(limits.SIZES) - set(_KEEP)


def _kept(value: Value) -> Value:
    """A value as Firestore holds it: a copy, times cut to microseconds, tuples as arrays, subclasses as their bases."""
    return value if value.__class__ in _IMMUTABLE else _KEEP[value.__class__](value)


def _copy(value: Value) -> Value:
    if value.__class__ is dict:
        return {name: _copy(inner) for name, inner in value.items()}
    return [_copy(inner) for inner in value] if value.__class__ is list else value


class _Version:
    """A document from one commit on; `data` None is its deletion."""

    __slots__ = ("_fingerprint", "_keys", "data", "time")

    def __init__(self, time: Timestamp, data: Data | None) -> None:
        self.time = time
        self.data = data
        self._keys: dict[FieldPath, Key | None] = {}
        self._fingerprint = ""

    def key(self, path: FieldPath) -> Key | None:
        """The sort key of a field; None where there is no such field."""
        if path not in self._keys:
            value = get_in(self.data or {}, path, _ABSENT)
            self._keys[path] = None if value is _ABSENT else key(value)
        return self._keys[path]

    def snapshot(self, path: str, select: tuple[FieldPath, ...] | None) -> Snapshot:
        return Snapshot(path, None, None) if self.data is None else _MemorySnapshot(path, self, select)

    def names(self, path: str) -> Snapshot:
        return Snapshot(path, dict.fromkeys(self.data or {}), self.time)


class _MemorySnapshot(Snapshot):
    """Copies the fields when they are first looked at."""

    __slots__ = ("_select", "_version")

    def __init__(self, path: str, version: _Version, select: tuple[FieldPath, ...] | None) -> None:
        super().__init__(path, None, version.time)
        self._version = version
        self._select = select

    @property
    def data(self) -> Data:
        if self._data is None:
            stored = self._version.data or {}
            self._data = _copy(stored if self._select is None else _selected(stored, self._select))
        return self._data

    @property
    def fingerprint(self) -> str:
        if self._select is not None:
            return super().fingerprint
        if not self._version._fingerprint:
            self._version._fingerprint = Snapshot(self.path, self._version.data, None).fingerprint
        return self._version._fingerprint


def _selected(data: Data, select: Sequence[FieldPath]) -> Data:
    part: Data = {}
    for path in select:
        value = get_in(data, path, _ABSENT)
        if value is not _ABSENT:
            set_in(part, path, value)
    return part


def _plain(write: Write) -> Write:
    """The same write with what was prepared among its data."""
    if isinstance(write, Delete) or write.prepared is None:
        return write
    data = {**loads(write.prepared.fields), **write.data}
    if write.prepared.entries:
        ((name, shared),) = write.data.items()
        data[name] = {**shared, **loads(write.prepared.entries)}
    if isinstance(write, Set):
        return Set(write.path, data, write.precondition)
    mask = (*map(tuple, loads(write.prepared.mask)), *write.mask)
    return Update(write.path, data, mask, write.precondition)


class MemoryStore:
    """One database (ports.Store)."""

    def __init__(self, project: str, database: str, moments: Moments) -> None:
        self._documents = f"projects/{project}/databases/{database}/documents"
        self._moments = moments
        self._lock = threading.RLock()
        self._meter = Meter()
        self._versions: dict[str, list[_Version]] = {}
        self._paths: dict[str, list[str]] = {}  # by collection, in order; those of deleted documents stay for old read times

    @property
    def bill(self) -> Bill:
        return self._meter.bill

    def full_name(self, path: str) -> str:
        return f"{self._documents}/{path}"

    # reads ----------------------------------------------------------------------------------------------------------

    def _version(self, path: str, read_time: Timestamp | None) -> _Version | None:
        """The version that stands at a time; None if none does or it is a deletion."""
        found = self._versions.get(path)
        if not found:
            return None
        at = len(found) if read_time is None else bisect_right(found, read_time, key=lambda version: version.time)
        return found[at - 1] if at and found[at - 1].data is not None else None

    def _pin(self, read_time: Timestamp | None) -> None:
        if read_time is not None:
            self._moments.read(read_time)

    def get(
        self, paths: Sequence[str], read_time: Timestamp | None = None, select: tuple[FieldPath, ...] | None = None
    ) -> list[Snapshot]:
        limits.check_get(paths, read_time, select)
        found: dict[str, Snapshot] = {}
        wanted = list(dict.fromkeys(paths))
        for start in range(0, len(wanted), GET_AT_ONCE):
            self._meter.call()
            with self._lock:
                self._pin(read_time)
                for path in wanted[start : start + GET_AT_ONCE]:
                    version = self._version(path, read_time)
                    found[path] = version.snapshot(path, select) if version else Snapshot(path, None, None)
                    self._meter.get(path)
        return [found[path] for path in paths]

    def scan(self, query: Query, read_time: Timestamp | None = None) -> Iterator[Snapshot]:
        check_query(query)
        limits.check_read_time(read_time)
        return self._scan(query, read_time)

    def _scan(self, query: Query, read_time: Timestamp | None) -> Iterator[Snapshot]:
        left, after = query.limit, query.after
        while True:
            want = limits.MAX_PAGE if left is None else min(left, limits.MAX_PAGE)
            self._meter.call()
            with self._lock:
                self._pin(read_time)
                page = self._page(query, read_time, after, want)
            got, ended = 0, False
            try:
                for path, version in page:
                    got += 1
                    yield version.names(path) if query.names_only else version.snapshot(path, query.select)
                ended = True
            finally:
                self._meter.reads(query.collection, max(got, 1) if ended else got)
            left = None if left is None else left - got
            if got < want or left == 0:
                return
            path, version = page[-1]
            after = Cursor(None if query.order_by == NAME else get_in(version.data or {}, query.order_by), path)

    def _found(self, query: Query, read_time: Timestamp | None, after: str = "") -> Iterator[tuple[str, _Version]]:
        """What the query finds behind the path `after`, by name."""
        paths = self._paths.get(query.collection, [])
        low, high = bisect_right(paths, after), len(paths)
        for where in query.where:
            if where.field == NAME and where.op in (">", ">="):
                low = max(low, bisect_left(paths, where.value))
            elif where.field == NAME and where.op in ("<", "<="):
                high = min(high, bisect_right(paths, where.value))
        matches = matcher(query.where, self._documents)
        for path in paths[low:high]:
            version = self._version(path, read_time)
            if version is None or (query.order_by != NAME and version.key(query.order_by) is None):
                continue
            if matches(version.data or {}, path):
                yield path, version

    def _page(self, query: Query, read_time: Timestamp | None, after: Cursor | None, want: int) -> list[tuple[str, _Version]]:
        if query.order_by == NAME:
            return list(islice(self._found(query, read_time, after.path if after else ""), want))

        def place(found: tuple[str, _Version]) -> Any:
            return found[1].key(query.order_by), found[0]

        rows = sorted(self._found(query, read_time), key=place)
        start = 0 if after is None else bisect_right(rows, (key(after.value), after.path), key=place)
        return rows[start : start + want]

    def count(self, query: Query, read_time: Timestamp | None = None) -> int:
        check_query(query)
        limits.check_read_time(read_time)
        self._meter.call()
        with self._lock:
            self._pin(read_time)
            entries = sum(1 for _ in self._found(query, read_time))
        self._meter.count(query.collection, entries)
        return entries

    # writes ---------------------------------------------------------------------------------------------------------

    def prepare(self, write: Set | Update, entries: Data | None = None) -> Prepared:
        limits.check_commit([write, *([Set("a/entries", entries)] if entries else [])])
        mask = [list(path) for path in write.mask] if isinstance(write, Update) else []
        return Prepared(dumps(write.data).encode(), dumps(mask).encode(), dumps(entries).encode() if entries else b"")

    def commit(self, writes: Sequence[Write]) -> Timestamp:
        writes = [_plain(write) for write in writes]
        limits.check_commit(writes)
        self._meter.call()
        with self._lock:
            for write in writes:
                self._check(write.path, write.precondition)
            after = [(write.path, self._after(write)) for write in writes]
            time = self._moments.commit()
            for path, data in after:
                self._apply(path, data, time)
        self._meter.commit(writes)
        return time

    def _check(self, path: str, given: Precondition | None) -> None:
        version = self._version(path, None)
        if given is None:
            return
        if given.update_time is not None and (version is None or version.time != given.update_time):
            what = "is absent" if version is None else f"was last changed at {version.time}"
            raise Conflict(f"{what}, not at {given.update_time}", subject=path, remedy="Read again and decide again.")
        if given.exists is not None and given.exists != (version is not None):
            what = "exists already" if version else "does not exist"
            raise Conflict(what, subject=path, remedy="Read again and decide again.")

    def _after(self, write: Write) -> Data | None:
        match write:
            case Set():
                return {name: _kept(value) for name, value in write.data.items()}
            case Delete():
                return None
            case Update():
                version = self._version(write.path, None)
                data: Data = _copy(version.data) if version else {}
                for path in write.mask:
                    value = get_in(write.data, path, _ABSENT)
                    if value is not _ABSENT:
                        set_in(data, path, _kept(value))
                    elif get_in(data, path, _ABSENT) is not _ABSENT:
                        holder = get_in(data, path[:-1])
                        del holder[path[-1]]
                limits.document_size(write.path, data)
                return data

    def _apply(self, path: str, data: Data | None, time: Timestamp) -> None:
        version = self._version(path, None)
        if version is None and data is None:
            return
        if version is not None and data is not None and dumps(version.data) == dumps(data):
            return  # a write that changes nothing leaves the update time, as on Firestore
        if path not in self._versions:
            self._versions[path] = []
            insort(self._paths.setdefault(path.rpartition("/")[0], []), path)
        self._versions[path].append(_Version(time, data))
