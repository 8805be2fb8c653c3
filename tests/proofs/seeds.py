"""Random lives by their seeds: steps, faults, messages twice, late, lost and in any order, clocks that jump, two people at once.

`scripts/prove seeds 100000` lives the seeds from 0 on, on all cores. A violation names its seed and the shortest life that still
breaks the law; `PYTHONPATH=tests .venv/bin/python -m simulation seed N` shows both again."""

from __future__ import annotations

from collections import Counter

from simulation.lives import ALL_STEPS, broken_by, life_of, live, shrunk
from simulation.simulation import Broken
from support.faults import BY_CHANNEL, Mode
from support.spread import spread

from proofs.proof import Proof

DEFAULT = 2_000


def lived(seed: int) -> tuple[int, list[str], list[tuple[str, Mode]], str]:
    """(seed, the names of its steps, what struck, what was broken)"""
    life = life_of(seed)
    names = [step.name for step in life.steps]
    try:
        return seed, names, live(life), ""
    except Broken as broken:
        return seed, names, [], str(broken)
    except Exception:  # noqa: BLE001 - told in words, with its seed
        return seed, names, [], broken_by(life)


def prove(count: int = DEFAULT) -> Proof:
    steps: Counter[str] = Counter()
    struck: Counter[Mode] = Counter()
    violations = []
    for seed, names, faults, broken in spread(lived, range(count)):
        steps.update(names)
        struck.update(mode for _, mode in faults)
        if broken:
            shortest = shrunk(life_of(seed)) if len(violations) < 3 else "not looked for"
            violations.append(f"seed {seed}: {broken}; the shortest life that breaks it: {shortest}")
    modes = {mode for of in BY_CHANNEL.values() for mode in of}
    unreached = [*(ALL_STEPS.keys() - steps.keys()), *(modes - struck.keys())]
    return Proof({"seeds": count, "steps": steps.total(), "faults": struck.total()}, violations, sorted(unreached))
