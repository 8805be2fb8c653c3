"""What a step was billed, for the document that the step writes anyway: metering costs no write of its own.

What a step still does after the write that notes its cost is added as foreseen. Reads by people who look at pages, by the sweep,
and by messages that came again and found nothing to do, are noted nowhere."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core.cost import Cost
from penstock.core.records import Delete, Write
from penstock.ports import tab_of_this_thread


class Metering:
    """What this thread, and those that it starts, are billed from now on."""

    def __init__(self) -> None:
        self._tab = tab_of_this_thread()
        self._before = self._tab.billed

    @property
    def spent(self) -> Cost:
        now, before = self._tab.billed, self._before
        return Cost(*(n - b for n, b in zip(now, before, strict=True)))

    def with_commit(self, writes: Sequence[Write]) -> Cost:
        """And with the commit that is about to be made."""
        deletes = sum(isinstance(write, Delete) for write in writes)
        return self.spent + Cost(writes=len(writes) - deletes, deletes=deletes)
