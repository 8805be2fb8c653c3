"""See it again, with PYTHONPATH=tests.

`python -m simulation SCENARIO [CHANNEL AT MODE]...`: faults in a scenario. `python -m simulation seed N`: a random life, what it
breaks, and the shortest life that still breaks it."""

from __future__ import annotations

import sys

from support.faults import Fault

from simulation.lives import Life, broken_by, life_of, shrunk
from simulation.play import strike


def main(name: str, *given: str) -> int:
    if name == "seed":
        return show(life_of(int(given[0])))
    faults = [Fault(channel, int(at), mode) for channel, at, mode in zip(given[::3], given[1::3], given[2::3], strict=True)]  # type: ignore[arg-type]
    struck, broken = strike(name, *faults)
    print(f"struck {struck}", broken or "no law was broken", sep="\n")
    return 1 if broken else 0


def show(life: Life) -> int:
    broken = broken_by(life)
    print(life, broken or "no law was broken", sep="\n")
    if broken:
        print("the shortest that breaks it:", shrunk(life), sep="\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
