"""Each attack gains nothing, and gains something once its guard is taken out."""

from __future__ import annotations

import pytest
from attacks.lab import Lab
from attacks.registry import Case, cases

pytestmark = [pytest.mark.emulator, pytest.mark.browser]
EACH = pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.section}-{case.name}")


@EACH
def test_an_attack_gains_nothing(lab: Lab, case: Case) -> None:
    assert not case.gained(lab)


@EACH
def test_the_same_attack_gains_something_once_its_guard_is_taken_out(lab: Lab, case: Case) -> None:
    assert case.gained_without_the_guard(lab)
