"""A tree through a whole reform, planned and promoted by either store, judged by somebody who walks from parent to parent."""

from __future__ import annotations

from typing import Any

import pytest
from penstock.core.batch import Status
from penstock.core.records import Delete, Set
from penstock.core.tree import place_of
from penstock.ports import Stores
from penstock.use_cases import staging
from support import forest, oracle
from support.faults import PlainPages
from support.world import World


@pytest.fixture
def world(stores: Stores, project: str) -> World:
    return World(forest.FILE, people={"foresters": (forest.APPROVER,)}, stores=_InOne(stores, project), pages=PlainPages())


class _InOne:
    """Every project is one that no other test has, and its databases are named after it."""

    def __init__(self, stores: Stores, project: str) -> None:
        self._stores, self._project = stores, project

    def open(self, project: str, database: str) -> Any:
        return self._stores.open(self._project, f"{project}-{database.strip('()')}")


def say(world: World, *gone: str, **units: tuple[int, str]) -> None:
    at = world.clock()
    for id, (level, above) in units.items():
        unit = {"id": id, "level": level, "parent": above, "names": {"en": id}, "active": True, "at": at}
        world.put(world.source, "units", [(id, unit)])
    if gone:
        world.source.commit([Delete(f"units/{id}") for id in gone])
    world.clock.forward(7_200)


def test_a_reform_leaves_every_path_as_the_parents_say(world: World) -> None:
    say(world, c=(1, ""), p1=(2, "c"), p2=(2, "c"), d=(3, "p1"), w=(4, "d"))
    world.run()
    world.approve("approve")
    world.put(world.production, forest.UNITS, [forest.custom("ours", "w", "c.p1.d.w.ours")])
    world.put(world.production, "members", [forest.member("a", "c.p1.d.w.ours"), forest.member("b", "c")])
    say(world, "p2", e=(1, ""), p1=(2, "e"), d=(3, "p3"), p3=(2, "c"), n=(3, "p1"), lost=(3, "nobody"))
    outcome = world.run("full")
    changes = [(c.key, place_of(c), c.facts.get("below")) for c in staging.changes_of(world.outside, outcome.batch)]
    assert [(key.removeprefix("units/"), place.step, below) for key, place, below in changes if place] == [
        ("e", "create", None), ("p3", "create", None), ("n", "create", None),
        ("p1", "move", {"units": 3, "members": 1}), ("d", "move", {"units": 2, "members": 1}), ("p2", "deactivate", None),
    ]  # fmt: skip
    assert outcome.tallies["units"].held == 1
    assert world.approve("approve").status is Status.APPLIED
    units = forest.units(world)
    assert oracle.faults(units, world.documents("members")) == []
    assert units["ours"]["path"] == "c.p3.d.w.ours"
    assert world.run("full").batch == ""


@pytest.mark.parametrize("who", ["c9", "m9"])
def test_a_unit_to_which_somebody_comes_as_it_is_removed_stands_again(stores: Stores, project: str, who: str) -> None:
    world = forest.grown(stores=_InOne(stores, project), pages=PlainPages())
    batch = forest.Plan(world).create("d3", "p2").create("w3", "d3").create("w4", "d3").move("w2", "d2").stage()
    world.approve("approve")
    stood = forest.units(world)
    back = forest.way_back(world, batch.id)
    came = {
        "c9": Set(f"{forest.UNITS}/c9", forest.custom("c9", "w3", "np.p2.d3.w3.c9")[1]),
        "m9": Set("members/m9", forest.member("m9", "np.p2.d3.w3")[1]),
    }
    struck: list[str] = []

    def comes(commit: Any) -> None:
        commit([came[who]])
        struck.append(who)

    forest.before_commit_of(world, f"{forest.UNITS}/w3", comes)
    done = world.approve("approve")
    assert struck == [who]
    assert (done.status, done.applied, done.drifted) == (Status.PARTIALLY_APPLIED, 2, 2)
    assert {id: forest.units(world)[id] for id in ("d3", "w3")} == {id: stood[id] for id in ("d3", "w3")}
    assert "w4" not in forest.units(world)
    kind = "units" if who == "c9" else "members"
    assert forest.ledger(world, back).why == {
        "units/w3": f"1 {kind} came to hang under it as it was removed",
        "units/d3": "a unit that was removed from below it came back",
    }
    assert forest.faults(world) == []
