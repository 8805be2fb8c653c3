"""The promotion of a tree is struck at each of its boundaries, in each way: no commit ever shows half a move, and all of it comes
to rest as it would have without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from penstock.core.batch import Status
from penstock.core.choices import CASCADE, reassign
from penstock.core.errors import PenstockError
from penstock.core.followers import decode_followed
from penstock.core.layout import followers_blob
from penstock.ports import Store
from penstock.use_cases import effects, staging
from penstock.use_cases.decide import Said
from penstock.use_cases.rollback import plan_rollback
from support.faults import MODES, READS, ZOMBIES, Channel, Fault, Faults, Killed, Mode, PlainPages
from support.forest import UNITS, Plan, custom, faults, grown, member, unit
from support.rest import production, quiet, settle
from support.world import World

WAYS: list[tuple[Channel, Mode]] = [
    *(("change", mode) for mode in (*MODES, *ZOMBIES)),
    *(("read", mode) for mode in (*READS, *ZOMBIES)),
]


def moves(struck: Faults) -> World:
    """Packs with creates, nested moves, and one that goes from below a moved unit."""
    more = [unit("p3", "np", path="np.p3"), *(custom(id, "w1", f"np.p1.d1.w1.{id}") for id in ("c5", "c6"))]
    world = grown(units=more, pages=PlainPages(), wrap=struck.wrap)
    world.patient = True
    plan = Plan(world).create("d3", "p2").create("w3", "d3").move("p1", "p3").move("d1", "d3").update("w2", active=False)
    plan.stage(per_pack=2)
    return world


LEFT = Said("approve", choices={"units/w1": CASCADE, "units/w4": reassign("w3"), "units/d2": reassign("d3")})


def leaving(struck: Faults) -> World:
    """Packs with a move, and with units that go: one with what hangs below it, two whose own moves to others, new ones too."""
    more = [unit("w4", "d2", path="np.p1.d2.w4"), custom("c4", "w4", "np.p1.d2.w4.c4"), custom("k", "d2", "np.p1.d2.k")]
    members = [member("m7", "np.p1.d2.w4.c4"), member("m8", "np.p1.d2")]
    world = grown(units=more, members=members, pages=PlainPages(), wrap=struck.wrap)
    world.patient = True
    plan = Plan(world).create("d3", "p2").create("w3", "d3").move("d1", "p2")
    for id in ("w1", "w4", "d2"):
        plan.update(id, active=False)
    plan.stage(per_pack=2)
    return world


def returning(struck: Faults) -> World:
    """The way back of that."""
    struck.armed = False
    world = leaving(struck)
    done = world.decide(LEFT)
    assert (done.status, done.drifted) == (Status.APPLIED, 0)
    _, owed = plan_rollback(world.ctx, done.id, "operator@example.org")
    world.pay(owed)
    world.pump()
    struck.armed = True
    return world


SCENARIOS: dict[str, tuple[Callable[[Faults], World], Said]] = {
    "moves": (moves, Said("approve")),
    "leaving": (leaving, LEFT),
    "returning": (returning, Said("approve")),
}


def watch(world: World) -> list[str]:
    """What any reader would have found wrong right after any commit from now on."""
    wrong: list[str] = []
    store: Store = world.ports.stores.open("demo-production", "(default)")
    real = store.commit

    def commit(writes: Any) -> Any:
        at = real(writes)
        wrong.extend(faults(world))
        return at

    store.commit = commit  # type: ignore[method-assign]
    return wrong


def approve(world: World, said: Said) -> None:
    try:
        world.decide(said)
    except (Killed, PenstockError):
        return


def lived(scenario: str, fault: Fault | None) -> tuple[World, Faults, list[str]]:
    struck = Faults()
    planned, said = SCENARIOS[scenario]
    world = planned(struck)
    wrong = watch(world)

    def others(_: bool) -> None:
        struck.armed = False
        world.clock.forward(1_000)
        settle(world)
        struck.armed = True

    struck.stalled = others
    struck.plan(*([fault] if fault else []))
    approve(world, said)
    settle(world)
    struck.armed = False
    settle(world)
    return world, struck, wrong


def counted(scenario: str, inline: int, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], dict[Channel, int]]:
    monkeypatch.setattr(effects, "INLINE", inline)
    world, struck, wrong = lived(scenario, None)
    assert wrong == []
    return tree(world), {channel: len(struck.seen[channel]) for channel in ("change", "read")}


def tree(world: World) -> dict[str, Any]:
    return {**production(world), **{f"members/{id}": data for id, data in world.documents("members").items()}}


@pytest.mark.parametrize(
    ("scenario", "inline"),
    [("moves", 0), ("moves", 500), ("leaving", 0), ("returning", 500)],
    ids=["moves by messages", "moves inline", "leaving by messages", "returning inline"],
)
@pytest.mark.parametrize(("channel", "mode"), WAYS)
def test_a_tree_comes_to_rest_whole(
    scenario: str, channel: Channel, mode: Mode, inline: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, boundaries = counted(scenario, inline, monkeypatch)
    missed: list[Any] = []
    for at in range(1, boundaries[channel] + 1):
        world, struck, wrong = lived(scenario, Fault(channel, at, mode))
        batch = max(world.documents("penstock_batches"))
        found = world.batch(batch)
        if not struck.struck or wrong or not quiet(world):
            missed.append((at, struck.struck, wrong[:2]))
        elif found.decided_at is None:  # the approval itself was lost
            missed += [] if found.status is Status.UNDER_REVIEW and faults(world) == [] else [(at, struck.struck, found.status)]
        elif found.status is not Status.APPLIED or tree(world) != wanted:
            missed.append((at, struck.struck, found.status))
        else:
            missed += [(at, struck.struck, text) for text in backed_up(world, batch)]
    assert missed == []


def backed_up(world: World, batch: str) -> list[str]:
    """Of each pack that took something along: whether Storage holds what the landed attempt wrote, document by document."""
    wrong = []
    for pack in staging.packs_of(world.outside, batch):
        ledger = pack.ledger
        assert ledger is not None
        if not ledger.followed:
            continue
        lines = decode_followed(world.blobs.read(followers_blob(world.ctx.id, batch, pack.number, ledger.attempt)))
        told = {name: sum(1 for f in lines if f.kind == name and f.before != f.after) for name in ledger.followed}
        wrong += [f"pack {pack.number}: {told}"] if told != dict(ledger.followed) else []
    return wrong


def test_half_a_move_would_be_noticed() -> None:
    """The control: a commit that moves a unit and leaves what hangs under it."""
    world = grown()
    wrong = watch(world)
    _, data = unit("d1", "p2", path="np.p2.d1")
    world.put(world.production, UNITS, [("d1", data)])
    assert wrong


def test_a_custom_unit_that_comes_while_packs_wait_follows_with_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "INLINE", 0)
    world = moves(Faults())
    pump: Callable[[], None] = world.pump
    monkeypatch.setattr(world, "pump", lambda: None)
    world.approve("approve")
    world.put(world.production, UNITS, [custom("c7", "w1", "np.p1.d1.w1.c7")])
    monkeypatch.setattr(world, "pump", pump)
    settle(world)
    assert world.documents(UNITS)["c7"]["path"] == "np.p2.d3.d1.w1.c7"
    assert faults(world) == []
