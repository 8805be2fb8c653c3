"""Releases as something to read from: what a target asks of a shared source is answered from what was read of it once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

from penstock.core.matching import matcher
from penstock.core.ordering import key
from penstock.core.records import NAME, Query, Snapshot
from penstock.core.release import Document, Release
from penstock.core.values import Data, FieldPath, Timestamp, get_in


class _Released(Snapshot):
    """A document of a release, with the fingerprint that it had when it was read."""

    __slots__ = ("_fingerprint",)

    def __init__(self, path: str, document: Document, at: Timestamp) -> None:
        super().__init__(path, document.fields, at)
        self._fingerprint = document.entry.fingerprint

    @property
    def fingerprint(self) -> str:
        return self._fingerprint


class ReleaseStore:
    """The documents of several releases as one collection, read when they are first asked for. Whatever moment is asked for, they
    are what they are; and of a document all is given that was read, whatever is selected. A document that moved from one
    partition to another between the two readings is taken from the later one."""

    def __init__(self, collection: str, releases: Sequence[Release], load: Callable[[Release], dict[str, Document]]) -> None:
        self._collection, self._releases, self._load = collection, releases, load

    @cached_property
    def _documents(self) -> dict[str, Snapshot]:
        found: dict[str, Snapshot] = {}
        for release in sorted(self._releases, key=lambda release: release.at):
            for id, document in self._load(release).items():
                path = f"{self._collection}/{id}"
                found[path] = _Released(path, document, release.at)
        return dict(sorted(found.items()))

    def get(  # the port's arguments
        self,
        paths: Sequence[str],
        read_time: Timestamp | None = None,  # noqa: ARG002
        select: tuple[FieldPath, ...] | None = None,  # noqa: ARG002
    ) -> list[Snapshot]:
        return [self._documents.get(path) or Snapshot(path, None, None) for path in paths]

    def scan(self, query: Query, read_time: Timestamp | None = None) -> Iterator[Snapshot]:  # noqa: ARG002
        found = list(self._found(query))
        if query.order_by != NAME:
            found.sort(key=lambda snapshot: (key(get_in(snapshot.fields, query.order_by)), snapshot.path))
        for snapshot in found[: query.limit]:
            names: Data = dict.fromkeys(snapshot.fields)
            yield Snapshot(snapshot.path, names, snapshot.update_time) if query.names_only else snapshot

    def count(self, query: Query, read_time: Timestamp | None = None) -> int:  # noqa: ARG002
        return sum(1 for _ in self._found(query))

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
