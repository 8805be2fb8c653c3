"""Where a chain that was written anew and is too short now was changed."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.core import audit, chain
from penstock.core.audit import Head
from penstock.core.values import Data, Timestamp, dumps


def written(words: Iterable[str]) -> list[Data]:
    """Entries, one behind the other, each of which says one word."""
    entries, head = [], Head()
    for word in words:
        entries.append(audit.entry(head, target="t", batch="", what=word, who="a@example.org", at=Timestamp(1), detail={}))
        head = audit.head_of(entries[-1])
    return entries


def test_what_was_left_out_between_the_last_anchor_that_fits_and_the_end_lies_where_the_fault_says() -> None:
    anchors = {e["sequence"]: e["hash"] for e in written("abcdef") if e["sequence"] in (1, 6)}
    told = chain.read("t", map(dumps, written("abdef")), anchors)  # numbers and hashes made anew: every link holds
    assert [(f.first, f.last) for f in told.faults] == [(2, 6)]
    assert told.anchored == 1


def test_a_chain_that_ends_with_its_last_anchor_has_no_fault() -> None:
    entries = written("abc")
    told = chain.read("t", map(dumps, entries), {3: entries[-1]["hash"]})
    assert (told.faults, told.anchored, told.entries) == ((), 3, 3)
