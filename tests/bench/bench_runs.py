"""The first run over the sample network, to the open review, and the promotion of its batch: each against the same calls to the
database, ready-made, by themselves. Of a run these are all that it reads and writes; of a promotion only what it commits."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.measure import Ratio
from bench.whole import SOURCE, Call, Decided, Ready, Recorder, new_project
from penstock.adapters.firestore import FirestoreStores
from penstock.adapters.firestore_channel import Rpcs
from penstock.local.emulators import FIRESTORE, clear_firestore, started_or_reused
from penstock.local.sample import RECORDS, Sample
from penstock.use_cases.capture import capture

ROUNDS = 5
RUN, PROMOTION = f"first run over {RECORDS:,} records / its raw reads and writes", "promotion of its batch / its raw commits"
Took = dict[str, float]


@dataclass
class Recorded:
    """What was sent for one batch. Captures read and write one after the other, checks and promotions side by side."""

    project: str
    capture: list[Call] = field(default_factory=list)
    check: list[Call] = field(default_factory=list)
    decide: list[Call] = field(default_factory=list)
    promote: list[Call] = field(default_factory=list)


class Bench:
    def __init__(self, address: str) -> None:
        self.address, self.sample, self.source = address, Sample(), new_project()
        self.stores, self.raw_rpcs = FirestoreStores(address), Rpcs(address)

    def close(self) -> None:
        clear_firestore(self.address, self.source)
        self.stores.close()
        self.raw_rpcs.channel.close()

    def world(self) -> Decided:
        world = Decided(self.stores, self.source, new_project())
        world.load_production(self.sample)
        return world

    def record(self) -> Recorded:
        """A run that warms up, and tells what is to be sent."""
        world = Decided(self.stores, self.source, new_project())
        world.put(world.source, SOURCE, self.sample.records(blanks=False))
        world.load_production(self.sample)
        recorder = Recorder(world.production._rpcs)  # type: ignore[attr-defined]
        found = Recorded(world.ports.project_ids["fibreflow"])
        with recorder.into(found.capture):
            outcome = capture(world.ctx)
        with recorder.into(found.check):
            world.pay(outcome.owed)
            world.pump()
        with recorder.into(found.decide):
            batch = world.approve()
        with recorder.into(found.promote):
            world.promote(batch)
        clear_firestore(self.address, found.project)
        return found

    def ours(self) -> Took:
        world = self.world()
        took = {RUN: _seconds(world.run)}
        batch = world.approve()
        took[PROMOTION] = _seconds(lambda: world.promote(batch))
        clear_firestore(self.address, world.ports.project_ids["fibreflow"])
        return took

    def raw(self, recorded: Recorded) -> Took:
        project = self.world().ports.project_ids["fibreflow"]

        def ready(calls: list[Call]) -> Ready:
            return Ready(self.raw_rpcs, calls, recorded.project, project)

        capture, check = ready(recorded.capture), ready(recorded.check)
        commits = ready([call for call in recorded.promote if call[0] == "commit"])
        took = {RUN: _seconds(capture.one_by_one) + _seconds(check.at_once)}
        ready(recorded.decide).one_by_one()
        took[PROMOTION] = _seconds(commits.at_once)
        clear_firestore(self.address, project)
        return took


def _seconds(do: Callable[[], object]) -> float:
    gc.collect()
    gc.freeze()  # the sample and what was recorded are the bench's own
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def ratios() -> Iterator[Ratio]:
    with tempfile.TemporaryDirectory() as folder:
        emulator = started_or_reused(FIRESTORE, Path(folder))
        bench = Bench(emulator.address)
        try:
            yield from _ratios(bench)
        finally:
            bench.close()
            emulator.stop()


def _ratios(bench: Bench) -> Iterator[Ratio]:
    recorded = bench.record()
    bench.raw(recorded)
    ours: list[Took] = []
    raw: list[Took] = []
    for number in range(ROUNDS):
        for mine in (True, False) if number % 2 else (False, True):
            if mine:
                ours.append(bench.ours())
            else:
                raw.append(bench.raw(recorded))
    for name, bound in ((RUN, 5.0), (PROMOTION, 2.0)):
        ratio = median(a[name] / b[name] for a, b in zip(ours, raw, strict=True))
        detail = f"{median(a[name] for a in ours):.2f} s / {median(b[name] for b in raw):.2f} s"
        yield Ratio(name, ratio, bound, detail, at_most=True)
