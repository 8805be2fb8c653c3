"""Many tenants of one landlord: what they share is read once, and those at rest cost two operations each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from penstock.adapters.memory import MemoryStores
from penstock.core import layout
from penstock.core.codec import Hold, Lease, Recheck, TargetState, to_data
from penstock.core.errors import Unavailable
from penstock.core.records import Set
from penstock.core.values import Timestamp
from penstock.entrypoints import privileges
from penstock.use_cases import effects, fan_out, releases
from penstock.use_cases.capture import capture
from penstock.use_cases.context import load_target
from penstock.use_cases.fan_out import Wanted
from penstock.use_cases.sweep import sweep
from support.landlord import UNITS, country
from support.tenants import LandlordTenants

NAME = "tenant_geography"
PER_COUNTRY = 8  # operations of an idle run: its release, its watermark and its size
FOR_ALL = 4


class Landlord(LandlordTenants):
    def billed(self) -> int:
        assert isinstance(self.ports.stores, MemoryStores)
        return sum(store.bill.operations for store in self.ports.stores._stores.values())

    def run_all(self, **wanted: Any) -> tuple[fan_out.Ran, list[str]]:
        """A schedule's run: the run, and the targets that were asked for."""
        known = self.contexts.confined(privileges.CAPTURE)
        found = known.spread(NAME, Wanted(**wanted))
        run = fan_out.ask(known.ports, self.pipeline, found, wanted.get("mode", "changes"), "schedule")
        return run, [ctx.target.name for ctx in found.todo]

    def serve(self, name: str) -> str:
        """What the message that asks for a target does; gives the batch."""
        ctx = self.contexts.confined(privileges.CAPTURE).target(f"{NAME}.{name}")
        outcome = capture(ctx)
        effects.pay(ctx, outcome.owed)
        self.delivered = 0
        self.publisher.messages[:] = [sent for sent in self.publisher.messages if sent[0] != "penstock-capture"]
        self.pump()
        return outcome.batch


@pytest.fixture
def world() -> Landlord:
    made = Landlord()
    made.publish([*country("XA"), *country("XB")])
    return made


def test_an_idle_run_over_a_thousand_tenants_costs_two_operations_for_each_and_a_constant_for_a_country(
    world: Landlord,
) -> None:
    countries = (["XA"], ["XB"], ["XA", "XB"])
    names = [f"t{n:04d}" for n in range(1_000)]
    world.declare_many(names, **{name: {"partitions": list(countries[n % 3])} for n, name in enumerate(names)})
    first, asked = world.run_all()
    assert (asked, first.counts["at rest"]) == (names, 0)
    standing = releases.standing(world.ports, world.pipeline)
    current = {state.partition: state.current.name for state in standing if state.current}
    tenants = world.ports.stores.open("demo-tenants", "(default)")
    dealt = [
        TargetState(f"{NAME}.{name}", manifest="some", dealt={p: current[p] for p in countries[n % 3]})
        for n, name in enumerate(names)
    ]
    for start in range(0, 1_000, 400):
        tenants.commit([Set(layout.target(state.id), to_data(state)) for state in dealt[start : start + 400]])
    before = world.billed()
    run, asked = world.run_all()
    billed = world.billed() - before
    assert (asked, run.counts) == ([], {"asked": 0, "at rest": 1_000})
    assert billed <= 2 * 1_000 + 2 * PER_COUNTRY + FOR_ALL
    world.clock.forward(3 * 86_400)
    before = world.billed()
    contexts, _ = world.contexts.confined(privileges.SWEEP).survey()
    assert [line for ctx in contexts for line in sweep(ctx)] == []
    assert world.billed() - before <= 3 * 1_000  # its declaration, its state, and what it owes
    world.publish([("XB-0", {**dict(country("XB"))["XB-0"], "names": {"en": "Renamed"}})])
    world.clock.forward(10)
    _, asked = world.run_all()
    assert asked == [name for n, name in enumerate(names) if n % 3]  # those that list the country that changed


@pytest.mark.parametrize(
    "left",
    [
        {"recheck": (Recheck("a-batch"),)},
        {"owes_full": True},
        {"hold": Hold("a-batch", "The source shrank.", {})},
        {"lease": Lease("a run that died", Timestamp(1), "changes", "schedule")},
    ],
    ids=lambda left: next(iter(left)),
)
def test_a_tenant_that_has_something_left_to_do_is_run_although_its_country_is_as_it_was(
    world: Landlord, left: dict[str, Any]
) -> None:
    world.declare("alpha", partitions=["XA"])
    assert world.run_all()[1] == ["alpha"]
    (release,) = (state.current for state in releases.standing(world.ports, world.pipeline))
    assert release is not None
    at_rest = TargetState(f"{NAME}.alpha", manifest="some", dealt={"XA": release.name})
    tenants = world.ports.stores.open("demo-tenants", "(default)")
    tenants.commit([Set(layout.target(at_rest.id), to_data(at_rest))])
    assert world.run_all()[1] == []
    tenants.commit([Set(layout.target(at_rest.id), to_data(replace(at_rest, **left)))])
    assert world.run_all()[1] == ["alpha"]


def test_a_tenant_that_was_brought_up_to_date_is_at_rest_until_its_country_changes(world: Landlord) -> None:
    world.declare("alpha", partitions=["XA"])
    world.declare("beta", partitions=["XB"])
    assert world.run_all()[1] == ["alpha", "beta"]
    batch = world.serve("alpha")
    assert batch
    run, asked = world.run_all()
    assert (asked, run.counts["at rest"]) == (["beta"], 1)  # its batch is open, and there is nothing newer
    assert world.run_all(mode="full")[1] == ["alpha", "beta"]
    alpha = load_target(world.contexts.target(f"{NAME}.alpha")).state
    assert (alpha.open, set(alpha.dealt)) == (batch, {"XA"})


def test_what_expired_is_proposed_again_though_the_source_stands_still(world: Landlord) -> None:
    world.declare("alpha", partitions=["XA"])
    world.run_all()
    assert world.serve("alpha")
    assert world.run_all()[1] == []
    world.clock.forward(8 * 86_400)
    assert any("expired" in line for line in sweep(world.contexts.confined(privileges.SWEEP).target(f"{NAME}.alpha")))
    assert world.run_all()[1] == ["alpha"]
    assert world.serve("alpha")


def test_a_country_without_a_sound_release_is_told_once_and_its_tenants_wait(world: Landlord) -> None:
    world.publish([("XC-1", {**dict(country("XC"))["XC-0-0"], "id": "XC-1", "parent": "nowhere"})])
    world.declare("alpha", partitions=["XA"])
    world.declare("gamma", partitions=["XC"])
    world.declare("delta", partitions=["XA", "XC"])
    run, asked = world.run_all()
    assert (asked, run.counts["no release"]) == (["alpha"], 2)
    assert "landlord XC" in run.lines[0]
    assert "is quarantined" in run.lines[0]
    assert "tenant_geography.gamma waits for a sound release of XC." in run.lines


def test_a_source_that_cannot_be_read_leaves_its_tenants_with_what_was_read_before(
    world: Landlord, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.declare("alpha", partitions=["XA"])
    world.run_all()
    world.serve("alpha")
    count = world.landlord.count

    def away(query: Any, *more: Any, **named: Any) -> int:
        if query.collection == UNITS:
            raise Unavailable("the landlord is away")
        return count(query, *more, **named)

    monkeypatch.setattr(world.landlord, "count", away)
    run, asked = world.run_all()
    assert (asked, run.counts["at rest"]) == ([], 1)
    assert run.lines == ("XA could not be read: the landlord is away",)
