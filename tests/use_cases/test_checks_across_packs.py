"""Rules see the whole batch, and not only the pack that their change lies in."""

from __future__ import annotations

from pathlib import Path

from penstock.core.values import Timestamp
from support.world import World

LIBRARY = Path(__file__).parents[1] / "pipelines" / "library_loans.yaml"
READERS = 300  # more than one pack holds, so that loans lie in other packs than their readers


def library(readers: int) -> World:
    world = World(LIBRARY, people={"librarians": ("a@example.org", "b@example.org")})
    (world.ctx, _) = world.contexts.all()
    source = world.source
    at = Timestamp(1_780_000_000)
    people = ((f"r{n}", {"card_number": f"C-{n:04d}", "active": True, "changed_at": at}) for n in range(readers))
    books = {"book": {"title": "A Book"}, "changed_at": at}
    loans = ((f"l{n}", {"loan_number": str(n), "reader_card": f"C-{n:04d}", **books}) for n in range(READERS))
    world.put(source, "readers", people)
    world.put(source, "loans", loans)
    return world


def test_a_new_parent_in_another_pack_is_seen() -> None:
    world = library(READERS)
    batch = world.run().batch
    assert world.batch(batch).packs > 1
    assert world.batch(batch).findings == {}


def test_a_parent_that_no_pack_has_is_a_blocker_all_the_same() -> None:
    world = library(READERS - 7)
    batch = world.run().batch
    assert world.batch(batch).findings == {"child_without_parent": {"blocker": 7}}
