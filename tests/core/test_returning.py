"""What a unit left behind returns to where it was, exactly, as far as nobody changed it since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from penstock.core.choices import CASCADE, reassign
from penstock.core.declaration import Dependents
from penstock.core.followers import Followed, decode_followed, encode_followed, places_in
from penstock.core.leaving import Goer, Home, leave
from penstock.core.records import Snapshot
from penstock.core.returning import Returned, needed, put_back
from penstock.core.values import Data
from support.geography import PIPELINE, SEEN, custom, member, stored, unit

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


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_any_choices_can_be_taken_back(data: Any) -> None:
    forest: list[Data] = []
    for n in range(data.draw(st.integers(2, 12))):
        above = data.draw(st.sampled_from([None, *(u for u in forest if u["level"] < 7)]))
        path = f"{above['path']}.u{n}" if above else f"u{n}"
        own = bool(above) and (not above.get("official") or data.draw(st.booleans()))
        forest.append(custom(path) if own else unit(path, active=data.draw(st.booleans())))
    at = data.draw(st.lists(st.sampled_from([u["path"] for u in forest]), max_size=7))
    documents = stored(*forest, members=map(member, at))
    official = [u for u in forest if u.get("official")]
    gone = data.draw(st.lists(st.sampled_from(official), unique_by=lambda u: u["path"], max_size=3))
    goers = []
    for u in gone:
        homes = [o for o in official if o not in gone and not o["path"].startswith(u["path"] + ".")]
        home = data.draw(st.sampled_from([None, *homes]))
        where = Home(home["path"].split(".")[-1], home["path"]) if home else None
        goers.append(Goer(u["path"], u["path"], reassign(where.id) if where else CASCADE, where))
    lines = left(documents, *goers)
    there = written(documents, lines)
    found = back(there, lines)
    assert (found.kept, written(there, found.followed)) == ({}, documents)
