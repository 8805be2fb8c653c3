"""The promotion of a tree is struck at each of its boundaries, in each way: no commit ever shows half a move, and all of it comes
to rest as it would have without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from penstock.core.batch import Status
from penstock.core.errors import PenstockError
from penstock.core.followers import decode_followed
from penstock.core.layout import followers_blob
from penstock.ports import Store
from penstock.use_cases import effects, staging
from support.faults import MODES, READS, ZOMBIES, Channel, Fault, Faults, Killed, Mode, PlainPages
from support.forest import UNITS, Plan, custom, faults, grown, unit
from support.rest import production, quiet, settle
from support.world import World

WAYS: list[tuple[Channel, Mode]] = [
    *(("change", mode) for mode in (*MODES, *ZOMBIES)),
    *(("read", mode) for mode in (*READS, *ZOMBIES)),
]


def planned(struck: Faults) -> World:
    """Packs with creates, nested moves, and one that goes from below a moved unit."""
    more = [unit("p3", "np", path="np.p3"), *(custom(id, "w1", f"np.p1.d1.w1.{id}") for id in ("c5", "c6"))]
    world = grown(units=more, pages=PlainPages(), wrap=struck.wrap)
    world.patient = True
    plan = Plan(world).create("d3", "p2").create("w3", "d3").move("p1", "p3").move("d1", "d3").update("w2", active=False)
    plan.stage(per_pack=2)
    return world


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


def approve(world: World) -> None:
    try:
        world.approve("approve")
    except (Killed, PenstockError):
        return


def lived(fault: Fault | None) -> tuple[World, Faults, list[str]]:
    struck = Faults()
    world = planned(struck)
    wrong = watch(world)

    def others(_: bool) -> None:
        struck.armed = False
        world.clock.forward(1_000)
        settle(world)
        struck.armed = True

    struck.stalled = others
    struck.plan(*([fault] if fault else []))
    approve(world)
    settle(world)
    struck.armed = False
    settle(world)
    return world, struck, wrong


def counted(inline: int, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], dict[Channel, int]]:
    monkeypatch.setattr(effects, "INLINE", inline)
    world, struck, wrong = lived(None)
    assert wrong == []
    return tree(world), {channel: len(struck.seen[channel]) for channel in ("change", "read")}


def tree(world: World) -> dict[str, Any]:
    return {**production(world), **{f"members/{id}": data for id, data in world.documents("members").items()}}


@pytest.mark.parametrize("inline", [0, 500], ids=["by messages", "inline"])
@pytest.mark.parametrize(("channel", "mode"), WAYS)
def test_a_tree_comes_to_rest_whole(channel: Channel, mode: Mode, inline: int, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, boundaries = counted(inline, monkeypatch)
    missed: list[Any] = []
    for at in range(1, boundaries[channel] + 1):
        world, struck, wrong = lived(Fault(channel, at, mode))
        (batch,) = world.documents("penstock_batches")
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
    world = planned(Faults())
    pump: Callable[[], None] = world.pump
    monkeypatch.setattr(world, "pump", lambda: None)
    world.approve("approve")
    world.put(world.production, UNITS, [custom("c7", "w1", "np.p1.d1.w1.c7")])
    monkeypatch.setattr(world, "pump", pump)
    settle(world)
    assert world.documents(UNITS)["c7"]["path"] == "np.p2.d3.d1.w1.c7"
    assert faults(world) == []
