"""Tenants that mirror the 7,580 units of Nepal: the first mirror, its promotion, and the move of a province with 1,415 units
below it, each against the same calls to the database, ready-made, and the same objects, by themselves; and ten tenants against
one. What a run over a thousand tenants at rest is billed is held by a test."""

from __future__ import annotations

import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.measure import Ratio
from bench.whole import Call, Ready, Recorder, new_project
from google.cloud import firestore
from google.cloud.firestore_v1._helpers import decode_dict
from google.cloud.firestore_v1.field_path import get_nested_value
from penstock import wiring
from penstock.adapters import firestore_proto as proto
from penstock.adapters.firestore import FirestoreStores
from penstock.adapters.firestore_channel import Rpcs
from penstock.adapters.folder import FolderBlobs
from penstock.core.declaration import Levels, Pipeline
from penstock.core.values import Data
from penstock.local.emulators import FIRESTORE, clear_firestore, started_or_reused
from penstock.settings import Settings
from penstock.use_cases import effects
from penstock.use_cases.capture import capture
from penstock.use_cases.context import Context, load_batch
from penstock.use_cases.decide import Said, decide
from penstock.use_cases.finish import finish_after
from penstock.use_cases.promote import promote_asked, start
from support import nepal
from support.landlord import UNITS
from support.mirror import Mirror
from support.world import APPROVER

ROUNDS, RAW_TIMES = 7, 3
MIRROR, PROMOTION = "first mirror of 7,580 units to the open review / raw", "its promotion / its raw reads and writes"
MOVE = "promotion of a province's move, 1,415 below / "
TENANTS, AT_ONCE, RENAMED = 10, 2, 3
WARM_UP, MOVES = 3, 7
PROVINCE, EAST, WEST = nepal.province(2), "np-east", "np-west"
Took = dict[str, float]


def rooted() -> dict[str, Data]:
    """Nepal under two made-up roots, so that a province can move from one to the other."""
    found = {id: nepal.unit(id, 1, "side", "", id.upper(), {"en": id}) for id in (EAST, WEST)}
    for id, unit in nepal.units().items():
        found[id] = {**unit, "level": unit["level"] + 1, "parent": unit.get("parent") or WEST}
    return found


def deeper(pipeline: Pipeline) -> Pipeline:
    """With five official levels."""
    (units,) = pipeline.entities
    assert units.tree is not None
    return replace(pipeline, entities=(replace(units, tree=replace(units.tree, levels=Levels(5, 9))),))


