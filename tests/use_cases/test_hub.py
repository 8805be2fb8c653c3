"""Where the targets of a pipeline keep what they have in common."""

from __future__ import annotations

from dataclasses import replace

import pytest
from penstock.core import layout
from penstock.core.declaration import Target
from penstock.core.errors import Denied, InvalidInput
from penstock.core.records import Query, Set
from penstock.entrypoints import privileges
from penstock.pipelines.schema import FOLDER
from support.world import World

GEOGRAPHY = FOLDER / "tenant_geography.yaml"
NEPAL = Target("nepal", "tenants", "(default)", "tenants/nepal/", ("NP",))


def test_the_hub_is_a_database_beside_those_of_the_targets() -> None:
    world = World(GEOGRAPHY, targets=(NEPAL,))
    world.ctx.hub_store.commit([Set(f"{layout.RELEASES}/here", {"n": 1})])
    landlord = world.ports.stores.open("demo-landlord", "(default)")
    assert [found.id for found in landlord.scan(Query(layout.RELEASES))] == ["here"]
    assert world.ctx.store is not landlord


def test_a_pipeline_without_a_hub_says_so() -> None:
    with pytest.raises(InvalidInput, match="has no hub"):
        _ = World().ctx.hub_store


def test_a_hub_whose_project_nobody_named_is_told_with_the_setting() -> None:
    world = World(GEOGRAPHY, targets=(NEPAL,))
    nameless = replace(world.ctx, ports=replace(world.ports, project_ids={}))
    with pytest.raises(InvalidInput, match="PENSTOCK_PROJECT_LANDLORD"):
        _ = nameless.hub_store


def test_in_a_hub_an_entry_point_reaches_its_collections_by_its_grant_alone() -> None:
    world = World(GEOGRAPHY, targets=(NEPAL,))
    with pytest.raises(Denied, match="may not read penstock_releases"):
        world.serving(privileges.DEAD_LETTER).hub_store.get([f"{layout.RELEASES}/here"])
