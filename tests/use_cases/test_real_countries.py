"""Countries as they are and as they changed, from the landlord's release through review and promotion into tenants, and back."""

from __future__ import annotations

import pytest
from penstock.core.errors import Refused
from support import iso, nepal, oracle
from support.mirror import Mirror


def stands(world: Mirror, name: str) -> str:
    return ", ".join(f"{what} {many}" for what, many in oracle.table(world.image(name).units).items())


@pytest.mark.parametrize("case", iso.GOOD)
def test_a_country_that_changed_is_mirrored_reviewed_promoted_and_taken_back(case: str) -> None:
    country, (older, newer) = iso.releases(case)
    world = Mirror(country, "one")
    world.release(older)
    first = world.sync("one")
    assert first.tallies["units"].created == len(older)
    world.agree("one")
    before = world.demand_sound("one")
    assert oracle.missing(before.units, older) == []
    told = [f"{case}: {stands(world, 'one')}"]
    world.release(newer)
    second = world.sync("one")
    batch = world.under_review("one")
    told.append(f"{dict(batch.counts)}, {dict(batch.findings)}")
    applied = world.agree("one")
    after = world.demand_sound("one", before)
    assert (applied.status, applied.drifted) == ("APPLIED", 0)
    assert oracle.missing(after.units, newer) == []
    told.append(stands(world, "one"))
    world.take_back("one", second.batch)
    back = world.demand_sound("one", after)
    assert oracle.missing(back.units, older) == []
    assert {id: _bare(u) for id, u in back.units.items()} == {id: _bare(u) for id, u in before.units.items()}
    assert world.sync("one").batch == ""
    print(*told, sep="\n")


def _bare(unit: dict) -> dict:
    return {name: value for name, value in unit.items() if name != "penstock"}


@pytest.mark.parametrize("case", iso.MALFORMED)
def test_a_malformed_release_is_quarantined_whole_and_the_next_sound_one_is_mirrored(case: str) -> None:
    country, (older, newer) = iso.releases(case)
    world = Mirror(country, "one")
    world.release(older)
    state = world.refresh(country)
    assert state.current is None
    assert state.quarantine is not None
    assert sum(state.quarantine.faults.values()) > 30
    with pytest.raises(Refused, match="is quarantined"):
        world.sync("one")
    assert world.image("one").units == {}
    world.release(newer)
    assert world.refresh(country).quarantine is None
    world.sync("one")
    world.agree("one")
    assert oracle.missing(world.demand_sound("one").units, newer) == []


def test_nepal_is_mirrored_into_two_tenants_and_a_reform_moves_what_hangs_below() -> None:
    """7,580 units; one tenant has committees under four wards, with members in them and in a district. Three of the wards are
    in the district that goes to another province."""
    world = Mirror("NP", "one", "two")
    units = dict(nepal.units())
    world.release(units)
    for name in ("one", "two"):
        assert world.sync(name).tallies["units"].created == 7_580
        assert world.agree(name).applied == 7_580
        assert oracle.table(world.demand_sound(name).units) == {f"level {n}": m for n, m in enumerate(nepal.BY_LEVEL, 1)}
    assert world.image("one").units.keys() == world.image("two").units.keys()
    district, local = nepal.district(101), nepal.local_level(10101)
    for n in (1, 2, 3):
        world.settle_in("one", f"committee-{n}", nepal.ward(10101, n))
    world.settle_in("one", "committee-4", nepal.ward(20101, 1))
    world.join("one", f"{nepal.province(1)}.{district}", 5, "official")
    before = {name: world.demand_sound(name) for name in ("one", "two")}
    later = nepal.AS_OF.plus(86_400)
    reform = {
        district: {**units[district], "parent": nepal.province(2), "updatedAt": later},
        local: {**units[local], "names": {"en": "Phaktanglung", "ne": "फक्ताङलुङ"}, "updatedAt": later},
        nepal.ward(10102, 1): {**units[nepal.ward(10102, 1)], "active": False, "updatedAt": later},
    }
    world.release({**units, **reform})
    below = sum(1 for u in before["two"].units.values() if f".{district}." in f".{u['path']}.") - 1
    for name in ("one", "two"):
        batch = world.sync(name).batch
        assert dict(world.under_review(name).counts) == {"units UPDATE": 3}
        assert world.agree(name).applied == 3
        now = world.demand_sound(name, before[name])
        assert oracle.missing(now.units, {**units, **reform}) == []
        moved = [id for id, u in now.units.items() if u["path"] != before[name].units[id]["path"]]
        assert len(moved) == 1 + below + (3 if name == "one" else 0)
        stays = {id for id, own in before[name].own.items() if now.own[id] == own}
        assert stays == ({"committee-4", "committee-4-0", "committee-4-1"} if name == "one" else set())
        world.take_back(name, batch)
        back = world.demand_sound(name, now)
        assert {id: _bare(u) for id, u in back.units.items()} == {id: _bare(u) for id, u in before[name].units.items()}
        assert back.members == before[name].members
        assert world.sync(name).batch == ""
