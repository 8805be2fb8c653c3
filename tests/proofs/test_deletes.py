"""Deletions are found, at the promised price. Bounded; `scripts/prove deletes 200000` has more documents and simulated keys."""

from __future__ import annotations

from typing import Any

import pytest
from penstock.core import reconcile as searching
from penstock.core.certificate import Certificate
from penstock.use_cases import reconcile

from proofs import deletes


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletes, "SIMULATED", ())
    monkeypatch.setattr(deletes, "ROUNDS", ((1, 0), (10, 10)))


@pytest.mark.emulator
def test_every_deletion_is_found_at_the_promised_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletes, "ON_EMULATOR", 1_000)
    proof = deletes.prove()
    assert proof.violations == []
    assert proof.holds
    assert proof.counted["deletions found"] > 2_000
    assert proof.counted["deletes proposed"] > 100


@pytest.mark.usefixtures("quick")
def test_it_turns_red_when_a_range_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(before: Any) -> Any:
        found = yield from searching.search(before)
        return searching.Found(found.counted, found.ranges, found.empty, found.unequal[1:])

    monkeypatch.setattr(reconcile, "search", forgetful)
    assert any("were not found" in told for told in deletes.prove(2_000, emulator=False).violations)


@pytest.mark.usefixtures("quick")
def test_it_turns_red_when_what_is_there_is_not_told_from_what_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(before: Any) -> Any:
        found = yield from searching.search(before)
        return searching.Found(found.counted, found.ranges, (*found.empty, *(part for part, _ in found.unequal)), ())

    monkeypatch.setattr(reconcile, "search", hasty)
    assert not deletes.prove(2_000, emulator=False).holds


@pytest.mark.usefixtures("quick")
def test_it_turns_red_when_ranges_are_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "PER_RANGE", 300)
    assert any("billed reads for" in told for told in deletes.prove(2_000, emulator=False).violations)


@pytest.mark.usefixtures("quick")
def test_it_turns_red_when_any_read_is_taken_for_a_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Certificate, "proves_absence", True)
    assert any("without proof" in told for told in deletes.prove(2_000, emulator=False).violations)
