"""Faults at the boundaries of a running system: every call through the ports is counted, and some of them go wrong.

Three things are counted, each by itself: calls that change something, calls that only look, and the messages of a stream. A
`Fault` names one of these, the number of the call from when the faults were armed, and what happens to it."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from penstock.core import tree_checks
from penstock.core.errors import Incomplete, OutcomeUnknown, Unavailable
from penstock.core.plan import Batch, Row
from penstock.core.records import Bill, Prepared, Query, Set, Snapshot, Update, Write
from penstock.core.release import ReleaseState
from penstock.core.values import Data, FieldPath, Timestamp
from penstock.ports import Message, Ports, Store

T = TypeVar("T")
Channel = Literal["change", "read", "message"]
Mode = Literal["killed before", "killed after", "answer lost", "request lost", "refused", "zombie", "late zombie", "cut"]
MODES: tuple[Mode, ...] = ("killed before", "killed after", "answer lost", "request lost", "refused")
READS: tuple[Mode, ...] = ("killed before", "refused")  # a read changes nothing: before and after are one
ZOMBIES: tuple[Mode, ...] = ("zombie", "late zombie")  # stalls there, until all others are at rest, or until all is over
BY_CHANNEL: Mapping[Channel, tuple[Mode, ...]] = {
    "change": (*MODES, *ZOMBIES),
    "read": (*READS, *ZOMBIES),  # a zombie that looked before it stalled
    "message": ("cut",),  # the stream breaks before this message, the end included
}


class Killed(BaseException):
    """The process is gone. Nothing in the product may catch it."""


@dataclass(frozen=True, slots=True)
class Fault:
    channel: Channel
    at: int  # the first call is 1
    mode: Mode


class Faults:
    """Wraps ports. `stalled` is what the others do while a zombie stands still; told whether all shall be over when it wakes."""

    def __init__(self) -> None:
        self.stalled: Callable[[bool], None] = lambda _: None
        self.armed = False
        self.seen: dict[Channel, list[str]] = {}
        self.struck: list[tuple[str, Mode]] = []
        self._planned: dict[tuple[Channel, int], Mode] = {}
        self._random, self._share, self._left = random.Random(0), 0.0, 0
        self.chosen: Callable[[Channel, int], Mode | None] = self._next  # what happens to a call, by its number
        self.plan()
        self.armed = False

    def plan(self, *faults: Fault) -> None:
        """Count from here on, and let these happen."""
        self.armed, self.struck, self._left = True, [], 0
        self.seen = {channel: [] for channel in get_args(Channel)}
        self._planned = {(f.channel, f.at): f.mode for f in faults}

    def arm(self, at: int, mode: Mode, channel: Channel = "change") -> None:
        """The same for one; at 0 there is none, and calls are only counted."""
        self.plan(Fault(channel, at, mode))

    @property
    def calls(self) -> list[str]:
        """The calls so far that change something."""
        return self.seen["change"]

    @property
    def count(self) -> int:
        return len(self.calls)

    def storm(self, seed: int, share: float, at_most: int) -> None:
        """Any of the coming calls goes wrong with this probability, in any way, until so many did."""
        self.plan()
        self._random, self._share, self._left = random.Random(seed), share, at_most

    def wrap(self, ports: Ports) -> Ports:
        return dataclasses.replace(
            ports,
            stores=_Stores(self, ports),
            blobs=_Blobs(self, ports),
            publisher=_Publisher(self, ports),
            mailer=_Mailer(self, ports),
        )

    def call(self, channel: Channel, what: str, do: Callable[[], T]) -> T:
        if not self.armed:
            return do()
        self.seen[channel].append(what)
        mode = self._drawn(channel) if self._left else self.chosen(channel, len(self.seen[channel]))
        if mode is None:
            return do()
        self.struck.append((what, mode))
        lost = OutcomeUnknown if what.startswith("commit") else Unavailable
        match mode:
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
            case "cut":
                raise Incomplete("the stream broke off", subject=what, remedy="Read it again.")
            case "zombie" | "late zombie":
                seen = do() if channel == "read" else None
                self.stalled(mode == "late zombie")
                return do() if seen is None else seen

    def _next(self, channel: Channel, number: int) -> Mode | None:
        return self._planned.pop((channel, number), None)

    def _drawn(self, channel: Channel) -> Mode | None:
        if self._random.random() >= self._share:
            return None
        self._left -= 1
        return self._random.choice(BY_CHANNEL[channel])


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
        what = f"get {paths[0].partition('/')[0]}" if paths else "get nothing"
        return self._faults.call("read", what, lambda: self._store.get(paths, read_time, select))

    def scan(self, query: Query, read_time: Timestamp | None = None) -> Iterator[Snapshot]:
        """The documents are all read when the first is asked for: what a zombie holds in its hands is old."""

        def stream() -> Iterator[Snapshot]:
            for found in self._faults.call("read", f"scan {query.collection}", lambda: list(self._store.scan(query, read_time))):
                self._faults.call("message", f"message of {query.collection}", lambda: None)
                yield found
            self._faults.call("message", f"end of {query.collection}", lambda: None)

        return stream() if self._faults.armed else self._store.scan(query, read_time)

    def count(self, query: Query, read_time: Timestamp | None = None) -> int:
        return self._faults.call("read", f"count {query.collection}", lambda: self._store.count(query, read_time))

    def prepare(self, write: Set | Update, entries: Data | None = None) -> Prepared:
        return self._store.prepare(write, entries)

    def commit(self, writes: Sequence[Write]) -> Timestamp:
        what = f"commit {' '.join(dict.fromkeys(w.path.partition('/')[0] for w in writes))}"
        return self._faults.call("change", what, lambda: self._store.commit(writes))


@dataclass(frozen=True)
class _Blobs:
    faults: Faults
    ports: Ports

    def write(self, name: str, content: bytes, content_type: str, *, replace: bool = False) -> bool:
        do = lambda: self.ports.blobs.write(name, content, content_type, replace=replace)  # noqa: E731
        return self.faults.call("change", f"write {name.partition('/')[0]}", do)

    def read(self, name: str) -> bytes:
        return self.faults.call("read", f"read {name.partition('/')[0]}", lambda: self.ports.blobs.read(name))

    def names(self, prefix: str) -> list[str]:
        return self.faults.call("read", f"names {prefix.partition('/')[0]}", lambda: self.ports.blobs.names(prefix))

    def url(self, name: str) -> str:
        return self.ports.blobs.url(name)


@dataclass(frozen=True)
class _Publisher:
    faults: Faults
    ports: Ports

    def publish(self, topic: str, messages: Sequence[Mapping[str, str]]) -> None:
        self.faults.call("change", f"publish {topic}", lambda: self.ports.publisher.publish(topic, messages))


@dataclass(frozen=True)
class _Mailer:
    faults: Faults
    ports: Ports

    def send(self, message: Message) -> None:
        self.faults.call("change", "send", lambda: self.ports.mailer.send(message))


class PlainPages:
    """Mails and reports with what a test looks for and nothing more: quick."""

    def mail(self, kind: str, facts: Mapping[str, Any]) -> tuple[str, str, str]:
        if kind == "held":
            return kind, "\n".join([str(facts["read_time"]), *(finding.text for finding in facts["findings"])]), ""
        return kind, f"{facts.get('link', '')}\nCode: {facts.get('code', '')}\n{facts['batch'].id}", ""

    def report(self, kind: str, title: str, batch: Batch, rows: Iterable[Row]) -> dict[str, bytes]:
        lines = "\n".join(f"{row.change.key} {row.status}" for row in rows).encode()
        return dict.fromkeys(("html", "csv", "json"), lines)

    def index(self, target: str, batches: Sequence[Batch]) -> bytes:
        return "\n".join(f"{batch.id} {batch.status}" for batch in batches).encode()

    def quarantine(self, title: str, state: ReleaseState, faults: Sequence[tree_checks.Fault]) -> dict[str, bytes]:
        return dict.fromkeys(("html", "json"), "\n".join(fault.text for fault in faults).encode())


class FailingMailer:
    """A mail server that is down until told otherwise."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.down = inner, True

    def send(self, message: Message) -> None:
        if self.down:
            raise Unavailable("refuses connections", subject="mail server", remedy="Mend it; mails go out by themselves.")
        self.inner.send(message)
