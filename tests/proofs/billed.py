"""Lives whose bills are looked at: a network's, and that of a tenant who mirrors a country."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace

from bench.whole import Whole, new_project
from penstock import wiring
from penstock.core.cost import PHASES, Cost, total
from penstock.core.values import Data
from penstock.ports import Stores
from penstock.use_cases.rollback import plan_rollback
from penstock.wiring import Contexts
from support import landlord
from support import network as net
from support.landlord import Landlord
from support.world import World

NEAR = 0.02
LOOKS = 4  # reads of the proof itself for each batch: two looks at a link's batch, two at the batch
Bills = list[tuple[str, dict[str, Cost]]]


class Billed(World, ABC):
    """Everything is delivered `times` over; what a bill should not be is `wrong`."""

    of: str
    times: int
    bills: Bills
    wrong: list[str]

    @abstractmethod
    def whole(self) -> None:
        """From the first run to the last rollback."""

    @property
    def billed(self) -> Cost:
        """Of both databases."""
        one, other = self.source.bill, self.production.bill
        return Cost(one.reads + other.reads, one.writes + other.writes, one.deletes + other.deletes)

    def pump(self) -> None:
        while todo := self.publisher.messages[self.delivered :]:
            self.delivered += len(todo)
            for _ in range(self.times):
                for sent in todo:
                    self.deliver(*sent)

    def idle(self) -> None:
        before = self.billed
        outcome = self.run()
        cost = self.billed.operations - before.operations
        self._demand("idle run", not outcome.batch and outcome.cost.operations == cost, f"cost {cost}, metered {outcome.cost}")
        self.bills.append(("idle run", {"capture": outcome.cost}))

    def sync(self, what: str) -> str:
        return self._batch(what, lambda: self.run().batch)

    def take_back(self, batch: str) -> str:
        return self._batch("rollback", lambda: self._taken_back(batch))

    def _taken_back(self, batch: str) -> str:
        rollback, owed = plan_rollback(self.ctx, batch, "operator@example.org")
        self.pay(owed)
        self.pump()
        return rollback.id

    def _batch(self, what: str, propose: Callable[[], str]) -> str:
        before = self.billed
        id = propose()
        self.approve("approve")
        batch = self.batch(id)
        spent = self.billed.operations - before.operations
        metered, foreseen = total(batch.costs.values()), total(batch.foreseen.values())
        self._demand(what, batch.status == "APPLIED", f"is {batch.status}")
        self._demand(what, set(batch.costs) == set(PHASES) == set(batch.foreseen), f"told {sorted(batch.costs)}")
        if self.times == 1:
            self._demand(what, metered.operations == spent - LOOKS, f"metered {metered}, billed {spent - LOOKS}")
        off = abs(foreseen.operations - metered.operations)
        near = off <= NEAR * metered.operations
        self._demand(what, near, f"foreseen {foreseen}, metered {metered}: {off / metered.operations:.1%} off")
        self.bills.append((what, dict(batch.costs)))
        return id

    def _demand(self, what: str, holds: bool, told: str) -> None:
        if not holds:
            self.wrong.append(f"{what} of {self.of}: {told}")


class Network(Billed, Whole):
    """Poles and drops, and what happens to their source."""

    def __init__(self, stores: Stores, seed: int, poles: int, times: int = 1) -> None:
        super().__init__(stores, new_project(), new_project())
        self.drawn, self.poles, self.times, self.of = random.Random(seed), poles, times, f"{poles} poles"
        self.bills, self.wrong = [], []
        self.day = 1
        net.feed(self, net.network(range(1, poles + 1), drops=3))

    def whole(self) -> None:
        self.sync("first run")
        for share in (0.01, 0.1, 0.5):
            self.idle()
            self._change(max(1, round(self.poles * share)))
            last = self.sync(f"day of {share:.0%}")
        self.take_back(last)

    def _change(self, many: int) -> None:
        self.day += 1
        drawn, day = self.drawn, f"2026-06-{self.day:02d}"
        status = drawn.choice((net.APPROVED, net.INSTALLED))
        records = [net.record(f"{n}-{n % 3}", n, drop=n * 10 + n % 3, status=status, day=day) for n in self._some(many)]
        records += [net.record(f"{n}-9", n, drop=n * 10 + 9, day=day) for n in self._some(many // 4)]
        records += [
            net.record(f"{n}-0", n, drop=n * 10, day=day, Location_Address=f"{self.day} Aloe Road") for n in self._some(many)
        ]
        net.feed(self, dict(records).items())

    def _some(self, many: int) -> list[int]:
        return self.drawn.sample(range(1, self.poles + 1), many)


PROVINCES, DISTRICTS, CITIES = 2, 3, 2  # of the country, of each province, of each district


class Country(Billed, Landlord):
    """A tenant who mirrors a country of so many wards, with members at some of them. What the landlord says is read apart."""

    def __init__(self, stores: Stores, seed: int, wards: int, times: int = 1) -> None:
        super().__init__(landlord.tenant("nepal", "XA"), stores=stores)
        self.drawn, self.times, self.of = random.Random(seed), times, f"{wards} wards"
        self.bills, self.wrong = [], []
        projects = {name: new_project() for name in self.ports.project_ids}
        self.ports = replace(self.ports, now=wiring.clock, new_id=wiring.new_id, project_ids=projects)
        self.contexts = Contexts(self.ports, self.contexts.pipelines)
        self.ctx = self.outside = self.contexts.all()[0]
        self.units = dict(_country(wards))
        self._say(self.units)

    def whole(self) -> None:
        self.sync("first mirror")
        at = self.drawn.sample(self._wards(), 5)
        members = [(f"m{n}", {"unitPath": self._path(id), "name": "somebody"}) for n, id in enumerate(at)]
        self.put(self.production, f"{self.ctx.target.prefix}members", members)
        if self.drawn.random() < 0.5:  # without units of a target's own less is looked at
            self.put(self.production, f"{self.ctx.target.prefix}geography", [self._committee(id) for id in at[:2]])
        self.idle()
        for share in (0.01, 0.3):
            some = self.drawn.sample(self._wards(), max(1, round(len(self._wards()) * share)))
            self._say({id: {**self.units[id], "names": {"en": f"{id} {share}"}} for id in some})
            renamed = self.sync(f"{share:.0%} renamed")
        self.take_back(renamed)
        self._say({"XA-0-1": {**self.units["XA-0-1"], "parent": "XA-1"}})
        self.take_back(self.sync("a district moved"))
        new = (landlord.unit(f"XA-1-0-0-n{n}", 4, "XA-1-0-0") for n in range(len(self._wards()) // 10 + 1))
        self._say(dict(new))
        self.take_back(self.sync("new wards"))
        gone = [id for id in self._wards() if id not in at][: len(self._wards()) // 10 + 1]
        self.withdraw(*gone)
        self.refresh()
        self.take_back(self.sync("wards gone"))

    def _committee(self, under: str) -> tuple[str, Data]:
        """A unit of the target's own."""
        own = {"level": 5, "parentId": under, "path": f"{self._path(under)}.c-{under}", "names": {"en": "c"}}
        return f"c-{under}", {**own, "active": True, "official": False}

    def _say(self, units: dict[str, Data]) -> None:
        self.units |= units
        self.publish(units.items(), at=self.ports.now())
        self.refresh()

    def _wards(self) -> list[str]:
        return sorted(id for id, unit in self.units.items() if unit["level"] == 4)

    def _path(self, id: str) -> str:
        (unit,) = self.production.get([f"{self.ctx.target.prefix}geography/{id}"])
        return str(unit.fields["path"])


def _country(wards: int) -> Iterator[tuple[str, Data]]:
    yield from landlord.country(provinces=PROVINCES, districts=DISTRICTS)
    districts = [f"XA-{p}-{d}" for p in range(PROVINCES) for d in range(DISTRICTS)]
    cities = [f"{district}-{c}" for district in districts for c in range(CITIES)]
    yield from (landlord.unit(city, 3, city.rpartition("-")[0]) for city in cities)
    for n in range(wards):
        city = cities[n % len(cities)]
        yield landlord.unit(f"{city}-{n}", 4, city)
