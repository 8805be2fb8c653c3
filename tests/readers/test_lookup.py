"""What is the unit behind a landlord id, as production, a batch, or the landlord has it."""

from __future__ import annotations

import pytest
from penstock.core.errors import InvalidInput
from penstock.readers.geography import Geography
from penstock.use_cases.decide import Said
from support.tenancy import of_landlord, tenancy
from support.world import World


@pytest.fixture
def world() -> World:
    return tenancy()


@pytest.fixture
def geography(world: World) -> Geography:
    return Geography(world.production, "tenants/nepal/", target="nepal", landlord=world.source, seconds=0)


def standing(geography: Geography, id: str) -> list[str | None]:
    found = [geography.unit(id, source) for source in ("production", "staged", "landlord")]
    assert all(unit.accepted is (unit.source == "production") for unit in found if unit)
    return [unit and unit.status for unit in found]


def test_a_unit_is_marked_with_its_source_and_status_from_the_landlord_to_production(world: World, geography: Geography) -> None:
    world.put(world.source, "geography-units", [of_landlord("NP1")])
    assert standing(geography, "NP1") == [None, None, "OFFERED"]
    world.run()
    assert standing(geography, "NP1") == [None, "PENDING", "OFFERED"]
    world.approve("approve")
    assert standing(geography, "NP1") == ["ACTIVE", None, "OFFERED"]
    unit = geography.unit("NP1")
    assert unit is not None
    assert (unit.country, unit.level, unit.type, unit.code, unit.names) == ("NP", 1, "type 1", "NP1", {"en": "Unit NP1"})


def test_a_unit_that_was_refused_is_never_served_as_accepted(world: World, geography: Geography) -> None:
    world.put(world.source, "geography-units", [of_landlord("NP1"), of_landlord("NP2")])
    world.run()
    world.decide(Said("approve", {}, {"units/NP2": "reject"}))
    assert standing(geography, "NP1") == ["ACTIVE", None, "OFFERED"]
    assert standing(geography, "NP2") == [None, None, "DECLINED"]


def test_a_review_that_waits_changes_no_answer_about_production(world: World, geography: Geography) -> None:
    world.put(world.source, "geography-units", [of_landlord("NP1")])
    world.run()
    world.approve("approve")
    id = next(id for id, unit in world.documents("tenants/nepal/geography").items() if unit["landlordId"] == "NP1")
    world.put(world.source, "geography-units", [of_landlord("NP1", day=2, names={"en": "Koshi"}, active=False)])
    world.run()
    before = dict(world.production.bill.by_collection)
    assert geography.validate([id], "NP").valid
    unit = geography.unit("NP1")
    assert unit is not None
    assert unit.names == {"en": "Unit NP1"}
    read = {name for name, n in world.production.bill.by_collection.items() if n > before.get(name, 0)}
    assert read == {"tenants/nepal/geography"}
    staged = geography.unit("NP1", "staged")
    assert staged is not None
    assert (staged.id, staged.names, staged.active, staged.status) == (id, {"en": "Koshi"}, False, "PENDING")


def test_a_unit_is_kept_for_a_while_and_its_absence_is_not(world: World) -> None:
    geography = Geography(world.production, "tenants/nepal/")
    assert geography.unit("NP1") is None
    world.put(world.production, "tenants/nepal/geography", [("x", {"landlordId": "NP1", "country": "NP", "active": True})])
    rpcs = world.production.bill.rpcs
    assert {unit.id for _ in range(5) if (unit := geography.unit("NP1"))} == {"x"}
    assert world.production.bill.rpcs - rpcs == 1


def test_only_what_is_mapped_is_asked_of_the_landlord(world: World, geography: Geography) -> None:
    world.put(world.source, "geography-units", [of_landlord("NP1")])
    unit = geography.unit("NP1", "landlord")
    assert unit is not None
    assert "secret" not in repr(unit)
    assert (unit.id, unit.parent, unit.landlord_id, unit.official) == ("", "", "NP1", True)


@pytest.mark.parametrize("id", ["", "a/b", "../x", "NP1.x", "x" * 2_000])
def test_an_id_that_no_unit_can_have_is_not_found(geography: Geography, id: str) -> None:
    assert [geography.unit(id, source) for source in ("production", "staged", "landlord")] == [None] * 3


def test_a_source_that_was_not_set_up_is_told(world: World) -> None:
    plain = Geography(world.production)
    with pytest.raises(InvalidInput, match="Give `target=`"):
        plain.unit("NP1", "staged")
    with pytest.raises(InvalidInput, match="Give `landlord=`"):
        plain.unit("NP1", "landlord")


def test_what_is_no_longer_of_its_type_is_read_as_nothing(world: World, geography: Geography) -> None:
    odd = {"landlordId": "NP1", "country": 7, "level": "one", "names": ["x"], "active": "yes", "parentId": None}
    world.put(world.production, "tenants/nepal/geography", [("x", odd)])
    unit = geography.unit("NP1")
    assert unit is not None
    assert (unit.country, unit.level, dict(unit.names), unit.active, unit.parent) == ("", 0, {}, False, "")
