"""Runs benches: each file `bench_NAME.py` beside this one has a function `ratios()` that yields what it measured."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from penstock import wiring


def main() -> int:
    known = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure ratios; exit 1 if one misses its bound.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of: {', '.join(known)} (default: all)")
    names = parser.parse_args().names or known
    if unknown := set(names) - set(known):
        parser.error(f"no such bench: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    wiring.collect_rarely()  # as the deployed functions do
    missed = 0
    for name in names:
        for ratio in importlib.import_module(f"bench.bench_{name}").ratios():
            print(ratio, flush=True)
            missed += not ratio.passed
    return 1 if missed else 0


sys.exit(main())
