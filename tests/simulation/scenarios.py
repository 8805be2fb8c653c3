"""Lives of a batch.

To add one: a line in `SCENARIOS`, `Scenario(given, acts)`, of the acts in acts.py or of new ones, a few lines each, there.
`given` happens calmly; `acts` are struck by every fault at every boundary, and must end where they end without any. Three pipes
with a tap each make six changes in three packs. `inline=0` promotes by messages."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.records import Delete, Query
from penstock.use_cases.topics import CHECK, PROMOTE

from simulation.acts import (
    DAY,
    approve,
    curse,
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
)  # fmt: skip
from simulation.lenient import Lenient
from simulation.scenario import Scenario
from simulation.simulation import Simulation
from simulation.woods import WOODS


def _stock(sim: Simulation) -> None:
    """Three pipes with a tap each in the source; production knows two of them, and one field that nobody maps."""
    for n in (1, 2, 3):
        sim.feed(n, n, f"colour {n}")
    sim.edit("pipes/P1", number="P1", colour="rust", crew={"lead": 1, "tools": ["spade"]})
    sim.edit("pipes/P2", number="P2")


STOCK = once(_stock)
REVIEWED = (STOCK, run())
APPLIED = (*REVIEWED, approve())
NEWS = (feed(1, 1, "green"), feed(4, 4, "new"))
EVERYTHING_NEW = tuple(feed(n, n, f"other {n}") for n in (1, 2, 3))
EMPTIED = once(lambda sim: sim.registry.commit([Delete(s.path) for s in sim.registry.scan(Query(sim.SOURCE))]))
EDITED = edit("pipes/P1", colour="by hand")

SCENARIOS: Mapping[str, Scenario] = {
    "first sync": Scenario((STOCK,), (run(),)),
    "approve, promote, finish": Scenario(REVIEWED, (approve(),)),
    "big batch": Scenario(REVIEWED, (approve(),), inline=0),
    "incremental": Scenario(APPLIED, (*NEWS, run(), approve())),
    "hold, approved": Scenario(APPLIED, (EMPTIED, run(), approve(), run("full"))),
    "hold, rejected": Scenario(APPLIED, (EMPTIED, run(), reject(), run("full"))),
    "hold, over by itself": Scenario(APPLIED, (EMPTIED, run(), *NEWS, run(), approve())),
    "hold in the place of an open batch": Scenario(REVIEWED, (EMPTIED, run(), STOCK, run("full"), approve())),
    "late commit": Scenario(APPLIED, (feed(4, 4, "late", -300), run(), approve())),
    "supersede": Scenario(REVIEWED, (*NEWS, run(), approve())),
    "partial approval": Scenario(REVIEWED, (approve(changes={"taps/T1": "reject", "pipes/P2": "reject"}), run("full"))),
    "reject": Scenario(REVIEWED, (reject(), run("full"))),
    "drift": Scenario((*REVIEWED, EDITED), (approve(), approve())),
    "drift, big batch": Scenario((*REVIEWED, EDITED), (approve(), approve()), inline=0),
    "rollback": Scenario(APPLIED, (roll_back(), approve())),
    "rollback, big batch": Scenario(APPLIED, (roll_back(), approve()), inline=0),
    "rollback after edits, kept": Scenario((*APPLIED, EDITED), (roll_back(), approve())),
    "rollback after edits, kept by the approver": Scenario(  # a request that sleeps until the next one was refused asks once more
        (*APPLIED, EDITED), (roll_back(overwrite=True), approve(blockers="reject")), one_end=False
    ),
    "rollback after edits, overwritten": Scenario((*APPLIED, EDITED), (roll_back(overwrite=True), approve())),
    "rollback of one record": Scenario(APPLIED, (roll_back(("taps/T2",)), approve(), run("full"))),
    "rollback of a rollback": Scenario((*APPLIED, roll_back(), approve()), (roll_back(), approve(), run("full"))),
    "rollback of a rollback of a rollback": Scenario(
        (*APPLIED, roll_back(), approve(), roll_back(), approve()), (roll_back(), approve(), run("full"))
    ),
    "gone records": Scenario(APPLIED, (vanish(2), run("full"), approve())),
    "gone records, counted": Scenario(APPLIED, (vanish(2), forward(8 * DAY), *NEWS, run(), approve())),
    "expiry": Scenario(REVIEWED, (forward(8 * DAY), run(), approve())),
    "brake": Scenario(APPLIED, (*EVERYTHING_NEW, run(), approve())),
    "poison check, retried": Scenario((STOCK,), (poison(CHECK, 1), run(), mend, approve())),
    "poison promotion, retried": Scenario(REVIEWED, (poison(PROMOTE, 1), approve(), mend), inline=0),
    "poison promotion, given up": Scenario(REVIEWED, (poison(PROMOTE, 1), approve(), run(), mend, approve()), inline=0),
    "promotion given up behind a sleeper": Scenario(REVIEWED, (curse(PROMOTE, 1), approve(), run()), inline=0, one_end=False),
    "promotion retried behind a sleeper": Scenario(REVIEWED, (curse(PROMOTE, 1), approve(), mend), inline=0),
    "check failed behind a sleeper": Scenario((STOCK,), (curse(CHECK, 1), run(), run("full"), mend, approve()), one_end=False),
    "dead mail server": Scenario((STOCK,), (mail_server("down"), run(), mail_server("up"), approve())),
    "everything delivered three times": Scenario((STOCK,), (run(), echo, approve(), echo), inline=0),
    "schedule fires twice": Scenario(APPLIED, (*NEWS, fire_twice, approve())),
    "two rivals": Scenario(REVIEWED, (rivals,), people=2),
    "new record, unasked": Scenario(APPLIED, (feed(5, 5, "new"), run()), world=Lenient),
    "new records, unasked, and others then": Scenario(
        APPLIED, (feed(5, 5, "new"), feed(6, 6, "new"), run(), *NEWS, run(), approve()), world=Lenient, one_end=False
    ),
    **WOODS,
    "two consents, carried": Scenario(REVIEWED, (approve(0), *NEWS, run(), approve(1), approve(0)), people=2, approvals=2),
}
