"""The Firestore adapter against a gRPC server that fails as told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from penstock.adapters import firestore_errors
from penstock.adapters import firestore_proto as proto
from penstock.adapters.firestore import FirestoreStore, FirestoreStores
from penstock.core import limits
from penstock.core.errors import Conflict, Incomplete, InvalidInput, NoDatabase, OutcomeUnknown, PenstockError, Unavailable
from penstock.core.records import ABSENT, Query, Set
from penstock.core.values import Timestamp

Code = grpc.StatusCode
ROOT = "projects/p/databases/tenant-nepal"
Step = Callable[[Any, grpc.ServicerContext], Iterator[Any]]


class Server:
    """Answers each call by the next step of its script and remembers the requests and their metadata."""

    def __init__(self) -> None:
        self.script: list[Step] = []
        self.requests: list[Any] = []
        self.metadata: list[dict[str, str]] = []

    def stream(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        yield from self.script.pop(0)(request, context)

    def unary(self, request: Any, context: grpc.ServicerContext) -> Any:
        return next(self.stream(request, context))


def fails(code: grpc.StatusCode, details: str = "as told") -> Step:
    def step(_request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        context.abort(code, details)
        yield

    return step


def answers(*names: str, then: grpc.StatusCode | None = None) -> Step:
    def step(_request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        for name in names:
            answer = proto.RunQueryResponse()
            answer.document.name = f"{ROOT}/documents/c/{name}"
            answer.document.fields["v"].integer_value = ord(name[0])
            yield answer
        if then is not None:
            context.abort(then, "cut")

    return step


def commits(_request: Any, _context: grpc.ServicerContext) -> Iterator[Any]:
    answer = proto.CommitResponse()
    answer.commit_time.seconds = 7
    yield answer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, FirestoreStore]]:
    monkeypatch.setattr(firestore_errors.time, "sleep", lambda seconds: None)
    fake = Server()
    stream, unary = grpc.unary_stream_rpc_method_handler, grpc.unary_unary_rpc_method_handler
    calls = {
        "RunQuery": (stream, fake.stream, proto.RunQueryRequest, proto.RunQueryResponse),
        "RunAggregationQuery": (stream, fake.stream, proto.RunAggregationQueryRequest, proto.RunAggregationQueryResponse),
        "BatchGetDocuments": (stream, fake.stream, proto.BatchGetDocumentsRequest, proto.BatchGetDocumentsResponse),
        "Commit": (unary, fake.unary, proto.CommitRequest, proto.CommitResponse),
    }
    handlers = {
        name: make(call, request_deserializer=request.FromString, response_serializer=response.SerializeToString)
        for name, (make, call, request, response) in calls.items()
    }
    running = grpc.server(futures.ThreadPoolExecutor(2))
    running.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("google.firestore.v1.Firestore", handlers),))
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    stores = FirestoreStores(f"127.0.0.1:{port}")
    yield fake, stores.open("p", "tenant-nepal")
    stores.close()
    running.stop(None).wait()


Fixture = tuple[Server, FirestoreStore]
WRITE = [Set("c/a", {"v": 1}, ABSENT)]


@pytest.mark.parametrize("code", sorted(firestore_errors.LOST, key=str))
def test_a_commit_whose_answer_is_lost_is_never_sent_again(server: Fixture, code: grpc.StatusCode) -> None:
    fake, store = server
    fake.script = [fails(code), commits]
    with pytest.raises(OutcomeUnknown):
        store.commit(WRITE)
    assert len(fake.requests) == 1
    assert store.bill.writes == 0


@pytest.mark.parametrize("code", sorted(firestore_errors.REFUSED, key=str))
def test_a_commit_that_the_server_refused_goes_again_and_again_and_then_gives_up(server: Fixture, code: grpc.StatusCode) -> None:
    fake, store = server
    fake.script = [fails(code), fails(code), commits]
    assert store.commit(WRITE) == Timestamp(7)
    assert (len(fake.requests), store.bill.rpcs, store.bill.writes) == (3, 3, 1)
    fake.script = [fails(code)] * firestore_errors.ATTEMPTS
    with pytest.raises(Unavailable):
        store.commit(WRITE)
    assert fake.script == []


@pytest.mark.parametrize(
    ("code", "details", "kind"),
    [
        (Code.FAILED_PRECONDITION, "stored version differs", Conflict),
        (Code.ALREADY_EXISTS, "exists", Conflict),
        (Code.NOT_FOUND, "no entity to update", Conflict),
        (Code.NOT_FOUND, "The database tenant-nepal does not exist for project p", NoDatabase),
        (Code.INVALID_ARGUMENT, "Invalid base version, it is greater than the stored version: c/a", Conflict),
        (Code.INVALID_ARGUMENT, "bad", InvalidInput),
        (Code.RESOURCE_EXHAUSTED, "gRPC message exceeds maximum size 4194304: 5000000", InvalidInput),
        (Code.PERMISSION_DENIED, "Missing or insufficient permissions.", PenstockError),
        (Code.UNAUTHENTICATED, "no", PenstockError),
    ],
)
def test_an_answer_that_asking_again_does_not_mend_is_told_at_once(
    server: Fixture, code: grpc.StatusCode, details: str, kind: type[PenstockError]
) -> None:
    fake, store = server
    fake.script = [fails(code, details)]
    with pytest.raises(PenstockError) as told:
        store.commit(WRITE)
    assert type(told.value) is kind
    assert details in told.value.what
    assert told.value.remedy
    assert len(fake.requests) == 1


def test_a_commit_says_every_document_field_and_precondition(server: Fixture) -> None:
    fake, store = server
    fake.script = [commits]
    store.commit(WRITE)
    (request,) = fake.requests
    assert request.database == ROOT
    (write,) = request.writes
    assert write.update.name == f"{ROOT}/documents/c/a"
    assert write.update.fields["v"].integer_value == 1
    assert write.current_document.HasField("exists")
    assert not write.current_document.exists


def test_calls_are_routed_to_their_database_and_their_parent(server: Fixture) -> None:
    fake, store = server
    fake.script = [commits, answers(), answers()]
    store.commit(WRITE)
    list(store.scan(Query("c")))
    list(store.scan(Query("tenants/a b/c")))
    routes = [m["x-goog-request-params"] for m in fake.metadata]
    assert routes == [f"database={ROOT}", f"parent={ROOT}/documents", f"parent={ROOT}/documents/tenants/a+b"]
    assert {(m["google-cloud-resource-prefix"], m["authorization"]) for m in fake.metadata} == {(ROOT, "Bearer owner")}


@pytest.mark.parametrize("code", sorted(firestore_errors.LOST | firestore_errors.REFUSED, key=str))
def test_a_scan_that_is_cut_goes_on_behind_the_last_document_at_the_same_moment(server: Fixture, code: grpc.StatusCode) -> None:
    fake, store = server
    fake.script = [fails(code), answers("a", "b", then=code), fails(code), answers("c", then=code), answers("d")]
    moment = Timestamp(1_750_000_000, 5_000)
    assert [s.id for s in store.scan(Query("c", limit=9), moment)] == ["a", "b", "c", "d"]
    starts = [[v.reference_value[-1] for v in r.structured_query.start_at.values] for r in fake.requests]
    assert starts == [[], [], ["b"], ["b"], ["c"]]
    assert [r.structured_query.limit.value for r in fake.requests] == [9, 9, 7, 7, 6]
    assert {(r.read_time.seconds, r.read_time.nanos) for r in fake.requests} == {(1_750_000_000, 5_000)}
    assert (store.bill.reads, store.bill.rpcs) == (4, 5)


def test_a_scan_that_stays_cut_is_incomplete_and_never_a_short_answer(server: Fixture) -> None:
    fake, store = server
    fake.script = [answers("a", then=Code.UNAVAILABLE), *[fails(Code.UNAVAILABLE)] * (firestore_errors.ATTEMPTS - 1)]
    scan = store.scan(Query("c"))
    assert next(scan).id == "a"
    with pytest.raises(Incomplete, match="after c/a"):
        next(scan)
    assert fake.script == []


def test_a_scan_that_never_begins_is_unavailable(server: Fixture) -> None:
    fake, store = server
    fake.script = [fails(Code.UNAVAILABLE)] * firestore_errors.ATTEMPTS
    with pytest.raises(Unavailable):
        list(store.scan(Query("c")))
    assert fake.script == []


def test_a_scan_that_may_not_be_made_is_told_at_once(server: Fixture) -> None:
    fake, store = server
    fake.script = [fails(Code.FAILED_PRECONDITION, "The query requires an index.")]
    with pytest.raises(PenstockError, match=r"firestore\.indexes\.json"):
        list(store.scan(Query("c")))


@pytest.mark.parametrize("names", [("b", "a"), ("a", "a"), ("a", "c", "b")])
@pytest.mark.parametrize("order", [("__name__",), ("v",)])
def test_a_stream_out_of_order_or_with_a_repeat_is_not_believed(
    server: Fixture, names: tuple[str, ...], order: tuple[str, ...]
) -> None:
    fake, store = server
    fake.script = [answers(*names)]
    with pytest.raises(Incomplete):
        list(store.scan(Query("c", order_by=order)))


def test_a_page_longer_than_asked_for_is_not_believed(server: Fixture) -> None:
    fake, store = server
    fake.script = [answers("a", "b", "c")]
    with pytest.raises(Incomplete, match="3 documents"):
        list(store.scan(Query("c", limit=2)))


def test_a_page_repeated_by_the_server_is_not_believed(server: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PAGE", 2)
    fake, store = server
    fake.script = [answers("a", "b"), answers("a", "b")]
    with pytest.raises(Incomplete):
        list(store.scan(Query("c")))


def test_a_scan_that_nobody_finishes_bills_what_was_read(server: Fixture) -> None:
    fake, store = server
    fake.script = [answers("a", "b", "c")]
    scan = store.scan(Query("c"))
    next(scan)
    scan.close()  # type: ignore[attr-defined]
    assert store.bill.reads == 1


def test_a_get_is_asked_again_whole_and_is_incomplete_when_a_document_is_not_answered(server: Fixture) -> None:
    def found(*names: str) -> Step:
        def step(_request: Any, _context: grpc.ServicerContext) -> Iterator[Any]:
            for name in names:
                answer = proto.BatchGetDocumentsResponse()
                answer.found.name = f"{ROOT}/documents/c/{name}"
                yield answer

        return step

    fake, store = server
    fake.script = [fails(Code.UNAVAILABLE), found("b", "a")]
    assert [s.path for s in store.get(["c/a", "c/b"])] == ["c/a", "c/b"]
    assert (store.bill.reads, store.bill.rpcs) == (2, 2)
    fake.script = [found("a")]
    with pytest.raises(Incomplete):
        store.get(["c/a", "c/b"])
    fake.script = [fails(Code.PERMISSION_DENIED)]
    with pytest.raises(PenstockError, match=r"roles/datastore\.user"):
        store.get(["c/a"])
    fake.script = [fails(Code.INTERNAL)] * firestore_errors.ATTEMPTS
    with pytest.raises(Unavailable):
        store.get(["c/a"])


def test_a_count_without_an_answer_is_incomplete_and_not_zero(server: Fixture) -> None:
    def nothing(_request: Any, _context: grpc.ServicerContext) -> Iterator[Any]:
        yield proto.RunAggregationQueryResponse()

    fake, store = server
    fake.script = [nothing]
    with pytest.raises(Incomplete):
        store.count(Query("c"))


def test_nobody_listening_is_unavailable_for_a_read_and_unknown_for_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firestore_errors.time, "sleep", lambda seconds: None)
    stores = FirestoreStores("127.0.0.1:1")
    store = stores.open("p", "(default)")
    with pytest.raises(Unavailable):
        store.get(["c/a"])
    with pytest.raises(OutcomeUnknown):
        store.commit(WRITE)
    stores.close()


def test_without_credentials_the_error_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))
    with pytest.raises(PenstockError, match="application-default login"):
        FirestoreStores().open("p", "(default)")


def test_stores_of_one_database_are_one_and_share_the_channel(server: Fixture) -> None:
    stores = FirestoreStores("127.0.0.1:1")
    first, again, other = stores.open("p", "a"), stores.open("p", "a"), stores.open("p", "b")
    assert first is again
    assert first is not other
    assert first._rpcs is other._rpcs
    stores.close()
