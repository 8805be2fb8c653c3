"""A build server's share of `scripts/prove kills`, and that it finds a guard that was taken out."""

from __future__ import annotations

import re

import pytest

from proofs import kills


@pytest.fixture(autouse=True)
def _emulator(firestore_emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)


def test_a_process_that_is_killed_anywhere_loses_nothing_and_doubles_nothing() -> None:
    proof = kills.prove(16)
    print(proof.line("kills"))
    assert proof.violations == []
    assert proof.holds
    assert proof.counted["kills"] >= 16


@pytest.mark.parametrize(
    ("bug", "life", "only", "found"),
    [
        ("a ledger is not looked at", "by messages", "after commit planned-poles", "unnoticed|not as"),
        ("the backup comes after", "at once", "after commit planned-poles", "backups/"),
        ("nobody resumes a run that died", "refused, superseded", "after commit penstock_staging", "no rest"),
    ],
)
def test_it_finds_a_guard_that_was_taken_out(bug: str, life: str, only: str, found: str) -> None:
    proof = kills.prove(1, bug, (life,), only)
    assert not proof.holds
    assert re.search(found, "\n".join(proof.violations))
