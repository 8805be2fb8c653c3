"""What the phases behind a capture will cost, foreseen from the packs that it staged; and the rules by which Firestore bills.

As Google's pages "Understand Cloud Firestore billing" (firebase.google.com/docs/firestore/pricing) and "Understanding your
billing report" (cloud.google.com/firestore/docs/billing-questions) state them: a read for every document that a get or a query
returns, and one for a query that returns none; a get of a document that is not there is a read; a count costs a read for each
1,000 index entries begun, and one at least; a set or an update is a write, also one that changes nothing; a delete is billed
apart. They say nothing of a commit that a precondition refused; it is taken to cost nothing, since it changes nothing. What a
time-to-live policy removes later is billed as a delete each, and is part of no run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from penstock.core.changes import Action, Change
from penstock.core.cost import Cost
from penstock.core.declaration import Pipeline
from penstock.core.plan import Kind
from penstock.core.records import Snapshot
from penstock.core.rules import Below, Count, Find, Get, Judging, Named
from penstock.core.values import FieldPath, Value

ENTRIES_PER_READ = 1_000
BELOW_A_PARENT = 10  # units of a tree, where nothing is known of it: of Nepal's 7,580, those that have some have 9


def count_of(entries: int) -> int:
    """The reads of a count that finds so many documents."""
    return max(1, -(-entries // ENTRIES_PER_READ))


def query_of(documents: int) -> int:
    """The reads of a query that returns so many documents."""
    return max(1, documents)


# Paying an effect that is owed ends with one write, and begins by reading the batch.
_PAID = Cost(reads=1, writes=1)
_MAIL = _PAID + Cost(reads=1)  # and the link


def asking(packs: int) -> Cost:
    """Sending a batch to be checked; one without packs, a hold, is opened at once."""
    if not packs:
        return Cost(writes=1)
    return _PAID + Cost(writes=2, messages=packs)


def after_pack(number: int, packs: int) -> Cost:
    """Looking whether other packs wait, once a pack was dealt with; the last of them looks twice, and counts."""
    last = number == packs - 1
    return Cost(reads=1 + (1 if last and packs > 1 else 0) + last)


def mailing(approvers: int) -> Cost:
    return _MAIL.times(approvers)


def starting(messages: int) -> Cost:
    """Paying that a batch is to be promoted; a small one needs no messages."""
    return _PAID + Cost(writes=2, messages=messages)


def reported(packs: int, entries: int) -> Cost:
    """What follows the write that ends a report: its own payment, the mail, and the evidence beside the backups."""
    return Cost(writes=1) + _PAID + _PAID + Cost(reads=1 + query_of(packs) + query_of(entries))


def refusing(packs: int) -> Cost:
    """What follows a refusal of the whole batch: what it proposed is remembered, and the entry that ended it is anchored."""
    return _PAID + Cost(reads=query_of(packs), writes=packs) + _PAID + Cost(reads=1)


@dataclass(frozen=True, slots=True)
class Staged:
    """A pack as it was staged: its changes (`drops CREATE` → how many), and what judging it is foreseen to read. `beside`: what
    promoting it costs beside its own writes. `harmless`: nobody is asked about what it holds, as far as is known."""

    counts: Mapping[str, int]
    lookups: int
    beside: Cost = Cost()  # noqa: RUF009 - a constant
    harmless: bool = False

    def of(self, action: Action) -> int:
        return sum(many for name, many in self.counts.items() if name.endswith(f" {action}"))

    @property
    def deletes(self) -> int:
        return self.of(Action.DELETE)

    @property
    def writes(self) -> int:
        return sum(self.counts.values()) - self.deletes


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the cost of a batch depends on beside its packs. `production`: documents of each entity; `batches`: those that are
    kept of the target, this one among them; `inline`: a batch of at most so many changes is promoted without messages."""

    approvers: int
    approvals: int
    production: Mapping[str, int]
    batches: int
    readback_share: float
    inline: int
    kind: Kind = "sync"
    ordered: bool = False  # packs are promoted one after the other, as those of a tree
    undone: int = 0  # batches that are taken back, or stand again, once a rollback came to rest

    @property
    def rollback(self) -> bool:
        return self.kind == "rollback"


