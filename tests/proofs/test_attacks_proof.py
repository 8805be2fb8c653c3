from __future__ import annotations

from typing import Any

import pytest
from attacks.registry import Case, violations


class NoTwin:
    """A lab for attacks that reach no service."""

    def __init__(self) -> None:
        self.guarded = True

    def twin(self, patch: pytest.MonkeyPatch) -> Any:
        return pytest.MonkeyPatch.context()


def out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LAB, "guarded", False)


LAB: Any = NoTwin()


def test_a_guarded_attack_is_no_violation() -> None:
    assert violations([Case("s", "the guard", out, lambda lab: not lab.guarded)], LAB) == []


def test_an_attack_that_gets_through_is_a_violation_and_is_named() -> None:
    def an_open_door(lab: Any) -> str:
        return "gold"

    assert violations([Case("s", "the guard", out, an_open_door)], LAB) == ["s: an_open_door got through the guard: gold"]


def test_an_attack_that_gains_nothing_without_its_guard_is_a_violation_too() -> None:
    def a_wall(lab: Any) -> str:
        return ""

    (told,) = violations([Case("s", "the guard", out, a_wall)], LAB)
    assert "a_wall gains nothing without the guard either" in told


def test_an_attack_that_cannot_be_tried_is_a_violation_and_the_next_is_tried_all_the_same() -> None:
    def a_broken_tool(lab: Any) -> str:
        raise KeyError("tool")

    told = violations([Case("s", "the guard", out, a_broken_tool), Case("s", "the guard", out, lambda lab: "gold")], LAB)
    assert ["could not be tried" in told[0], "got through" in told[1]] == [True, True]
