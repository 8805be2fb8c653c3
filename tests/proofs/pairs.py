"""Two faults at once where two can meet: promoting, resuming, rolling back. The second strikes what the first one left behind.

Each pair is a fault at any call that changes something, in any mode, and another at any later such call, those of the recovery
included. `scripts/prove pairs` takes as many as a build server has time for, at equal distances; with a count as large as the
printed number of pairs, all. See one again with
`PYTHONPATH=tests .venv/bin/python -m simulation SCENARIO CHANNEL AT MODE CHANNEL AT MODE`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from simulation.forks import Life, strike_each
from simulation.play import calm
from simulation.scenarios import SCENARIOS
from support.faults import BY_CHANNEL, Fault
from support.spread import evenly, spread

from proofs.proof import Proof

DEFAULT = 1_000
CORE = (
    "first sync", "approve, promote, finish", "big batch", "drift, big batch", "rollback", "rollback, big batch",
    "move", "gone, all along", "rollback of a move",
)  # fmt: skip
BEYOND = 12  # calls that a recovery makes more than a calm life


class Job(NamedTuple):
    scenario: str
    first: Fault
    second: Fault


def pairs(name: str) -> Iterator[Job]:
    calls = len(calm(name)[1]["change"])
    for i in range(1, calls + 1):
        for j in range(i + 1, calls + BEYOND + 1):
            for one in BY_CHANNEL["change"]:
                for other in BY_CHANNEL["change"]:
                    yield Job(name, Fault("change", i, one), Fault("change", j, other))


class Group(NamedTuple):
    """What is lived together."""

    scenario: str
    first: Fault
    seconds: tuple[Fault, ...]


def grouped(jobs: Sequence[Job]) -> list[Group]:
    groups: dict[tuple[str, Fault], list[Fault]] = defaultdict(list)
    for job in jobs:
        groups[job.scenario, job.first].append(job.second)
    return [Group(*beginning, tuple(seconds)) for beginning, seconds in groups.items()]


def struck(group: Group) -> tuple[Group, list[Life]]:
    return group, strike_each(group.scenario, [group.first], group.seconds)


def prove(count: int = DEFAULT) -> Proof:
    jobs = [job for name in CORE if name in SCENARIOS for job in pairs(name)]
    both, violations = 0, []
    met: set[tuple[str, str]] = set()
    for group, lives in spread(struck, grouped(evenly(jobs, count))):
        for life in lives:
            if len(life.struck) == 2:
                both += 1
                met.add((group.first.mode, life.last.mode))
            if life.broken:
                told = " ".join(f"{fault.channel} {fault.at} `{fault.mode}`" for fault in (group.first, life.last))
                violations.append(f"`{group.scenario}` {told}: {life.broken}")
    modes = BY_CHANNEL["change"]
    unreached = [f"{a}, then {b}" for a in modes for b in modes if (a, b) not in met]
    return Proof({"scenarios": len(CORE), "pairs": len(jobs), "lives that two faults struck": both}, violations, unreached)
