"""A fault at a boundary of any scenario loses nothing and doubles nothing. Bounded; `scripts/prove exhaustive` has them all."""

import pytest
from simulation.planted import BUGS, planted
from simulation.play import calm
from simulation.scenarios import SCENARIOS

from proofs import exhaustive


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_life_without_faults_keeps_every_law(name: str) -> None:
    _, calls = calm(name)
    assert len(calls["change"]) >= 5


def test_every_kind_of_call_struck_in_every_mode_breaks_no_law() -> None:
    proof = exhaustive.prove(0)
    assert proof.violations == []
    assert proof.unreached == []
    assert proof.counted["runs"] == proof.counted["kinds of call and mode"] >= 100


def test_it_turns_red_when_a_guard_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exhaustive, "SCENARIOS", {"drift": SCENARIOS["drift"]})
    exhaustive.everything()  # where the boundaries are, while all is well
    with planted(BUGS["a write has no precondition"]):
        proof = exhaustive.prove(20)
    assert not proof.holds
    assert "drift:" in proof.violations[0]


def test_a_boundary_that_is_never_struck_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exhaustive, "SCENARIOS", {"reject": SCENARIOS["reject"]})
    monkeypatch.setattr(exhaustive, "chosen", lambda jobs, _: jobs[:1])
    proof = exhaustive.prove(1)
    assert proof.unreached
    assert not proof.holds
