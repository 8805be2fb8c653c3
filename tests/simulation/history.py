"""What a life asked of its databases and what they answered: every call, in order, written down at the stores in memory
themselves, below the faults and the journal. `replay.py` asks the same of other stores.

    with recorded() as histories:
        play(SCENARIOS["drift"])
    (history,) = histories"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple
from unittest import mock

from penstock.adapters.memory import MemoryStore, MemoryStores, Moments
from penstock.core.errors import PenstockError
from penstock.core.records import Prepared, Query, Set, Snapshot, Update, Write
from penstock.core.values import Data, FieldPath, Timestamp, dumps

from simulation.simulation import Simulation

Kind = Literal["get", "scan", "count", "commit", "prepare"]


class Seen(NamedTuple):
    """A document as it was answered; `time` and `text` are None where there was none."""

    path: str
    time: Timestamp | None
    text: str | None

    @classmethod
    def of(cls, snapshot: Snapshot) -> Seen:
        return cls(snapshot.path, snapshot.update_time, None if snapshot.data is None else dumps(snapshot.data))


@dataclass
class Call:
    """`answer`: the documents of a get or a scan, the number of a count, the time of a commit, what was prepared."""

    store: MemoryStore
    kind: Kind
    asked: tuple[Any, ...]
    read_time: Timestamp | None = None
    answer: Any = None
    error: type[PenstockError] | None = None
    whole: bool = True  # False: nobody wanted the rest of the stream


@dataclass
class History:
    stores: list[MemoryStore] = field(default_factory=list)
    places: list[tuple[str, str]] = field(default_factory=list)  # (project, database) of each store
    calls: list[Call] = field(default_factory=list)


class _Stores(MemoryStores):
    def __init__(self, now: Callable[[], Timestamp], history: History) -> None:
        super().__init__(now)
        self._history = history

    def open(self, project: str, database: str) -> MemoryStore:
        place = project, database
        if place not in self._stores:
            self._stores[place] = _Store(project, database, self._moments, self._history.calls)
            self._history.stores.append(self._stores[place])
            self._history.places.append(place)
        return self._stores[place]


class _Store(MemoryStore):
    def __init__(self, project: str, database: str, moments: Moments, calls: list[Call]) -> None:
        super().__init__(project, database, moments)
        self._calls = calls

    @contextmanager
    def _noted(self, kind: Kind, *asked: Any, read_time: Timestamp | None = None) -> Iterator[Call]:
        call = Call(self, kind, asked, read_time)
        self._calls.append(call)
        try:
            yield call
        except PenstockError as error:
            call.error = type(error)
            raise

    def get(
        self, paths: Sequence[str], read_time: Timestamp | None = None, select: tuple[FieldPath, ...] | None = None
    ) -> list[Snapshot]:
        with self._noted("get", tuple(paths), select, read_time=read_time) as call:
            found = super().get(paths, read_time, select)
            call.answer = [Seen.of(snapshot) for snapshot in found]
            return found

    def scan(self, query: Query, read_time: Timestamp | None = None) -> Iterator[Snapshot]:
        try:
            stream = super().scan(query, read_time)
        except PenstockError:
            with self._noted("scan", query, read_time=read_time):
                raise
        return self._stream(stream, query, read_time)

    def _stream(self, stream: Iterator[Snapshot], query: Query, read_time: Timestamp | None) -> Iterator[Snapshot]:
        """Stands in the history where its first document was asked for: that is when it is read."""
        with self._noted("scan", query, read_time=read_time) as call:
            call.answer, call.whole = [], False
            for snapshot in stream:
                call.answer.append(Seen.of(snapshot))
                yield snapshot
            call.whole = True

    def count(self, query: Query, read_time: Timestamp | None = None) -> int:
        with self._noted("count", query, read_time=read_time) as call:
            call.answer = super().count(query, read_time)
            return call.answer

    def prepare(self, write: Set | Update, entries: Data | None = None) -> Prepared:
        with self._noted("prepare", copy.deepcopy(write), copy.deepcopy(entries)) as call:
            call.answer = super().prepare(write, entries)
            return call.answer

    def commit(self, writes: Sequence[Write]) -> Timestamp:
        with self._noted("commit", copy.deepcopy(list(writes))) as call:
            call.answer = super().commit(writes)
            return call.answer


@contextmanager
def recorded() -> Iterator[list[History]]:
    """The histories of all simulations that are begun meanwhile."""
    histories: list[History] = []

    def stores(now: Callable[[], Timestamp]) -> MemoryStores:
        histories.append(History())
        return _Stores(now, histories[-1])

    with mock.patch.object(Simulation, "open_stores", staticmethod(stores)):
        yield histories
