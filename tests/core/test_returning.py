"""What a unit left behind returns to where it was, exactly, as far as nobody changed it since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from penstock.core.changes import Action, Change, FieldDiff
from penstock.core.choices import CASCADE, reassign
from penstock.core.declaration import Dependents
from penstock.core.followers import Followed, decode_followed, encode_followed, line_of, places_in
from penstock.core.leaving import Goer, Home, leave
from penstock.core.records import Snapshot
from penstock.core.returning import Returned, absorbed, left_for_good, needed, put_back
from penstock.core.values import Data
from support.drawn_forests import forests, goers
from support.geography import PIPELINE, SEEN, custom, member, stored, unit, updated

ENTITY = PIPELINE.entity("units")
PLACES = UNITS, MEMBERS = places_in(ENTITY)
Documents = Mapping[str, Data]


def written(documents: Documents, lines: list[Followed]) -> dict[str, Data]:
    now = {path: dict(data) for path, data in documents.items()}
    for line in lines:
        for (name,) in line.fields:
            now[line.document].pop(name, None)
        now[line.document] |= line.after
    return now


def left(documents: Documents, *goers: Goer) -> list[Followed]:
    held: dict[Dependents, list[Snapshot]] = {UNITS: [], MEMBERS: []}
    for path, data in documents.items():
        held[UNITS if path.startswith("geography/") else MEMBERS].append(Snapshot(path, data, SEEN))
    found = leave(ENTITY, goers, (), held, lambda path: path)
    return decode_followed(encode_followed(f for some in found.values() for f in some.followed))


def back(documents: Documents, lines: list[Followed], final: Any = lambda path: path) -> Returned:
    wanted = needed(ENTITY, PLACES, lines)
    live = {
        path: Snapshot(path, {f: documents[path][f] for (f,) in fields if f in documents[path]}, SEEN)
        if path in documents
        else Snapshot(path, None, None)
        for path, fields in wanted.items()
    }
    return put_back(ENTITY, PLACES, lines, live, final)


P, D, E, W = unit("p"), unit("p.d"), unit("p.e"), unit("p.d.w", active=False)
C, CC, K = custom("p.d.w.c"), custom("p.d.w.c.cc"), custom("p.d.k")
TREE = stored(P, D, E, W, C, CC, K, members=[member("p.d"), member("p.d.w"), member("p.d.w.c.cc"), member("p.e")])
MOVED = Goer("units/d", "p.d", reassign("e"), Home("e", "p.e"))
CASCADED = Goer("units/d", "p.d", CASCADE)


@pytest.mark.parametrize("goer", [MOVED, CASCADED])
def test_what_is_as_it_was_left_returns_exactly_and_again(goer: Goer) -> None:
    lines = left(TREE, goer)
    there = written(TREE, lines)
    assert there != TREE
    found = back(there, lines)
    assert (found.kept, written(there, found.followed)) == ({}, TREE)
    again = back(TREE, found.followed)  # the way back can be taken back too
    assert (again.kept, written(TREE, again.followed)) == ({}, there)
    assert sum(found.counts.values()) == len(lines)


def test_what_belongs_elsewhere_by_now_stays_there_and_is_named() -> None:
    lines = left(TREE, MOVED)
    there = written(TREE, lines)
    there["members/m0"] = member("p")
    there["geography/k"] = custom("p.e.c.k")
    del there["members/m2"]
    found = back(there, lines)
    assert found.kept == {
        "members/m0": "belongs elsewhere by now",
        "geography/k": "belongs elsewhere by now",
        "members/m2": "was removed since",
    }
    now = written(there, found.followed)
    assert (now["members/m0"], now["geography/k"]) == (member("p"), custom("p.e.c.k"))
    assert now["members/m1"] == member("p.d.w")


def test_what_was_made_active_again_since_is_as_it_was_and_stays() -> None:
    lines = left(TREE, CASCADED)
    there = written(TREE, lines)
    there["geography/k"]["active"] = True
    found = back(there, lines)
    assert found.kept == {"geography/k": "was changed since"}
    assert written(there, found.followed)["geography/c"]["active"] is True


def test_other_fields_that_were_edited_since_are_kept() -> None:
    lines = left(TREE, MOVED)
    there = written(TREE, lines)
    there["geography/k"]["wish"] = "ours"
    now = written(there, back(there, lines).followed)
    assert now["geography/k"] == {**K, "wish": "ours"}


def test_it_returns_to_where_the_unit_is_by_now_from_where_the_other_is() -> None:
    lines = left(TREE, MOVED)
    there = written(TREE, lines)
    there = {
        path: {n: v.replace("p.e", "q.e").replace("p.d", "r.d") if n in ("path", "unitPath") else v for n, v in data.items()}
        for path, data in there.items()
    }
    now = written(there, back(there, lines).followed)
    assert now["geography/k"]["path"] == "r.d.k"
    assert now["members/m2"]["unitPath"] == "r.d.w.c.cc"
    moved = back(there, lines, lambda path: path.replace("r.d", "s.d"))
    assert written(there, moved.followed)["geography/k"]["path"] == "s.d.k"


def test_what_has_no_place_to_return_to_stays_and_is_named() -> None:
    lines = left(TREE, MOVED)
    there = written(TREE, lines)
    del there["geography/w"]
    found = back(there, lines)
    assert found.kept["members/m1"] == "w, where it was, is not there any more"
    assert set(found.kept) == {"geography/c", "geography/cc", "members/m1", "members/m2"}


def test_what_was_at_a_unit_that_stores_another_path_by_now_stays_and_is_named() -> None:
    lines = left(TREE, MOVED)
    there = written(TREE, lines)
    there["geography/d"]["path"] = "p.edited"
    found = back(there, lines)
    assert {found.kept[name] for name in ("members/m0", "geography/k")} == {"d, where it was, has no path of its own by now"}
    again = written(there, found.followed)
    assert (again["members/m0"], again["geography/k"]["path"]) == (member("p.e"), "p.e.k")


def test_what_was_moved_to_a_unit_by_a_path_that_was_not_its_own_belongs_elsewhere() -> None:
    lines = left(TREE, Goer("units/d", "p.d", reassign("e"), Home("e", "p.edited")))
    there = written(TREE, lines)
    assert set(back(there, lines).kept.values()) == {"belongs elsewhere by now"}
    there["geography/e"]["path"] = "p.edited"
    found = back(there, lines)
    assert written(there, found.followed)["members/m0"] == member("p.d")
    assert "members/m0" not in found.kept
    assert "geography/k" in found.kept


def test_what_is_at_a_unit_that_is_gone_belongs_elsewhere_even_if_it_lies_at_the_root() -> None:
    lines = left(TREE, MOVED)
    there = written(TREE, lines)
    del there["geography/e"]
    there["geography/k"]["path"] = "k"
    assert back(there, lines).kept["geography/k"] == "belongs elsewhere by now"


def test_a_chain_that_was_edited_since_keeps_nobody_from_returning() -> None:
    lines = left(TREE, MOVED)
    there = written(TREE, lines)
    there["members/m0"]["unit2"] = "by hand"
    found = back(there, lines)
    assert found.kept == {}
    assert written(there, found.followed)["members/m0"]["unitPath"] == "p.d"


def test_what_two_units_left_returns_once_and_is_named() -> None:
    lines = left(TREE, CASCADED)
    found = back(written(TREE, lines), [*lines, lines[0]._replace(by="units/x")])
    assert found.kept == {lines[0].document: "returns with another unit, and with what that one left of it alone"}
    assert [f.document for f in found.followed] == [line.document for line in lines]
    assert {(f.by, f.to) for f in found.followed} == {("units/d", "")}


def test_what_moved_leaves_the_unit_that_it_moved_to_and_what_stayed_leaves_none() -> None:
    assert left_for_good(PLACES, left(TREE, MOVED))["members/m0"] == "e"
    assert left_for_good(PLACES, left(TREE, CASCADED)) == {}


AT_E = custom("p.e.k", wish="ours")
LINES = [line_of(f) for f in left(TREE, CASCADED) if f.document != "geography/k"]
WENT = Followed(
    "units", "geography/k", SEEN, (("parentId",), ("path",), ("wish",), ("penstock", "content")),
    {"parentId": "d", "path": "p.d.k", "penstock": {"content": "was"}},
    {"parentId": "e", "path": "p.e.k", "wish": "ours", "penstock": {"content": "is"}}, "units/d", "e",
)  # fmt: skip


def returning(*lines: Any) -> Change:
    change = updated(unit("p.d", active=False), "restore", active=True)
    return change._replace(facts={**change.facts, "back": list(lines)})


def test_what_returns_and_is_changed_by_another_too_is_written_with_that_and_its_own_word_counts() -> None:
    other = updated(AT_E, names={"en": "K"}, parentId="q")
    whole, absorber = absorbed([returning(line_of(WENT), *LINES), other])
    assert whole == returning(*LINES)
    assert absorber == other._replace(
        after={"names": {"en": "K"}, "parentId": "q", "path": "p.d.k"},
        diff=(*other.diff, FieldDiff(("path",), "p.e.k", "p.d.k"), FieldDiff(("wish",), "ours", None)),
    )
    alone, _ = absorbed([returning(line_of(WENT)), other])
    assert "back" not in alone.facts
    assert alone.facts.keys() == other.facts.keys()


def test_what_returns_and_is_removed_by_another_is_left_to_promotion() -> None:
    removal = Change("units/k", "units", "k", "geography/k", Action.DELETE, AT_E, SEEN, None, (), "f")
    changes = [returning(line_of(WENT)), removal]
    assert absorbed(changes) == changes


@given(forests(), st.data())
@settings(max_examples=100, deadline=None)
def test_any_choices_can_be_taken_back(forest: list[Data], data: st.DataObject) -> None:
    at = data.draw(st.lists(st.sampled_from([u["path"] for u in forest]), max_size=7))
    documents = stored(*forest, members=map(member, at))
    lines = left(documents, *data.draw(goers(forest)))
    there = written(documents, lines)
    found = back(there, lines)
    assert (found.kept, written(there, found.followed)) == ({}, documents)
