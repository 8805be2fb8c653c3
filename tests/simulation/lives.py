"""Random lives: from a seed, some steps of everything that happens to a pipeline, and some faults on the way.

`python -m simulation seed N` (with PYTHONPATH=tests) shows the life of a seed, what it broke, and the shortest life that still
breaks it. A new kind of step is a line in `STEPS` (of a tree in wood_lives.py): how to draw its arguments, and the act that they
make."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

from penstock.core.records import Delete
from penstock.use_cases.topics import CHECK, PROMOTE
from support.faults import BY_CHANNEL, Channel, Fault, Mode

from simulation import wood_lives
from simulation.acts import (
    DAY,
    Act,
    approve,
    echo,
    edit,
    feed,
    fire_twice,
    forward,
    mail_server,
    mend,
    once,
    poison,
    reject,
    rivals,
    roll_back,
    run,
    vanish,
)
from simulation.parishes import Parishes
from simulation.play import perform
from simulation.simulation import OVERLAP, Broken, Simulation, small_packs

CALLS = 16  # that change something, about, in a step


class Step(NamedTuple):
    name: str
    given: tuple[Any, ...] = ()


def _drawn_feed(draw: random.Random) -> tuple[Any, ...]:
    tap = draw.randint(1, 3)
    pipe = tap if draw.random() < 0.8 else draw.randint(1, 3)
    colour = draw.choice(["red", "blue", "", *(f"new {draw.randint(1, 999)}" for _ in range(5))])
    return tap, pipe, colour, draw.choice([0, 0, 0, 0, OVERLAP / 2 - 50, -OVERLAP / 2 + 50, -DAY])


def _drawn_edit(draw: random.Random) -> tuple[Any, ...]:
    return draw.choice(["pipes/P1", "pipes/P2", "taps/T1", "taps/T3"]), f"by hand {draw.randint(1, 99)}"


def _drawn_words(draw: random.Random) -> tuple[Any, ...]:
    some = draw.sample(["pipes/P1", "pipes/P2", "taps/T1", "taps/T2"], draw.choice([0, 0, 0, 1, 2]))
    return draw.randint(0, 1), draw.choice(["approve", "reject"]), tuple(some)


def _approve(who: int, blockers: Any, refused: tuple[str, ...]) -> Act:
    """Refuses those of the named changes that the batch has."""

    def act(sim: Simulation, note: dict[str, Any]) -> None:
        there = {change.key for change in sim.changes_in(sim.state.open)} if sim.state.open else set()
        approve(who, blockers, dict.fromkeys(there & set(refused), "reject"))(sim, note)

    return act


def _shuffled(seed: int) -> Act:
    """From now on messages are delivered in any order."""
    return once(lambda sim: setattr(sim, "order", random.Random(seed)))


def _lost(sim: Simulation, note: dict[str, Any]) -> None:
    """The messages of the next run go astray."""
    once(lambda s: setattr(s, "astray", 3))(sim, note)
    run()(sim, note)


def _nothing(draw: random.Random) -> tuple[Any, ...]:
    return ()


Steps: TypeAlias = Mapping[str, tuple[int, Callable[[random.Random], tuple[Any, ...]], Callable[..., Act]]]  # weight, draw, make
STEPS: Steps = {
    "feed": (10, _drawn_feed, feed),
    "vanish": (1, lambda draw: (draw.randint(1, 3),), vanish),
    "edit": (3, _drawn_edit, lambda path, colour: edit(path, colour=colour)),
    "remove": (1, _drawn_edit, lambda path, _: once(lambda sim: sim.database.commit([Delete(path)]))),
    "run": (9, lambda draw: (draw.choice(["changes", "changes", "full", "recheck"]),), run),
    "run twice": (1, _nothing, lambda: fire_twice),
    "approve": (12, _drawn_words, _approve),
    "reject": (2, lambda draw: (draw.randint(0, 1),), reject),
    "rivals": (1, _nothing, lambda: rivals),
    "roll back": (3, _nothing, roll_back),
    "time": (2, lambda draw: (draw.choice([60, 1_000, 4_000, DAY, 8 * DAY, -60, -300]),), forward),
    "mail server": (2, lambda draw: (draw.choice(["up", "down"]),), mail_server),
    "poison": (1, lambda draw: (draw.choice([CHECK, PROMOTE]), draw.randint(0, 1)), poison),
    "mend": (1, _nothing, lambda: mend),
    "echo": (2, _nothing, lambda: echo),
    "shuffle": (1, lambda draw: (draw.randint(1, 99),), _shuffled),
    "lost messages": (1, _nothing, lambda: _lost),
}
_OF_PIPES = ("feed", "vanish", "edit", "remove", "approve")
WOOD_STEPS = {**{name: of for name, of in STEPS.items() if name not in _OF_PIPES}, **wood_lives.STEPS}
ALL_STEPS = {**STEPS, **WOOD_STEPS}
CALM_END: tuple[Step, ...] = (Step("mail server", ("up",)), Step("mend"), Step("run", ("changes",)))


@dataclass(frozen=True)
class Life:
    steps: tuple[Step, ...]
    faults: tuple[Fault, ...]
    inline: int = 500
    people: int = 1
    approvals: int = 1
    changes: int = 2  # in a pack
    world: type[Simulation] = Simulation


def life_of(seed: int) -> Life:
    """Every fourth is that of a tree."""
    return wood_life(seed) if seed % 4 == 3 else pipe_life(seed)


def pipe_life(seed: int) -> Life:
    draw = random.Random(seed)
    steps = [Step("feed", (n, n, f"colour {n}", 0)) for n in range(1, draw.randint(2, 3))] + [Step("run", ("changes",))]
    steps += _drawn(draw, STEPS, draw.randint(1, 7))
    faults = _drawn_faults(draw, len(steps))
    people = draw.choice([1, 1, 2])
    return Life(tuple(steps), faults, draw.choice([0, 500]), people, draw.randint(1, people))


def wood_life(seed: int) -> Life:
    draw = random.Random(seed)
    steps = [Step("the landlord"), Step("run", ("changes",))]
    steps += [Step("decide", (0, "approve", (), "")), Step("others settle")]
    steps += _drawn(draw, WOOD_STEPS, draw.randint(2, 8))
    people = draw.choice([1, 1, 2])
    inline, changes = draw.choice([0, 500]), draw.choice([1, 2, 4])
    faults = _drawn_faults(draw, len(steps))
    return Life(tuple(steps), faults, inline, people, draw.randint(1, people), changes, Parishes)


def _drawn(draw: random.Random, among: Steps, many: int) -> list[Step]:
    names, weights = list(among), [weight for weight, _, _ in among.values()]
    return [Step(name, among[name][1](draw)) for name in draw.choices(names, weights, k=many)]


def _drawn_faults(draw: random.Random, steps: int) -> tuple[Fault, ...]:
    faults = []
    for _ in range(draw.choice([0, 1, 1, 2, 2, 3, 4])):
        channel: Channel = draw.choice(["change", "change", "change", "read", "read", "message"])
        faults.append(Fault(channel, draw.randint(1, CALLS * steps), draw.choice(BY_CHANNEL[channel])))
    return tuple(faults)


def live(life: Life) -> list[tuple[str, Mode]]:
    """One life to its rest, judged. Gives the faults that struck; raises `Broken`."""
    with small_packs(life.changes, life.inline):
        sim = life.world(life.people, life.approvals)
        sim.faults.plan(*life.faults)
        acts = [ALL_STEPS[step.name][2](*step.given) for step in life.steps]
        perform(sim, acts, [{} for _ in acts], told=True)
        sim.faults.armed = False
        acts = [ALL_STEPS[step.name][2](*step.given) for step in CALM_END]
        perform(sim, acts, [{} for _ in acts], told=True)
        sim.judge_rest()
        return sim.faults.struck


def broken_by(life: Life) -> str:
    """What a life breaks, "" for nothing. An error that nobody expects breaks something too."""
    try:
        live(life)
    except Broken as broken:
        return str(broken)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told with its seed
        return f"crash: {type(error).__name__} {error}"
    return ""


def shrunk(life: Life) -> Life:
    """The shortest life that breaks the same law: steps and faults are dropped while it still does."""
    law = broken_by(life).partition(":")[0]
    going = True
    while going:
        going = False
        for name in ("faults", "steps"):
            for at in reversed(range(len(getattr(life, name)))):
                kept = getattr(life, name)
                shorter = replace(life, **{name: kept[:at] + kept[at + 1 :]})
                if broken_by(shorter).partition(":")[0] == law:
                    life, going = shorter, True
    return life
