"""Parishes of two targets that share what was read of their landlord: a release at a time, sound or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from penstock.core.codec import Mode, TargetState
from penstock.core.declaration import Target
from penstock.core.errors import PenstockError
from penstock.core.records import Set
from penstock.core.values import Data
from penstock.entrypoints import privileges
from penstock.use_cases import releases
from support import oracle

from simulation.acts import Act, Note, once, run
from simulation.model import proposed
from simulation.parishes import Parishes

COUNTRY = "XA"
NORTH, SOUTH = (Target(name, name, "(default)", "", (COUNTRY,)) for name in ("north", "south"))
SAID = {"landlordId": "id", "level": "level", "landlordParent": "parent", "code": "code", "name": "name", "active": "active"}


def quarantine(sim: Dioceses, event: object) -> Iterator[str]:
    """What is proposed was said by the landlord while all that it said was sound."""
    for path, change, _ in proposed(sim, event):
        id = change.key.partition("/")[2]
        if not _was_said(change.after or {}, [state.get(id) for state in sim.sound]):
            yield f"{path} proposes {change.after} of {id}, which no sound release said"


def _was_said(after: Data, said: Sequence[Data | None]) -> bool:
    """`said` of a unit, release by release; one that had it and has it no more says that it is not active."""
    dropped = any(was is not None and now is None for was, now in pairwise(said))
    if dropped and after.get("active") is False:
        return True
    return any(all(after[mine] == of.get(theirs) for mine, theirs in SAID.items() if mine in after) for of in said if of)


def is_sound(records: Mapping[str, Data]) -> bool:
    """Whether a landlord's units make a tree: each by its own id, below one of the level above, and active only below such. There
    are some."""
    units = {id: {**data, "parentId": data.get("parent")} for id, data in records.items()}
    for id, unit in units.items():
        way, above = oracle.walked(units, id), units.get(unit["parentId"] or "")
        if way is None or unit["id"] != id or unit["level"] != len(way) or (above and unit["active"] > above["active"]):
            return False
    codes = [(unit["parentId"], unit["level"], unit.get("code")) for unit in units.values() if unit.get("code")]
    return bool(units) and len(set(codes)) == len(codes)


class Dioceses(Parishes):
    FILE = Path(__file__).with_name("dioceses.yaml")
    MAPPED = Parishes.MAPPED | {"country"}
    ALWAYS = {**Parishes.ALWAYS, "quarantine": quarantine}  # noqa: RUF012 - as that

    def __init__(self, people: int = 1, approvals: int = 1, targets: tuple[Target, ...] = (NORTH, SOUTH)) -> None:
        self.sound: list[dict[str, Data]] = []
        super().__init__(people, approvals, targets or (NORTH, SOUTH))

    def tell(self, id: str, **fields: Any) -> None:
        super().tell(id, country=COUNTRY, **fields)
        self._judge_source()

    def withdraw(self, id: str) -> None:
        super().withdraw(id)
        self._judge_source()

    def _judge_source(self) -> None:
        if is_sound(records := self.records()):
            self.sound.append(records)

    def overlooked(self, state: TargetState, *, rest: bool = False) -> Iterator[str]:
        """At rest: what the landlord says, where that is sound."""
        if rest and is_sound(self.records()):
            yield from self.undealt(state, self.records())


def tell_wrongly(id: str, as_id: str) -> Act:
    """Another of the landlord's documents says that it is this unit."""

    def do(sim: Any) -> None:
        data = {**sim.records()[as_id], "changed": sim.clock.time}
        sim.registry.commit([Set(f"{sim.SOURCE}/{id}", data)])

    return once(do)


def on(target: str, act: Act) -> Act:
    return lambda sim, note: act(sim.view(target), note)


def run_all(mode: Mode = "changes") -> Act:
    """What a schedule causes: what the targets share is read once, then each of them is run; one that fails stops no other."""

    def act(sim: Any, note: Note) -> None:
        ports = sim.serving(privileges.CAPTURE).ports
        releases.refresh(ports, sim.ctx.pipeline, "landlord", COUNTRY)
        failed: list[PenstockError] = []
        for view in sim.views:
            try:
                run(mode)(view, note.setdefault(view.ctx.id, {}))
            except PenstockError as error:
                failed += [] if view.is_down else [error]
        if failed:
            raise failed[0]

    return act


def breaks(target: str, after: int) -> Act:
    """The target's database answers nobody any more, after so many commits."""
    return once(lambda sim: sim.journal.fuses.update({f"demo-{target}": after}))


def mended(target: str) -> Act:
    def do(sim: Any) -> None:
        sim.journal.fuses.pop(f"demo-{target}", None)
        sim.publisher.messages += sim.parked
        sim.parked.clear()

    return once(do)
