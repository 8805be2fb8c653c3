"""What really happened, written down below the faults: each commit that was applied, what was shown to people, and what was said.

The product never sees this. The laws are judged from it, and whoever replays a history elsewhere takes it from `landed`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from penstock.adapters.memory import MemoryStore
from penstock.core import layout
from penstock.core.changes import Change, Finding
from penstock.core.errors import Unavailable
from penstock.core.packs import decode_changes, decode_findings, expand
from penstock.core.records import Bill, Prepared, Query, Set, Snapshot, Update, Write
from penstock.core.values import Data, FieldPath, Timestamp
from penstock.ports import Message, Ports


class Image(NamedTuple):
    """A document as it stood: both None where there was none."""

    data: Data | None
    time: Timestamp | None

    @property
    def fields(self) -> Data:
        return self.data or {}


@dataclass(frozen=True)
class Landed:
    """One commit of the product that was applied: each document that it named, before and after."""

    at: Timestamp
    writes: tuple[Write, ...]
    before: Mapping[str, Image]
    after: Mapping[str, Image]
    store: MemoryStore  # that it was applied to
    judged: dict[str, Any] = field(default_factory=dict)  # what a judge found out and others ask too

    @cached_property
    def _changed(self) -> dict[str, list[tuple[str, Image, Image]]]:
        found: dict[str, list[tuple[str, Image, Image]]] = {}
        for path, after in self.after.items():
            if after.time != (before := self.before[path]).time:
                found.setdefault(path.partition("/")[0], []).append((path, before, after))
        return found

    def of(self, collection: str) -> list[tuple[str, Image, Image]]:
        """(path, before, after) of the documents of one of our collections that changed."""
        return self._changed.get(collection, [])

    @cached_property
    def production(self) -> list[str]:
        """The paths that are not ours."""
        return [path for path in self.after if not is_ours(path)]

    @cached_property
    def ledger(self) -> str:
        """The path of the pack that this commit promoted; "" where it promoted none."""
        packs = (
            path
            for path, before, after in self.of(layout.STAGING)
            if after.fields.get("ledger") and not before.fields.get("ledger")
        )
        return next(packs, "")


@dataclass(frozen=True, slots=True)
class Shown:
    """A pack as people saw it when the review was opened."""

    changes: Mapping[str, Change]
    findings: Mapping[str, Sequence[Finding]]
    carried: Mapping[str, Mapping[str, str]]


@dataclass
class Journal:
    """Sits between the faults and the services. `judge` is called with each commit as it was applied."""

    judge: Any = None
    landed: list[Landed] = field(default_factory=list)
    shown: dict[str, dict[str, Shown]] = field(default_factory=dict)  # batch → path of a pack → what it showed
    broken: list[str] = field(default_factory=list)
    mail_is_down: bool = False
    asked: list[tuple[str, Query | tuple[FieldPath, ...] | None]] = field(default_factory=list)  # what was asked of a source
    meanwhile: Callable[[], None] | None = None  # happens once, right before production is written
    between: bool = False  # that happens now
    afterwards: Callable[[], None] | None = None  # happens once, right after production was written
    fuses: dict[str, int] = field(default_factory=dict)  # project → so many commits more, and its database answers nobody

    def wrap(self, ports: Ports, sources: Collection[str]) -> Ports:
        """`sources` are the projects that are read and never written."""
        return dataclasses.replace(
            ports, stores=_Stores(self, ports, sources), mailer=_Mailer(self, ports), publisher=_Publisher(self, ports)
        )

    def demand_up(self, project: str) -> None:
        if self.fuses.get(project) == 0:
            raise Unavailable("does not answer", subject=project, remedy="Mend the database; all goes on by itself.")


@dataclass(frozen=True)
class _Stores:
    journal: Journal
    ports: Ports
    sources: Collection[str]

    def open(self, project: str, database: str) -> _Store:
        return _Store(self.journal, self.ports.stores.open(project, database), project, project in self.sources)  # type: ignore[arg-type]


def is_ours(path: str) -> bool:
    return path.startswith("penstock_")


def image(store: MemoryStore, path: str) -> Image:
    """What stands at a path now, past the meter."""
    version = store._version(path, None)
    return Image(version.data, version.time) if version else Image(None, None)


def versions(store: MemoryStore, path: str) -> list[Image]:
    """All that ever stood at a path."""
    return [Image(version.data, version.time) for version in store._versions.get(path, ())]


def images(store: MemoryStore, collection: str, prefix: str = "") -> dict[str, Image]:
    """What stands in a collection now, by path."""
    start = f"{collection}/{prefix}"
    found = {path: image(store, path) for path in store._paths.get(collection, ()) if path.startswith(start)}
    return {path: there for path, there in found.items() if there.data is not None}


def showing(pack: Data, of_batch: Sequence[Finding]) -> Shown:
    changes = {change.key: change for change in decode_changes(expand(pack["payload"]))}
    findings: dict[str, list[Finding]] = {}
    own = decode_findings(expand(pack["findings"])) if pack.get("findings") else []
    for finding in (*own, *of_batch):
        if finding.key in changes:
            findings.setdefault(finding.key, []).append(finding)
    return Shown(changes, findings, json.loads(pack.get("carried") or "{}"))


class _Store:
    def __init__(self, journal: Journal, inner: MemoryStore, project: str, source: bool) -> None:
        self._journal, self.inner, self._project, self._source = journal, inner, project, source

    @property
    def bill(self) -> Bill:
        return self.inner.bill

    def full_name(self, path: str) -> str:
        return self.inner.full_name(path)

    def get(
        self, paths: Sequence[str], read_time: Timestamp | None = None, select: tuple[FieldPath, ...] | None = None
    ) -> list[Snapshot]:
        self._journal.demand_up(self._project)
        if self._source:
            self._journal.asked.append((", ".join(paths), select))
        return self.inner.get(paths, read_time, select)

    def scan(self, query: Query, read_time: Timestamp | None = None) -> Iterator[Snapshot]:
        self._journal.demand_up(self._project)
        if self._source:
            self._journal.asked.append((query.collection, () if query.names_only else query.select))
        return self.inner.scan(query, read_time)

    def count(self, query: Query, read_time: Timestamp | None = None) -> int:
        self._journal.demand_up(self._project)
        return self.inner.count(query, read_time)

    def prepare(self, write: Set | Update, entries: Data | None = None) -> Prepared:
        return self.inner.prepare(write, entries)

    def commit(self, writes: Sequence[Write]) -> Timestamp:
        paths = [write.path for write in writes]
        self._journal.demand_up(self._project)
        if self._project in self._journal.fuses:
            self._journal.fuses[self._project] -= 1
        if self._journal.meanwhile is not None and not all(map(is_ours, paths)):
            happens, self._journal.meanwhile = self._journal.meanwhile, None
            self._journal.between = True
            happens()
            self._journal.between = False
        before = {path: image(self.inner, path) for path in paths}
        at = self.inner.commit(writes)
        landed = Landed(at, tuple(writes), before, {path: image(self.inner, path) for path in paths}, self.inner)
        self._journal.landed.append(landed)
        if self._source:
            self._journal.broken.append(f"a source was written: {paths}")
        for path, was, now in landed.of(layout.BATCHES):
            if now.fields["status"] == "UNDER_REVIEW" and was.fields.get("status") != "UNDER_REVIEW":
                id = path.partition("/")[2]
                of_batch = decode_findings(expand(now.fields["batch_findings"]))
                packs = images(self.inner, layout.STAGING, f"{id}.")
                self._journal.shown[id] = {pack: showing(there.fields, of_batch) for pack, there in packs.items()}
        if self._journal.judge is not None:
            self._journal.judge(landed)
        if self._journal.afterwards is not None and landed.ledger and landed.production:
            happens, self._journal.afterwards = self._journal.afterwards, None
            happens()
        return at


@dataclass(frozen=True)
class _Mailer:
    journal: Journal
    ports: Ports

    def send(self, message: Message) -> None:
        if self.journal.mail_is_down:
            raise Unavailable("refuses connections", subject="mail server", remedy="Mend it; mails go out by themselves.")
        if self.journal.judge is not None:
            self.journal.judge(message)
        self.ports.mailer.send(message)


@dataclass(frozen=True)
class _Publisher:
    journal: Journal
    ports: Ports

    def publish(self, topic: str, messages: Sequence[Mapping[str, str]]) -> None:
        for message in messages:
            if self.journal.judge is not None:
                self.journal.judge((topic, message))
        self.ports.publisher.publish(topic, messages)
