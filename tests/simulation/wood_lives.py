"""What may happen in a random life of a tree, beside what happens in any: see lives.py."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from penstock.core.choices import CASCADE, reassign
from penstock.core.plan import DEPENDENTS

from simulation.acts import Act, Note, approve, once
from simulation.trees import CHAIN, MEMBERS, UNITS
from simulation.woods import STOCK, settle_all, withdraw

LEVELS = {"p1": 2, "p2": 2, "p3": 2, "d1": 3, "d2": 3, "w1": 4, "w2": 4, "w3": 4}
ABOVE = {2: ["n"], 3: ["p1", "p2", "p3"], 4: ["d1", "d2"]}
OWN, MANY = [f"c{n}" for n in range(1, 7)], [f"m{n}" for n in range(1, 7)]
DOCUMENTS = ["p1", "second", "d1", "d2", "w1", "w2"]


def _drawn_news(draw: random.Random) -> tuple[Any, ...]:
    id = draw.choice(list(LEVELS))
    parent = draw.choice(ABOVE[LEVELS[id]])
    match draw.choice(["name", "parent", "parent", "parent", "goes", "returns", "code"]):
        case "name":
            return id, {"name": f"new {draw.randint(1, 99)}"}
        case "goes":
            return id, {"active": False}
        case "code":
            return id, {"code": draw.choice(["D1", "W1", "X"])}
        case _:
            return id, {"parent": parent, "active": True}


def _tell(id: str, said: Mapping[str, Any]) -> Act:
    """Of a unit that the landlord does not have yet, or not any more, all is said."""

    def do(sim: Any) -> None:
        new = {} if id in sim.records() else {"parent": ABOVE[LEVELS[id]][0], "level": LEVELS[id]}
        sim.tell(id, **{**new, **said})

    return once(do)


def _under(do: Callable[[Any], None], unit: str) -> Act:
    """Only where the unit is there."""
    return once(lambda sim: do(sim) if unit in sim.documents(UNITS) else None)


def _settle_in(id: str, under: str) -> Act:
    """Not deeper than members tell."""

    def do(sim: Any) -> None:
        units = sim.documents(UNITS)
        if id not in units and units[under]["path"].count(".") + 1 < len(CHAIN):
            sim.settle_in(id, under)

    return _under(do, under)


def _join(id: str, unit: str) -> Act:
    return _under(lambda sim: sim.join(id, unit), unit)


def _replant(id: str, under: str) -> Act:
    return _under(lambda sim: sim.replant(id, under) if id in sim.documents(UNITS) else None, under)


def _by_hand(path: str, name: str) -> Act:
    collection, _, id = path.partition("/")
    return once(lambda sim: sim.edit(path, name=name) if id in sim.documents(collection) else None)


def _meanwhile(path: str, name: str) -> Act:
    return once(lambda sim: setattr(sim.journal, "meanwhile", lambda: _by_hand(path, name)(sim, {})))


def _join_meanwhile(id: str, unit: str) -> Act:
    return once(lambda sim: setattr(sim.journal, "meanwhile", lambda: _join(id, unit)(sim, {})))


def _drawn_place(draw: random.Random) -> tuple[Any, ...]:
    id = draw.choice(["p1", "d1", "d2", "w1", "w2"])
    return id, {"n": "nation", "p2": "second"}.get(above := draw.choice(ABOVE[LEVELS[id]]), above)


def _drawn_words(draw: random.Random) -> tuple[Any, ...]:
    some = draw.sample(["units/p1", "units/p3", "units/d1", "units/w1"], draw.choice([0, 0, 0, 1, 2]))
    return (
        draw.randint(0, 1),
        draw.choice(["approve", "reject"]),
        tuple(some),
        draw.choice(["", CASCADE, CASCADE, reassign("w2")]),
    )


def _approve(who: int, blockers: Any, refused: tuple[str, ...], choice: str) -> Act:
    """Refuses those of the named changes that the batch has, and says the same of all that hangs below units that go."""

    def act(sim: Any, note: Note) -> None:
        id = sim.state.open
        there = {change.key for change in sim.changes_in(id)} if id else set()
        asked = {f.key for f in sim.batches()[id].batch_findings if f.rule == DEPENDENTS} if id and choice else set()
        words = dict.fromkeys(there & set(refused), "reject")
        approve(who, blockers, words, dict.fromkeys(asked - words.keys(), choice))(sim, note)  # type: ignore[arg-type]

    return act


def _edited(draw: random.Random) -> tuple[Any, ...]:
    some = [*(f"{UNITS}/{id}" for id in [*DOCUMENTS, "c1", "c2"]), *(f"{MEMBERS}/{id}" for id in MANY)]
    return draw.choice(some), f"by hand {draw.randint(1, 99)}"


def _gone_by_hand(id: str) -> Act:
    return once(lambda sim: sim.leave(id))


STEPS: Mapping[str, tuple[int, Callable[[random.Random], tuple[Any, ...]], Callable[..., Act]]] = {  # weight, draw, make
    "the landlord": (0, lambda _: (), lambda: STOCK),
    "others settle": (0, lambda _: (), lambda: settle_all),
    "tell": (12, _drawn_news, _tell),
    "withdraw": (1, lambda draw: (draw.choice(list(LEVELS)),), withdraw),
    "settle in": (2, lambda draw: (draw.choice(OWN), draw.choice([*DOCUMENTS, *OWN])), _settle_in),
    "join": (2, lambda draw: (draw.choice(MANY), draw.choice([*DOCUMENTS, *OWN])), _join),
    "leave": (1, lambda draw: (draw.choice(MANY),), _gone_by_hand),
    "replant": (1, _drawn_place, _replant),
    "join meanwhile": (1, lambda draw: (f"m{draw.randint(7, 9)}", draw.choice(["w1", "w3", "d1", "c1", "c2"])), _join_meanwhile),
    "by hand": (2, _edited, _by_hand),
    "by hand meanwhile": (1, _edited, _meanwhile),
    "decide": (12, _drawn_words, _approve),
}
