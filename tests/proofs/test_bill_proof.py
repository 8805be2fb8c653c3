"""A build server's share of `scripts/prove bill`, and that it finds a bill that is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from penstock.core import bill as rules
from penstock.core.cost import Cost
from penstock.use_cases import staging

from proofs import bill


@pytest.fixture(autouse=True)
def _emulator(firestore_emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)


def test_bills_are_as_foreseen_and_metered_as_they_are() -> None:
    proof = bill.prove(2)
    print(proof.line("bill"))
    assert proof.violations == []
    assert proof.counted == {"bills": 38, "delivered three times": 38, "on the emulator": 19, "caps": 2}


def test_it_finds_a_pack_whose_cost_was_not_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging.Pack, "cost", lambda *_: Cost())
    proof = bill.prove(1)
    assert any("metered Cost" in told and "billed" in told for told in proof.violations)


def test_it_finds_a_phase_that_was_foreseen_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    def half(*given: Any, **named: Any) -> Cost:
        cost: Cost = promote(*given, **named)
        return Cost(cost.reads // 2, cost.writes // 2)

    promote = rules._promote
    monkeypatch.setattr(rules, "_promote", half)
    assert any("% off" in told for told in bill.prove(1).violations)
