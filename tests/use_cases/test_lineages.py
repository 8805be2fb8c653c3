"""Where changes of a tree stand, as people call it: on every page and in every report, wherever in the batch the names are."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from penstock.core import packs
from penstock.core.lineage import Lineage
from penstock.core.plan import Review
from penstock.core.records import Set
from penstock.use_cases.reviewing import PAGE, review_by_link
from penstock.use_cases.rollback import plan_rollback
from support.world import World

FOREST = Path(__file__).parents[1] / "support" / "forest.yaml"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(packs, "MAX_CHANGES", 7)
    return World(FOREST)


def say(world: World, **units: tuple[int, str, str]) -> None:
    """Level, what it lies in, name."""
    at = world.clock()
    for code, (level, within, name) in units.items():
        data = {"id": code, "level": level, "parent": within, "names": {"en": name}, "active": True, "at": at}
        world.source.commit([Set(f"units/{code}", data)])
    world.clock.forward(7_200)


def country() -> dict[str, tuple[int, str, str]]:
    """Three provinces of three districts of seven wards; ids that sort otherwise than their names."""
    found = {"c": (1, "", "The Country")}
    for p in range(3):
        found[f"p{p}"] = (2, "c", f"Province {9 - p}")
        for d in range(3):
            found[f"d{p}{d}"] = (3, f"p{p}", f"District {p}-{d}")
            found |= {f"w{p}{d}{n}": (4, f"d{p}{d}", f"Ward {n}") for n in range(7)}
    return found


def page(world: World, number: int = 1) -> Review:
    return review_by_link(world.ctx, world.link()[0], number)


def lineage(row: Any) -> Lineage:
    assert row.lineage is not None
    found: Lineage = row.lineage
    return found


def names(units: Any) -> list[str]:
    return [unit.name for unit in units]


def report(world: World, kind: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The newest report's JSON, and its CSV by line."""
    found = sorted(name for name in world.blobs.names("reports/") if name.endswith(f"/{kind}.json"))
    table = world.blobs.read(found[-1].replace(".json", ".csv")).decode("utf-8-sig")
    return json.loads(world.blobs.read(found[-1])), list(csv.DictReader(io.StringIO(table, newline="")))


def test_a_page_is_sorted_by_level_and_then_by_id_whatever_the_packs(world: World) -> None:
    say(world, **country())
    world.run()
    assert page(world).pages == 2
    rows = [row for number in (1, 2) for row in page(world, number).rows]
    expected = sorted((level, f"units/{code}") for code, (level, *_) in country().items())
    assert [(lineage(row).level, row.change.key) for row in rows] == expected
    assert len(page(world).rows) == PAGE


def test_of_a_first_mirror_the_names_above_come_from_the_batch_itself(world: World) -> None:
    say(world, **country())
    world.run()
    for row in page(world, 2).rows:
        code, of = row.change.key.removeprefix("units/"), lineage(row)
        assert names(of.above) == ["The Country", f"Province {9 - int(code[1])}", f"District {code[1]}-{code[2]}"]
        assert (of.unit.name, of.was) == (country()[code][2], None)
    data, lines = report(world, "pre-sync")
    (ward,) = [change for change in data["changes"] if change["key"] == "units/w215"]
    assert [unit["name"] for unit in ward["place"]["after"]["above"]] == ["The Country", "Province 7", "District 2-1"]
    (line,) = [line for line in lines if line["key"] == "units/w215"]
    assert (line["level"], line["path"], line["impact"]) == ("4", "The Country › Province 7 › District 2-1 › Ward 5", "")


def test_of_an_update_the_names_above_are_those_of_production_and_cost_the_page_nothing(world: World) -> None:
    say(world, **country())
    world.run()
    world.approve("approve")
    say(world, w215=(4, "d21", "Ward V"), d00=(3, "p1", "District 0-0"))
    world.run()
    reads = world.production.bill.reads
    shown = page(world)
    assert world.production.bill.reads - reads <= shown.batch.packs + 3
    moved, renamed = (lineage(row) for row in shown.rows)
    assert names(renamed.above) == names(renamed.was_above) == ["The Country", "Province 7", "District 2-1"]
    assert (renamed.unit.name, renamed.was and renamed.was.name) == ("Ward V", "Ward 5")
    assert (moved.step, names(moved.was_above), names(moved.above)) == (
        "move", ["The Country", "Province 9"], ["The Country", "Province 8"],
    )  # fmt: skip
    world.approve("approve")
    data, _ = report(world, "post-sync")
    of = {change["key"]: change["place"] for change in data["changes"]}
    assert [unit["name"] for unit in of["units/d00"]["before"]["above"]] == ["The Country", "Province 9"]
    assert of["units/w215"]["before"]["name"] == "Ward 5"


def test_a_name_that_changes_is_told_above_others_as_production_has_it(world: World) -> None:
    say(world, **country())
    world.run()
    world.approve("approve")
    say(world, c=(1, "", "The Republic"), w000=(4, "d00", "Ward O"))
    world.run()
    root, ward = (lineage(row) for row in page(world).rows)
    assert (root.unit.name, root.was and root.was.name) == ("The Republic", "The Country")
    assert names(ward.above)[0] == "The Country"


def test_what_judging_a_tree_reads_is_foreseen(world: World) -> None:
    say(world, **country())
    first = world.batch(world.run().batch)
    assert first.costs["check"] == first.foreseen["check"]
    world.approve("approve")
    say(
        world,
        c=(1, "", "The Republic"),
        p1=(2, "c", "P"),
        d00=(3, "p1", "D"),
        **{f"w22{n}": (4, "d22", f"W {n}") for n in range(7)},
    )
    second = world.batch(world.run().batch)
    assert second.costs["check"].reads == pytest.approx(second.foreseen["check"].reads, rel=0.1)
    assert second.costs["review"] == second.foreseen["review"]


def test_a_rollback_tells_places_by_name_too(world: World) -> None:
    say(world, **country())
    world.run()
    world.approve("approve")
    say(world, w215=(4, "d21", "Ward V"), new=(4, "d21", "Ward 8"))
    batch = world.run().batch
    world.approve("approve")
    rollback, owed = plan_rollback(world.ctx, batch, "ops@example.org")
    world.pay(owed)
    world.pump()
    rows = {row.change.key: lineage(row) for row in page(world).rows}
    assert names(rows["units/new"].above) == names(rows["units/w215"].above) == ["The Country", "Province 7", "District 2-1"]
    assert (rows["units/new"].step, rows["units/new"].unit.name, rows["units/w215"].unit.name) == ("remove", "Ward 8", "Ward 5")
    checked = world.batch(rollback.id)
    assert checked.costs["check"] == checked.foreseen["check"]


def test_units_under_ids_of_their_own_are_told_by_name_on_every_page(world: World) -> None:
    """The root changes on the first page, what is below it on the second, and its key is not its id."""
    own = {"landlordId": "c", "level": 1, "names": {"en": "The Country"}, "active": True, "official": True, "path": "17"}
    world.put(world.production, "geography", [("17", own)])
    say(world, **country())
    world.run()
    world.approve("approve")
    say(world, **{code: (level, above, f"{name} anew") for code, (level, above, name) in country().items()})
    world.run()
    assert {names(lineage(row).above)[0] for row in page(world, 2).rows} == {"The Country"}
