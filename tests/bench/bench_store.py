"""The store's read and write paths against bare gRPC with ready-made protobuf, and against Google's client."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from bench.measure import Ratio, alternate, faster, rates
from penstock.adapters import firestore_proto as proto
from penstock.adapters import firestore_wire as wire
from penstock.adapters.firestore import FirestoreStores
from penstock.adapters.firestore_channel import OPTIONS
from penstock.core.records import Query, Set
from penstock.core.values import Data, Timestamp
from penstock.local.emulators import FIRESTORE, clear_firestore, started_or_reused

READ = 20_000  # documents
WRITTEN = 4_000  # documents a round, 500 a commit
METADATA = (("authorization", "Bearer owner"),)


def fields(n: int) -> Data:
    """Twenty small fields."""
    texts: Data = {f"field_{k}": f"value {k} of {n}" for k in range(12)}
    return {
        **texts,
        "latitude": -26.2 + n / 1e6,
        "longitude": 28.0 + n / 1e6,
        "count": n,
        "zone": n % 40,
        "active": n % 2 == 0,
        "nothing": None,
        "stamp": Timestamp(1_750_000_000 + n),
        "tags": ["one", "two"],
    }


def ratios() -> Iterator[Ratio]:
    with tempfile.TemporaryDirectory() as folder:
        emulator = started_or_reused(FIRESTORE, Path(folder))
        stores = FirestoreStores(emulator.address)
        channel = grpc.insecure_channel(emulator.address, options=OPTIONS)
        try:
            yield from _read(stores, emulator.address, channel)
            yield from _write(stores, emulator.address, channel)
        finally:
            channel.close()
            stores.close()
            emulator.stop()


def _read(stores: FirestoreStores, address: str, channel: grpc.Channel) -> Iterator[Ratio]:
    from google.cloud.firestore import Client

    project = f"demo-{uuid.uuid4().hex[:20]}"
    store = stores.open(project, "(default)")
    for start in range(0, READ, 500):
        moment = store.commit([Set(f"c/{n:06d}", fields(n)) for n in range(start, start + 500)])
    drain = channel.unary_stream(
        "/google.firestore.v1.Firestore/RunQuery",
        request_serializer=proto.RunQueryRequest.SerializeToString,
        response_deserializer=proto.RunQueryResponse.FromString,
    )
    request = proto.RunQueryRequest(parent=f"projects/{project}/databases/(default)/documents")
    request.structured_query.from_.add().collection_id = "c"
    request.read_time.seconds, request.read_time.nanos = moment.seconds, moment.nanos
    os.environ["FIRESTORE_EMULATOR_HOST"] = address
    client: Any = Client(project=project)

    def raw() -> None:
        assert sum(1 for answer in drain(request, metadata=METADATA, timeout=300)) >= READ

    def ours() -> None:
        assert len({s.fingerprint for s in store.scan(Query("c"), moment)}) == READ

    def decoded() -> None:
        assert sum(len(s.fields) for s in store.scan(Query("c"), moment)) == 20 * READ

    def stock() -> None:
        assert sum(len(s.to_dict()) for s in client.collection("c").stream()) == 20 * READ

    took = alternate(15, {"raw": raw, "ours": ours})
    yield Ratio("scan with fingerprints / raw gRPC drain", faster(took, "ours", "raw"), 0.70, rates(took, READ))
    took = alternate(3, {"ours": ours, "decoded": decoded, "stock": stock})
    yield Ratio("scan with fingerprints / stream() + to_dict()", faster(took, "ours", "stock"), 2.0, rates(took, READ))
    yield Ratio("scan with all fields decoded / stream() + to_dict()", faster(took, "decoded", "stock"), 1.0)
    client.close()
    clear_firestore(address, project)


def _write(stores: FirestoreStores, address: str, channel: grpc.Channel) -> Iterator[Ratio]:
    project = f"demo-{uuid.uuid4().hex[:20]}"
    store = stores.open(project, "(default)")
    root = f"projects/{project}/databases/(default)"
    send = channel.unary_unary(
        "/google.firestore.v1.Firestore/Commit",
        request_serializer=proto.CommitRequest.SerializeToString,
        response_deserializer=proto.CommitResponse.FromString,
    )
    packs = [[Set(f"c/{n:06d}", fields(n)) for n in range(start, start + 500)] for start in range(0, WRITTEN, 500)]
    # What a promotion writes was encoded when it was staged: that is the path to production. Plain writes are stated beside it.
    prepared = [[Set(write.path, {}, None, store.prepare(write)) for write in pack] for pack in packs]
    ready = []
    for pack in packs:
        encoded = [wire.write(write, f"{root}/documents/{write.path}".encode()) for write in pack]
        ready.append(proto.CommitRequest.FromString(wire.commit(root, encoded)))

    def spread(threads: int, call: Callable[[Any], object], work: list[Any]) -> Callable[[], object]:
        def run() -> None:
            with ThreadPoolExecutor(threads) as pool:
                assert len(list(pool.map(call, work))) == len(work)

        return run

    # With more threads than cores the encoder and the emulator fight for one core, and the ratio tells of the machine alone.
    for threads in (n for n in (1, 2, 4) if n <= (os.cpu_count() or 1)):
        raw = spread(threads, lambda request: send(request, metadata=METADATA, timeout=60), ready)
        took = alternate(
            15,
            {"raw": raw, "ours": spread(threads, store.commit, prepared), "plain": spread(threads, store.commit, packs)},
            before=lambda: clear_firestore(address, project),
        )
        name = f"commits / ready-made protobuf commits, threads: {threads}"
        yield Ratio(name, faster(took, "ours", "raw"), 0.85, rates(took, WRITTEN))
        yield Ratio(f"the same, not prepared, threads: {threads}", faster(took, "plain", "raw"), None)
