"""Lives of a batch of a tree. Added to the others in scenarios.py; how to add one stands there.

The landlord's nation has two provinces, one of them two districts with a ward each; in the tenant's production the nation and a
province have ids of their own. `SETTLED` is that mirrored, with units of the tenant's own and members here and there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from penstock.core.choices import CASCADE, reassign
from penstock.use_cases.topics import PROMOTE

from simulation.acts import Act, approve, edit, mend, once, poison, reject, roll_back, run
from simulation.dioceses import Dioceses, breaks, mended, on, run_all, tell_wrongly
from simulation.parishes import Parishes
from simulation.scenario import Scenario
from simulation.trees import UNITS

Wood = partial(Scenario, world=Parishes)


def tell(id: str, **fields: Any) -> Act:
    return once(lambda sim: sim.tell(id, **fields))


def withdraw(id: str) -> Act:
    return once(lambda sim: sim.withdraw(id))


def settle_in(id: str, under: str) -> Act:
    return once(lambda sim: sim.settle_in(id, under))


def join(id: str, unit: str) -> Act:
    return once(lambda sim: sim.join(id, unit))


def replant(id: str, under: str) -> Act:
    return once(lambda sim: sim.replant(id, under))


def meanwhile(act: Act) -> Act:
    """It happens right before production is written next: behind whatever was read for that."""
    return once(lambda sim: setattr(sim.journal, "meanwhile", lambda: act(sim, {})))


def afterwards(act: Act) -> Act:
    """It happens right after production is written next: before anything else of that promotion."""
    return once(lambda sim: setattr(sim.journal, "afterwards", lambda: act(sim, {})))


def _stock(sim: Any) -> None:
    sim.tell("n", level=1)
    for id, above, level in (("p1", "n", 2), ("p2", "n", 2), ("d1", "p1", 3), ("d2", "p1", 3), ("w1", "d1", 4), ("w2", "d2", 4)):
        sim.tell(id, parent=above, level=level)
    for view in sim.views:
        own = {"official": True, "active": True}
        view.edit("parishes/nation", landlordId="n", path="nation", level=1, name="before", **own)
        view.edit("parishes/second", landlordId="p2", landlordParent="n", parentId="nation", path="nation.second", level=2, **own)
        view.join("m3", "second")


def _settle(sim: Any) -> None:
    """Where a unit came to be: a fault may have kept it away."""
    for view in sim.views:
        for id, under in (("c1", "w1"), ("c2", "c1"), ("c3", "d2")):
            if under in view.documents(UNITS):
                view.settle_in(id, under)
        for id, unit in (("m1", "w1"), ("m2", "c2"), ("m4", "d2")):
            if unit in view.documents(UNITS):
                view.join(id, unit)


STOCK, settle_all = once(_stock), once(_settle)
REVIEWED = (STOCK, run())
SETTLED = (*REVIEWED, approve(), settle_all)
MOVE = tell("d1", parent="p2")
NESTED = (tell("d2", parent="p2"), tell("w1", parent="d2"), tell("w1", name="other"))
GROWN = (tell("p3", parent="n", level=2), tell("d3", parent="p3", level=3), tell("d1", parent="p3"), tell("w1", parent="d3"))
GONE = tell("w1", active=False)
ALL_GONE = (tell("d1", active=False), tell("w1", active=False))
W1 = "units/w1"
MOVED_TO_W2 = approve(choices={W1: reassign("w2")})
MOVED = (*SETTLED, MOVE, run(), approve())
WENT = (*SETTLED, GONE, run(), approve(choices={W1: CASCADE}))
LEFT = (*SETTLED, GONE, run(), MOVED_TO_W2)
BACK = (roll_back(), approve())

Shared = partial(Scenario, world=Dioceses)
BOTH = (STOCK, run_all(), approve(), on("south", approve()), settle_all)
WRONG = (tell("w1", parent="nowhere"), tell("d2", name="other"))

WOODS: Mapping[str, Scenario] = {
    "first mirror": Wood(REVIEWED, (approve(),)),
    "first mirror, big batch": Wood((STOCK,), (run(), approve()), inline=0),
    "rename": Wood(SETTLED, (tell("d1", name="renamed"), run(), approve())),
    "move": Wood(SETTLED, (MOVE, run(), approve())),
    "move, big batch": Wood((*SETTLED, *NESTED, run()), (approve(),), inline=0, changes=1),
    "nested moves": Wood(SETTLED, (*NESTED, run(), approve()), changes=4),
    "created, and moved under it": Wood(SETTLED, (*GROWN, run(), approve()), inline=0, changes=1),
    "created above refused": Wood(SETTLED, (*GROWN, run(), approve(changes={"units/p3": "reject"}), run("full")), changes=4),
    "moved and renamed below": Wood(SETTLED, (MOVE, tell("w1", name="renamed"), run(), approve()), changes=1),
    "gone, kept": Wood(SETTLED, (GONE, run(), approve(blockers="reject"), run("full"))),
    "gone, all along": Wood(SETTLED, (GONE, run(), approve(choices={W1: CASCADE}), run("full"))),
    "withdrawn, all along": Wood(
        SETTLED, (withdraw("w1"), withdraw("d1"), run("full"), approve(choices={W1: CASCADE}), run("full")), changes=1
    ),
    "gone, moved to another": Wood(SETTLED, (GONE, run(), approve(choices={W1: reassign("w2")}), run("full"))),
    "gone, moved to another that moves": Wood(
        (*SETTLED, GONE, tell("d2", parent="p2"), run()), (approve(choices={W1: reassign("w2")}),), inline=0, changes=1
    ),
    "refused": Wood(SETTLED, (MOVE, run(), reject(), run("full"))),
    "moved by hand meanwhile": Wood((*SETTLED, MOVE, run(), edit("parishes/d1", note="by hand")), (approve(), approve())),
    "joined while it was reviewed": Wood((*SETTLED, MOVE, run(), join("m9", "c1"), settle_in("c9", "w1")), (approve(),)),
    "edited while it was promoted": Wood((*SETTLED, MOVE, run()), (meanwhile(edit("members/m2", name="other")), approve())),
    "two that share a landlord": Shared((STOCK,), (run_all(), approve(), on("south", approve()))),
    "two that share a landlord, nothing new": Shared(BOTH, (run_all(), run_all("full"))),
    "a wrong release, and it is mended": Shared(
        BOTH, (*WRONG, run_all(), tell("w1", parent="d2"), run_all(), approve(), on("south", approve()))
    ),
    "a wrong release under review": Shared(
        (*BOTH, MOVE, run_all(), tell_wrongly("w9", "w1")), (run_all(), approve(), withdraw("w9"), run_all())
    ),
    "a database is down on the way": Shared(
        (*BOTH, MOVE), (breaks("south", 4), run_all(), approve(), mended("south"), run_all(), on("south", approve()))
    ),
    "rollback of a move": Wood(MOVED, (*BACK, run("full"))),
    "rollback of a move, big batch": Wood(MOVED, BACK, inline=0),
    "rollback of nested moves": Wood((*SETTLED, *NESTED, run(), approve()), BACK, inline=0, changes=1),
    "rollback of what was created, and moved under it": Wood((*SETTLED, *GROWN, run(), approve()), BACK, inline=0, changes=1),
    "rollback of a move, joined since": Wood((*MOVED, join("m9", "c2"), settle_in("c9", "w1")), BACK),
    "rollback of a rollback of a move": Wood((*MOVED, *BACK), BACK),
    "rollback of what went": Wood(WENT, BACK),
    "rollback of what went, edited since": Wood((*WENT, edit("parishes/c2", name="other"), join("m9", "w1")), BACK),
    "rollback of what moved to another": Wood(LEFT, BACK),
    "rollback of what moved to another, joined since": Wood((*LEFT, join("m9", "c2"), settle_in("c9", "c1")), BACK),
    "rollback of a rollback of what went": Wood((*WENT, *BACK), BACK),
    "rollback of a rollback of what moved to another": Wood((*LEFT, *BACK), BACK),
    "rollback of a rollback of what went below one that went": Wood(
        (*SETTLED, join("m9", "d1"), *ALL_GONE, run(), approve(choices={W1: CASCADE, "units/d1": reassign("d2")}), *BACK),
        BACK,
        changes=1,
    ),
    "rollback of the first mirror": Wood(  # a request that sleeps until the other was refused in part asks for the rest
        SETTLED, (roll_back(), approve(blockers="reject")), changes=3, one_end=False
    ),
    "rollback of what was created, and a move refused": Wood(  # the same
        (*SETTLED, *GROWN, run(), approve()),
        (roll_back(), approve(changes={"units/d1": "reject"})),
        inline=0,
        changes=1,
        one_end=False,
    ),
    "rollback of what was created, and a move drifted": Wood(
        (*SETTLED, *GROWN, run(), approve(), roll_back(), edit("parishes/d1", note="by hand")), (approve(),), changes=4
    ),
    "rollback of what was created and moved on, joined since": Wood(
        (*SETTLED, tell("w9", parent="d1", level=4), MOVE, run(), approve(), roll_back(), join("m9", "w9")),
        (approve(),),
        inline=0,
        changes=1,
    ),
    "rollback of what moved, and went along": Wood(
        (*SETTLED, tell("p1", active=False), tell("w2", parent="d1"), run(), approve(choices={"units/p1": CASCADE})),
        BACK,
        changes=1,
    ),
    "rollback of what was renamed, and moved along": Wood(
        (*SETTLED, tell("w1", name="renamed"), tell("w2", name="renamed"), MOVE, run(), approve()), BACK
    ),
    "gone, and what was to move away is refused": Wood(
        (*SETTLED, tell("w1", parent="d2"), tell("d1", active=False), run()), (approve(changes={W1: "reject"}),), changes=1
    ),
    "gone as another moves under it": Wood(
        (*SETTLED, tell("w1", parent="d2"), tell("d2", active=False), run()),
        (approve(choices={"units/d2": CASCADE}), run("full")),
        changes=1,
    ),
    "rollback of a new unit, joined as it was removed": Wood(
        (*SETTLED, tell("w9", parent="d1", level=4), run(), approve(), roll_back()), (meanwhile(join("m9", "w9")), approve())
    ),
    "rollback of new units, settled as they were removed": Wood(
        (*SETTLED, *GROWN, run(), approve(), roll_back()), (meanwhile(settle_in("c9", "d3")), approve()), changes=4
    ),
    "rollback of what was created and moved on, joined as it was removed": Wood(
        (*SETTLED, tell("w9", parent="d1", level=4), MOVE, run(), approve(), roll_back()),
        (meanwhile(join("m9", "w9")), approve()),
        changes=4,
    ),
    "gone as another comes under it": Wood(
        (*SETTLED, tell("w9", parent="d2", level=4), tell("d2", active=False), run()),
        (approve(choices={"units/d2": CASCADE}), run("full")),
        changes=4,
    ),
    "joined while it was promoted": Wood((*SETTLED, MOVE, run()), (meanwhile(join("m9", "c1")), approve())),
    "joined while it was promoted, and that was given up": Wood(
        (*SETTLED, MOVE, tell("w2", parent="d1"), run()),
        (poison(PROMOTE, 1), meanwhile(join("m9", "c1")), approve(), run(), mend, approve()),
        inline=0,
        changes=1,
    ),
    "settled while it was promoted": Wood((*SETTLED, *NESTED, run()), (meanwhile(settle_in("c9", "w1")), approve())),
    "joined while it moved to another": Wood(
        (*SETTLED, GONE, run()), (meanwhile(join("m9", "c1")), approve(choices={W1: reassign("w2")}))
    ),
    "joined while it returned": Wood((*LEFT, roll_back()), (meanwhile(join("m9", "c1")), approve())),
    "moved back by hand before the end": Wood((*SETTLED, MOVE, run()), (afterwards(replant("d1", "p1")), approve())),
    "its new parent moved by hand": Wood((*SETTLED, tell("w1", parent="d2"), run(), replant("d2", "second")), (approve(),)),
}
