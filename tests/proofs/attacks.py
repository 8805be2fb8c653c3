"""Every registered attack is held, and would not be without its guard."""

from __future__ import annotations

from attacks.lab import Lab
from attacks.registry import cases, violations

from proofs.proof import Proof

DEFAULT = 1


def prove(count: int = DEFAULT) -> Proof:
    """`count`: how many times over all of them are tried, on one running stack."""
    every = cases()
    with Lab() as lab:
        found = [told for _ in range(count) for told in violations(every, lab)]
    return Proof({"cases": len(every), "controls": len(every)}, found)
