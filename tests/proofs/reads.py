"""Nothing is missed, and nothing that was not read is taken for gone.

Streams are cut short, broken off, refused, repeated, made to skip and to come out of order, at every message: at the store port
and, on the Firestore emulator, at the channel below the adapter; for a first run, one of changes and a full one. No delete may be
proposed, no change may be lost once a whole read came after, and the report must say why. See one again with
`support.cuts.broken_by(Tried(…))`.

Then so many changes as are asked for, made from seeds: with equal, late and early stamps in every shape and zone, and records
shown again as they were before. In the end production must hold what a dictionary says. A violation names its seed; see it again
with `support.gauges.live(seed, CHANGES)`."""

from __future__ import annotations

import tempfile
from collections import Counter
from functools import partial
from pathlib import Path

from penstock.local.emulators import FIRESTORE, started_or_reused
from support import cuts
from support.gauges import live
from support.spread import evenly, spread

from proofs.proof import Proof

DEFAULT = 20_000
CHANGES = 5_000  # of one history
MODES = ("first", "changes", "full")


def prove(count: int = DEFAULT) -> Proof:
    """So many generated changes; and every fault in a stream, or below a hundred thousand changes one in five."""
    every = 1 if count >= 100_000 else 5
    counted, violations, reached = histories(range(1, max(1, count // CHANGES) + 1), min(count, CHANGES))
    with tempfile.TemporaryDirectory() as folder:
        emulator = started_or_reused(FIRESTORE, Path(folder))
        try:
            for place, address in (("port", ""), ("channel", emulator.address)):
                struck, wrong = faults(place, address, every)
                counted[f"faults at the {place}"] = struck
                violations += wrong
        finally:
            emulator.stop()
    return Proof(counted, violations, [kind for kind, many in reached.items() if not many])


def histories(seeds: range, changes: int) -> tuple[dict[str, int], list[str], dict[str, int]]:
    """Whole histories: what was counted, what went missing, and how often each strange thing happened."""
    total: Counter[str] = Counter({"changes": 0, "runs": 0})
    reached: Counter[str] = Counter({"late": 0, "ahead": 0, "replayed": 0, "strange": 0})
    violations: list[str] = []
    for made, seen, missing in spread(partial(_history, changes=changes), list(seeds)):
        total.update(made)
        reached.update(seen)
        violations += missing
    return dict(total), violations, dict(reached)


def _history(seed: int, changes: int) -> tuple[dict[str, int], dict[str, int], list[str]]:
    gauges, missing = live(seed, changes)
    seen = {"late": gauges.late, "ahead": gauges.ahead, "replayed": gauges.replayed, "strange": gauges.strange}
    return {"changes": gauges.counted, "runs": gauges.runs}, seen, missing


def faults(place: str, address: str, every: int) -> tuple[int, list[str]]:
    jobs = [tried for mode in MODES for tried in cuts.tries(place, mode, address)]
    jobs = evenly(jobs, len(jobs) // every)
    broken = map(partial(cuts.broken_by, address=address), jobs) if address else spread(cuts.broken_by, jobs)
    return len(jobs), [what for found in broken for what in found]