class Kept(FolderBlobs):
    """A folder that remembers what was written to it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.written: list[tuple[str, bytes, str]] = []

    def write(self, name: str, content: bytes, content_type: str, *, replace: bool = False) -> bool:
        self.written.append((name, content, content_type))
        return super().write(name, content, content_type, replace=replace)


@dataclass
class Recorded:
    """What was sent for one tenant, and the objects that were written up to the review."""

    review: list[Call] = field(default_factory=list)
    decide: list[Call] = field(default_factory=list)
    promote: list[Call] = field(default_factory=list)
    objects: list[tuple[str, bytes, str]] = field(default_factory=list)


class Place:
    """A landlord and tenants on the emulator. Names of tenants are equally long, so that what was sent for one can be sent
    for another."""

    def __init__(
        self,
        address: str,
        blobs: Path,
        units: Mapping[str, Data],
        projects: Mapping[str, str] | None = None,
        threads: int = 1,
    ) -> None:
        self.address, self.blobs, self.units, self.threads = address, Kept(blobs), units, threads
        self.stores, self.rpcs = FirestoreStores(address), Rpcs(address)
        self.projects = projects or {"landlord": new_project(), "tenants": new_project()}
        self.names = (f"t{n:03d}" for n in range(1_000))
        if not projects:
            world = self.world("none")
            world.put(world.source, UNITS, units.items())

    def close(self, *, clear: bool = True) -> None:
        for project in self.projects.values() if clear else ():
            clear_firestore(self.address, project)
        self.stores.close()
        self.rpcs.channel.close()

    def world(self, *names: str) -> Mirror:
        world = Mirror("NP", *names, stores=self.stores)
        ports = replace(
            world.ports,
            now=wiring.clock,
            new_id=wiring.new_id,
            each=wiring.Threads(self.threads),
            project_ids=self.projects,
            blobs=self.blobs,
        )
        pipelines = {name: self.placed(p) for name, p in world.contexts.pipelines.items()}
        world.ports, world.contexts = ports, wiring.Contexts(ports, pipelines)
        world.ctx = world.outside = world.of(names[0])
        return world

    def placed(self, pipeline: Pipeline) -> Pipeline:
        """Each tenant has a database of its own: within one, the emulator looks at the units of all for each query."""
        targets = tuple(replace(target, database=target.name, prefix="") for target in pipeline.targets)
        return replace(deeper(pipeline) if EAST in self.units else pipeline, targets=targets)

    def sent_for(self, calls: Sequence[Call], one: str, other: str) -> Ready:
        def of(body: bytes, name: str) -> bytes:
            return body.replace(f"databases/{one}".encode(), f"databases/{name}".encode()).replace(
                f"tenant_geography.{one}".encode(), f"tenant_geography.{name}".encode()
            )

        return Ready(self.rpcs, [(what, of(body, other)) for what, body in calls], "", "")

    def sent_as(self, first: Place, calls: Sequence[Call]) -> Ready:
        """What was sent in the projects of another place."""
        landlord, tenants = ((first.projects[name], self.projects[name]) for name in ("landlord", "tenants"))
        calls = [(what, body.replace(landlord[0].encode(), landlord[1].encode())) for what, body in calls]
        return Ready(self.rpcs, calls, *tenants)


def to_review(world: Mirror) -> None:
    """What a schedule starts, up to the open review."""
    world.refresh("NP")
    outcome = capture(world.ctx)
    assert effects.pay(world.ctx, outcome.owed) == []
    world.pump()


def decided(world: Mirror) -> str:
    batch = world.under_review(world.ctx.target.name)
    words = {f"rule:{rule}": "approve" for rule, of in batch.findings.items() if "blocker" in of}
    decide(world.ctx, batch.id, batch.digest, APPROVER, Said("approve", words))  # type: ignore[arg-type]
    return batch.id


def promote(ctx: Context, batch: str) -> None:
    for number in range(start(ctx, batch).packs):
        promote_asked(ctx, batch, number)
        finish_after(ctx, batch, number)
    assert load_batch(ctx, batch).batch.status == "APPLIED"


def seconds(do: Callable[[], object]) -> float:
    gc.collect()
    gc.freeze()  # the units are the bench's own
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def recorded_of(place: Place) -> Recorded:
    world = place.world(next(place.names))
    recorder, found = Recorder(world.production._rpcs), Recorded()  # type: ignore[attr-defined]
    with recorder.into(found.review):
        to_review(world)
    found.objects = list(place.blobs.written)
    with recorder.into(found.decide):
        batch = decided(world)
    with recorder.into(found.promote):
        promote(world.ctx, batch)
    return found


def first_mirror(address: str, folder: Path) -> Took:
    """Ours, in projects of their own: the landlord is read for the first time."""
    place = Place(address, folder, nepal.units())
    world = place.world(next(place.names))
    took = {MIRROR: seconds(lambda: to_review(world))}
    batch = decided(world)
    took[PROMOTION] = seconds(lambda: promote(world.ctx, batch))
    place.close()
    return took


def first_mirror_raw(address: str, folder: Path) -> Took:
    """What was sent for one landlord and tenant is sent for others, who stand as those did. The median of several times: the
    emulator, which is nearly all that works here, takes up to three times its quickest."""
    place = Place(address, folder, nepal.units())
    recorded = recorded_of(place)
    took: list[Took] = []
    for _ in range(RAW_TIMES):
        other = Place(address, folder, nepal.units())
        sent = [other.sent_as(place, calls) for calls in (recorded.review, recorded.decide, recorded.promote)]
        review = seconds(partial(again, sent[0], other.blobs, recorded.objects))
        sent[1].one_by_one()
        took.append({MIRROR: review, PROMOTION: seconds(sent[2].one_by_one)})
        other.close()
    place.close()
    return {what: median(one[what] for one in took) for what in (MIRROR, PROMOTION)}


def again(calls: Ready, blobs: Kept, objects: Sequence[tuple[str, bytes, str]]) -> None:
    """The same calls, and the same objects."""
    calls.one_by_one()
    for name, content, content_type in objects:
        blobs.write(name, content, content_type, replace=True)


class Moved(NamedTuple):
    """Seconds of promoting a move, and of what that consists of, sent for tenants that stand as the first did: what it read and
    its commit, ready-made; and the same commit through Google's client, as somebody without Penstock would write it. Twice a
    ready-made commit alone is no bound: what lies below must be looked at first, and to count it takes the emulator as long."""

    ours: float
    reads: float
    commit: float
    client: float


def moves(address: str, folder: Path) -> list[Moved]:
    """A province goes from one root to the other and back; round by round, without those that warm up."""
    units = rooted()
    place = Place(address, folder, units, threads=Settings.model_fields["threads"].default)
    name, raw, plain = (next(place.names) for _ in range(3))
    worlds = {of: place.world(of) for of in (name, raw, plain)}
    os.environ["FIRESTORE_EMULATOR_HOST"] = address
    client: Any = firestore.Client(project=place.projects["tenants"], database=plain)
    for world in worlds.values():
        to_review(world)
        promote(world.ctx, decided(world))
    world, took = worlds[name], list[Moved]()
    for number in range(WARM_UP + MOVES):
        parent, at = (WEST, EAST)[number % 2 == 0], nepal.AS_OF.plus(86_400.0 * (1 + number))
        world.put(world.source, UNITS, [(PROVINCE, {**units[PROVINCE], "parent": parent, "updatedAt": at})])
        batches = {}
        for of, one in worlds.items():
            to_review(one)
            assert dict(one.under_review(of).counts) == {"units UPDATE": 1}
            batches[of] = decided(one)
            start(one.ctx, batches[of])
        recorder, calls = Recorder(world.production._rpcs), list[Call]()  # type: ignore[attr-defined]
        with recorder.into(calls):
            ours = seconds(partial(promote_asked, world.ctx, batches[name], 0))
        sent = {of: [(what, body.replace(batches[name].encode(), batches[of].encode())) for what, body in calls] for of in worlds}
        reads, commit = place.sent_for(sent[raw][:-1], name, raw), place.sent_for(sent[raw][-1:], name, raw)
        by_client = by_hand(client, place.sent_for(sent[plain][-1:], name, plain))
        took.append(Moved(ours, *map(seconds, (reads.one_by_one, commit.one_by_one, by_client))))
        for of, one in worlds.items():
            finish_after(one.ctx, batches[of], 0)
            there = one.image(of).units
            assert sum(1 for unit in there.values() if unit["path"].startswith(f"{parent}.{PROVINCE}")) == 1_416
    client.close()
    place.close()
    return took[WARM_UP:]


def by_hand(client: Any, commit: Ready) -> Callable[[], None]:
    """The same writes as somebody would make them with Google's client who knows already what is to be written."""
    name = f"projects/{client.project}/databases/{client._database}/documents/"
    ((_, body),) = commit.calls
    known: list[tuple[str, Sequence[str], Any]] = [
        (write.update.name.removeprefix(name), write.update_mask.field_paths, decode_dict(write.update.fields, client))
        for write in proto.CommitRequest.FromString(body).writes
    ]

    def send() -> None:
        batch = client.batch()
        for path, mask, fields in known:
            batch.update(client.document(path), {field: get_nested_value(field, fields) for field in mask})
        batch.commit()

    return send


