"""The store in memory says what Firestore's emulator says: histories of the simulation, every call to a database recorded
with its answer, are asked once more of the emulator, each in projects of its own. `simulation.replay` says what is compared.

`scripts/prove equal 1000` replays that many: the n-th is, in turn, a scenario with one fault drawn by n, or the random life of
seed n. A violation names it; see it lived again with `PYTHONPATH=tests .venv/bin/python -m simulation` and what is named, and
replayed with `proofs.equal.compared([n], "host:port of an emulator")`."""

from __future__ import annotations

import random
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from penstock.adapters.firestore import FirestoreStores
from penstock.local.emulators import FIRESTORE, clear_firestore, started_or_reused
from simulation.history import History, recorded
from simulation.lives import life_of, live
from simulation.play import boundaries, strike
from simulation.replay import Differs, Replay
from simulation.scenarios import SCENARIOS
from simulation.simulation import Broken

from proofs.proof import Proof

DEFAULT = 200
MUST = ("gets", "scans", "counts", "commits", "prepares", "refusals", "preconditions", "prepared writes", "reads of the past")


def history_of(n: int) -> tuple[str, History]:
    """What the n-th is, as `python -m simulation` takes it, and what was asked and answered in it."""
    if n % 2:
        with recorded() as histories, suppress(Broken):  # who keeps which law is for the other proofs
            live(life_of(n))
        return f"seed {n}", histories[-1]
    names = list(SCENARIOS)
    name = names[n // 2 % len(names)]
    fault, _ = random.Random(n).choice(list(boundaries(name)))
    with recorded() as histories:
        strike(name, fault)
    return f"'{name}' {fault.channel} {fault.at} '{fault.mode}'", histories[-1]


def replayed(n: int, stores: FirestoreStores, address: str) -> tuple[Counter[str], str]:
    """What was compared in the n-th, and where the emulator says otherwise, "" where nowhere. It leaves nothing there."""
    title, history = history_of(n)
    own = uuid.uuid4().hex[:12]
    replay = Replay(history, stores, own)
    try:
        replay.run()
    except Differs as differs:
        return replay.counted, f"history {n}, {title}: {differs}"
    finally:
        for project, database in history.places:
            clear_firestore(address, f"{project}-{own}", database)
    return replay.counted, ""


def compared(histories: Sequence[int], address: str) -> Proof:
    counted: Counter[str] = Counter({"histories": 0})
    violations = []
    with _stores(address) as stores:
        for n in histories:
            counts, differs = replayed(n, stores, address)
            counted.update(counts)
            counted["histories"] += 1
            if differs:
                violations.append(differs)
    return Proof(dict(counted), violations, [what for what in MUST if not counted[what]])


@contextmanager
def _stores(address: str) -> Iterator[FirestoreStores]:
    stores = FirestoreStores(address)
    try:
        yield stores
    finally:
        stores.close()


def prove(count: int = DEFAULT) -> Proof:
    with tempfile.TemporaryDirectory() as folder:
        emulator = started_or_reused(FIRESTORE, Path(folder))
        try:
            return compared(range(count), emulator.address)
        finally:
            emulator.stop()
