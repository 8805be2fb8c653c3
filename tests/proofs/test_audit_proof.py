"""A smaller count of the same, and the proof itself goes red where the guard is taken out."""

from __future__ import annotations

from typing import Any

import pytest
from penstock.core import audit, chain
from penstock.core.proof import Values

from proofs.audit import CHAIN, of_chain, of_export, of_hub, prove


def test_every_tampering_with_an_export_is_found_and_named() -> None:
    proof = prove(40)
    assert proof.holds, proof.violations[:5]
    assert proof.counted["tamperings"] > 80 * len(CHAIN)


def blind_to_previous(monkeypatch: pytest.MonkeyPatch) -> str:
    original = chain._Reader._link

    def link(self: Any, entry: Any) -> None:
        original(self, {**entry, "previous": self.before.hash})

    monkeypatch.setattr(chain._Reader, "_link", link)
    return "an entry altered with its own hash made anew"


def blind_to_hashes(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(chain, "parse", lambda line: (entry := chain.loads(line), entry["hash"]))
    return "an entry altered"


def blind_to_anchors(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(chain._Reader, "end", lambda self: None)
    return "the tail cut"


def blind_to_ends(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(chain, "must_be_anchored", lambda entry: False)
    return "an anchor missing"


def blind_to_decisions(monkeypatch: pytest.MonkeyPatch) -> str:
    original = chain._Reader._follow

    def follow(self: Any, entry: Any) -> None:
        original(self, entry)
        for course in self.courses.values():
            course.decisions = Anything()

    monkeypatch.setattr(chain._Reader, "_follow", follow)
    return "an approval forged"


class Anything(list[Any]):
    """Equal to whatever is claimed."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def blind_to_values(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(Values, "judge", lambda *_: None)
    return "a production value changed"


@pytest.mark.parametrize("blind", [blind_to_previous, blind_to_hashes, blind_to_anchors, blind_to_ends])
def test_a_reader_of_the_chain_that_is_blind_to_something_is_found_out(blind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = blind(monkeypatch)
    assert any(told.startswith(f"{kind} at ") for told in of_chain(14, {kind}).violations)
    if blind is not blind_to_ends:  # a hub's chain knows no batches
        assert any(told.startswith(f"{kind} at ") for told in of_hub(9, {kind}).violations)


@pytest.mark.parametrize("blind", [blind_to_decisions, blind_to_values])
def test_a_proof_of_batches_and_values_that_is_blind_to_something_is_found_out(
    blind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = blind(monkeypatch)
    assert any(told.startswith(f"{kind} at ") for told in of_export({kind}).violations)


def test_the_hash_of_an_entry_is_of_all_that_it_says() -> None:
    entry = audit.entry(
        audit.Head(), target="t", batch="b", what="w", who="x", at=chain.loads('{"$time":"2026-01-01T00:00:00Z"}'), detail={}
    )
    assert audit.digest(entry | {"more": 1}) != entry["hash"]
