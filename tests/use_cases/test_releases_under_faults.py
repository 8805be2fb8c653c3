"""A refresh that is killed, refused, cut, answered by nothing, or overtaken by another: what targets get is old or new and whole,
and the next one brings it to what the source holds."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from penstock.adapters.firestore import FirestoreStores
from penstock.core.errors import NotFound, PenstockError
from penstock.core.values import Data
from penstock.ports import Store, Stores
from penstock.use_cases import releases
from support.faults import BY_CHANNEL, ZOMBIES, Fault, Faults, Killed, PlainPages
from support.landlord import Landlord, country, unit

Told = dict[str, Data]


def incremental(world: Landlord) -> None:
    """Something changed, something came, something went, and much stayed."""
    world.amend("XA-0", names={"en": "Renamed"})
    world.publish([unit("XA-2", 1)])
    world.withdraw("XA-1-2")


def lost_object(world: Landlord) -> None:
    """What was read before is not in the bucket any more: all is read again."""
    incremental(world)
    for name in world.blobs.names("releases/"):
        del world.blobs.objects[name]


def faulty(world: Landlord) -> None:
    world.publish([unit("XA-7-1", 2, "XA-7")])


def emptied(world: Landlord) -> None:
    world.withdraw(*dict(country()))


SCENARIOS: dict[str, Callable[[Landlord], None]] = {
    "changes": incremental, "lost object": lost_object, "faulty": faulty, "emptied": emptied,
}  # fmt: skip


def begun(scenario: str) -> tuple[Landlord, Faults]:
    faults = Faults()
    world = Landlord(wrap=faults.wrap, pages=PlainPages())
    world.publish(country())
    world.refresh()
    world.clock.forward(7_200)
    SCENARIOS[scenario](world)
    return world, faults


def told(world: Landlord) -> Told | None:
    """What targets get; None where its object is lost."""
    with suppress(NotFound):
        return world.released()
    return None


def after(scenario: str) -> tuple[Told | None, Told | None, dict[str, list[str]]]:
    """What targets get before and after an undisturbed refresh, and the calls that it makes."""
    world, faults = begun(scenario)
    before = told(world)
    faults.plan()
    world.refresh()
    faults.armed = False
    return before, told(world), {channel: list(calls) for channel, calls in faults.seen.items()}


STRIKES = [
    (scenario, channel, at, mode)
    for scenario in SCENARIOS
    for channel, calls in after(scenario)[2].items()
    for at in range(1, len(calls) + 1)
    for mode in BY_CHANNEL[channel]  # type: ignore[index]
]


def test_every_way_to_reach_the_outside_is_struck() -> None:
    assert len(STRIKES) > 200
    assert {call for scenario in SCENARIOS for calls in after(scenario)[2].values() for call in calls} >= {
        "get penstock_releases", "commit penstock_releases", "count geography-units", "scan geography-units", "read releases",
        "write releases", "write quarantine", "message of geography-units", "end of geography-units", "get geography-units",
    }  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_whatever_strikes_a_refresh_targets_get_the_whole_old_or_the_whole_new_and_the_next_one_mends_it(scenario: str) -> None:
    before, new, _ = after(scenario)
    for of, channel, at, mode in STRIKES:
        if of != scenario:
            continue
        world, faults = begun(scenario)
        faults.stalled = lambda _, world=world: world.refresh()  # type: ignore[misc]
        faults.plan(Fault(channel, at, mode))  # type: ignore[arg-type]
        with suppress(Killed, PenstockError):
            world.refresh()
        assert faults.struck, (channel, at)
        faults.armed = False
        where = (channel, at, mode, faults.struck)
        assert told(world) in (before, new), where
        state = world.refresh()
        assert told(world) == new, where
        assert not state.incomplete, where
        assert bool(state.quarantine) == (scenario in ("faulty", "emptied")), where
        again = world.refresh()
        assert (again.current, again.quarantine) == (state.current, state.quarantine), where


def test_one_that_stood_still_never_takes_targets_back_to_what_it_read_before() -> None:
    calls = after("changes")[2]
    for channel in ("change", "read"):
        for at in range(1, len(calls[channel]) + 1):
            for mode in ZOMBIES:
                world, faults = begun("changes")

                def meanwhile(_: bool, world: Landlord = world, faults: Faults = faults) -> None:
                    faults.armed = False
                    world.amend("XA-1", names={"en": "Later"})
                    world.refresh()

                faults.stalled = meanwhile
                faults.plan(Fault(channel, at, mode))  # type: ignore[arg-type]
                world.refresh()
                assert faults.struck
                assert world.released()["XA-1"]["names"] == {"en": "Later"}, (channel, at, mode, faults.struck)
                world.refresh()
                assert world.released()["XA-1"]["names"] == {"en": "Later"}
                assert len(world.released()) == 8


def test_a_commit_whose_answer_is_lost_is_looked_up_and_fails_nobody() -> None:
    commits = [at for at, call in enumerate(after("changes")[2]["change"], 1) if call.startswith("commit")]
    assert len(commits) == 2
    for at in commits:
        for mode in ("answer lost", "request lost"):
            world, faults = begun("changes")
            faults.plan(Fault("change", at, mode))
            state = world.refresh()
            assert faults.struck
            assert state.current is not None
            assert state.current.documents == 8
            assert (
                world.outside.hub_store.get([f"penstock_releases/{state.id}"])[0].fields["current"]["name"] == state.current.name
            )


def test_a_stream_that_ends_early_is_told_and_nothing_of_it_is_taken() -> None:
    world, faults = begun("lost object")
    faults.plan(Fault("message", 3, "cut"))
    state = world.refresh()
    faults.armed = False
    assert "NOT complete" in state.incomplete
    assert releases.held_back(state).startswith("XA: landlord: 2 of 8 documents read")
    assert told(world) is None
    state = world.refresh()
    assert state.incomplete == ""
    assert len(world.released()) == 8


class _Apart:
    """The same emulator, projects of one's own."""

    def __init__(self, stores: Stores) -> None:
        self._stores, self._mark = stores, uuid.uuid4().hex[:12]

    def open(self, project: str, database: str) -> Store:
        return self._stores.open(f"{project}-{self._mark}", database)


@pytest.mark.emulator
def test_on_the_emulator_a_shared_source_is_read_held_back_mended_and_promoted(firestore_emulator: str) -> None:
    stores: Any = FirestoreStores(firestore_emulator)
    world = Landlord(stores=_Apart(stores))
    world.publish(country("XA", 3, 40))
    world.publish(country("XB"))
    assert world.refresh().current
    first = world.run()
    assert dict(world.batch(first.batch).counts) == {"units CREATE": 123}
    world.approve("approve")
    world.amend("XA-0-0", parent="XA-7")
    held = world.refresh()
    assert held.quarantine is not None
    assert held.quarantine.faults == {"orphan": 1}
    assert world.run().batch == ""
    world.amend("XA-0-0", parent="XA-0", names={"en": "Renamed"})
    world.withdraw("XA-2-39")
    mended = world.refresh()
    assert mended.quarantine is None
    assert mended.current is not None
    assert mended.current.documents == 122
    billed = world.source.bill.by_collection["geography-units"]
    second = world.run()
    assert dict(world.batch(second.batch).counts) == {"units UPDATE": 2}
    world.approve("approve")
    there = world.documents("tenants/nepal/geography")
    assert (there["XA-0-0"]["names"], there["XA-2-39"]["active"]) == ({"en": "Renamed"}, False)
    assert world.source.bill.by_collection["geography-units"] == billed
    stores.close()