def foresee(packs: Sequence[Staged], of: Circumstances) -> dict[str, Cost]:
    """The phases after the capture, if every change is approved and production stays as it is meanwhile."""
    many, changes = len(packs), sum(pack.writes + pack.deletes for pack in packs)
    check = asking(many)
    for number, pack in enumerate(packs):
        check += Cost(reads=1 + pack.lookups, writes=1) + after_pack(number, many)
    unasked = of.kind == "sync" and all(pack.harmless for pack in packs)
    asked = 0 if unasked else of.approvers
    review = Cost(reads=1 + query_of(many), writes=2 + 2 * asked + unasked) + mailing(asked)
    vote = Cost(reads=1 + query_of(many), writes=2)
    by_link = vote + Cost(reads=1, writes=2)
    decide = (vote if unasked else by_link.times(of.approvals)) + Cost(reads=1, writes=2)
    report_counts = sum(count_of(max(0, held + _gained(entity, packs))) for entity, held in of.production.items())
    wanted = math.ceil(changes * of.readback_share)
    loaded = math.ceil(wanted * many / changes) if changes else 0
    wanted *= 1 + of.ordered  # of a tree the unit above is read too
    report = Cost(reads=1 + report_counts + 2 * query_of(many) + loaded + wanted + query_of(of.batches), writes=1)
    return {
        "check": check,
        "review": review,
        "decide": decide,
        "promote": _promote(packs, of, inline=changes <= of.inline),
        "report": report + reported(many, 1 + of.undone),
    }


def _gained(entity: str, packs: Sequence[Staged]) -> int:
    return sum(pack.counts.get(f"{entity} CREATE", 0) - pack.counts.get(f"{entity} DELETE", 0) for pack in packs)


def _promote(packs: Sequence[Staged], of: Circumstances, *, inline: bool) -> Cost:
    many = len(packs)
    cost = starting(0 if inline else many)
    for number, pack in enumerate(packs):
        own = Cost(writes=pack.writes + 1 + of.rollback, deletes=pack.deletes)  # a rollback's changes are not proposed again
        own += pack.beside + Cost(reads=int(of.ordered and number > 0))
        cost += own + (Cost(reads=1) if inline else Cost(reads=2) + after_pack(number, many))
    cost += Cost(reads=1) if inline else Cost()  # counted once by itself
    return cost + Cost(reads=2 + query_of(many) + of.undone, writes=6 + 2 * of.undone)


Known: TypeAlias = Callable[[Count | Find], int | None]  # how many documents production has of what is asked; None: not known


def reads_of_check(
    pipeline: Pipeline, prefix: str, changes: Sequence[Change], held: Mapping[str, int], known: Known | None = None
) -> int:
    """The reads with which the rules will judge a pack: what they ask first, and what they ask then where the answers are those
    that are known, or else those that the size of each collection (`held`) makes likely. What several units that are asked about
    together have is taken to be one's each, as far as it goes."""
    judging = Judging(pipeline, prefix, changes)
    found = judging.found
    shares: dict[tuple[str, FieldPath, Value], list[int]] = {}  # of units that were asked about together: what is left of it
    reads = 0
    while asked := judging.asks():
        for a in asked:
            if isinstance(a, Get):
                found[a], cost = Snapshot(a.path, None, None), 1
            elif isinstance(a, Named):
                found[a], cost = (), len(a.paths)
            elif isinstance(a, Find):
                there = known(a) if known else None
                found[a], cost = (), query_of(_likely_found(pipeline, prefix, a, held) if there is None else min(there, a.most))
            elif isinstance(a, Count) and (share := shares.get((a.collection, a.field, a.value))):
                found[a] = given = min(1, share[0])
                share[0] -= given
                cost = 1
            else:
                there = known(a) if known and isinstance(a, Count) else None
                found[a] = many = _likely(pipeline, prefix, a, held) if there is None else there
                if isinstance(a, Count) and isinstance(a.value, tuple):
                    share = [many]
                    shares |= {(a.collection, a.field, value): share for value in a.value}
                cost = count_of(many)
            reads += cost
    return reads


def _likely(pipeline: Pipeline, prefix: str, asked: Count | Below, held: Mapping[str, int]) -> int:
    """Children of a parent, or of several: as many as a parent has on the average. Of a tree, whose leaves are asked about
    together, a unit asked about by itself has some; what else there may be is not known."""
    if isinstance(asked, Below):
        return 0
    many = len(asked.value) if isinstance(asked.value, tuple) else 1
    for child in pipeline.entities:
        at = prefix + child.collection == asked.collection
        if at and child.tree and child.tree.parent == asked.field:
            return 0 if isinstance(asked.value, tuple) else 1
        if at and child.parent and child.parent.field == asked.field:
            parents = held.get(prefix + pipeline.entity(child.parent.entity).collection, 0)
            return round(many * held.get(asked.collection, 0) / parents) if parents else 0
    return 0


def _likely_found(pipeline: Pipeline, prefix: str, asked: Find, held: Mapping[str, int]) -> int:
    """What stands below the parents of a tree, so many below each; otherwise nothing, for to be found is the exception."""
    for entity in pipeline.entities:
        if entity.tree and prefix + entity.collection == asked.collection:
            for field, value in asked.equal:
                if field == entity.tree.parent:
                    many = len(value) if isinstance(value, tuple) else 1
                    return min(many * BELOW_A_PARENT, held.get(asked.collection, 0), asked.most)
    return 0
