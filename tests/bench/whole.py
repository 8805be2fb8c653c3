"""A whole Penstock in this process on a real database server. And a recorder of what goes over the wire, to be sent again by
itself: what a run is measured against."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from penstock import wiring
from penstock.adapters import firestore_proto as proto
from penstock.adapters.firestore_channel import Rpcs
from penstock.core.plan import Batch
from penstock.core.records import Bill
from penstock.local.sample import Sample
from penstock.ports import Stores
from penstock.settings import Settings
from penstock.use_cases.decide import Said, decide_by_link, find_link
from penstock.use_cases.finish import finish_after
from penstock.use_cases.promote import promote_asked, start
from penstock.wiring import Contexts
from support.world import APPROVER, World

A = TypeVar("A")
B = TypeVar("B")
# An instance of `check` and of `promote` handles one message at a time (`concurrency` in infra/functions.tf), and the database is
# not what they wait for when there are twenty: so one at a time is what is compared, on both sides.
AT_ONCE = 1
SOURCE, POLES, DROPS = "onemap-records", "planned-poles", "drops"


def new_project() -> str:
    """All of them are equally long."""
    return f"demo-{uuid.uuid4().hex[:20]}"


def spread(do: Callable[[A], B], items: Iterable[A]) -> list[B]:
    """Do it for all, `AT_ONCE` at a time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(do, items))


class Whole(World):
    """`World` with real time and parallel messages."""

    def __init__(self, stores: Stores, source: str, target: str) -> None:
        super().__init__(stores=stores)
        projects = {"onemap": source, "fibreflow": target}
        threads = wiring.Threads(Settings.model_fields["threads"].default)
        self.ports = replace(self.ports, now=wiring.clock, new_id=wiring.new_id, each=threads, project_ids=projects)
        self.contexts = Contexts(self.ports, self.contexts.pipelines)
        self.ctx = self.outside = self.contexts.all()[0]

    def load_production(self, sample: Sample) -> None:
        self.put(self.production, POLES, sample.poles())
        self.put(self.production, DROPS, sample.drops())

    def pump(self) -> None:
        while todo := self.publisher.messages[self.delivered :]:
            self.delivered += len(todo)
            spread(lambda sent: self.deliver(*sent), todo)

    def approve(self, blockers: str = "approve", to: str = APPROVER) -> Batch:
        """All of it, but records that two groups claim: only one of those could be written."""
        token, _ = self.link(to)
        batch = self.batch(find_link(self.ctx, token).grant.batch)
        words = {f"rule:{rule}": "reject" if rule == "rivals" else blockers for rule in batch.findings}
        words |= {f"mass:{found.field}": "approve" for found in batch.batch_findings if found.field}
        return self.decide(Said("approve", words), to)  # type: ignore[arg-type]

    @property
    def bill(self) -> Bill:
        """Of both databases."""
        one, other = self.source.bill, self.production.bill
        return Bill(one.reads + other.reads, one.writes + other.writes, one.deletes + other.deletes, one.rpcs + other.rpcs)


class Decided(Whole):
    """Stops where a batch is decided, so that its promotion can be measured by itself."""

    def decide(self, said: Said, to: str = APPROVER) -> Batch:
        token, code = self.link(to)
        return decide_by_link(self.ctx, token, code, said)[0]

    def promote(self, batch: Batch) -> None:
        begun = start(self.ctx, batch.id)

        def one(number: int) -> None:
            promote_asked(self.ctx, batch.id, number)
            finish_after(self.ctx, batch.id, number)

        spread(one, range(begun.packs))
        assert self.batch(batch.id).status == "APPLIED"


_REQUESTS: dict[str, Any] = {
    "run_query": proto.RunQueryRequest,
    "run_aggregation": proto.RunAggregationQueryRequest,
    "batch_get": proto.BatchGetDocumentsRequest,
    "commit": proto.CommitRequest,
}
Call = tuple[str, bytes]  # an RPC and its request


class Recorder:
    """Stands between stores and their channel."""

    def __init__(self, rpcs: Rpcs) -> None:
        self._to: list[Call] | None = None
        for name in _REQUESTS:
            setattr(rpcs, name, self._recording(name, getattr(rpcs, name)))

    def _recording(self, name: str, rpc: Any) -> Any:
        def call(request: Any, **options: Any) -> Any:
            body = request if isinstance(request, bytes) else request.SerializeToString()
            answer = rpc(request, **options)
            if self._to is not None:
                self._to.append((name, body))  # a commit that lost a race is not here: it raised
            return answer

        return call

    @contextmanager
    def into(self, calls: list[Call]) -> Iterator[None]:
        self._to = calls
        yield
        self._to = None


class Ready:
    """Recorded calls, to be sent to another database that stands as the first one stood: made ready once, off the clock.
    What had to be unchanged since a moment has to exist there, and what was read at a moment is read now."""

    def __init__(self, rpcs: Rpcs, calls: Iterable[Call], project: str, other: str) -> None:
        self._rpcs = rpcs
        self.calls = [(name, self._ready(name, body.replace(project.encode(), other.encode()))) for name, body in calls]

    @staticmethod
    def _ready(name: str, body: bytes) -> Any:
        request = _REQUESTS[name].FromString(body)
        if name != "commit":
            request.ClearField("read_time")
            return request
        for write in request.writes:
            if "/documents/penstock_" in (write.update.name or write.delete):  # our own: they may come in another order
                write.ClearField("current_document")
            elif write.current_document.HasField("update_time"):
                write.current_document.exists = True
        return request.SerializeToString()

    def send(self, call: tuple[str, Any]) -> None:
        name, request = call
        answer = getattr(self._rpcs, name)(request, metadata=self._rpcs.credentials, timeout=300)
        if name != "commit":
            for _ in answer:
                pass

    def one_by_one(self) -> None:
        for call in self.calls:
            self.send(call)

    def at_once(self) -> None:
        spread(self.send, self.calls)
