"""What the promotion of a tree is foreseen to cost is what it is billed."""

from __future__ import annotations

import pytest
from penstock.core.cost import Cost
from penstock.core.records import Delete, Update
from penstock.use_cases import effects, foreseeing, staging
from support.faults import PlainPages
from support.forest import custom, fed, grown, member, unit, units, way_back
from support.world import World


def promoted(world: World, batch: str) -> tuple[Cost, Cost]:
    """(foreseen, metered)"""
    done = world.approve("approve")
    assert done.status == "APPLIED"
    return world.batch(batch).foreseen["promote"], world.batch(batch).costs["promote"]


@pytest.mark.parametrize("inline", [0, 500], ids=["by messages", "inline"])
@pytest.mark.parametrize("per_pack", [2, 350])
def test_a_mirror_and_its_way_back(inline: int, per_pack: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (effects, foreseeing):
        monkeypatch.setattr(module, "INLINE", inline)
    monkeypatch.setattr("penstock.core.packs.MAX_CHANGES", per_pack)
    world = grown(pages=PlainPages())
    new = [unit("p4", "np", path="np.p4"), *(unit(f"d4{n}", "p4", path=f"np.p4.d4{n}") for n in range(7))]
    world.put(world.production, "geography", new)
    fed(world)
    world.production.commit([Delete(f"geography/{id}") for id, _ in new])
    batch = world.run("full").batch
    assert set(world.batch(batch).counts) == {"units CREATE"}
    foreseen, metered = promoted(world, batch)
    assert foreseen == metered
    rollback = way_back(world, batch)
    foreseen, metered = promoted(world, rollback.id)
    assert foreseen == metered
    planned = world.batch(rollback.id)
    assert planned.foreseen["capture"].reads == planned.costs["capture"].reads
    assert "p4" not in units(world)


@pytest.mark.parametrize("inline", [0, 500], ids=["by messages", "inline"])
def test_a_move_and_its_way_back(inline: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (effects, foreseeing):
        monkeypatch.setattr(module, "INLINE", inline)
    more = [custom(f"k{n}", "w2", f"np.p1.d1.w2.k{n}") for n in range(20)]
    world = grown(units=more, members=[member(f"x{n}", f"np.p1.d1.w2.k{n}") for n in range(20)], pages=PlainPages())
    fed(world, d1="p2")
    batch = world.run("full").batch
    assert [c.facts["below"] for c in staging.changes_of(world.outside, batch)] == [{"units": 23, "members": 22}]
    foreseen, metered = promoted(world, batch)
    assert foreseen == metered
    rollback = way_back(world, batch)
    foreseen, metered = promoted(world, rollback.id)
    assert foreseen == metered
    planned = world.batch(rollback.id)
    assert planned.foreseen["capture"].reads == planned.costs["capture"].reads


def test_a_day_and_its_way_back_beside_more_than_a_thousand_units_that_people_stand_at() -> None:
    many = [unit(f"v{n}", "d2", path=f"np.p1.d2.v{n}") for n in range(1_050)]
    world = grown(units=many, members=[member(f"at{n}", f"np.p1.d2.v{n}") for n in range(0, 60, 7)], pages=PlainPages())
    fed(world)
    world.run("full")
    at = world.clock()
    news = [(f"units/v{n}", {"names": {"en": f"New {n}"}, "at": at}) for n in range(45)]
    world.source.commit([Update(path, data, (("names",), ("at",))) for path, data in news])
    batch = world.run().batch
    assert world.approve("approve").status == "APPLIED"
    rollback = way_back(world, batch)
    assert world.approve("approve").status == "APPLIED"
    for done in (world.batch(batch), world.batch(rollback.id)):
        assert done.foreseen["check"] == done.costs["check"]
        assert done.foreseen["capture"].reads == done.costs["capture"].reads


def test_units_that_go() -> None:
    world = grown(units=[unit(f"v{n}", "d2", path=f"np.p1.d2.v{n}") for n in range(40)], pages=PlainPages())
    fed(world)
    world.run("full")
    world.source.commit([Update(f"units/v{n}", {"active": False}, (("active",),)) for n in range(40)])
    batch = world.run("full").batch
    assert world.batch(batch).counts == {"units UPDATE": 40}
    foreseen, metered = promoted(world, batch)
    assert foreseen == metered


def test_units_that_come_back_and_go_again_with_what_is_taken_back() -> None:
    wards = [unit(f"v{n}", "d2", path=f"np.p1.d2.v{n}") for n in range(40)]
    world = grown(units=wards, pages=PlainPages())
    fed(world)
    world.run("full")
    off = [(f"geography/v{n}", {"active": False}) for n in range(40)]
    world.production.commit([Update(path, data, (("active",),)) for path, data in off])
    batch = world.run("full").batch
    foreseen, metered = promoted(world, batch)
    assert foreseen == metered
    rollback = way_back(world, batch)
    foreseen, metered = promoted(world, rollback.id)
    assert foreseen == metered
    assert not units(world)["v7"]["active"]
