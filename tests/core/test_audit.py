from __future__ import annotations

from typing import Any

import pytest
from penstock.core import audit
from penstock.core.audit import GENESIS, Head
from penstock.core.values import Data, Timestamp


def chain(length: int) -> list[Data]:
    head, found = Head(), []
    for n in range(length):
        found.append(
            audit.entry(head, target="p.t", batch=f"b{n}", what="A → B", who="w", at=Timestamp(n), detail={"n": n, "x": b"\x00"})
        )
        head = audit.head_of(found[-1])
    return found


def whole(entries: list[Data]) -> bool:
    head = Head()
    for entry in entries:
        if (entry["sequence"], entry["previous"], entry["hash"]) != (head.sequence + 1, head.hash, audit.digest(entry)):
            return False
        head = audit.head_of(entry)
    return True


def test_an_untouched_chain_is_whole_and_begins_at_one() -> None:
    entries = chain(6)
    assert whole(entries)
    assert (entries[0]["sequence"], entries[0]["previous"]) == (1, GENESIS)


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("name", ["what", "who", "at", "detail", "batch", "target", "previous", "hash", "sequence"])
def test_a_change_of_any_field_of_any_entry_is_detected(at: int, name: str) -> None:
    entries = chain(6)
    other: Any = {"detail": {"n": at, "x": b"\x01"}, "at": Timestamp(99, 1), "sequence": 77}.get(name, "other")
    entries[at] = entries[at] | {name: other}
    assert not whole(entries)


@pytest.mark.parametrize("at", range(6))
def test_a_change_with_its_own_hash_made_anew_breaks_the_next_one(at: int) -> None:
    entries = chain(7)
    entries[at] = entries[at] | {"who": "mallory"}
    entries[at]["hash"] = audit.digest(entries[at])
    assert not whole(entries)


def test_dropping_inserting_and_reordering_are_detected() -> None:
    for at in range(5):
        entries = chain(6)
        assert not whole(entries[:at] + entries[at + 1 :])
        assert not whole([*entries[:at], entries[at], *entries[at:]])
        entries[at], entries[at + 1] = entries[at + 1], entries[at]
        assert not whole(entries)


def test_the_hash_does_not_depend_on_the_order_of_fields() -> None:
    (entry,) = chain(1)
    assert audit.digest(dict(reversed(entry.items()))) == entry["hash"]
