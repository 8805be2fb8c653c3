"""The ports as far as an entry point's grant goes. Firestore grants by database, not by collection: what lies in one database
and is not for everybody, production beside our own records, is kept apart here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from penstock.core import layout
from penstock.core.declaration import Pipeline
from penstock.core.errors import Denied
from penstock.core.records import ABSENT, Bill, Precondition, Prepared, Query, Set, Snapshot, Update, Write
from penstock.core.values import Data, FieldPath, Timestamp
from penstock.ports import Blobs, Mailer, Message, Ports, Publisher, Store, Stores

SOURCE, PRODUCTION, DEPENDENTS = "source", "production", "dependents"  # beside the names of our own collections
PLACE = "place"  # of a document of dependents: the fields in which it stores what it hangs under
MAIL = "mail"
Places = Mapping[str, str]  # of one database: what a collection is, by its path
Fields = Mapping[str, frozenset[FieldPath]]  # of one database, by a collection's path

_ANYTHING = Precondition()


@dataclass(frozen=True, slots=True)
class Grant:
    """What one entry point may do, and no more. Collections: `SOURCE`, `PRODUCTION`, `DEPENDENTS`, or one of ours. `write` of a
    collection is everything; of `new collection` it is documents that are not there yet, of `collection.field` that field of
    documents that are; of `dependents.place` those of their fields that a declaration names. Objects by the beginning of their
    names, up to the first slash."""

    name: str
    read: frozenset[str] = frozenset()
    write: frozenset[str] = frozenset()
    fetch: frozenset[str] = frozenset()  # objects
    store: frozenset[str] = frozenset()  # objects
    publish: frozenset[str] = frozenset()  # topics
    send: frozenset[str] = frozenset()  # `MAIL`

    def allows(self, verb: str, what: str) -> bool:
        named: frozenset[str] = getattr(self, verb)
        return what in named

    def demand(self, verb: str, what: str) -> None:
        """Raises `Denied`."""
        if not self.allows(verb, what):
            raise Denied(
                f"may not {verb} {what}",
                subject=f"the entry point `{self.name}`",
                remedy="Nothing was done. Mend what reached for it, or grant it in privileges.py and infra/iam.tf.",
            )


def confined(ports: Ports, pipelines: Iterable[Pipeline], grant: Grant) -> Ports:
    pipelines = list(pipelines)
    return replace(
        ports,
        stores=_Stores(ports.stores, _places(pipelines, ports.project_ids), _fields(pipelines, ports.project_ids), grant),
        blobs=_Blobs(ports.blobs, grant),
        publisher=_Publisher(ports.publisher, grant),
        mailer=_Mailer(ports.mailer, grant),
    )


def _places(pipelines: Iterable[Pipeline], ids: Mapping[str, str]) -> dict[tuple[str, str], dict[str, str]]:
    """What lies where, by (project id, database). A name without a project id is told by whoever opens its database."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for pipeline in pipelines:
        for source in pipeline.sources.values():
            found.setdefault((ids.get(source.project, ""), source.database), {})[source.collection] = SOURCE
        for target in pipeline.targets:
            there = found.setdefault((ids.get(target.project, ""), target.database), {})
            there |= {target.prefix + entity.collection: PRODUCTION for entity in pipeline.entities}
            dependents = (d for entity in pipeline.entities if entity.tree for d in entity.tree.dependents)
            there |= {target.prefix + d.collection: DEPENDENTS for d in dependents}
            there |= {collection: collection for collection in layout.OURS}
        if pipeline.hub is not None:
            there = found.setdefault((ids.get(pipeline.hub.project, ""), pipeline.hub.database), {})
            there |= {collection: collection for collection in layout.OF_HUBS}
    return found


def _fields(pipelines: Iterable[Pipeline], ids: Mapping[str, str]) -> dict[tuple[str, str], dict[str, frozenset[FieldPath]]]:
    """Of dependents, the fields in which they store what they hang under."""
    found: dict[tuple[str, str], dict[str, frozenset[FieldPath]]] = {}
    for pipeline in pipelines:
        dependents = [d for entity in pipeline.entities if entity.tree for d in entity.tree.dependents]
        for target in pipeline.targets:
            there = found.setdefault((ids.get(target.project, ""), target.database), {})
            there |= {target.prefix + d.collection: frozenset((d.path, *d.chain)) for d in dependents}
    return found


