"""Streams that are not what they should be: at the store port, and at the gRPC channel below the Firestore adapter."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import grpc
from penstock.adapters import firestore_errors
from penstock.adapters.firestore import FirestoreStores
from penstock.adapters.firestore_channel import Rpcs
from penstock.adapters.memory import MemoryStores
from penstock.core import layout, limits
from penstock.core.changes import Action
from penstock.core.errors import Incomplete, PenstockError, Unavailable
from penstock.core.records import Query, Snapshot
from penstock.core.values import Timestamp
from penstock.ports import Store, Stores
from penstock.use_cases import staging
from penstock.web.pages import WebPages

from support.gauges import Gauges

Kind = Literal["ends", "breaks", "refused", "repeats", "skips", "swaps"]
KINDS: tuple[Kind, ...] = ("ends", "breaks", "refused", "repeats", "skips", "swaps")
HARMFUL: tuple[Kind, ...] = ("ends", "breaks", "skips")  # what is missing is missing, wherever it was
SOURCE = "demo-gauges"


class Cutter:
    """Counts the messages of a source's streams and strikes at one. `at` 0: none."""

    def __init__(self) -> None:
        self.at, self.kind, self.count, self.struck = 0, KINDS[0], 0, False

    def arm(self, at: int, kind: Kind) -> None:
        self.at, self.kind, self.count, self.struck = at, kind, 0, False

    def pass_on(self, messages: Iterator[Any], broken: Exception, refused: Exception) -> Iterator[Any]:
        for message in messages:
            self.count += 1
            if self.count != self.at:
                yield message
                continue
            self.struck = True
            match self.kind:
                case "ends":
                    return
                case "breaks":
                    raise broken
                case "refused":
                    raise refused
                case "repeats":
                    yield message
                    yield message
                case "swaps":
                    following = next(messages, None)
                    yield from (found for found in (following, message) if found is not None)
                case "skips":
                    pass


class PortCut:
    """Stores whose source streams go through a cutter; a sample of so many documents is no stream that anything is told by."""

    def __init__(self, stores: Stores, cutter: Cutter) -> None:
        self._stores, self._cutter = stores, cutter

    def open(self, project: str, database: str) -> Any:
        store = self._stores.open(project, database)
        return _Cut(store, self._cutter) if project == SOURCE else store


class _Cut:
    def __init__(self, store: Store, cutter: Cutter) -> None:
        self._store, self._cutter = store, cutter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def scan(self, query: Query, read_time: Timestamp | None = None) -> Iterator[Snapshot]:
        broken = Incomplete("broke off in the middle", subject=query.collection, remedy="Read again.")
        refused = Unavailable("could not be read", subject=query.collection, remedy="Try again.")
        found = self._store.scan(query, read_time)
        return found if query.limit is not None else self._cutter.pass_on(found, broken, refused)


class Gone(grpc.RpcError):  # type: ignore[misc]
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "cut"


class ChannelCut:
    """The source on an emulator, with a cutter between its channel and the adapter; everything else in memory. `refused`: the
    connection is lost once, and the adapter goes on; `breaks`: it is lost for good."""

    def __init__(self, address: str, project: str, memory: MemoryStores, cutter: Cutter) -> None:
        self._project, self._memory, self._cutter = project, memory, cutter
        self._stores = FirestoreStores(address)
        rpcs = self._stores._rpcs = Rpcs(address)
        self._run_query, rpcs.run_query = rpcs.run_query, self.run_query
        self.store = self._stores.open(project, "(default)")

    def open(self, project: str, database: str) -> Any:
        return self.store if project == SOURCE else self._memory.open(project, database)

    def close(self) -> None:
        self._stores.close()

    def run_query(self, request: Any, **given: Any) -> Any:
        if self._cutter.struck and self._cutter.kind == "breaks":
            return _Call(_raise(Gone()), None)
        call = self._run_query(request, **given)
        if not request.structured_query.HasField("select"):
            return call  # the sample of field names
        documents = (answer for answer in call if answer.document.name)
        return _Call(self._cutter.pass_on(documents, Gone(), Gone()), call)


