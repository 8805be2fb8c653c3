"""A build server's share of `scripts/prove races`, and that it finds a guard that was taken out."""

from __future__ import annotations

import pytest

from proofs import races


@pytest.fixture(autouse=True)
def _emulator(firestore_emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)


def test_of_a_hundred_decisions_at_once_the_first_wins_and_all_others_are_told() -> None:
    proof = races.prove(4)
    print(proof.line("races"))
    assert proof.violations == []
    assert (proof.counted["races"], proof.counted["decisions"]) == (4, 400)
    assert sum(proof.counted.get(told, 0) for told in set(races.LOSERS.values())) == 4 * 99


def test_it_finds_a_guard_that_was_taken_out() -> None:
    proof = races.prove(1, "a decision has no precondition")
    assert not proof.holds
    assert "decisions were taken for the first" in "\n".join(proof.violations)