@dataclass
class _Stores:
    stores: Stores
    places: Mapping[tuple[str, str], Places]
    fields: Mapping[tuple[str, str], Fields]
    grant: Grant
    _open: dict[tuple[str, str], Store] = field(default_factory=dict)

    def open(self, project: str, database: str) -> Store:
        at = (project, database)
        if at not in self._open:
            of = self.places.get(at, {}), self.fields.get(at, {})
            self._open.setdefault(at, _Store(self.stores.open(project, database), *of, self.grant))
        return self._open[at]


@dataclass(frozen=True)
class _Store:
    store: Store
    places: Places
    fields: Fields
    grant: Grant

    def get(
        self, paths: Sequence[str], read_time: Timestamp | None = None, select: tuple[FieldPath, ...] | None = None
    ) -> list[Snapshot]:
        self._demand("read", {path.rpartition("/")[0] for path in paths})
        return self.store.get(paths, read_time, select)

    def scan(self, query: Query, read_time: Timestamp | None = None) -> Iterator[Snapshot]:
        self._demand("read", {query.collection})
        return self.store.scan(query, read_time)

    def count(self, query: Query, read_time: Timestamp | None = None) -> int:
        self._demand("read", {query.collection})
        return self.store.count(query, read_time)

    def commit(self, writes: Sequence[Write]) -> Timestamp:
        for collection in {write.path.rpartition("/")[0] for write in writes}:
            place = self._place(collection)
            if not self.grant.allows("write", place):
                of_it = [w for w in writes if w.path.rpartition("/")[0] == collection]
                for what in _written(place, of_it, self.fields.get(collection, frozenset())):
                    self.grant.demand("write", what)
        return self.store.commit(writes)

    def prepare(self, write: Set | Update, entries: Data | None = None) -> Prepared:
        return self.store.prepare(write, entries)

    @property
    def bill(self) -> Bill:
        return self.store.bill

    def full_name(self, path: str) -> str:
        return self.store.full_name(path)

    def _demand(self, verb: str, collections: Iterable[str]) -> None:
        for collection in collections:
            self.grant.demand(verb, self._place(collection))

    def _place(self, collection: str) -> str:
        return self.places.get(collection) or f"the collection {collection[:100]!r}, which no pipeline names,"


def _written(place: str, writes: Iterable[Write], known: frozenset[FieldPath]) -> Iterator[str]:
    """What must be allowed where not everything is. Of dependents, fields that are `known` are their place."""
    for write in writes:
        held = write.precondition or _ANYTHING
        if isinstance(write, Update) and not write.prepared and (held.exists or held.update_time):
            yield from (f"{place}.{PLACE if path in known else path[0]}" for path in write.mask)
        else:
            yield f"new {place}" if isinstance(write, Set) and held == ABSENT else place


@dataclass(frozen=True)
class _Blobs:
    blobs: Blobs
    grant: Grant

    def write(self, name: str, content: bytes, content_type: str, *, replace: bool = False) -> bool:
        self.grant.demand("store", _start(name))
        return self.blobs.write(name, content, content_type, replace=replace)

    def read(self, name: str) -> bytes:
        self.grant.demand("fetch", _start(name))
        return self.blobs.read(name)

    def names(self, prefix: str) -> list[str]:
        self.grant.demand("fetch", _start(prefix))
        return self.blobs.names(prefix)

    def url(self, name: str) -> str:
        return self.blobs.url(name)


def _start(name: str) -> str:
    return name[: name.find("/") + 1]


@dataclass(frozen=True)
class _Publisher:
    publisher: Publisher
    grant: Grant

    def publish(self, topic: str, messages: Sequence[Mapping[str, str]]) -> None:
        self.grant.demand("publish", topic)
        self.publisher.publish(topic, messages)


@dataclass(frozen=True)
class _Mailer:
    mailer: Mailer
    grant: Grant

    def send(self, message: Message) -> None:
        self.grant.demand("send", MAIL)
        self.mailer.send(message)
