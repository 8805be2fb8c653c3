"""One fault at every boundary of every step, counted and not sampled: the system comes to rest by itself, with nothing lost,
nothing doubled and everything told once."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from penstock.core import packs
from penstock.core.batch import Status
from penstock.core.errors import PenstockError
from penstock.use_cases import effects
from penstock.use_cases.context import load_target
from penstock.use_cases.decide import Said
from penstock.use_cases.rollback import plan_rollback
from support import network as net
from support.faults import MODES, READS, Faults, Killed, Mode, PlainPages
from support.rest import assert_sound, content, deliver, entries, production, settle
from support.world import World

SEEDS = int(os.environ.get("PENSTOCK_SEEDS", "8"))  # more of them find more; each says its number when it fails


@pytest.fixture(autouse=True)
def _small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "MAX_CHANGES", 4)


def prepared(faults: Faults) -> World:
    """Ten changes in three packs: creates, and updates of records that others own too."""
    world = World(wrap=faults.wrap, pages=PlainPages())
    net.feed(world, net.network(range(1, 6)))
    world.put(world.production, "planned-poles", [net.standing(1, ponNumber="9"), net.standing(2)])
    return world


def reviewed(faults: Faults) -> World:
    world = prepared(faults)
    world.run()
    return world


def applied(faults: Faults) -> World:
    world = reviewed(faults)
    world.approve("approve")
    return world


def drifted(faults: Faults) -> World:
    world = reviewed(faults)
    world.put(world.production, "planned-poles", [net.standing(2, ponNumber="edited meanwhile")])
    return world


def statuses(world: World) -> list[str]:
    return [str(data["status"]) for data in world.documents("penstock_batches").values()]


def open_batch(world: World) -> str:
    return load_target(world.outside).state.open


def run(world: World) -> None:
    """As the scheduler and the workers do it; the schedule fires again when a run failed."""
    if not open_batch(world):
        world.run()


def approve(world: World) -> None:
    """The approver presses again while the page still takes a decision."""
    if open_batch(world) and world.batch(open_batch(world)).status is Status.UNDER_REVIEW:
        world.approve("approve")


def drift_once(world: World) -> None:
    """Somebody edits a record while the batch waits."""
    batches = world.documents("penstock_batches")
    if len([b for b in batches.values() if b["status"] == "UNDER_REVIEW"]) == 1 and open_batch(world).endswith(tuple(batches)):
        pole = world.documents("planned-poles")[net.name(2)]
        if pole["ponNumber"] != "edited":
            world.put(world.production, "planned-poles", [(net.name(2), {**pole, "ponNumber": "edited"})])


def refuse(world: World) -> None:
    if open_batch(world) and world.batch(open_batch(world)).status is Status.UNDER_REVIEW:
        world.decide(Said("reject"))


def take_back(world: World) -> None:
    """An operator asks for the rollback again while there is none."""
    state = load_target(world.outside).state
    batches = world.documents("penstock_batches").items()
    done = [id for id, data in batches if data["kind"] == "sync" and data["status"] in ("APPLIED", "PARTIALLY_APPLIED")]
    if not state.open and not state.applying and done:
        _, owed = plan_rollback(world.ctx, done[0], "operator@example.org")
        effects.pay(world.ctx, owed)


@dataclass(frozen=True)
class Scenario:
    start: Callable[[Faults], World]
    acts: tuple[Callable[[World], None], ...]
    inline: int = 500

    def play(self, faults: Faults, at: int, mode: Mode, *, reads: bool) -> World:
        world = self.start(faults)
        faults.arm(at, mode, reads=reads)
        return self.act(faults, world)

    def act(self, faults: Faults, world: World) -> World:
        world.patient = True
        for act in self.acts:
            calmly = 0
            while calmly < 2:  # done, and done again for nothing
                try:
                    act(world)
                    calmly += 1
                except (Killed, PenstockError):
                    if not faults.struck:
                        raise
                settle(world)
        return world


SCENARIOS = {
    "capture, check, open": Scenario(prepared, (run,)),
    "approve, promote, finish": Scenario(reviewed, (approve,)),
    "promote by messages": Scenario(reviewed, (approve,), inline=0),
    "drift, follow up, approve": Scenario(drifted, (approve, approve)),
    "refuse, remember": Scenario(reviewed, (refuse,)),
    "roll back": Scenario(applied, (take_back, approve)),
}


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("mode", MODES)
def test_a_fault_at_any_change_loses_nothing_and_doubles_nothing(name: str, mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "INLINE", SCENARIOS[name].inline)
    everywhere(SCENARIOS[name], mode, reads=False)


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("mode", READS)
def test_a_fault_at_any_read_loses_nothing_and_doubles_nothing(name: str, mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "INLINE", SCENARIOS[name].inline)
    everywhere(SCENARIOS[name], mode, reads=True)


def everywhere(scenario: Scenario, mode: Mode, *, reads: bool) -> None:
    faults = Faults()
    calm = scenario.play(faults, 0, mode, reads=reads)
    assert_sound(calm)
    boundaries = faults.count
    assert boundaries >= 5
    at = 1
    while True:
        world = scenario.play(faults, at, mode, reads=reads)
        if not faults.struck:
            break
        where = f"{mode} at call {at}, {faults.struck}"
        try:
            assert_sound(world)
            assert production(world) == production(calm), where
            assert kept(statuses(world)) == kept(statuses(calm)), where
            assert len(world.mailer.mailbox) == len(calm.mailer.mailbox), where
            if open_batch(calm):
                assert content(world, open_batch(world)) == content(calm, open_batch(calm)), where
        except AssertionError as error:
            raise AssertionError(where) from error
        at += 1
    assert at > boundaries * 0.8


LIFE = Scenario(prepared, (run, drift_once, approve, run, approve, take_back, approve))


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("inline", [0, 500])
def test_a_whole_life_in_a_storm_ends_as_a_calm_one(seed: int, inline: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "INLINE", inline)
    faults = Faults()
    world = prepared(faults)
    faults.storm(seed, 0.04, 8)
    LIFE.act(faults, world)
    assert_sound(world)
    calm = prepared(Faults())
    LIFE.act(Faults(), calm)
    assert production(world) == production(calm)
    assert sorted(set(kept(statuses(world)))) == sorted(set(kept(statuses(calm))))


def kept(found: list[str]) -> list[str]:
    """Without the beginnings that a dead run left: they propose nothing."""
    return sorted(status for status in found if status != "SUPERSEDED")


def test_a_killed_run_goes_on_at_its_own_moment_and_finds_what_it_staged() -> None:
    faults = Faults()
    world = prepared(faults)
    faults.arm(5, "killed after")
    with pytest.raises(Killed):
        world.run()
    lease = load_target(world.outside).state.lease
    assert lease is not None
    staged = set(world.documents("penstock_staging"))
    assert len(staged) == 3
    settle(world)
    batch = open_batch(world)
    assert set(world.documents("penstock_staging")) == staged
    assert world.batch(batch).read_time < lease.until
    assert len(world.documents("penstock_batches")) == 1
    assert [e["what"] for e in entries(world)][:2] == ["∅ → CREATED", "CREATED → STAGED"]


def test_messages_may_come_twice_late_and_out_of_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "INLINE", 0)
    world = prepared(Faults())
    calm = applied(Faults())
    for act in (run, approve):
        act(world)
        world.publisher.messages += [m for m in reversed(world.publisher.messages) for _ in range(2)]
        deliver(world)
    settle(world)
    assert_sound(world)
    assert production(world) == production(calm)
    assert len(world.mailer.sent) == len(world.mailer.mailbox) == 2