def ran(address: str, folder: Path, projects: Mapping[str, str], names: Sequence[str]) -> int:
    """An instance that handles the messages of these tenants, one after the other."""
    place = Place(address, folder, nepal.units(), projects)
    for name in names:
        world = place.world(name)
        outcome = capture(world.ctx)
        assert effects.pay(world.ctx, outcome.owed) == []
        world.pump()
    place.close(clear=False)
    return len(names)


def run_of(place: Place, folder: Path, pool: ProcessPoolExecutor, names: Sequence[str]) -> None:
    """A run over these tenants: what they share is read once, and each is run by one of the instances."""
    world = place.world(names[0])
    world.refresh("NP")
    shares = [names[n::AT_ONCE] for n in range(AT_ONCE) if names[n::AT_ONCE]]
    jobs = [pool.submit(ran, place.address, folder, place.projects, share) for share in shares]
    assert sum(job.result() for job in jobs) == len(names)


def many(address: str, folder: Path) -> Iterator[Ratio]:
    """A release in which three units are renamed, for one tenant and for ten that mirror it already, each with a landlord. With
    more, the emulator's own work is what is measured: it looks at every unit for each value that a query asks for."""
    groups = {size: Place(address, folder / str(size), nepal.units()) for size in (1, TENANTS)}
    names = {size: [next(place.names) for _ in range(size)] for size, place in groups.items()}
    worlds = {size: [place.world(name) for name in names[size]] for size, place in groups.items()}
    for world in (*worlds[1], *worlds[TENANTS]):
        to_review(world)
        promote(world.ctx, decided(world))
    wards = [id for id, unit in nepal.units().items() if unit["level"] == 4]
    took: dict[int, list[float]] = {1: [], TENANTS: []}
    with ProcessPoolExecutor(AT_ONCE, get_context("spawn"), wiring.collect_rarely) as pool:
        for number in range(-1, ROUNDS):  # the first warms up
            at = nepal.AS_OF.plus(86_400.0 * (2 + number))
            some = wards[(1 + number) * RENAMED : (2 + number) * RENAMED]
            renamed = [(id, {**nepal.units()[id], "names": {"en": f"{id} anew"}, "updatedAt": at}) for id in some]
            for size, place in groups.items():
                worlds[size][0].put(worlds[size][0].source, UNITS, renamed)
                spent = seconds(partial(run_of, place, folder / str(size), pool, names[size]))
                if number >= 0:
                    took[size].append(spent)
                for world in worlds[size]:
                    assert dict(world.under_review(world.ctx.target.name).counts) == {"units UPDATE": RENAMED}
                    promote(world.ctx, decided(world))
    for place in groups.values():
        place.close()
    ten, one = median(took[TENANTS]), median(took[1])
    told = f"{ten:.2f} s / {one:.2f} s"
    yield Ratio(f"{TENANTS} tenants in parallel / one, {RENAMED} units changed", ten / one, 3.0, told, at_most=True)


