"""Every deletion in a source is found, at about a billed read for 900 records and at most ten for each deletion; and nothing is
deleted that the source still has. With `count` documents in a store sorted as Firestore is, with fewer on its emulator, by
arithmetic alone with a thousand million, and in whole lives of a small network."""

from __future__ import annotations

import random
import re
import tempfile
import uuid
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from penstock.adapters.firestore import FirestoreStores
from penstock.core.changes import Action
from penstock.core.codec import Mode, SourceState
from penstock.core.manifest import Manifest
from penstock.core.reconcile import search
from penstock.core.records import Delete, Set, Snapshot
from penstock.core.values import Data, Timestamp
from penstock.local.emulators import FIRESTORE, clear_firestore, started_or_reused
from penstock.pipelines.schema import FOLDER
from penstock.ports import Stores
from penstock.use_cases import reconcile
from penstock.use_cases.context import Context
from penstock.use_cases.looking import Look, Plan, Reading, look_at, plans
from penstock.use_cases.reading import changes, everything
from support import network as net
from support.faults import PlainPages
from support.indexed import IndexedStores
from support.rest import changes as changes_of
from support.world import Clock, World

from proofs.proof import Proof

DEFAULT = 10_000
ROUNDS = ((0, 0), (1, 0), (10, 0), (10, 10), (100, 0), (100, 150), (1_000, 0))  # (records deleted, new ones meanwhile)
ON_EMULATOR = 2_000  # documents: for each count it looks at all that the collection holds
WHOLE = 200_000  # from so many on the emulator is given as many too
SIMULATED = (10**6, 10**7, 10**8, 10**9)
FIBRE = FOLDER / "fibre_network.yaml"
LOANS = Path(__file__).parents[1] / "pipelines" / "library_loans.yaml"


