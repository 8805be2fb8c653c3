"""Where a pack's units come to lie, as production stands when it is promoted."""

from __future__ import annotations

from typing import Any

import pytest
from penstock.core.changes import Action
from penstock.core.packs import Ready
from penstock.core.placing import Placing, asked, leads_to, needed, place
from penstock.core.records import Snapshot
from penstock.core.tree import Place, Step
from support.geography import PIPELINE, SEEN

TREE = PIPELINE.entity("units").tree
assert TREE is not None


def ready(step: Step, id: str, path: str, parent: str | None = None) -> Ready:
    """The change of one unit; `parent` where it is another than `path` says."""
    action = {"create": Action.CREATE, "remove": Action.DELETE}.get(step, Action.UPDATE)
    *_, above = ["", *path.split(".")[:-1]]
    at = Place(step, path.count(".") + 1, above if parent is None else parent, path)
    return Ready(f"units/{id}", "units", id, f"geography/{id}", action, (), SEEN, None, at)


def placed(*changes: Ready, gone: str = "", **stored: Any) -> Placing:
    """Among official units that store these paths."""
    live = {f"geography/{id}": Snapshot(f"geography/{id}", {"path": path, "official": True}, SEEN) for id, path in stored.items()}
    live |= {f"geography/{gone}": Snapshot(f"geography/{gone}", None, None)} if gone else {}
    assert TREE is not None
    return place(TREE, changes, live)


def test_what_must_be_seen_are_the_moved_and_the_parents_that_do_not_come_with_the_pack() -> None:
    assert TREE is not None
    assert asked(TREE) == (("path",), ("official",))
    changes = [
        ready("create", "a", "p.a"),
        ready("create", "b", "p.a.b"),
        ready("create", "root", "root"),
        ready("restore", "r", "q.r"),
        ready("create", "c", "q.r.c"),
        ready("move", "m", "p.a.m"),
        ready("update", "u", "x.u"),
        ready("deactivate", "d", "y.d"),
        ready("create", "n", "z.n")._replace(place=None),
    ]
    assert needed(changes) == ["geography/p", "geography/q", "geography/r", "geography/m"]


def test_what_comes_is_placed_from_the_root_down_whatever_its_key() -> None:
    found = placed(ready("create", "a", "p.z.a"), ready("create", "z", "p.z"), ready("restore", "b", "p.b"), p="p")
    assert (found.fallen, found.paths) == ({}, {"units/z": "p.z", "units/a": "p.z.a", "units/b": "p.b"})
    assert placed(ready("create", "r", "r")).paths == {"units/r": "r"}


@pytest.mark.parametrize("step", ["create", "restore"])
def test_what_comes_falls_out_where_its_parent_lies_elsewhere_by_now(step: Step) -> None:
    found = placed(ready(step, "a", "p.a"), p="q.p")
    assert (found.fallen, found.paths) == ({"units/a": "the unit p lies at q.p now, and not at p"}, {})


def test_what_keeps_its_place_or_goes_or_has_none_is_not_looked_at() -> None:
    found = placed(ready("update", "u", "x.u"), ready("deactivate", "d", "y.d"), ready("create", "n", "z.n")._replace(place=None))
    assert (found.fallen, found.paths) == ({}, {})


def test_what_was_to_hang_under_a_new_unit_that_falls_out_falls_out_too() -> None:
    found = placed(ready("create", "a", "p.a"), ready("create", "b", "p.a.b"), p="q.p")
    assert found.fallen["units/b"] == "the unit a, under which it was to hang, is not there"


@pytest.mark.parametrize("stored", [None, "", 7])
def test_nothing_hangs_under_a_unit_that_has_no_path(stored: Any) -> None:
    found = placed(ready("create", "a", "p.a"), p=stored)
    assert found.fallen == {"units/a": "the unit p, under which it was to hang, has no path"}


def test_nothing_hangs_under_a_unit_that_is_gone_and_none_that_is_gone_is_moved() -> None:
    assert "is not there" in placed(ready("create", "a", "p.a"), gone="p").fallen["units/a"]
    found = placed(ready("move", "a", "p.a"), gone="a", p="p")
    assert (found.fallen, found.paths) == ({"units/a": "is not there any more"}, {})


@pytest.mark.parametrize(("parent", "lies"), [("a", "p.a"), ("b", "p.a.b")])
def test_a_unit_goes_neither_below_itself_nor_under_itself(parent: str, lies: str) -> None:
    found = placed(ready("move", "a", f"{lies}.a", parent), **{"a": "p.a", parent: lies})
    assert (found.fallen, found.paths) == ({"units/a": "its new parent lies below it by now"}, {})
    assert not found.moves


def test_what_is_new_below_a_unit_that_moves_goes_along_with_it() -> None:
    found = placed(ready("move", "d", "q.d"), ready("create", "n", "p.d.n"), d="p.d", q="q")
    assert (found.fallen, found.paths) == ({}, {"units/d": "q.d", "units/n": "q.d.n"})
    assert (found.moves.made, found.moved) == ({"p.d": "q.d"}, {"p.d": "units/d"})


def test_a_unit_goes_to_where_its_parent_is_moved_to() -> None:
    found = placed(ready("move", "b", "q.a.b"), ready("move", "a", "q.a"), b="p.b", a="p.a", q="q")
    assert found.paths == {"units/a": "q.a", "units/b": "q.a.b"}
    assert placed(ready("move", "b", "b"), b="p.b").paths == {"units/b": "b"}


def test_a_path_leads_to_the_unit_whose_id_it_ends_with() -> None:
    assert [leads_to(path, "d") for path in ("p.d", "d", "p.e", "", None, 7)] == [True, True, False, False, False, False]
