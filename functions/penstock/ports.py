"""What the use cases need from outside, on one page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from penstock.core.plan import Batch, Row
from penstock.core.records import Bill, Prepared, Query, Set, Snapshot, Update, Write
from penstock.core.release import ReleaseState
from penstock.core.tree_checks import Fault
from penstock.core.values import Data, FieldPath, Timestamp

A = TypeVar("A")
B = TypeVar("B")


class Readable(Protocol):
    """What documents are read from: a database, or what was read of one before."""

    def get(
        self, paths: Sequence[str], read_time: Timestamp | None = None, select: tuple[FieldPath, ...] | None = None
    ) -> list[Snapshot]:
        """The documents at these paths, in the order asked for, absent ones included."""
        ...

    def scan(self, query: Query, read_time: Timestamp | None = None) -> Iterator[Snapshot]:
        """Every document of the query, in order, in keyset pages; raises `Incomplete` rather than end early.
        Without `read_time` each page is read at its own moment."""
        ...

    def count(self, query: Query, read_time: Timestamp | None = None) -> int:
        """How many documents the query finds (`select`, `limit` and `after` play no part)."""
        ...


class Store(Readable, Protocol):
    """One Firestore database. There is no transaction object: read, decide, commit with preconditions, and on
    `Conflict` read again and decide again."""

    def commit(self, writes: Sequence[Write]) -> Timestamp:
        """All of the writes at once or none; gives the commit time, which is the `update_time` of every document that changed.
        A write that changes nothing leaves its document's `update_time` as it was. 1 to 5,000 writes, each of another
        document, and 10 MiB (the emulator: 4 MiB). Raises `Conflict` (a precondition failed), `OutcomeUnknown` (the
        answer was lost), `Unavailable` (refused before applying), `InvalidInput` (a limit of Firestore is exceeded)."""
        ...

    def prepare(self, write: Set | Update, entries: Data | None = None) -> Prepared:
        """The fields and the mask of a write, encoded now so that its commit need not; pure. With `entries`, the commit gives
        one field more, a map, and they are written in it beside its own. `InvalidInput` where Firestore could not hold them."""
        ...

    @property
    def bill(self) -> Bill:
        """Metered so far, on this store, by Firestore's rules."""
        ...

    def full_name(self, path: str) -> str:
        """The resource name of a path: `projects/p/databases/d/documents/…`."""
        ...


class Stores(Protocol):
    def open(self, project: str, database: str) -> Store:
        """The store of a database, one instance each."""
        ...


class Blobs(Protocol):
    """Cloud Storage, one bucket."""

    def write(self, name: str, content: bytes, content_type: str, *, replace: bool = False) -> bool:
        """Store an object. Without `replace` an object that exists is left alone and False is answered."""
        ...

    def read(self, name: str) -> bytes:
        """The content; raises `NotFound`."""
        ...

    def names(self, prefix: str) -> list[str]: ...

    def url(self, name: str) -> str:
        """Where a person finds the object."""
        ...


class Publisher(Protocol):
    def publish(self, topic: str, messages: Sequence[Mapping[str, str]]) -> None:
        """Send each message (small, flat JSON) to the topic; returns when the service has all of them."""
        ...


class Tab:
    """What one thread was billed by every store, and those that `Ports.each` started for it. Stores add to it."""

    def __init__(self) -> None:
        self.billed = (0, 0, 0)  # reads, writes, deletes

    def add(self, reads: int, writes: int, deletes: int) -> None:
        before = self.billed
        self.billed = (before[0] + reads, before[1] + writes, before[2] + deletes)


TAB: ContextVar[Tab | None] = ContextVar("TAB", default=None)


def tab_of_this_thread() -> Tab:
    """The tab that this thread runs up, from the first time that it is asked for."""
    tab = TAB.get()
    if tab is None:
        tab = Tab()
        TAB.set(tab)
    return tab


@dataclass(frozen=True, slots=True)
class Message:
    """A mail. `id` is derived from the fact it tells, and becomes the Message-ID: a mailbox shows a repeat once."""

    id: str
    to: str
    subject: str
    text: str
    html: str


class Mailer(Protocol):
    def send(self, message: Message) -> None:
        """Hand the mail to the mail server; raises `Unavailable` with the server's reason."""
        ...


class Pages(Protocol):
    """Renders what people read. Pure: state in, text out."""

    def mail(self, kind: str, facts: Mapping[str, Any]) -> tuple[str, str, str]:
        """(subject, plain text, HTML) of a mail. Kinds: `review` (batch, title, link, code, recipient, expires), `locked`
        (the same, after too many wrong codes on the link before), `done` (batch, title, reports) and `held` (title, pipeline,
        target, findings: what was held back, and nothing else was proposed; new: how many units were not before; read_time)."""
        ...

    def report(self, kind: str, title: str, batch: Batch, rows: Iterable[Row]) -> dict[str, bytes]:
        """The files of a report by extension: `html`, `csv`, `json`. Kinds: `pre-sync`, `post-sync`, `rollback`.
        `rows` is read once, and may be long."""
        ...

    def index(self, target: str, batches: Sequence[Batch]) -> bytes:
        """The page that leads to a target's reports, newest batch first, as HTML."""
        ...

    def quarantine(self, title: str, state: ReleaseState, faults: Sequence[Fault]) -> dict[str, bytes]:
        """The files of the report on a release that is no sound tree, by extension: `html`, `json`. `state` says what was read,
        and what is current."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything a use case may touch. Tests and the simulation fill it with other things."""

    stores: Stores
    blobs: Blobs
    publisher: Publisher
    mailer: Mailer
    pages: Pages
    now: Callable[[], Timestamp]
    new_id: Callable[[], str]  # unguessable, 16 characters or more of [a-z0-9]
    keys: Mapping[str, bytes]  # token keys by key id; the first one signs, all verify
    base_url: str  # of the review service, no slash at the end
    each: Callable[[Callable[[A], B], Iterable[A]], list[B]]  # map, perhaps in parallel threads, on one tab; order kept
    project_ids: Mapping[str, str] = field(default_factory=dict)  # project ids by the names that pipelines use
    keys_until: Mapping[str, Timestamp] = field(default_factory=dict)  # when an old key is retired; those not here are not
    people: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # addresses by the names that pipelines use
    stale_seconds: float = 120.0  # who has not moved a thing on for so long is taken for dead, and the sweep takes over
