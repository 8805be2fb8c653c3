"""Every law has a bug that breaks it, and a judge that sees it."""

import pytest

from simulation import laws
from simulation.dioceses import Dioceses
from simulation.planted import BUGS, caught


@pytest.mark.parametrize("name", BUGS)
def test_a_guard_that_is_taken_out_is_caught_by_its_law(name: str) -> None:
    assert f"{BUGS[name].law}: " in caught(BUGS[name])


def test_every_law_has_a_bug_that_breaks_it() -> None:
    at_rest = {name for name, _ in Dioceses.AT_REST}
    assert {bug.law for bug in BUGS.values()} == {*laws.ALWAYS, *Dioceses.ALWAYS, *at_rest, "rest"}
