"""What a run costs is what was foreseen, within 2 %, and what was metered is what the database billed, to the operation: first
runs, days of every size, idle runs, promotions and rollbacks; in memory, and the same on the emulator. Whatever is delivered
three times costs the writes of once. A run that is stopped by its cap goes on and loses nothing.

PENSTOCK_SEED draws other lives."""

from __future__ import annotations

import os
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.whole import Whole, new_project
from penstock import wiring
from penstock.adapters.firestore import FirestoreStores
from penstock.adapters.memory import MemoryStores
from penstock.core.cost import PHASES, Cost, total
from penstock.local.emulators import FIRESTORE, clear_firestore, started_or_reused
from penstock.ports import Stores
from penstock.use_cases import capture as capturing
from penstock.use_cases.context import load_target
from penstock.use_cases.rollback import plan_rollback
from penstock.wiring import Contexts
from support import network as net
from support.world import World

from proofs.proof import Proof

DEFAULT = 4
SIZES = (12, 150, 400)  # poles, each with some drops
NEAR = 0.02
LOOKS = 4  # reads of the proof itself for each batch: two looks at a link's batch, two at the batch
Bills = list[tuple[str, dict[str, Cost]]]


class Life(Whole):
    """A network, and what happens to its source."""

    def __init__(self, stores: Stores, seed: int, poles: int, times: int = 1) -> None:
        super().__init__(stores, new_project(), new_project())
        self.drawn, self.poles, self.times = random.Random(seed), poles, times
        self.bills: Bills = []
        self.wrong: list[str] = []
        self.day = 1
        net.feed(self, net.network(range(1, poles + 1), drops=3))

    def pump(self) -> None:
        """Everything is delivered `times` over."""
        while todo := self.publisher.messages[self.delivered :]:
            self.delivered += len(todo)
            for _ in range(self.times):
                for sent in todo:
                    self.deliver(*sent)

    def whole(self) -> None:
        self._batch("first run", lambda: self.run().batch)
        for share in (0.01, 0.1, 0.5):
            self._idle()
            self._change(max(1, round(self.poles * share)))
            last = self._batch(f"day of {share:.0%}", lambda: self.run().batch)
        self._batch("rollback", lambda: self._taken_back(last))

    def _change(self, many: int) -> None:
        self.day += 1
        drawn, day = self.drawn, f"2026-06-{self.day:02d}"
        status = drawn.choice((net.APPROVED, net.INSTALLED))
        records = [net.record(f"{n}-{n % 3}", n, drop=n * 10 + n % 3, status=status, day=day) for n in self._some(many)]
        records += [net.record(f"{n}-9", n, drop=n * 10 + 9, day=day) for n in self._some(many // 4)]
        records += [
            net.record(f"{n}-0", n, drop=n * 10, day=day, Location_Address=f"{self.day} Aloe Road") for n in self._some(many)
        ]
        net.feed(self, dict(records).items())

    def _some(self, many: int) -> list[int]:
        return self.drawn.sample(range(1, self.poles + 1), many)

    def _taken_back(self, batch: str) -> str:
        rollback, owed = plan_rollback(self.ctx, batch, "operator@example.org")
        self.pay(owed)
        self.pump()
        return rollback.id

    def _billed(self) -> Cost:
        return Cost(self.bill.reads, self.bill.writes, self.bill.deletes)

    def _idle(self) -> None:
        before = self._billed()
        outcome = self.run()
        cost = self._billed().operations - before.operations
        self._demand("idle run", not outcome.batch and outcome.cost.operations == cost, f"cost {cost}, metered {outcome.cost}")
        self.bills.append(("idle run", {"capture": outcome.cost}))

    def _batch(self, what: str, propose: Callable[[], str]) -> str:
        before = self._billed()
        id = propose()
        self.approve()
        batch = self.batch(id)
        spent = self._billed().operations - before.operations
        metered, foreseen = total(batch.costs.values()), total(batch.foreseen.values())
        self._demand(what, batch.status == "APPLIED", f"is {batch.status}")
        self._demand(what, set(batch.costs) == set(PHASES) == set(batch.foreseen), f"told {sorted(batch.costs)}")
        if self.times == 1:
            self._demand(what, metered.operations == spent - LOOKS, f"metered {metered}, billed {spent - LOOKS}")
        off = abs(foreseen.operations - metered.operations)
        near = off <= NEAR * metered.operations
        self._demand(what, near, f"foreseen {foreseen}, metered {metered}: {off / metered.operations:.1%} off")
        self.bills.append((what, dict(batch.costs)))
        return id

    def _demand(self, what: str, holds: bool, told: str) -> None:
        if not holds:
            self.wrong.append(f"{what} of {self.poles} poles: {told}")


def prove(count: int = DEFAULT) -> Proof:
    """`count` lives in memory, each of them three times; of every third the same on the emulator; and as many caps."""
    seed, counted, wrong = int(os.environ.get("PENSTOCK_SEED", "1")), Counter[str](), list[str]()
    with _emulator() as on_the_emulator:
        for number in range(count):
            place, poles = f"life {number + 1} of {count} (seed {seed}): ", SIZES[number % len(SIZES)]
            drawn = f"{seed}{number:04d}"
            once, thrice = (_life(MemoryStores(wiring.clock), int(drawn), poles, times) for times in (1, 3))
            wrong += [place + told for told in (*once.wrong, *thrice.wrong, *_dearer(once, thrice))]
            counted["bills"] += len(once.bills)
            counted["delivered three times"] += len(thrice.bills)
            if number % 3 == 0:
                real = on_the_emulator(int(drawn), poles)
                wrong += [place + told for told in _differ(once.bills, real)]
                counted["on the emulator"] += len(real)
            wrong += [place + told for told in _capped(poles, counted)]
    names = ("bills", "delivered three times", "on the emulator", "caps")
    return Proof({name: counted[name] for name in names}, wrong)


def _life(stores: Stores, seed: int, poles: int, times: int = 1) -> Life:
    life = Life(stores, seed, poles, times)
    life.whole()
    return life


def _dearer(once: Life, thrice: Life) -> Iterator[str]:
    """Where three deliveries cost other writes than one."""
    for (what, costs), (_, again) in zip(once.bills, thrice.bills, strict=True):
        for phase in costs:
            if (costs[phase].writes, costs[phase].deletes) != (again[phase].writes, again[phase].deletes):
                yield f"{what}, {phase}: {costs[phase]} once, {again[phase]} three times"
    if (once.bill.writes, once.bill.deletes) != (thrice.bill.writes, thrice.bill.deletes):
        yield f"billed {once.bill.writes} writes once, {thrice.bill.writes} three times"


def _differ(memory: Bills, real: Bills) -> list[str]:
    pairs = zip(memory, real, strict=True)
    return [f"{what}: {costs} in memory, {there} on the emulator" for (what, costs), (_, there) in pairs if costs != there]


@contextmanager
def _emulator() -> Iterator[Callable[[int, int], Bills]]:
    with tempfile.TemporaryDirectory(prefix="bill") as folder:
        emulator = started_or_reused(FIRESTORE, Path(folder))
        stores = FirestoreStores(emulator.address)

        def live(seed: int, poles: int) -> Bills:
            life = _life(stores, seed, poles)
            for project in life.ports.project_ids.values():
                clear_firestore(emulator.address, project)
            return life.bills

        try:
            yield live
        finally:
            stores.close()
            emulator.stop()


def _capped(poles: int, counted: Counter[str]) -> list[str]:
    """A first run is stopped at some of its chunks, approved, and comes to what it would have come to."""
    free, capped = World(), World()
    for world in (free, capped):
        net.feed(world, net.network(range(1, poles + 1), drops=3))
    free.run()
    free.approve("approve")
    cap = poles * 3 // 2
    _band(capped, cap)
    foresee = capturing.rest_of_capture
    capturing.rest_of_capture = lambda *_, **__: Cost()  # so that it starts
    try:
        held = capped.run().held
    finally:
        capturing.rest_of_capture = foresee
    counted["caps"] += 1
    if not held or load_target(capped.ctx).state.manifest:
        return [f"a cap of {cap} let a run of {poles} poles pass"]
    for _ in range(2):  # the hold, and the batch that was staged
        capped.approve("approve")
    same = all(
        {id: _bare(data) for id, data in free.documents(name).items()}
        == {id: _bare(data) for id, data in capped.documents(name).items()}
        for name in ("planned-poles", "drops")
    )
    return [] if same else [f"a run of {poles} poles that a cap of {cap} stopped came to something else"]


def _bare(data: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in data.items() if name != "penstock"}


def _band(world: World, most: int) -> None:
    pipeline = world.ctx.pipeline
    pipeline = replace(pipeline, brakes=replace(pipeline.brakes, max_operations=most))
    world.contexts = Contexts(world.ports, {pipeline.name: pipeline})
    world.ctx = world.outside = world.contexts.all()[0]
