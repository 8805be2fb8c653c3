"""Tenants that mirror what a landlord says of real countries, and have custom units and members; and what an approver does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.core.plan import Batch
from penstock.core.records import Delete, Query, Set
from penstock.core.values import Data
from penstock.entrypoints import privileges
from penstock.ports import Store
from penstock.use_cases import effects
from penstock.use_cases.capture import capture
from penstock.use_cases.context import Context, load_batch
from penstock.use_cases.decide import Said, decide
from penstock.use_cases.proposing import Outcome
from penstock.use_cases.rollback import plan_rollback

from support import oracle
from support.landlord import UNITS, Landlord, tenant
from support.world import APPROVER

OPERATOR = "ops@example.org"
AT_ONCE = 400


@dataclass(frozen=True)
class Image:
    """A tenant's documents by id, at one moment."""

    units: dict[str, Data]
    members: dict[str, Data]

    @property
    def own(self) -> dict[str, Data]:
        """Custom units and members."""
        return {**{id: u for id, u in self.units.items() if not u.get("official")}, **self.members}


class Mirror(Landlord):
    def __init__(self, country: str, *names: str, **more: object) -> None:
        super().__init__(*(tenant(name, country) for name in names), **more)
        self.country = country

    def of(self, name: str) -> Context:
        return next(ctx for ctx in self.contexts.all() if ctx.target.name == name)

    def release(self, units: Mapping[str, Data]) -> None:
        """The landlord says just this, and it is read."""
        there = self.stored()
        for some in _chunks([Delete(f"{UNITS}/{id}") for id in there if id not in units]):
            self.source.commit(some)
        for some in _chunks([Set(f"{UNITS}/{id}", data) for id, data in units.items() if there.get(id) != data]):
            self.source.commit(some)
        self.refresh(self.country)

    def sync(self, name: str) -> Outcome:
        ctx = self.serving(privileges.CAPTURE, self.of(name))
        outcome = capture(ctx)
        self.paid(ctx, outcome.owed)
        return outcome

    def say(self, name: str, said: Said) -> Batch:
        """The approver decides on what is open."""
        batch = self.under_review(name)
        ctx = self.serving(privileges.REVIEW, self.of(name))
        _, owed = decide(ctx, batch.id, batch.digest, APPROVER, said)
        self.paid(ctx, owed)
        return load_batch(self.of(name), batch.id).batch

    def agree(self, name: str, **choices: str) -> Batch:
        """Everything is approved, knowingly."""
        batch = self.under_review(name)
        words = {f"rule:{rule}": "approve" for rule, of in batch.findings.items() if "blocker" in of}
        words |= {f"mass:{f.field}": "approve" for f in batch.batch_findings if f.field}
        return self.say(name, Said("approve", words, choices=choices))  # type: ignore[arg-type]

    def under_review(self, name: str) -> Batch:
        found = [
            d
            for d in self.at(name, "penstock_batches").items()
            if d[1]["status"] == "UNDER_REVIEW" and d[1]["target"] == self.of(name).id
        ]
        return load_batch(self.of(name), found[-1][0]).batch

    def take_back(self, name: str, batch: str) -> Batch:
        ctx = self.of(name)
        _, owed = plan_rollback(ctx, batch, OPERATOR)
        self.paid(ctx, owed)
        return self.agree(name)

    def paid(self, ctx: Context, owed: tuple[Set, ...]) -> None:
        assert effects.pay(ctx, owed) == []
        self.pump()

    def at(self, name: str, collection: str) -> dict[str, Data]:
        store: Store = self.of(name).store
        return {s.id: s.fields for s in store.scan(Query(collection))}

    def image(self, name: str) -> Image:
        prefix = self.of(name).target.prefix
        return Image(self.at(name, f"{prefix}geography"), self.at(name, f"{prefix}members"))

    def settle_in(self, name: str, id: str, under: str, members: int = 2) -> None:
        """A custom unit under a unit of the tenant, and members of it."""
        prefix, store = self.of(name).target.prefix, self.of(name).store
        above = self.image(name).units[under]
        path = f"{above['path']}.{id}"
        own = {
            "level": 5,
            "type": "committee",
            "parentId": under,
            "path": path,
            "names": {"en": id},
            "active": True,
            "official": False,
        }
        store.commit([Set(f"{prefix}geography/{id}", own)])
        self.join(name, path, members, id)

    def join(self, name: str, path: str, members: int, named: str) -> None:
        prefix, store = self.of(name).target.prefix, self.of(name).store
        chain = {f"unit{n}": of for n, of in enumerate(path.split("."), 1)}
        who = {"unitPath": path, **chain, "name": "somebody"}
        store.commit([Set(f"{prefix}members/{named}-{n}", who) for n in range(members)])

    def demand_sound(self, name: str, before: Image | None = None) -> Image:
        """Raises unless the oracle has nothing to say."""
        now = self.image(name)
        wrong = oracle.faults(now.units, now.members)
        if before is not None:
            wrong += oracle.untouched(before.own, now.own, before.units, now.units)
        assert wrong == [], wrong[:10]
        return now


def _chunks(writes: list[Set] | list[Delete]) -> list[list[Set]] | list[list[Delete]]:
    return [writes[n : n + AT_ONCE] for n in range(0, len(writes), AT_ONCE)]  # type: ignore[return-value]
