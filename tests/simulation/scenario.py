"""What a life consists of."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.core.declaration import Target

from simulation.acts import Act
from simulation.simulation import Simulation


@dataclass(frozen=True)
class Scenario:
    given: tuple[Act, ...]
    acts: tuple[Act, ...]
    inline: int = 500
    people: int = 1
    approvals: int = 1
    changes: int = 2  # in a pack
    world: type[Simulation] = Simulation
    targets: tuple[Target, ...] = ()  # others than the file names
    one_end: bool = True  # otherwise a fault may lead elsewhere, and the laws alone judge
