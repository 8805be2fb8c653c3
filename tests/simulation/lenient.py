"""A waterworks whose board is not asked about what is new and of which nothing was found."""

from __future__ import annotations

from penstock.core.changes import Action
from penstock.core.declaration import Target

from simulation.simulation import Simulation

TOWN = Target("town", "town", "(default)", auto_approve=("new_pipes", "new_taps"))


class Lenient(Simulation):
    def __init__(self, people: int = 1, approvals: int = 1, targets: tuple[Target, ...] = ()) -> None:
        super().__init__(people, approvals, targets or (TOWN,))

    def unasked(self, batch: str) -> bool:
        """Told from what was shown: nothing but new records, and no finding beyond a notice."""
        packs = self.journal.shown.get(batch, {}).values()
        new = all(change.action is Action.CREATE for pack in packs for change in pack.changes.values())
        found = (f for pack in packs for of_key in pack.findings.values() for f in of_key)
        return bool(packs) and new and all(f.severity == "notice" for f in found)
