"""What proves that a read of a source was whole: as many documents as the database counts at the same moment, each of them once,
over ranges without a gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from penstock.core.values import Timestamp

Of = Literal["everything", "changes", "again", "ranges"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """Of one source in one run. `of`: `everything` there is, or the `changes` behind the watermark and in the overlap window, or
    nothing but what is planned `again`, fetched by id; or key `ranges` of everything, counted and held against what is known.
    In documents: `counted` by the database at `at`, `streamed` at `at` (of ranges: known, or read where the count was another),
    none taken twice. `why` says in plain words what else speaks against it."""

    source: str
    at: Timestamp
    of: Of
    counted: int
    streamed: int
    why: str = ""
    withheld: int = 0  # groups that may lack a record, and so were not planned

    @property
    def complete(self) -> bool:
        return not self.why and self.counted == self.streamed

    @property
    def proves_absence(self) -> bool:
        """Whether a document that was not read is not there: only then may a delete be proposed. A source that holds nothing at
        all was emptied or renamed, and proves nothing."""
        return self.complete and self.of in ("everything", "ranges") and self.counted > 0

    def told(self) -> str:
        """One plain sentence, and where the read was not complete another on what follows."""
        how = "accounted for by key ranges" if self.of == "ranges" else "read"
        read = f"{self.source}: {self.streamed} of {self.counted} documents {how} at {self.at}"
        if self.complete:
            return f"{read}; the read was complete."
        why = f" ({self.why})" if self.why else ""
        groups = "1 group" if self.withheld == 1 else f"{self.withheld} groups"
        held = f"Of {groups} not all may have come: withheld." if self.withheld else ""
        follows = "No delete is proposed, and the next run reads again what may be missing."
        return " ".join(filter(None, [f"{read}; the read was NOT complete{why}.", held, follows]))
