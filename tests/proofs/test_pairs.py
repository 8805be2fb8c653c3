"""Two faults break no law either. Bounded; `scripts/prove pairs` has all of them."""

import pytest
from simulation.planted import BUGS, planted

from proofs import pairs


def test_two_faults_break_no_law() -> None:
    proof = pairs.prove(300)
    assert proof.violations == []
    assert proof.unreached == []
    assert proof.counted["lives that two faults struck"] > 200


def test_it_turns_red_when_a_guard_is_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "CORE", ("drift, big batch",))
    pairs.groups()  # where the boundaries are, while all is well
    with planted(BUGS["a write has no precondition"]):
        proof = pairs.prove(20)
    assert not proof.holds
    assert "drift:" in proof.violations[0]