def ratios() -> Iterator[Ratio]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        emulator = started_or_reused(FIRESTORE, folder)
        try:
            rounds = range(-1, ROUNDS)  # the first warms up
            took = [
                (first_mirror(emulator.address, folder / f"a{n}"), first_mirror_raw(emulator.address, folder / f"b{n}"))
                for n in rounds
            ]
            ours, raw = [mine for mine, _ in took[1:]], [theirs for _, theirs in took[1:]]
            for what, bound in ((MIRROR, 5.0), (PROMOTION, 2.0)):
                ratio = median(a[what] / b[what] for a, b in zip(ours, raw, strict=True))
                detail = f"{median(a[what] for a in ours):.2f} s / {median(b[what] for b in raw):.2f} s"
                yield Ratio(what, ratio, bound, detail, at_most=True)
            moved = moves(emulator.address, folder / "moves")
            against: tuple[tuple[str, float | None, list[float]], ...] = (
                ("the same commit by Google's client", 2.0, [m.client for m in moved]),
                ("its raw reads and its raw commit", 2.0, [m.reads + m.commit for m in moved]),
                ("its raw commit alone", None, [m.commit for m in moved]),
                ("its raw reads alone", None, [m.reads for m in moved]),
            )
            for what, bound, of in against:
                ratio = median(m.ours / raw for m, raw in zip(moved, of, strict=True))
                detail = f"{median(m.ours for m in moved):.3f} s / {median(of):.3f} s"
                yield Ratio(MOVE + what, ratio, bound, detail, at_most=True)
            yield from many(emulator.address, folder / "ten")
        finally:
            emulator.stop()
