"""The store on Firestore, over gRPC and protobuf. Nothing is retried but what is safe to send twice: reads always, commits only
when the server says that it did nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import grpc
from google.api_core.gapic_v1.routing_header import to_grpc_metadata

from penstock.adapters import firestore_errors as errors
from penstock.adapters import firestore_proto as proto
from penstock.adapters import firestore_wire as wire
from penstock.adapters.firestore_channel import OPTIONS as OPTIONS  # benches open channels like ours
from penstock.adapters.firestore_channel import Rpcs
from penstock.adapters.meter import Meter
from penstock.core import limits
from penstock.core.errors import Incomplete, PenstockError
from penstock.core.ordering import key
from penstock.core.query_limits import check_query
from penstock.core.records import NAME, Bill, Cursor, Prepared, Query, Set, Snapshot, Update, Write
from penstock.core.values import Data, FieldPath, Timestamp, Value, get_in

COMMIT_SECONDS = 60.0
GET_SECONDS = 60.0
PAGE_SECONDS = 300.0  # of one page of a scan, its consumer's own time included; a page cut short resumes
GET_AT_ONCE = 1_000


class FirestoreStores:
    """Opens stores that share one channel, made on first use. `emulator_host` ("host:port") goes there without credentials."""

    def __init__(self, emulator_host: str | None = None) -> None:
        self._emulator_host = emulator_host
        self._lock = threading.Lock()
        self._rpcs: Rpcs | None = None
        self._stores: dict[tuple[str, str], FirestoreStore] = {}

    def open(self, project: str, database: str) -> FirestoreStore:
        with self._lock:
            if self._rpcs is None:
                self._rpcs = Rpcs(self._emulator_host)
            if (project, database) not in self._stores:
                self._stores[project, database] = FirestoreStore(self._rpcs, project, database)
            return self._stores[project, database]

    def close(self) -> None:
        """Close the channel; stores that were opened are of no use then."""
        with self._lock:
            if self._rpcs is not None:
                self._rpcs.channel.close()
            self._rpcs = None
            self._stores.clear()


class FirestoreStore:
    """One Firestore database (ports.Store)."""

    def __init__(self, rpcs: Rpcs, project: str, database: str) -> None:
        self._rpcs = rpcs
        self._database = f"projects/{project}/databases/{database}"
        self._documents = f"{self._database}/documents"
        self._prefix = len(self._documents) + 1
        self._meter = Meter()
        self._metadata = (
            *rpcs.credentials,
            ("google-cloud-resource-prefix", self._database),
            _route("database", self._database),
        )

    @property
    def bill(self) -> Bill:
        return self._meter.bill

    def full_name(self, path: str) -> str:
        return f"{self._documents}/{path}"

    def _parent(self, collection: str) -> tuple[str, tuple[tuple[str, str], ...]]:
        """The parent of a collection, and the metadata that routes a query there."""
        above = collection.rpartition("/")[0]
        parent = f"{self._documents}/{above}" if above else self._documents
        return parent, (*self._metadata[:-1], _route("parent", parent))

    # reads ----------------------------------------------------------------------------------------------------------

    def get(
        self, paths: Sequence[str], read_time: Timestamp | None = None, select: tuple[FieldPath, ...] | None = None
    ) -> list[Snapshot]:
        limits.check_get(paths, read_time, select)
        found: dict[str, Snapshot] = {}
        wanted = list(dict.fromkeys(paths))
        for start in range(0, len(wanted), GET_AT_ONCE):
            chunk = wanted[start : start + GET_AT_ONCE]
            found |= self._get(chunk, read_time, select)
        return [found[path] for path in paths]

    def _get(self, paths: list[str], read_time: Timestamp | None, select: tuple[FieldPath, ...] | None) -> dict[str, Snapshot]:
        request = proto.BatchGetDocumentsRequest(database=self._database, documents=[self.full_name(path) for path in paths])
        _pin(request, read_time)
        if select is not None:
            request.mask.SetInParent()
            request.mask.field_paths.extend([proto.field_path(path) for path in select] or ["__name__"])
        subject = f"{len(paths)} documents from {paths[0]} on"

        def call() -> dict[str, Snapshot]:
            self._meter.call()
            found: dict[str, Snapshot] = {}
            for answer in self._rpcs.batch_get(request, metadata=self._metadata, timeout=GET_SECONDS):
                if answer.HasField("found"):
                    path = answer.found.name[self._prefix :]
                    found[path] = proto.ProtoSnapshot(path, answer.found)
                elif answer.missing:
                    path = answer.missing[self._prefix :]
                    found[path] = Snapshot(path, None, None)
            return found

        found = errors.attempt(call, errors.retriable_read, lambda error: errors.read_error(error, subject))
        if len(found) != len(paths):
            raise Incomplete(f"{len(found)} were answered", subject=subject, remedy="Read again.")
        for path in paths:
            self._meter.get(path)
        return found

    def scan(self, query: Query, read_time: Timestamp | None = None) -> Iterator[Snapshot]:
        check_query(query)
        limits.check_read_time(read_time)
        return self._scan(query, read_time)

    def _scan(self, query: Query, read_time: Timestamp | None) -> Iterator[Snapshot]:
        parent, metadata = self._parent(query.collection)
        request = proto.RunQueryRequest(parent=parent)
        structured = request.structured_query
        proto.structured_query(structured, query, self._documents)
        _pin(request, read_time)
        page = _Page(query, self._prefix)
        left = query.limit
        failures = 0
        while True:
            want = limits.MAX_PAGE if left is None else min(left, limits.MAX_PAGE)
            structured.limit.value = want
            if page.last is not None:
                proto.put_cursor(structured, page.last, query.order_by, self._documents)
            self._meter.call()
            call = self._rpcs.run_query(request, metadata=metadata, timeout=PAGE_SECONDS)
            got, ended = 0, False
            try:
                for snapshot in page.read(call):
                    got += 1
                    failures = 0
                    yield snapshot
                ended = True
            except grpc.RpcError as error:
                failures += 1
                if failures >= errors.ATTEMPTS or not errors.retriable_read(error):
                    raise self._cut(query, page, error) from error
                errors.pause(failures)
            finally:
                call.cancel()
                self._meter.reads(query.collection, max(got, 1) if ended else got)
            if got > want:
                raise Incomplete(f"{got} documents came in a page of {want}", subject=query.collection, remedy="Read again.")
            left = None if left is None else left - got
            if (ended and got < want) or left == 0:
                return

    def _cut(self, query: Query, page: _Page, error: grpc.RpcError) -> PenstockError:
        failed = errors.read_error(error, f"query over {query.collection}")
        if page.last == query.after or not errors.retriable_read(error):
            return failed
        what = f"broke off after {page.last.path}: {failed.what}" if page.last else failed.what
        return Incomplete(what, subject=failed.subject, remedy="Read again.")

    def count(self, query: Query, read_time: Timestamp | None = None) -> int:
        check_query(query)
        limits.check_read_time(read_time)
        parent, metadata = self._parent(query.collection)
        request = proto.RunAggregationQueryRequest(parent=parent)
        _pin(request, read_time)
        asked = request.structured_aggregation_query
        proto.structured_query(asked.structured_query, query, self._documents)
        asked.structured_query.ClearField("select")
        counted = asked.aggregations.add()
        counted.alias = "n"
        counted.count.SetInParent()

        def call() -> list[int]:
            self._meter.call()
            answers = self._rpcs.run_aggregation(request, metadata=metadata, timeout=GET_SECONDS)
            return [a.result.aggregate_fields["n"].integer_value for a in answers if "n" in a.result.aggregate_fields]

        subject = f"count over {query.collection}"
        answers = errors.attempt(call, errors.retriable_read, lambda error: errors.read_error(error, subject))
        if len(answers) != 1:
            raise Incomplete(f"{len(answers)} counts were answered", subject=subject, remedy="Count again.")
        self._meter.count(query.collection, answers[0])
        return answers[0]

    # writes ---------------------------------------------------------------------------------------------------------

    def commit(self, writes: Sequence[Write]) -> Timestamp:
        limits.check_writes(writes)
        request = wire.commit(self._database, [self._encoded(write) for write in writes])
        limits.check_request_size(len(request))
        subject = f"commit of {len(writes)} writes from {writes[0].path} on"

        def call() -> Any:
            self._meter.call()
            return self._rpcs.commit(request, metadata=self._metadata, timeout=COMMIT_SECONDS)

        answer = errors.attempt(call, errors.refused, lambda error: errors.commit_error(error, subject))
        self._meter.commit(writes)
        return proto.time_of(answer.commit_time)

    def prepare(self, write: Set | Update, entries: Data | None = None) -> Prepared:
        limits.check_writes([write])
        within = wire.entries_of(write.path, entries) if entries else b""
        if isinstance(write, Set):
            return Prepared(wire.fields_of(write.path, write.data), entries=within)
        return Prepared(wire.fields_of(write.path, limits.masked(write)), _mask(write.mask), within)

    def _encoded(self, write: Write) -> bytes:
        mask = _mask(write.mask) if isinstance(write, Update) else b""
        return wire.write(write, f"{self._documents}/{write.path}".encode(), mask)


@lru_cache(maxsize=1_024)
def _mask(of: tuple[FieldPath, ...]) -> bytes:
    return wire.mask_of([proto.field_path(path) for path in of])


def _route(name: str, resource: str) -> tuple[str, str]:
    """The header by which Google's front end finds the database."""
    header: tuple[str, str] = to_grpc_metadata(((name, resource),))  # type: ignore[no-untyped-call]
    return header


