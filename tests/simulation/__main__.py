"""See one fault again: `PYTHONPATH=tests .venv/bin/python -m simulation SCENARIO [CHANNEL AT MODE]...`."""

from __future__ import annotations

import sys

from support.faults import Fault

from simulation.play import strike


def main(name: str, *given: str) -> int:
    faults = [Fault(channel, int(at), mode) for channel, at, mode in zip(given[::3], given[1::3], given[2::3], strict=True)]  # type: ignore[arg-type]
    struck, broken = strike(name, *faults)
    print(f"struck {struck}", broken or "no law was broken", sep="\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
