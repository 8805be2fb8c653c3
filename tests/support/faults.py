"""Faults at the boundaries of a running system: every call through the ports is counted, and one of them goes wrong."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar

from penstock.core.errors import OutcomeUnknown, Unavailable
from penstock.core.plan import Batch, Row
from penstock.core.records import Bill, Prepared, Query, Set, Snapshot, Update, Write
from penstock.core.values import Data, FieldPath, Timestamp
from penstock.ports import Message, Ports, Store

T = TypeVar("T")
Mode = Literal["killed before", "killed after", "answer lost", "request lost", "refused"]
MODES: tuple[Mode, ...] = ("killed before", "killed after", "answer lost", "request lost", "refused")
READS: tuple[Mode, ...] = ("killed before", "refused")  # a read changes nothing: before and after are one


class Killed(BaseException):
    """The process is gone. Nothing in the product may catch it."""


class Faults:
    """Wraps ports. `at` is the number of the call that goes wrong, counted from when it was armed; 0: none does."""

    def __init__(self) -> None:
        self.armed, self.reads = False, False
        self.at, self.mode, self.count = 0, MODES[0], 0
        self.calls: list[str] = []
        self.struck = ""
        self._random, self._share, self._left = random.Random(0), 0.0, 0

    def arm(self, at: int, mode: Mode, *, reads: bool = False) -> None:
        """Count calls that change something, or with `reads` those that do not."""
        self.armed, self.at, self.mode, self.reads, self.count, self.calls, self.struck = True, at, mode, reads, 0, [], ""

    def storm(self, seed: int, share: float, at_most: int) -> None:
        """Any of the coming calls goes wrong with this probability, in any way, until so many did."""
        self.armed, self.count, self.calls, self.struck = True, 0, [], ""
        self._random, self._share, self._left = random.Random(seed), share, at_most

    def wrap(self, ports: Ports) -> Ports:
        return dataclasses.replace(
            ports,
            stores=_Stores(self, ports),
            blobs=_Effect(self, ports.blobs, "write", {"read"}),
            publisher=_Effect(self, ports.publisher, "publish"),
            mailer=_Effect(self, ports.mailer, "send"),
        )

    def read(self, what: str, do: Callable[[], T]) -> T:
        return self._call(what, do, READS) if self.reads or self._left else do()

    def change(self, what: str, do: Callable[[], T]) -> T:
        return do() if self.reads else self._call(what, do, MODES)

    def _call(self, what: str, do: Callable[[], T], modes: Sequence[Mode]) -> T:
        if not self.armed:
            return do()
        self.count += 1
        self.calls.append(what)
        if self._left and self._random.random() < self._share:
            self._left -= 1
            self.mode = self._random.choice(modes)
        elif self._left or self.count != self.at:
            return do()
        self.struck = what
        lost = OutcomeUnknown if what.startswith("commit") else Unavailable
        match self.mode:
            case "killed before":
                raise Killed(what)
            case "killed after":
                do()
                raise Killed(what)
            case "answer lost":
                do()
                raise lost("the answer was lost", subject=what, remedy="Try again.")
            case "request lost":
                raise lost("the request was lost", subject=what, remedy="Try again.")
            case "refused":
                raise Unavailable("the service refused", subject=what, remedy="Try again.")


class _Stores:
    def __init__(self, faults: Faults, ports: Ports) -> None:
        self._faults, self._stores = faults, ports.stores

    def open(self, project: str, database: str) -> Store:
        return _Store(self._faults, self._stores.open(project, database))


class _Store:
    def __init__(self, faults: Faults, store: Store) -> None:
        self._faults, self._store = faults, store

    @property
    def bill(self) -> Bill:
        return self._store.bill

    def full_name(self, path: str) -> str:
        return self._store.full_name(path)

    def get(
        self, paths: Sequence[str], read_time: Timestamp | None = None, select: tuple[FieldPath, ...] | None = None
    ) -> list[Snapshot]:
        return self._faults.read("get", lambda: self._store.get(paths, read_time, select))

    def scan(self, query: Query, read_time: Timestamp | None = None) -> Iterator[Snapshot]:
        return self._faults.read(f"scan {query.collection}", lambda: self._store.scan(query, read_time))

    def count(self, query: Query, read_time: Timestamp | None = None) -> int:
        return self._faults.read(f"count {query.collection}", lambda: self._store.count(query, read_time))

    def prepare(self, write: Set | Update, entries: Data | None = None) -> Prepared:
        return self._store.prepare(write, entries)

    def commit(self, writes: Sequence[Write]) -> Timestamp:
        return self._faults.change(f"commit {writes[0].path.partition('/')[0]}", lambda: self._store.commit(writes))


class _Effect:
    """Anything with one method that changes something outside, and some that only look."""

    def __init__(self, faults: Faults, inner: Any, method: str, looks: frozenset[str] | set[str] = frozenset()) -> None:
        self._faults, self._inner, self._method, self._looks = faults, inner, method, looks

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name == self._method:
            return lambda *given, **named: self._faults.change(name, lambda: found(*given, **named))
        if name in self._looks:
            return lambda *given, **named: self._faults.read(name, lambda: found(*given, **named))
        return found


class PlainPages:
    """Mails and reports with what a test looks for and nothing more: quick."""

    def mail(self, kind: str, facts: Mapping[str, Any]) -> tuple[str, str, str]:
        return kind, f"{facts.get('link', '')}\nCode: {facts.get('code', '')}\n{facts['batch'].id}", ""

    def report(self, kind: str, title: str, batch: Batch, rows: Iterable[Row]) -> dict[str, bytes]:
        lines = "\n".join(f"{row.change.key} {row.status}" for row in rows).encode()
        return dict.fromkeys(("html", "csv", "json"), lines)

    def index(self, target: str, batches: Sequence[Batch]) -> bytes:
        return "\n".join(f"{batch.id} {batch.status}" for batch in batches).encode()


class FailingMailer:
    """A mail server that is down until told otherwise."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.down = inner, True

    def send(self, message: Message) -> None:
        if self.down:
            raise Unavailable("refuses connections", subject="mail server", remedy="Mend it; mails go out by themselves.")
        self.inner.send(message)
