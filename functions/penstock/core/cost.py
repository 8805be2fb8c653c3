"""Billed operations and what they cost.

Prices are settings (`prices` of a pipeline): they depend on the place, and change. Those that stand here are defaults to reckon
with, not a quotation. Firestore: 0.06, 0.18 and 0.02 USD for 100,000 reads, writes and deletes, the prices of a multi-region as
quoted from Google's page in May 2018; today's are on cloud.google.com/firestore/pricing by location, and were not compared.
Pub/Sub: 40 USD a TiB, as quoted from cloud.google.com/pubsub/pricing in September 2026, with a message taken for 1,000 bytes,
once published and once delivered. Left out: free quotas, and what is no operation: storage, traffic, the functions' own time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

PHASES = ("capture", "check", "review", "decide", "promote", "report")


@dataclass(frozen=True, slots=True)
class Prices:
    """USD for 100,000 operations each."""

    reads: float = 0.06
    writes: float = 0.18
    deletes: float = 0.02
    messages: float = 0.0073


@dataclass(frozen=True, slots=True)
class Cost:
    """Billed operations. `messages` are those of Pub/Sub, each counted once."""

    reads: int = 0
    writes: int = 0
    deletes: int = 0
    messages: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.reads + other.reads,
            self.writes + other.writes,
            self.deletes + other.deletes,
            self.messages + other.messages,
        )

    def times(self, many: int) -> Cost:
        return Cost(self.reads * many, self.writes * many, self.deletes * many, self.messages * many)

    @property
    def operations(self) -> int:
        """What the database bills."""
        return self.reads + self.writes + self.deletes


def total(costs: Iterable[Cost]) -> Cost:
    return sum(costs, Cost())


def money(cost: Cost, prices: Prices) -> float:
    """In USD."""
    stored = cost.reads * prices.reads + cost.writes * prices.writes + cost.deletes * prices.deletes
    return (stored + cost.messages * prices.messages) / 100_000
