"""`scripts/prove NAME [COUNT]`: one line with its counts; exit code 1 on any violation, or where something was never reached."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

NAMES = sorted(
    p.stem
    for p in Path(__file__).parent.glob("*.py")
    if p.stem not in ("proof", "__init__", "__main__") and p.stem[:5] != "test_"
)
SHOWN = 20


def main(given: list[str]) -> int:
    if not given or given[0] not in NAMES or len(given) > 2 or not all(word.isdecimal() for word in given[1:]):
        print(f"usage: scripts/prove NAME [COUNT], with NAME one of {', '.join(NAMES)}", file=sys.stderr)
        return 2
    name, *count = given
    module = importlib.import_module(f"proofs.{name}")
    proof = module.prove(*map(int, count))
    for told in [*proof.violations, *(f"never reached: {what}" for what in proof.unreached)][:SHOWN]:
        print(told, file=sys.stderr)
    print(proof.line(name), flush=True)
    return 0 if proof.holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