class _Call:
    def __init__(self, messages: Iterator[Any], call: Any) -> None:
        self._messages, self._call = messages, call

    def __iter__(self) -> Iterator[Any]:
        return self._messages

    def cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()


def _raise(error: Exception) -> Iterator[Any]:
    raise error
    yield


class Tried(NamedTuple):
    place: str
    mode: str
    at: int
    kind: Kind


def tries(place: str, mode: str, address: str = "") -> list[Tried]:
    """Every kind of fault at every message of a run in this mode."""
    with _gauges(address, Cutter()) as (gauges, cutter):
        _prepare(gauges, mode)
        _run(gauges, cutter, mode, (0, KINDS[0]))
        return [Tried(place, mode, at, kind) for at in range(1, cutter.count + 1) for kind in KINDS]


def broken_by(tried: Tried, address: str = "") -> list[str]:
    """One run with the fault, then others without: what it broke, in words. Every other time what came is approved."""
    with _gauges(address, Cutter()) as (gauges, cutter):
        _prepare(gauges, tried.mode)
        told = _run(gauges, cutter, tried.mode, (tried.at, tried.kind), approve=tried.at % 2 == 0)
        wrong = [] if cutter.struck else ["nothing was struck"]
        if tried.kind in HARMFUL and "NOT complete" not in told and "could not be read" not in told:
            wrong.append(f"nobody is told why: {told}")
        for mode in ("changes", "full"):  # no news: what was missed is seen to be missing
            _run(gauges, cutter, mode, (0, tried.kind))
            wrong += gauges.missing(owed=mode == "full")
        return [f"{tried}: {what}" for what in (*wrong, *_deletes(gauges))]


@contextmanager
def _gauges(address: str, cutter: Cutter) -> Iterator[tuple[Gauges, Cutter]]:
    """Four sources behind a cutter: at the port, or with an emulator's address at its channel. Few documents to a page."""
    with ExitStack() as undone:
        undone.callback(setattr, limits, "MAX_PAGE", limits.MAX_PAGE)
        undone.callback(setattr, firestore_errors, "pause", firestore_errors.pause)
        limits.MAX_PAGE, firestore_errors.pause = 4, lambda attempt: None
        if address:
            stores = ChannelCut(address, f"demo-{uuid.uuid4().hex[:20]}", MemoryStores(_now), cutter)
            undone.callback(stores.close)
            yield Gauges(7, stores=stores, pages=WebPages()), cutter
        else:
            wrap = lambda ports: replace(ports, stores=PortCut(ports.stores, cutter))  # noqa: E731
            yield Gauges(7, wrap=wrap, pages=WebPages()), cutter


def _now() -> Timestamp:
    return Timestamp.of(dt.datetime.now(dt.UTC))


def _prepare(gauges: Gauges, mode: str) -> None:
    """A small history, up to the moment before the run: the first one, one of changes, a full one."""
    gauges.world.clock.time = _now()
    for _ in range(3):
        gauges.news()
    if mode != "first":
        gauges.run()
        gauges.settled("full")
        gauges.change(8)
        gauges.news()


def _run(gauges: Gauges, cutter: Cutter, mode: str, fault: tuple[int, Kind], *, approve: bool = True) -> str:
    """What the run says of its reading, or why it failed; where it made a batch, what the batch's report says."""
    world = gauges.world
    world.clock.time = max(world.clock.time, _now())
    cutter.arm(*fault)
    try:
        outcome = world.run("full" if mode == "full" else "changes")
        told = " ".join(outcome.notes)
    except PenstockError as error:
        return str(error)
    finally:
        cutter.at = 0
    if outcome.batch:
        report = layout.report_blob(world.ctx.id, outcome.batch, "pre-sync", "json")
        told = " ".join(json.loads(world.blobs.objects[report])["notes"])
    if approve and world.documents(layout.TARGETS)[world.ctx.id]["open"]:
        world.approve("approve")
    return told


def _deletes(gauges: Gauges) -> Iterator[str]:
    for batch in gauges.world.documents(layout.BATCHES):
        for change in staging.changes_of(gauges.world.outside, batch):
            if change.action is Action.DELETE:
                yield f"{change.key} is to be deleted"
