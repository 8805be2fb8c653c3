"""Whoever validates a chain while units move sees them before or after, and never between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from penstock.core.records import Set
from penstock.ports import Store
from penstock.readers.geography import Geography

DEPTH = 6


def tree(swapped: bool) -> list[Set]:
    """Two roots, and below them two lines of units; `swapped`: each line under the other's root, each end under the other's."""
    found = []
    for line, other in (("a", "b"), ("b", "a")):
        for level in range(DEPTH):
            above = "" if level == 0 else f"{other if swapped and level in (1, DEPTH - 1) else line}{level - 1}"
            fields = {"country": "NP", "parentId": above, "active": True, "landlordId": f"NP-{line}{level}"}
            found.append(Set(f"geography/{line}{level}", fields))
    return found


def straight(line: str, root: str, end: str) -> tuple[str, ...]:
    return (f"{root}0", *(f"{line}{level}" for level in range(1, DEPTH - 1)), f"{end}{DEPTH - 1}")


BEFORE, AFTER = straight("a", "a", "a"), straight("a", "b", "b")
NEVER = straight("a", "b", "a"), straight("a", "a", "b")  # half of the move


def test_no_half_of_a_move_is_ever_valid(store: Store) -> None:
    store.commit(tree(False))
    geography, done, seen = Geography(store, seconds=0), threading.Event(), dict.fromkeys((BEFORE, AFTER, *NEVER), 0)

    def look() -> None:
        while not done.is_set():
            for chain in seen:
                seen[chain] += geography.validate(chain, "NP").valid

    looking = threading.Thread(target=look)
    looking.start()
    start, n = time.monotonic(), 0
    while time.monotonic() < start + 3 or (0 in (seen[BEFORE], seen[AFTER]) and time.monotonic() < start + 60):
        store.commit(tree(n % 2 == 0))
        time.sleep(0.001)
        n += 1
    done.set()
    looking.join()
    assert [seen[chain] for chain in NEVER] == [0, 0]
    assert seen[BEFORE] > 0
    assert seen[AFTER] > 0


def test_a_unit_is_found_by_its_landlord_id(open_store: Callable[[str], Store]) -> None:
    store = open_store("(default)")
    store.commit([Set("tenants/nepal/geography/own-7", {"landlordId": "NP-7", "country": "NP", "active": True, "level": 2})])
    found = Geography(store, "tenants/nepal/").unit("NP-7")
    assert found is not None
    assert (found.id, found.landlord_id, found.source, found.status, found.accepted) == (
        "own-7",
        "NP-7",
        "production",
        "ACTIVE",
        True,
    )
    assert Geography(store).unit("NP-7") is None
