"""Every scenario, struck at every boundary in every mode: one fault at a time, counted and not sampled.

`scripts/prove exhaustive` strikes each kind of call in each mode and as many boundaries more as a build server has time for;
with a count as large as the printed number of boundaries, all. A violation names scenario, fault and call: see it again with
`PYTHONPATH=tests .venv/bin/python -m simulation SCENARIO CHANNEL AT MODE`."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from simulation.forks import Life, strike_each
from simulation.play import boundaries
from simulation.scenarios import SCENARIOS
from support.faults import Fault, Mode
from support.spread import evenly, spread

from proofs.proof import Proof

DEFAULT = 1_500
TOGETHER = 100


class Job(NamedTuple):
    scenario: str
    fault: Fault
    what: str


def everything() -> list[Job]:
    return [Job(name, fault, what) for name in SCENARIOS for fault, what in boundaries(name)]


def chosen(jobs: list[Job], count: int) -> list[Job]:
    """Each kind of call in each mode at least once, in scenarios as different as can be, and the rest at equal distances."""
    kinds: dict[tuple[str, Mode], list[Job]] = {}
    for job in jobs:
        kinds.setdefault((job.what, job.fault.mode), []).append(job)
    first = [of[n % len(of)] for n, of in enumerate(kinds.values())]
    left = sorted(set(jobs) - set(first), key=jobs.index) if count >= len(jobs) else evenly(jobs, max(0, count - len(first)))
    return [*first, *left]


def together(jobs: list[Job]) -> list[list[Job]]:
    """Jobs of one scenario, as many as are lived together."""
    by_scenario: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        by_scenario[job.scenario].append(job)
    return [of[n : n + TOGETHER] for of in by_scenario.values() for n in range(0, len(of), TOGETHER)]


def struck(jobs: list[Job]) -> tuple[list[Job], dict[Fault, Life]]:
    lives = strike_each(jobs[0].scenario, (), [job.fault for job in jobs])
    return jobs, {life.last: life for life in lives}


def prove(count: int = DEFAULT) -> Proof:
    jobs = everything()
    wanted = {(job.what, job.fault.mode) for job in jobs}
    reached: set[tuple[str, Mode]] = set()
    violations: list[str] = []
    runs = 0
    for some, lives in spread(struck, together(chosen(jobs, count))):
        for job in some:
            runs += 1
            there, broken = lives[job.fault][1:] if job.fault in lives else ([], "")
            reached.update(there)
            if broken:
                fault = job.fault
                violations.append(f"`{job.scenario}` {fault.channel} {fault.at} `{fault.mode}` ({job.what}): {broken}")
            elif there != [(job.what, job.fault.mode)]:
                violations.append(f"`{job.scenario}` {job.fault}: was to strike {job.what} and struck {there}")
    counted = {"scenarios": len(SCENARIOS), "boundaries": len(jobs), "kinds of call and mode": len(wanted), "runs": runs}
    return Proof(counted, violations, sorted(f"{what}, {mode}" for what, mode in wanted - reached))