def _pin(request: Any, read_time: Timestamp | None) -> None:
    if read_time is not None:
        request.read_time.seconds = read_time.seconds
        request.read_time.nanos = read_time.nanos


class _Page:
    """Reads one page after the other and holds the stream to its order: by the ordering field, then by name, never twice."""

    def __init__(self, query: Query, prefix: int) -> None:
        self._query = query
        self._prefix = prefix
        self._by_name = query.order_by == NAME
        self._hide = query.select is not None and not self._by_name and not proto.selects(query.select, query.order_by)
        self._decode = query.select is not None and not self._hide  # what is asked for is looked at: while the next one comes
        self._value: Value
        self._value, self._path = (query.after.value, query.after.path) if query.after else (None, "")

    @property
    def last(self) -> Cursor | None:
        """Where to go on; None at the start."""
        return Cursor(self._value, self._path) if self._path else None

    def read(self, call: Any) -> Iterator[Snapshot]:
        prefix, by_name, order_by, names_only = self._prefix, self._by_name, self._query.order_by, self._query.names_only
        before = key(self._value) if self._path and not by_name else ()
        for answer in call:
            document = answer.document
            path = document.name[prefix:]
            if not path:
                continue  # progress without a document
            rising = path > self._path
            snapshot = proto.names_of(path, document) if names_only else proto.ProtoSnapshot(path, document)
            if not by_name:
                if self._decode:
                    self._value = get_in(snapshot.fields, order_by)
                else:
                    self._value = proto.take_at(document.fields, order_by)
                here = key(self._value)
                rising = here > before or (rising and here == before)
                before = here
                if self._hide:
                    proto.drop_at(document.fields, order_by)
            if not rising:
                raise Incomplete(f"{path} was answered out of order", subject=self._query.collection, remedy="Read again.")
            self._path = path
            yield snapshot
