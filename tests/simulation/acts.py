"""What happens from outside: the schedule, people, other programs, time.

Each act is made for one place in a life, may be called again when a fault stopped it half-way, and then does no more than a
person would who finds it done: `note` is what it remembers. Messages are delivered, and the sweep runs, behind each act until
there is rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from penstock.core.batch import Status
from penstock.core.codec import Mode
from penstock.core.errors import Incomplete, Refused
from penstock.core.plan import Verdict
from penstock.core.reversal import Choice
from penstock.entrypoints import privileges
from penstock.use_cases.capture import capture
from penstock.use_cases.decide import Said
from penstock.use_cases.rollback import plan_rollback
from penstock.use_cases.sweep import retry

from simulation.simulation import PEOPLE, Simulation

Note: TypeAlias = dict[str, Any]
Act: TypeAlias = Callable[[Simulation, Note], None]
OPERATOR = "operator@example.org"
DAY = 86_400


def once(do: Callable[[Simulation], object]) -> Act:
    """Something outside of the system: no fault can stop it, and it happens once."""

    def act(sim: Simulation, note: Note) -> None:
        if not note.get("happened"):
            note["happened"] = True
            do(sim)

    return act


def feed(tap: int, pipe: int, colour: str, changed: float = 0.0) -> Act:
    return once(lambda sim: sim.feed(tap, pipe, colour, changed))


def vanish(tap: int) -> Act:
    return once(lambda sim: sim.vanish(tap))


def edit(path: str, /, **fields: Any) -> Act:
    return once(lambda sim: sim.edit(path, **fields))


def forward(seconds: float) -> Act:
    return once(lambda sim: sim.clock.forward(seconds))


def mail_server(state: Literal["up", "down"]) -> Act:
    return once(lambda sim: setattr(sim.journal, "mail_is_down", state == "down"))


def poison(topic: str, pack: int) -> Act:
    return once(lambda sim: sim.poison.add((topic, pack)))


def curse(topic: str, pack: int) -> Act:
    """A pack that one instance can handle and all the others, while that one stands still, cannot."""
    return once(lambda sim: sim.curse.add((topic, pack)))


def echo(sim: Simulation, note: Note) -> None:
    """All messages so far come again, twice, the last ones first."""
    once(lambda s: s.publisher.messages.extend([m for m in reversed(s.publisher.messages[:40]) for _ in range(2)]))(sim, note)


def run(mode: Mode = "changes") -> Act:
    """The schedule fires; and again, while no run came to its end since it should have."""

    def act(sim: Simulation, note: Note) -> None:
        last = sim.state.last_run
        before = note.setdefault("before", last)
        if last != before and last["mode"] != "recheck":
            return
        outcome = capture(sim.serving(privileges.CAPTURE), mode)
        sim.pay(outcome.owed, privileges.CAPTURE)
        if any("NOT complete" in told for told in outcome.notes):
            note["before"] = sim.state.last_run
            raise Incomplete("was read in part", subject=outcome.target, remedy="The schedule fires again.")

    return act


def fire_twice(sim: Simulation, note: Note) -> None:
    """The schedule fires twice for one time."""
    run()(sim, note)
    capture(sim.serving(privileges.CAPTURE), "changes")


def _open(sim: Simulation, note: Note) -> str:
    """The batch that waits for a word: the one the act began with, or what replaced it."""
    batches = sim.batches()
    id = note.setdefault("batch", sim.state.open)
    while id and batches[id].superseded_by:
        id = batches[id].superseded_by
    return id if id and batches[id].status is Status.UNDER_REVIEW else ""


def approve(
    who: int = 0,
    blockers: Verdict = "approve",
    changes: Mapping[str, Verdict] | None = None,
    choices: Mapping[str, str] | None = None,
) -> Act:
    """An approver presses, and again while the page still takes a decision of theirs."""

    def act(sim: Simulation, note: Note) -> None:
        id = _open(sim, note)
        if id and PEOPLE[who] not in {d.by for d in sim.batches()[id].decisions}:
            sim.approve_as(id, PEOPLE[who], blockers, changes, choices)

    return act


def reject(who: int = 0) -> Act:
    def act(sim: Simulation, note: Note) -> None:
        if id := _open(sim, note):
            sim.say(id, Said("reject"), PEOPLE[who])

    return act


def rivals(sim: Simulation, note: Note) -> None:
    """One approves and the other rejects the same batch: the first word stands, and the second is told so."""
    if id := _open(sim, note):
        sim.approve_as(id, PEOPLE[0])
        if len(sim.people) < 2:
            return
        try:
            sim.say(id, Said("reject"), PEOPLE[1])
        except Refused as told:
            sim.errors.append(str(told))
        else:
            if sim.batches()[id].approvals > 1 or (id, PEOPLE[1], "reject") not in sim.said:
                return  # one consent of two decides nothing, and the refusal is the decision; or they had no mail to answer
            sim.journal.broken.append("one decision: the second word was taken too")


def roll_back(keys: tuple[str, ...] | None = None, *, overwrite: bool = False) -> Act:
    """An operator proposes to take back what was applied last, unless that is proposed already."""

    def act(sim: Simulation, note: Note) -> None:
        batches = sim.batches()
        done = {id: b for id, b in batches.items() if b.status in (Status.APPLIED, Status.PARTIALLY_APPLIED)}
        if not done and "of" not in note:
            return
        of = note.get("of") or max(done, key=lambda id: done[id].finished_at)  # type: ignore[arg-type,return-value]
        note["of"] = of
        note.setdefault("known", list(batches))
        new = [b for id, b in batches.items() if b.rolls_back == of and id not in note["known"]]
        if any(b.status not in (Status.CREATED, Status.SUPERSEDED) for b in new):
            return
        choice = Choice(None if keys is None else frozenset(keys), overwrite=overwrite)
        _, owed = plan_rollback(sim.ctx, of, OPERATOR, choice)
        sim.pay(owed)

    return act


def mend(sim: Simulation, note: Note) -> None:
    """What poisoned a pack is mended, and an operator retries the batch that failed."""
    once(lambda s: (s.poison.clear(), s.curse.clear()))(sim, note)
    for id, batch in sim.batches().items():
        if batch.status is Status.FAILED:
            retry(sim.ctx, id, OPERATOR)
