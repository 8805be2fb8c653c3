"""Releases as something to read from: what a target asks of a shared source is answered from what was read of it once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import islice

from penstock.core.declaration import ChangeCursor
from penstock.core.manifest import Entry
from penstock.core.matching import matcher
from penstock.core.ordering import key
from penstock.core.records import NAME, Query, Snapshot
from penstock.core.release import Document, Release
from penstock.core.values import FieldPath, Timestamp, Value, get_in
from penstock.core.watermark import stamp_of


class _Released(Snapshot):
    """A document of a release, with the fingerprint that it had when it was read."""

    __slots__ = ("_fingerprint",)

    def __init__(self, path: str, document: Document, at: Timestamp) -> None:
        super().__init__(path, document.fields, at)
        self._fingerprint = document.entry.fingerprint

    @property
    def fingerprint(self) -> str:
        return self._fingerprint


@dataclass(frozen=True)
class _Loaded:
    """Releases, the eldest first, and what each holds: a release has one content."""

    collection: str
    releases: tuple[Release, ...]
    documents: tuple[Mapping[str, Document], ...] = field(compare=False)


class _Contents:
    """What several releases hold together, and what was told of it already."""

    def __init__(self, of: _Loaded) -> None:
        found: dict[str, Snapshot] = {}
        self.entries: dict[str, Entry] = {}
        for release, documents in zip(of.releases, of.documents, strict=True):
            for id, document in documents.items():
                path = f"{of.collection}/{id}"
                found[path] = _Released(path, document, release.at)
            self.entries |= {id: document.entry for id, document in documents.items()}
        self.documents = dict(sorted(found.items()))
        self.counts: dict[str, int] = {}  # by query as text: equal values of two types ask for other documents
        self.stamps: dict[ChangeCursor, Counter[Value]] = {}


_told = lru_cache(maxsize=4)(_Contents)  # many targets take the same releases one after the other


class ReleaseStore:
    """The documents of several releases as one collection, read when they are first asked for. Whatever moment is asked for, they
    are what they are; and of a document all is given that was read, whatever is selected. A document that moved from one
    partition to another between the two readings is taken from the later one."""

    def __init__(self, collection: str, releases: Sequence[Release], load: Callable[[Release], dict[str, Document]]) -> None:
        self._collection, self._releases, self._load = collection, releases, load

    @cached_property
    def _contents(self) -> _Contents:
        releases = tuple(sorted(self._releases, key=lambda release: release.at))
        return _told(_Loaded(self._collection, releases, tuple(map(self._load, releases))))

    @property
    def _documents(self) -> Mapping[str, Snapshot]:
        return self._contents.documents

    @property
    def entries(self) -> Mapping[str, Entry]:
        """By document id, what is remembered of each record."""
        return self._contents.entries

    def stamps(self, cursor: ChangeCursor) -> Counter[Value]:
        """How many records carry each stamp; None: no moment."""
        of = self._contents.stamps
        if cursor not in of:
            of[cursor] = Counter(stamp_of(cursor, document.fields) for document in self._documents.values())
        return of[cursor]

    def get(  # the port's arguments
        self,
        paths: Sequence[str],
        read_time: Timestamp | None = None,  # noqa: ARG002
        select: tuple[FieldPath, ...] | None = None,  # noqa: ARG002
    ) -> list[Snapshot]:
        return [self._documents.get(path) or Snapshot(path, None, None) for path in paths]

    def scan(self, query: Query, read_time: Timestamp | None = None) -> Iterator[Snapshot]:  # noqa: ARG002
        found = self._found(query)
        if query.order_by != NAME:
            found = iter(sorted(found, key=lambda snapshot: (key(get_in(snapshot.fields, query.order_by)), snapshot.path)))
        some = islice(found, query.limit)
        return (Snapshot(s.path, dict.fromkeys(s.fields), s.update_time) for s in some) if query.names_only else some

    def count(self, query: Query, read_time: Timestamp | None = None) -> int:  # noqa: ARG002
        known, asked = self._contents.counts, repr(query)
        if asked not in known:
            known[asked] = sum(1 for _ in self._found(query))
        return known[asked]

    def _found(self, query: Query) -> Iterator[Snapshot]:
        there, absent = self._documents if query.collection == self._collection else {}, object()
        if not query.where and query.order_by == NAME:
            yield from there.values()
            return
        matches = matcher(query.where, "")
        for path, snapshot in there.items():
            ordered = query.order_by == NAME or get_in(snapshot.fields, query.order_by, absent) is not absent
            if ordered and matches(snapshot.fields, path):
                yield snapshot