def prove(count: int = DEFAULT, emulator: bool = True) -> Proof:
    found = _Found()
    clock = Clock()
    _documents(found, "sorted", count, IndexedStores(clock), "demo-sorted", ROUNDS)
    if emulator:
        _on_the_emulator(found, (10_000, count) if count >= WHOLE else (min(count, ON_EMULATOR),))
    _simulated(found, [n for n in SIMULATED if n <= 5_000 * max(count, 2_000)])
    for seed in range(max(4, count // 2_000)):
        _lived(found, seed)
    return Proof(found.counted, found.violations)


@dataclass
class _Found:
    counted: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def count(self, what: str, many: int = 1) -> None:
        self.counted[what] = self.counted.get(what, 0) + many

    def demand(self, truth: object, told: str) -> None:
        if not truth:
            self.violations.append(told)

    def priced(self, where: str, many: int, gone: int, bill: int, siblings: int = 0) -> None:
        """Holds a bill against what was promised; of few records each started range of 910 is a read. `siblings`: the records
        beside the deleted ones, which are read to be projected again."""
        most = max(1.15 * many / 1_000, -(-many // 910)) + 10 * gone + siblings
        print(f"{where}: {many:,} records, {gone:,} deleted, {bill:,} billed reads of at most {most:,.0f}", flush=True)
        self.demand(bill <= most, f"{where}: {bill} billed reads for {gone} deletions of {many} records")


# ---------------------------------------------------------------------------------------------------------- on a store


def _on_the_emulator(found: _Found, counts: Sequence[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        emulator = started_or_reused(FIRESTORE, Path(folder))
        stores = FirestoreStores(emulator.address)
        try:
            for count in counts:
                project = f"demo-{uuid.uuid4().hex[:20]}"
                _documents(found, "emulator", count, stores, project, ROUNDS[1:4:2])
                for database in ("main", "(default)"):
                    clear_firestore(emulator.address, project, database)
        finally:
            stores.close()
            emulator.stop()


def _documents(found: _Found, where: str, count: int, stores: Stores, project: str, rounds: Sequence[tuple[int, int]]) -> None:
    """In two sources: of single records, and of records in groups."""
    for name, file, source, many in (("single", LOANS, "catalogue", count), ("grouped", FIBRE, "onemap", count // 4)):
        ctx = World(file, people={"librarians": ("a", "b"), "fibre_approvers": ("a",)}).ctx
        ctx = replace(ctx, ports=replace(ctx.ports, stores=stores, project_ids=dict.fromkeys(ctx.ports.project_ids, project)))
        plan = next(plan for plan, _ in plans(ctx.pipeline) if plan.source.name == source)
        _Source(found, f"{where}, {name}", ctx, plan, random.Random(many)).proved(many, rounds)


class _Source:
    """A source and what a target knows of it, kept up to date from round to round by what is proved."""

    def __init__(self, found: _Found, name: str, ctx: Context, plan: Plan, rng: random.Random) -> None:
        self.found, self.name, self.ctx, self.plan, self.rng = found, name, ctx, plan, rng
        self.store = ctx.source_store(plan.source)
        self.there: list[str] = []
        self.made = 0

    def proved(self, many: int, rounds: Sequence[tuple[int, int]]) -> None:
        at = self.change((), many)
        look, known = Look(self.plan, self.store, Reading(SourceState())), Manifest()
        for _ in everything(look, at, Manifest()):
            pass
        known.of(self.plan.source.name).update(look.reading.entries)
        for gone, new in rounds:
            look = self.round(known, look.reading.state, min(gone, len(self.there) // 3), new)

    def round(self, known: Manifest, state: SourceState, gone: int, new: int) -> Look:
        chosen = self.rng.sample(self.there, gone)
        at = self.change(chosen, new)
        look, bill = look_at(self.plan, self.store, state, at), [0]
        for _ in changes(
            look,
            at,
            known,
            set(),
            self.metered(reconcile.recount(self.ctx.ports, self.ctx.pipeline.brakes.minimum_source, look, at, known), bill),
        ):
            pass
        where, reading = f"{self.name} seed {len(self.there)}", look.reading
        self.found.demand(reading.certificate and reading.certificate.proves_absence, f"{where}: {reading.certificate}")
        missed, wrong = set(chosen) - reading.gone, reading.gone - set(chosen)
        self.found.demand(not missed, f"{where}: {len(missed)} of {gone} deletions were not found")
        self.found.demand(not wrong, f"{where}: {len(wrong)} records were taken for deleted that are there")
        entries = known.of(self.plan.source.name)
        groups = {entries[id].group for id in chosen} if self.plan.group_by else set()
        siblings = sum(1 for id, entry in entries.items() if entry.group in groups and id not in set(chosen))
        self.found.priced(f"{self.name}, {new} new", len(self.there), gone, bill[0], siblings)
        entries.update(reading.entries)
        for id in chosen:
            entries.pop(id, None)
        self.found.count("documents counted", len(self.there))
        self.found.count("deletions found", gone - len(missed))
        return look

    def metered(self, records: Iterator[Snapshot], bill: list[int]) -> Iterator[Snapshot]:
        before = self.store.bill.reads
        read = list(records)
        bill[0] = self.store.bill.reads - before
        yield from read

    def change(self, gone: Sequence[str], new: int) -> Timestamp:
        """Delete these and put in so many new ones, newer than all there are and anywhere among them."""
        made = [f"{self.rng.getrandbits(40):010x}" for _ in range(new)]
        collection = self.plan.source.collection
        writes: list[Any] = [Delete(f"{collection}/{id}") for id in gone]
        for id in made:
            self.made += 1
            writes.append(Set(f"{collection}/{id}", self.record(id, self.made)))
        at = self.store.commit([Set("rounds/now", {"made": self.made, "seed": self.rng.random()})])
        for start in range(0, len(writes), 500):
            at = self.store.commit(writes[start : start + 500])
        left = set(self.there) - set(gone)
        self.there = sorted(left | set(made))
        return at

    def record(self, id: str, n: int) -> Data:
        if self.plan.group_by is None:
            return {"loan_number": id, "changed_at": Timestamp(1_600_000_000 + 60 * n)}
        day = Timestamp(1_000_000_000 + 2_000 * n).datetime()
        return net.record(id, int(id[:8], 16) % max(1, self.made // 2), day=f"{day:%Y-%m-%d %H:%M:%S}")[1]


# ---------------------------------------------------------------------------------------------------------- by arithmetic


def _simulated(found: _Found, sizes: Sequence[int]) -> None:
    """Keys 0, 1, 2, … that nobody holds: counts are told from those that are gone alone."""
    for many in sizes:
        for deleted in (0, 1, 10, 100, 1_000):
            gone = sorted(random.Random(deleted).sample(range(many), deleted))
            there, bill = _told(range(many + 1), gone)
            found.demand(there == gone, f"simulated: of {deleted} deletions in {many} {len(there)} were found")
            found.priced("simulated", many, deleted, bill)
            found.count("simulated deletions found", len(there))


def _told(before: Sequence[int], gone: Sequence[int]) -> tuple[list[int], int]:
    """(what is found gone, billed reads)."""
    bill, searching = 0, search(before)
    parts = next(searching)
    while True:
        counts = [p.last - p.first - (bisect_left(gone, p.last) - bisect_left(gone, p.first)) for p in parts]
        bill += sum(max(1, -(-many // 1_000)) for many in counts)
        try:
            parts = searching.send(counts)
        except StopIteration as done:
            result = done.value
            break
    bill += sum(max(1, many) for _, many in result.unequal)
    lacking = set(gone)
    parts = [*result.empty, *(part for part, _ in result.unequal)]
    return sorted(key for part in parts for key in range(*part) if key in lacking), bill


# ---------------------------------------------------------------------------------------------------------- in whole lives


def _lived(found: _Found, seed: int) -> None:
    """A network whose records come, move and go, with runs of every mode: what was approved is what the source has."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        world = World(_following(Path(folder)), pages=PlainPages())
    records: dict[str, int] = {}  # record → pole; each has a drop of its own
    for step in range(12):
        going = rng.sample(sorted(records), rng.randint(0, len(records) // 3)) if step else []
        if going:
            world.source.commit([Delete(f"{net.SOURCE}/{id}") for id in going])
        records = {id: pole for id, pole in records.items() if id not in going}
        moved = {id: rng.randint(1, 30) for id in rng.sample(sorted(records), rng.randint(0, len(records) // 4))}
        come = {f"{step}-{n}": rng.randint(1, 30) for n in range(rng.randint(0, 12) if step else 40)}
        records |= moved | come
        for id in (*moved, *come):
            part, _, n = id.partition("-")
            net.feed(world, [net.record(id, records[id], drop=int(part) * 100 + int(n), day=f"2026-06-{step + 1:02d}")])
        mode: Mode = rng.choice(("changes", "reconcile", "full")) if step else "full"
        _run(found, world, mode, records, f"lives seed {seed} step {step} {mode}")
    found.count("lives")


def _run(found: _Found, world: World, mode: Mode, records: dict[str, int], where: str) -> None:
    outcome = world.run(mode)
    found.demand(all(tally.closes for tally in outcome.tallies.values()), f"{where}: the arithmetic does not close")
    if outcome.batch:
        deletes = sum(change.action is Action.DELETE for change in changes_of(world, outcome.batch))
        found.demand(not deletes or outcome.mode != "changes", f"{where}: {deletes} deletes were proposed without proof")
        found.count("deletes proposed", deletes)
        world.approve("approve")
    poles, drops = set(world.documents("planned-poles")), set(world.documents("drops"))
    wanted = {net.name(pole) for pole in records.values()}
    numbers = {net.drop_name(int(part) * 100 + int(n)) for part, _, n in (id.partition("-") for id in records)}
    found.demand(wanted <= poles and numbers <= drops, f"{where}: production lacks what the source has")
    if outcome.mode != "changes":
        found.demand(poles == wanted and drops == numbers, f"{where}: production has what the source has not")


def _following(folder: Path) -> Path:
    """The fibre network, with deletions followed and no brakes."""
    text = FIBRE.read_text().replace("    source: onemap\n", "    source: onemap\n    on_delete: remove\n")
    path = folder / "fibre_network.yaml"
    path.write_text(re.sub(r"(?m)^brakes: .*$", "brakes: {deleted_share: 1.0, shrunken: null, replaced: null}", text))
    return path
