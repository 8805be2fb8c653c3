"""Where units go back to: under what they hung under, wherever that lies by now."""

from __future__ import annotations

from penstock.core.changes import Change, FieldDiff
from penstock.core.records import Snapshot
from penstock.core.replanting import above, needed, replanted
from penstock.core.tree import Place, place_of
from support.geography import PIPELINE, SEEN, created, deactivated, unit, updated

ENTITY = PIPELINE.entity("units")
D, M, N = unit("p.d"), unit("p.m"), unit("p.d.n")


def moved(path: str, to: str) -> Change:
    """A unit that is to hang under another; its path is not known yet."""
    return updated(unit(path), "move", parentId=to)


def places(*changes: Change, **stored: str) -> dict[str, Place]:
    live = {f"geography/{id}": Snapshot(f"geography/{id}", {"path": path}, SEEN) for id, path in stored.items()}
    found = replanted(ENTITY, changes, live)
    return {change.group: place for change in found if (place := place_of(change))}


def test_what_a_unit_will_hang_under_is_told_by_the_change_or_else_by_what_stands() -> None:
    assert above(ENTITY, moved("p.d", "q")) == "geography/q"
    assert above(ENTITY, updated(D, names={"en": "D"})) == "geography/p"
    assert above(ENTITY, created(unit("r"))) == ""
    assert above(ENTITY, updated(D, "move", parentId=None)) == ""
    assert above(ENTITY, updated({**D, "parentId": ""}, names={"en": "D"})) == ""
    assert above(ENTITY, updated({**D, "parentId": 7}, names={"en": "D"})) == ""


def test_of_what_comes_or_moves_the_unit_above_must_be_seen() -> None:
    changes = [moved("p.d", "q"), created(N), created(unit("r")), updated(M, names={"en": "M"}), deactivated(unit("x.y"))]
    assert needed(ENTITY, changes) == ["geography/d", "geography/q"]


def test_a_path_is_that_of_the_unit_above_as_it_lies_by_now() -> None:
    (change,) = replanted(ENTITY, [moved("p.d", "q")], {"geography/q": Snapshot("geography/q", {"path": "x.q"}, SEEN)})
    assert change.after == {"parentId": "q", "path": "x.q.d"}
    assert change.diff == (FieldDiff(("parentId",), "p", "q"), FieldDiff(("path",), "p.d", "x.q.d"))
    assert place_of(change) == Place("move", 2, "q", "x.q.d")
    assert places(moved("p.d", "q"))["d"].path == "q.d"  # nobody has it any more: promotion looks again


def test_a_path_that_was_planned_gives_way_and_whatever_else_is_known_of_the_change_stays() -> None:
    planned = updated(D, "move", parentId="q", path="q.d")
    (change,) = replanted(ENTITY, [planned._replace(facts={"undoes": "b"})], {})
    assert [d.path for d in change.diff] == [("parentId",), ("path",)]
    assert change.facts["undoes"] == "b"


def test_a_level_is_what_the_change_writes_or_the_unit_has_or_else_its_depth() -> None:
    assert places(updated(D, "move", parentId="q", level=5))["d"].level == 5
    assert places(updated({**D, "level": 4}, "move", parentId="q", names={}))["d"].level == 4
    assert places(updated({**D, "level": "two"}, "move", parentId="q", names={}), q="x.q")["d"].level == 3


def test_what_only_changes_or_goes_keeps_its_place_and_is_not_written_anew() -> None:
    changes = [updated(M, names={"en": "M"}), deactivated(D)]
    found = replanted(ENTITY, changes, {})
    assert [(c.after, c.diff) for c in found] == [(c.after, c.diff) for c in changes]
    assert [place_of(c) for c in found] == [Place("update", 2, "p", "p.m"), Place("deactivate", 2, "p", "p.d")]


def test_what_moves_under_a_unit_that_moves_lies_where_that_comes_to_lie() -> None:
    found = places(moved("p.m", "d"), moved("p.d", "q"), q="q", d="p.d")
    assert {id: place.path for id, place in found.items()} == {"d": "q.d", "m": "q.d.m"}


def test_what_comes_back_does_so_before_anything_is_moved() -> None:
    found = places(created(unit("p.d.n.k")), created(N), moved("p.d", "q"), q="q", d="p.d")
    assert {id: place.path for id, place in found.items()} == {"d": "q.d", "n": "p.d.n", "k": "p.d.n.k"}


def test_units_that_would_hang_under_each_other_are_placed_and_left_to_promotion() -> None:
    found = places(moved("p.a", "b"), moved("p.b", "c"), moved("p.c", "a"), a="p.a", b="p.b", c="p.c")
    assert {id: place.parent for id, place in found.items()} == {"a": "b", "b": "c", "c": "a"}
