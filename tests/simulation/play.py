"""Plays a scenario with faults, and holds where it ends against where it ends without any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from penstock.core.errors import InvalidInput, NotFound, PenstockError, Refused
from penstock.core.values import Data, dumps
from support.faults import BY_CHANNEL, ZOMBIES, Channel, Fault, Killed, Mode

from simulation.acts import Act, Note
from simulation.scenarios import SCENARIOS, Scenario
from simulation.simulation import Broken, Simulation, small_packs

PRESSES = 8  # how often one tries again what a fault stopped


def perform(sim: Simulation, acts: Sequence[Act], notes: Sequence[Note], *, told: bool = False) -> None:
    """Act after act, each again until it went through, and rest between them. `told`: whoever is refused leaves it at that."""
    for act, note in zip(acts, notes, strict=True):
        for _ in range(PRESSES):
            if note.get("done"):
                break
            sim.later = lambda: perform(sim, acts, notes, told=told)
            try:
                act(sim, note)
                note["done"] = True
            except Killed:
                pass
            except PenstockError as error:
                sim.errors.append(str(error))
                if not sim.faults.struck and not told:
                    raise
                note["done"] = told and isinstance(error, (Refused, InvalidInput, NotFound))
            sim.settle()


Began: TypeAlias = Callable[[Simulation], None]


def play(scenario: Scenario, *faults: Fault, began: Began = lambda _: None) -> Simulation:
    """The scenario from its beginning to rest, judged. `began` is told when the faults are armed. Raises `Broken`."""
    with small_packs(scenario.changes, scenario.inline):
        sim = scenario.world(scenario.people, scenario.approvals, scenario.targets)
        perform(sim, scenario.given, [{} for _ in scenario.given])
        sim.faults.plan(*faults)
        began(sim)
        perform(sim, scenario.acts, [{} for _ in scenario.acts])
        sim.faults.armed = False
        sim.judge_rest()
        return sim


@dataclass(frozen=True)
class End:
    """Where a life ended, without the moments at which things happened and the beginnings that dead runs left."""

    production: str
    statuses: tuple[str, ...]
    mails: Counter[tuple[str, str]]
    proposed: tuple[str, ...]


def end_of(sim: Simulation) -> End:
    proposed = [(view, change) for view in sim.views if view.state.open for change in view.changes_in(view.state.open)]
    stands = [{path: _lasting(data) for path, data in sorted(view.production().items())} for view in sim.views]
    return End(
        dumps(stands),
        tuple(sorted(str(b.status) for view in sim.views for b in view.batches().values() if b.status != "SUPERSEDED")),
        Counter((mail.to, mail.subject) for mail in sim.mailer.mailbox),
        tuple(sorted(view.gist(change) for view, change in proposed)),
    )


def _lasting(data: Data) -> Data:
    return {name: value for name, value in data.items() if name != "changedAt"}


@cache
def calm(name: str) -> tuple[End, Mapping[Channel, Sequence[str]]]:
    """Where a scenario ends without any fault, and the calls that it makes on the way."""
    sim = play(SCENARIOS[name])
    return end_of(sim), sim.faults.seen


def boundaries(name: str) -> Iterator[tuple[Fault, str]]:
    """Every single fault that a scenario can be struck by, with the call that it strikes."""
    for channel, calls in calm(name)[1].items():
        for at, what in enumerate(calls, 1):
            for mode in BY_CHANNEL[channel]:
                yield Fault(channel, at, mode), what


def strike(name: str, *faults: Fault, began: Began = lambda _: None) -> tuple[list[tuple[str, Mode]], str]:
    """Play a scenario with faults. Gives what was struck, and what was broken, "" where nothing was."""
    struck: list[tuple[str, Mode]] = []
    try:
        sim = play(SCENARIOS[name], *faults, began=began)
        struck = sim.faults.struck
        differs(
            end_of(sim), calm(name)[0], late=any(mode in (*ZOMBIES, "cut") for _, mode in struck), one_end=SCENARIOS[name].one_end
        )
    except Broken as broken:
        return struck, str(broken)
    return struck, ""


def differs(end: End, quiet: End, *, late: bool, one_end: bool = True) -> None:
    """Raises `Broken` where a life ended elsewhere. Beside a zombie others may have told people once more, of
    another batch; and so has a run that read its source in part."""
    if not one_end:
        return
    if end.production != quiet.production:
        raise Broken(f"nothing lost or doubled: production is {end.production}, and without faults {quiet.production}")
    if end.proposed != quiet.proposed:
        raise Broken(f"nothing lost or doubled: {end.proposed} is proposed, and without faults {quiet.proposed}")
    if end.statuses != quiet.statuses:
        raise Broken(f"nothing lost or doubled: batches are {end.statuses}, and without faults {quiet.statuses}")
    if end.mails != quiet.mails and not late:
        raise Broken(f"effects: mails are {end.mails}, and without faults {quiet.mails}")
