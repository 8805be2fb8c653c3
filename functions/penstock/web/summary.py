"""What a batch amounts to, in a few numbers and one sentence: shared by mails, pages and reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.core.batch import Status
from penstock.core.changes import SEVERITIES, Finding
from penstock.core.cost import PHASES, Cost, money, total
from penstock.core.plan import Batch
from penstock.web.text import plural, visible, words, worst_first

STATUS_WORDS: Mapping[Status, str] = {
    Status.CREATED: "being read",
    Status.STAGED: "staged, checks are about to start",
    Status.CHECKING: "being checked",
    Status.UNDER_REVIEW: "waiting for a decision",
    Status.APPROVED: "approved, about to be written",
    Status.APPLYING: "being written to production",
    Status.APPLIED: "applied",
    Status.PARTIALLY_APPLIED: "applied in part",
    Status.REJECTED: "rejected",
    Status.EXPIRED: "expired without a decision",
    Status.SUPERSEDED: "superseded by a newer batch",
    Status.FAILED: "failed",
    Status.ROLLED_BACK: "rolled back",
}


_HOLD_WORDS: Mapping[Status, str] = {
    **STATUS_WORDS,
    Status.STAGED: "about to be put to a decision",
    Status.APPROVED: "approved, the next run goes on",
    Status.APPLIED: "approved, runs go on with the source as it was",
    Status.REJECTED: "rejected, runs are held until the source changes",
    Status.SUPERSEDED: "over",
}


def status_words(batch: Batch) -> str:
    """`This batch is …`"""
    return (_HOLD_WORDS if batch.kind == "hold" else STATUS_WORDS)[batch.status]


@dataclass(frozen=True, slots=True)
class Counted:
    """How many changes of an entity, by action."""

    entity: str
    create: int
    update: int
    delete: int

    @property
    def total(self) -> int:
        return self.create + self.update + self.delete


def counted(batch: Batch) -> list[Counted]:
    """From `drops CREATE` → 12, one line per entity in the batch's order."""
    found: dict[str, dict[str, int]] = {}
    for label, count in batch.counts.items():
        entity, _, action = label.rpartition(" ")
        found.setdefault(entity, {})[action] = count
    return [Counted(e, by.get("CREATE", 0), by.get("UPDATE", 0), by.get("DELETE", 0)) for e, by in found.items()]


def severities(batch: Batch) -> dict[str, int]:
    return {s: sum(by.get(s, 0) for by in batch.findings.values()) for s in SEVERITIES}


def masses(batch: Batch) -> list[Finding]:
    """Fields that changed alike in many records: one decision each."""
    return [f for f in batch.batch_findings if f.table and not f.key]


def brakes(batch: Batch) -> list[Finding]:
    return worst_first(f for f in batch.batch_findings if not f.table and not f.key)


def decided_brakes(batch: Batch) -> list[Finding]:
    """Findings about the whole batch that stop it until somebody speaks for their rule."""
    return [f for f in brakes(batch) if f.severity == "blocker"]


def rules(batch: Batch) -> list[tuple[str, dict[str, int]]]:
    """Findings by rule, worst and most first."""
    return sorted(
        ((rule, {s: by.get(s, 0) for s in SEVERITIES}) for rule, by in batch.findings.items()),
        key=lambda item: tuple(-item[1][s] for s in SEVERITIES),
    )


def recommendation(batch: Batch) -> str:
    """What the numbers ask of the person who decides."""
    if batch.kind == "hold":
        return (
            "Look at the source first. Approve, and the next run goes on with it as it is now; what that finds comes to you as a "
            "batch of its own. Reject, and every run is held until the source changes. Production stays as it is either way."
        )
    counts = severities(batch)
    parts = []
    if counts["blocker"]:
        needs = "needs" if counts["blocker"] == 1 else "need"
        parts.append(f"{plural(counts['blocker'], 'blocker')} {needs} a word each, or one for their rule")
    if mass := masses(batch):
        parts.append(f"{plural(len(mass), 'mass change')} to decide as a whole ({', '.join(visible(f.field) for f in mass)})")
    if parts:
        return "; ".join(parts) + "; the rest is ordinary."
    if counts["warning"]:
        return f"No blocker. Look at {plural(counts['warning'], 'warning')}, then approve."
    return f"Nothing stands out: {plural(batch.total, 'ordinary change')}."


def sentence(batch: Batch) -> str:
    """`120 changes: 100 poles created, 20 drops updated`."""
    if batch.kind == "hold":
        return "a run was stopped by a brake; nothing was staged"
    done = {"create": "to create", "update": "to update", "delete": "to delete"}
    found = [(getattr(c, action), c.entity, word) for c in counted(batch) for action, word in done.items()]
    parts = [f"{count:,} {words(entity)} {word}" for count, entity, word in found if count]
    return f"{plural(batch.total, 'change')}: {', '.join(parts)}" if parts else "no changes"


def seconds(batch: Batch) -> int | None:
    """From the decision to the end of the promotion."""
    if batch.decided_at is None or batch.finished_at is None:
        return None
    return batch.finished_at.seconds - batch.decided_at.seconds


@dataclass(frozen=True, slots=True)
class BillLine:
    """One phase, or all of them; numbers as people read them, "" where there are none."""

    phase: str
    foreseen: str
    metered: str
    cost: Cost  # as metered, or else as foreseen


def bill(batch: Batch) -> list[BillLine]:
    """What a batch costs, phase by phase and in all."""
    phases = [phase for phase in PHASES if phase in batch.foreseen or phase in batch.costs]
    if not phases:
        return []

    def line(name: str, foreseen: Cost | None, metered: Cost | None) -> BillLine:
        return BillLine(name, _operations(foreseen), _operations(metered), metered or foreseen or Cost())

    lines = [line(phase, batch.foreseen.get(phase), batch.costs.get(phase)) for phase in phases]
    foreseen, metered = total(batch.foreseen.values()), total(batch.costs.values())
    return [*lines, line("in all", foreseen, metered)]


def billed(batch: Batch) -> str:
    """`24,012 operations foreseen, 23,950 metered until now: capture 22,489, check 555`."""
    foreseen, metered = (total(costs.values()) for costs in (batch.foreseen, batch.costs))
    by_phase = ", ".join(f"{phase} {batch.costs[phase].operations:,}" for phase in PHASES if phase in batch.costs)
    return f"{foreseen.operations:,} operations foreseen, {metered.operations:,} metered until now: {by_phase}"


def priced(batch: Batch) -> str:
    """`0.0412 USD foreseen, 0.0119 USD metered until now`."""
    foreseen, metered = (money(total(costs.values()), batch.prices) for costs in (batch.foreseen, batch.costs))
    return f"{foreseen:.4f} USD foreseen, {metered:.4f} USD metered until now"


def _operations(cost: Cost | None) -> str:
    return f"{cost.operations:,}" if cost is not None else ""
