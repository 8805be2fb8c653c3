"""Lives that differ only in the fault that strikes last are lived together up to there: at each call that is to be struck the
process forks, and the child is struck."""

from __future__ import annotations

import gc
import os
import pickle
import traceback
from collections.abc import Sequence
from typing import NamedTuple

from support.faults import Channel, Fault, Mode

from simulation.play import strike
from simulation.simulation import Simulation


class Life(NamedTuple):
    """How a life went with one fault more: all that struck, and what was broken, "" where nothing was."""

    last: Fault
    struck: list[tuple[str, Mode]]
    broken: str


class _Forks:
    def __init__(self, last: Sequence[Fault]) -> None:
        self.left: dict[tuple[Channel, int], list[Fault]] = {}
        for fault in last:
            self.left.setdefault((fault.channel, fault.at), []).append(fault)
        self.mine: Fault | None = None  # this process is struck by
        self.pipe = -1  # where a child tells how it went
        self.lives: list[Life] = []

    def began(self, sim: Simulation) -> None:
        planned = sim.faults.chosen

        def chosen(channel: Channel, number: int) -> Mode | None:
            here = [] if self.mine else self.left.pop((channel, number), [])
            for fault in here:
                if (not self.left and fault is here[-1]) or self._child(fault):
                    self.mine = fault
                    return fault.mode
            return planned(channel, number)

        sim.faults.chosen = chosen

    def _child(self, fault: Fault) -> bool:
        """Whether this is the child; the parent waits for what became of it."""
        told, pipe = os.pipe()
        child = os.fork()
        if not child:
            gc.disable()  # it would write to every page that is shared with the parent
            self.pipe = pipe
            return True
        os.close(pipe)
        with os.fdopen(told, "rb") as answer:
            content = answer.read()
        os.waitpid(child, 0)
        self.lives.append(Life(fault, *pickle.loads(content)) if content else Life(fault, [], "the process ended"))
        return False


def strike_each(name: str, first: Sequence[Fault], last: Sequence[Fault]) -> list[Life]:
    """Play a scenario with these faults, and with each of the last ones beside them. One whose call never comes is not there."""
    forks = _Forks(last)
    gc.collect()
    gc.freeze()
    try:
        struck, broken = strike(name, *first, began=forks.began)
    except BaseException:
        if forks.pipe < 0:
            raise
        struck, broken = [], traceback.format_exc()
    gc.unfreeze()
    if forks.pipe >= 0:
        with os.fdopen(forks.pipe, "wb") as answer:
            pickle.dump((struck, broken), answer)
        os._exit(0)
    return [*forks.lives, Life(forks.mine, struck, broken)] if forks.mine else forks.lives
