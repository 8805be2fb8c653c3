"""What is the unit behind a landlord id, as production, a batch, or the landlord has it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from penstock.core.errors import InvalidInput
from penstock.core.records import Update
from penstock.core.values import Timestamp
from penstock.pipelines.schema import FOLDER
from penstock.readers.geography import Geography
from penstock.use_cases.decide import Said
from support.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One tenant of the geography, declared in the file, so that its batches need no landlord's registry."""
    text = (FOLDER / "tenant_geography.yaml").read_text()
    text = text.replace("hub: {project: landlord}", "targets: {nepal: {project: tenant, prefix: tenants/nepal/}}")
    text = re.sub(r".*(partition: country|active_schedule:).*\n", "", text)
    path = tmp_path / "tenant_geography.yaml"
    path.write_text(text)
    world = World(path)
    world.put(world.source, "geography-units", [("NP0", {"id": "NP0", "updatedAt": at(0), **ROOT})])
    tree = {"landlordId": "NP0", "official": True, "path": "NP0"}
    world.put(world.production, "tenants/nepal/geography", [("NP0", {**ROOT, **tree})])
    return world


ROOT = {"country": "NP", "level": 1, "type": "country", "code": "NP", "names": {"en": "Nepal"}, "active": True}


def at(day: int) -> Timestamp:
    return Timestamp(1_780_000_000 + day * 86_400)


def of_landlord(id: str, day: int, **more: Any) -> tuple[str, dict[str, Any]]:
    fields = {"id": id, "country": "NP", "level": 2, "type": "province", "parent": "NP0", "code": id, "active": True}
    mapped = {**fields, "names": {"en": f"Province {id}"}, "validFrom": at(0), "version": 1}
    return id, {**mapped, "updatedAt": at(day), "secret": "of the landlord alone", **more}


@pytest.fixture
def geography(world: World) -> Geography:
    return Geography(world.production, "tenants/nepal/", target="nepal", landlord=world.source, seconds=0)


def standing(geography: Geography, id: str) -> list[str | None]:
    found = [geography.unit(id, source) for source in ("production", "staged", "landlord")]
    assert all(unit.accepted is (unit.source == "production") for unit in found if unit)
    return [unit and unit.status for unit in found]


def test_a_unit_is_marked_with_its_source_and_status_from_the_landlord_to_production(world: World, geography: Geography) -> None:
    world.put(world.source, "geography-units", [of_landlord("NP1", 1)])
    assert standing(geography, "NP1") == [None, None, "OFFERED"]
    world.run()
    assert standing(geography, "NP1") == [None, "PENDING", "OFFERED"]
    world.approve("approve")
    assert standing(geography, "NP1") == ["ACTIVE", None, "OFFERED"]
    unit = geography.unit("NP1")
    assert unit is not None
    assert (unit.country, unit.level, unit.type, unit.code, unit.names) == ("NP", 2, "province", "NP1", {"en": "Province NP1"})


def test_a_unit_that_was_refused_is_never_served_as_accepted(world: World, geography: Geography) -> None:
    world.put(world.source, "geography-units", [of_landlord("NP1", 1), of_landlord("NP2", 1)])
    world.run()
    world.decide(Said("approve", {}, {"units/NP2": "reject"}))
    assert standing(geography, "NP1") == ["ACTIVE", None, "OFFERED"]
    assert standing(geography, "NP2") == [None, None, "DECLINED"]


def test_a_review_that_waits_changes_no_answer_about_production(world: World, geography: Geography) -> None:
    world.put(world.source, "geography-units", [of_landlord("NP1", 1)])
    world.run()
    world.approve("approve")
    id = next(id for id, unit in world.documents("tenants/nepal/geography").items() if unit["landlordId"] == "NP1")
    world.production.commit([Update(f"tenants/nepal/geography/{id}", {"parentId": "NP0"}, (("parentId",),))])
    world.put(world.source, "geography-units", [of_landlord("NP1", 2, names={"en": "Koshi"}, active=False)])
    world.run()
    before = dict(world.production.bill.by_collection)
    assert geography.validate(["NP0", id], "NP").valid
    unit = geography.unit("NP1")
    assert unit is not None
    assert unit.names == {"en": "Province NP1"}
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
    world.put(world.source, "geography-units", [of_landlord("NP1", 1)])
    unit = geography.unit("NP1", "landlord")
    assert unit is not None
    assert "secret" not in repr(unit)
    assert (unit.id, unit.parent, unit.landlord_id, unit.official) == ("", "NP0", "NP1", True)


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
