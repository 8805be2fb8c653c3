"""`penstock releases`: what targets get of a source that they share, and what is held back."""

from __future__ import annotations

import pytest
from support.faults import Fault, Faults
from support.landlord import Landlord, country, unit
from support.world import World
from terminal import Terminal


@pytest.fixture
def world() -> Landlord:
    world = Landlord()
    world.publish(country())
    world.publish(country("XB"))
    return world


def test_each_partition_is_told_with_what_targets_get_of_it(world: Landlord) -> None:
    world.refresh("XA")
    world.refresh("XB")
    told = Terminal(world).json("releases", "tenant_geography")
    assert told.code == 0
    assert [(r["partition"], r["documents"], r["held"]) for r in told.answer["releases"]] == [("XA", 8, ""), ("XB", 8, "")]
    people = Terminal(world)("releases")
    assert people.code == 0
    assert "XB" in people.out
    assert "current" in people.out


def test_a_quarantine_is_told_with_since_when_and_why_and_the_report_and_ends_with_1(world: Landlord) -> None:
    good = world.refresh().current
    world.publish([unit("XA-7-1", 2, "XA-7")])
    held = world.refresh().quarantine
    assert good is not None
    assert held is not None
    told = Terminal(world).json("releases")
    (line,) = told.answer["releases"]
    assert told.code == 1
    assert (line["current"], line["faults"], line["reports"]) == (good.name, {"orphan": 1}, held.reports)
    assert "1 fault: 1 orphan" in line["held"]
    assert told.answer["next_steps"] == ["penstock run tenant_geography"]
    people = Terminal(world)("releases")
    assert people.code == 1
    assert f"quarantined since {line['quarantined_since'][:19]}" in people.out
    assert held.reports["html"] in people.out


def test_a_reading_that_was_cut_is_told(world: Landlord) -> None:
    faults = Faults()
    cut = Landlord(wrap=faults.wrap)
    cut.publish(country())
    faults.plan(Fault("message", 2, "cut"))
    cut.refresh()
    faults.armed = False
    told = Terminal(cut)("releases")
    assert told.code == 1
    assert "the last reading was not complete" in told.out
    assert "NOT complete" in told.out


def test_before_anything_was_read_the_next_step_is_a_run(world: Landlord) -> None:
    told = Terminal(world).json("releases")
    assert (told.code, told.answer["releases"], told.answer["next_steps"]) == (0, [], ["penstock run tenant_geography"])
    assert "Nothing was read yet." in Terminal(world)("releases").out


def test_pipelines_whose_targets_share_nothing_are_passed_over() -> None:
    assert "No pipeline here has a source that its targets share." in Terminal(World())("releases").out
    assert Terminal(World()).json("releases").answer["next_steps"] == ["penstock status"]


def test_an_unknown_pipeline_is_wrong_usage(world: Landlord) -> None:
    assert Terminal(world).json("releases", "nothing").code == 2
