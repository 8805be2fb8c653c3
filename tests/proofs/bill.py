"""What a run costs is what was foreseen, within 2 %, and what was metered is what the database billed, to the operation: first
runs, days of every size, idle runs, promotions and rollbacks, of a network and of a country that a tenant mirrors; in memory, and
the same on the emulator. Whatever is delivered three times costs the writes of once. A run that is stopped by its cap goes on and
loses nothing.

PENSTOCK_SEED draws other lives."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from penstock import wiring
from penstock.adapters.firestore import FirestoreStores
from penstock.adapters.memory import MemoryStores
from penstock.core.cost import Cost
from penstock.local.emulators import FIRESTORE, started_or_reused
from penstock.ports import Stores
from penstock.use_cases import capture as capturing
from penstock.use_cases.context import load_target
from penstock.wiring import Contexts
from support import network as net
from support.world import World

from proofs.billed import Billed, Bills, Country, Network
from proofs.proof import Proof

DEFAULT = 4
SIZES = (12, 150, 400)  # poles, each with some drops; or wards
Kind = Callable[[Stores, int, int, int], Billed]
KINDS: tuple[Kind, ...] = (Network, Country)


def prove(count: int = DEFAULT) -> Proof:
    """Of each kind `count` lives in memory, each three times; of every third the same on the emulator; and as many caps."""
    seed, counted, wrong = int(os.environ.get("PENSTOCK_SEED", "1")), Counter[str](), list[str]()
    with _emulator() as stores:
        for number in range(count):
            drawn, size = int(f"{seed}{number:04d}"), SIZES[number % len(SIZES)]
            told = [f for kind in KINDS for f in _lived(kind, drawn, size, stores if number % 3 == 0 else None, counted)]
            wrong += [f"life {number + 1} of {count} (seed {seed}): {f}" for f in (*told, *_capped(size, counted))]
    names = ("bills", "delivered three times", "on the emulator", "caps")
    return Proof({name: counted[name] for name in names}, wrong)


def _lived(kind: Kind, seed: int, size: int, emulator: Stores | None, counted: Counter[str]) -> Iterator[str]:
    once, thrice = (_life(kind, MemoryStores(wiring.clock), seed, size, times) for times in (1, 3))
    counted["bills"] += len(once.bills)
    counted["delivered three times"] += len(thrice.bills)
    yield from (*once.wrong, *thrice.wrong, *_dearer(once, thrice))
    if emulator is not None:
        real = _life(kind, emulator, seed, size)
        counted["on the emulator"] += len(real.bills)
        yield from _differ(once.bills, real.bills)


def _life(kind: Kind, stores: Stores, seed: int, size: int, times: int = 1) -> Billed:
    life = kind(stores, seed, size, times)
    life.whole()
    return life


def _dearer(once: Billed, thrice: Billed) -> Iterator[str]:
    """Where three deliveries cost other writes than one."""
    for (what, costs), (_, again) in zip(once.bills, thrice.bills, strict=True):
        for phase in costs:
            if (costs[phase].writes, costs[phase].deletes) != (again[phase].writes, again[phase].deletes):
                yield f"{what}, {phase}: {costs[phase]} once, {again[phase]} three times"
    if (once.billed.writes, once.billed.deletes) != (thrice.billed.writes, thrice.billed.deletes):
        yield f"billed {once.billed.writes} writes once, {thrice.billed.writes} three times"


def _differ(memory: Bills, real: Bills) -> list[str]:
    pairs = zip(memory, real, strict=True)
    return [f"{what}: {costs} in memory, {there} on the emulator" for (what, costs), (_, there) in pairs if costs != there]


@contextmanager
def _emulator() -> Iterator[Stores]:
    with tempfile.TemporaryDirectory(prefix="bill") as folder:
        emulator = started_or_reused(FIRESTORE, Path(folder))
        stores = FirestoreStores(emulator.address)
        try:
            yield stores
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
