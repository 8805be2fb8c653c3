"""Two faults at once where two can meet: promoting, resuming, rolling back. The second strikes what the first one left behind.

Each pair is a fault at any call that changes something, in any mode, and another at any later such call, those of the recovery
included. `scripts/prove pairs` takes as many as a build server has time for, at equal distances; with a count as large as the
printed number of pairs, all. See one again with
`PYTHONPATH=tests .venv/bin/python -m simulation SCENARIO CHANNEL AT MODE CHANNEL AT MODE`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from simulation.forks import Life, strike_each
from simulation.play import calm
from support.faults import BY_CHANNEL, Fault
from support.spread import spread

from proofs.proof import Proof

DEFAULT = 1_000
CORE = (
    "approve, promote, finish", "big batch", "drift, big batch", "rollback", "rollback, big batch",
    "move, big batch", "gone, moved to another that moves", "rollback of a move, big batch",
)  # fmt: skip
BEYOND = 12  # calls that a recovery makes more than a calm life


class Group(NamedTuple):
    """The pairs of one first fault, which are lived together: `chosen` are their numbers among `seconds`."""

    scenario: str
    first: Fault
    chosen: Sequence[int]


def seconds(name: str, first: Fault) -> list[Fault]:
    calls = len(calm(name)[1]["change"])
    return [Fault("change", at, mode) for at in range(first.at + 1, calls + BEYOND + 1) for mode in BY_CHANNEL["change"]]


def groups() -> list[Group]:
    """All pairs."""
    firsts = (
        (name, Fault("change", at, mode))
        for name in CORE
        for at in range(1, len(calm(name)[1]["change"]) + 1)
        for mode in BY_CHANNEL["change"]
    )
    return [Group(name, first, range(len(seconds(name, first)))) for name, first in firsts]


def some_of(all: Sequence[Group], count: int) -> Iterator[Group]:
    """So many pairs, at equal distances."""
    total, number, before = sum(len(group.chosen) for group in all), 0, 0
    for group in all:
        chosen = []
        while number < count and (at := number * total // count - before) < len(group.chosen):
            chosen.append(at)
            number += 1
        before += len(group.chosen)
        if chosen:
            yield group._replace(chosen=chosen)


def struck(group: Group) -> tuple[Group, list[Life]]:
    every = seconds(group.scenario, group.first)
    return group, strike_each(group.scenario, [group.first], [every[n] for n in group.chosen])


def prove(count: int = DEFAULT) -> Proof:
    all = groups()
    total = sum(len(group.chosen) for group in all)
    both, violations = 0, []
    met: set[tuple[str, str]] = set()
    for group, lives in spread(struck, all if count >= total else list(some_of(all, count))):
        for life in lives:
            if len(life.struck) == 2:
                both += 1
                met.add((group.first.mode, life.last.mode))
            if life.broken:
                told = " ".join(f"{fault.channel} {fault.at} `{fault.mode}`" for fault in (group.first, life.last))
                violations.append(f"`{group.scenario}` {told}: {life.broken}")
    modes = BY_CHANNEL["change"]
    unreached = [f"{a}, then {b}" for a in modes for b in modes if (a, b) not in met]
    return Proof({"scenarios": len(CORE), "pairs": total, "lives that two faults struck": both}, violations, unreached)
