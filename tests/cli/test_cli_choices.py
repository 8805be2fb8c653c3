"""`penstock decide --choice`: what becomes of what hangs below units that go; and how a rollback tells of it."""

from __future__ import annotations

import pytest
from support.forest import Plan, grown, units
from support.world import APPROVER, World
from terminal import Terminal


@pytest.fixture
def world() -> World:
    return grown()


@pytest.fixture
def batch(world: World) -> str:
    return Plan(world).update("w1", active=False).update("w2", active=False).stage().id


@pytest.fixture
def type_(world: World) -> Terminal:
    return Terminal(world)


def test_a_choice_is_decided_shown_and_taken_back_with_a_preview(type_: Terminal, world: World, batch: str) -> None:
    told = type_.json("decide", batch, "approve", "--choice", "units/w1=cascade", "--yes", user=APPROVER)
    assert (told.code, told.answer["status"], told.answer["applied"]) == (0, "APPLIED", 2)
    assert units(world)["c1"]["active"] is False
    (said,) = type_.json("show", batch).answer["decisions"]
    assert said["choices"] == {"units/w1": "cascade"}
    assert "units/w1=cascade" in type_("show", batch).out
    assert "What hung below it went along." in type_("show", batch, "--change", "units/w1").out
    (w1, _) = type_.json("rollback", "--preview", batch).answer["records"]
    assert (w1["key"], w1["returns"], w1["stays"]) == ("units/w1", {"units": 1}, {})
    assert "  units: 1 returns with it" in type_("rollback", "--preview", batch).out


def test_one_choice_may_speak_for_each(type_: Terminal, world: World, batch: str) -> None:
    told = type_.json("decide", batch, "approve", "--choice", "*=cascade", "--yes", user=APPROVER)
    assert told.answer["applied"] == 2
    assert units(world)["c1"]["active"] is False


def test_without_a_choice_it_says_what_to_do_and_decides_nothing(type_: Terminal, world: World, batch: str) -> None:
    told = type_.json("decide", batch, "approve", "--rule", "dependents=approve", "--yes", user=APPROVER)
    assert told.code == 2
    assert "For each of them choose" in told.answer["error"]["remedy"]
    told = type_.json("decide", batch, "approve", "--choice", "units/w1=reassign:d2", "--yes", user=APPROVER)
    assert "is of level 3" in told.answer["error"]["what"]
    assert world.batch(batch).decisions == ()


@pytest.mark.parametrize("choice", ["units/w1", "=cascade"])
def test_what_is_no_choice_is_wrong_usage(type_: Terminal, batch: str, choice: str) -> None:
    assert type_("decide", batch, "approve", "--choice", choice, "--yes", user=APPROVER).code == 2


def test_a_refusal_of_the_whole_takes_no_choice(type_: Terminal, batch: str) -> None:
    told = type_("decide", batch, "reject", "--choice", "units/w1=cascade", "--yes", user=APPROVER)
    assert told.code == 2
