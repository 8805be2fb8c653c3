"""What hangs below a unit that goes goes along or moves; whatever else there is stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from penstock.core.choices import ACTIVE, CASCADE, OWN, reassign
from penstock.core.declaration import Dependents
from penstock.core.followers import places_in
from penstock.core.leaving import Goer, Home, Left, leave, takes_away, why_no_home
from penstock.core.records import Snapshot
from penstock.core.values import Data
from support.drawn_forests import forests, goers
from support.geography import PIPELINE, SEEN, custom, deactivated, member, stored, unit, updated

ENTITY = PIPELINE.entity("units")
UNITS, MEMBERS = places_in(ENTITY)


def held(documents: Mapping[str, Data]) -> dict[Dependents, list[Snapshot]]:
    of = {"geography": UNITS, "members": MEMBERS}
    found: dict[Dependents, list[Snapshot]] = {UNITS: [], MEMBERS: []}
    for path, data in documents.items():
        found[of[path.partition("/")[0]]].append(Snapshot(path, data, SEEN))
    return found


def left(documents: Mapping[str, Data], *goers: Goer, decided: Iterable[str] = ()) -> dict[str, Left]:
    return leave(ENTITY, goers, set(decided), held(documents), lambda path: path)


def after(documents: Mapping[str, Data], found: Mapping[str, Left]) -> dict[str, Data]:
    """The documents once all is written."""
    now = {path: dict(data) for path, data in documents.items()}
    for wrote in (f for some in found.values() for f in some.followed):
        for (name,) in wrote.fields:
            now[wrote.document].pop(name, None)
        now[wrote.document] |= wrote.after
    return now


P, D, E, W = unit("p"), unit("p.d"), unit("p.e"), unit("p.d.w")
C, CC, K = custom("p.d.w.c"), custom("p.d.w.c.cc"), custom("p.d.k")
TREE = stored(P, D, E, W, C, CC, K, members=[member("p.d"), member("p.d.w"), member("p.d.w.c.cc"), member("p.e")])
CASCADED = Goer("units/d", "p.d", CASCADE)
MOVED = Goer("units/d", "p.d", reassign("e"), Home("e", "p.e"))


def test_without_a_choice_what_is_left_is_counted_and_nothing_is_written() -> None:
    found = left(TREE, Goer("units/d", "p.d"))["units/d"]
    assert (dict(found.counts), found.followed) == ({ACTIVE: 1, OWN: 3, "members": 3}, [])
    assert found.told == "1 active units, 3 units of the target's own and 3 members"


def test_taken_along_every_unit_below_is_inactive_and_members_stay() -> None:
    found = left(TREE, CASCADED)
    now = after(TREE, found)
    assert {path for path, data in now.items() if data.get("active") is False} == {
        f"geography/{id}" for id in ("w", "c", "cc", "k")
    }
    assert {path: data for path, data in now.items() if path.startswith("members")} == {
        path: data for path, data in TREE.items() if path.startswith("members")
    }
    assert [s.id for s in found["units/d"].taken] == ["w"]


def test_moved_to_another_unit_own_units_hang_under_it_and_members_belong_to_it() -> None:
    documents = {**TREE, "geography/w": {**W, "active": False}}
    now = after(documents, left(documents, MOVED))
    assert {id: now[f"geography/{id}"]["path"] for id in ("c", "cc", "k", "w")} == {
        "c": "p.e.c", "cc": "p.e.c.cc", "k": "p.e.k", "w": "p.d.w",
    }  # fmt: skip
    assert [now[f"geography/{id}"]["parentId"] for id in ("c", "cc", "k")] == ["e", "c", "e"]
    assert [now[f"members/m{n}"]["unitPath"] for n in range(4)] == ["p.e", "p.e", "p.e.c.cc", "p.e"]
    assert {k: v for k, v in now["members/m1"].items() if v} == member("p.e")
    assert {k: v for k, v in now["members/m2"].items() if v} == member("p.e.c.cc")


def test_what_hangs_below_a_nearer_unit_that_goes_is_its_own_and_what_was_decided_stays() -> None:
    found = left(TREE, MOVED, Goer("units/w", "p.d.w"))
    assert dict(found["units/d"].counts) == {OWN: 1, "members": 1}
    assert dict(found["units/w"].counts) == {OWN: 2, "members": 2}
    assert dict(left(TREE, MOVED, decided=["p.d.w"])["units/d"].counts) == {OWN: 1, "members": 1}


def test_what_moves_and_hangs_below_a_unit_that_goes_is_written_once_with_both() -> None:
    def final(path: str) -> str:
        return "q" + path[1:] if path == "p" or path.startswith("p.") else path

    found = leave(ENTITY, [Goer("units/d", "q.d", reassign("e"), Home("e", "q.e"))], (), held(TREE), final)
    now = after(TREE, found)
    assert now["geography/k"] == {**K, "path": "q.e.k", "parentId": "e"}
    assert now["members/m0"]["unitPath"] == "q.e"
    assert now["geography/e"] == E


@pytest.mark.parametrize(
    ("id", "data", "why"),
    [
        ("e", E, ""),
        ("d", D, "is the unit itself"),
        ("e", {**E, "official": False}, "is not official"),
        ("e", {**E, "active": False}, "is not active"),
        ("p", P, "is of level 1"),
        ("e", {**E, "path": "p.d.e"}, "lies below it"),
        ("e", {**E, "path": None}, "has no path of its own"),
        ("e", {**E, "path": ""}, "has no path of its own"),
        ("e", {**E, "path": "p.edited"}, "has no path of its own"),
    ],
)
def test_a_home_is_another_active_official_unit_of_the_same_level(id: str, data: Data, why: str) -> None:
    assert why_no_home(ENTITY, id, data, 2, "p.d") == why


def test_a_change_takes_a_unit_away_by_what_it_writes() -> None:
    assert takes_away(ENTITY, deactivated(D))
    assert takes_away(ENTITY, updated(D, "move", path="q.d", active=False))
    assert not takes_away(ENTITY, updated({**D, "active": False}, "restore", active=True))
    assert not takes_away(ENTITY, updated(D, names={"en": "Another"}))


@given(forests(), st.data())
@settings(max_examples=150, deadline=None)
def test_after_any_choices_paths_are_those_of_the_parents_and_nothing_else_was_written(forest: list[Data], data: Any) -> None:
    at = data.draw(st.lists(st.sampled_from([u["path"] for u in forest]), max_size=9))
    documents = stored(*forest, members=map(member, at))
    gone = data.draw(goers(forest))
    found = left(documents, *gone)
    now = after(documents, found)
    wrote = [f.document for some in found.values() for f in some.followed]
    assert len(wrote) == len(set(wrote))

    def walk(id: Any) -> str:
        above = now[f"geography/{id}"].get("parentId")
        return f"{walk(above)}.{id}" if above else str(id)

    by_path = {goer.path: goer for goer in gone}
    for path, stands in now.items():
        kind, _, id = path.partition("/")
        before = documents[path]
        stored_path = before["path" if kind == "geography" else "unitPath"]
        ids = stored_path.split(".")
        above = [".".join(ids[:n]) for n in range(len(ids) - (kind == "geography"), 0, -1)]
        goer = next((by_path[a] for a in above if a in by_path), None)
        if kind == "geography":
            assert stands["path"] == walk(id)
            assert bool(stands.get("official")) == bool(before.get("official"))
        else:
            unit_id = stands["unitPath"].split(".")[-1]
            assert stands["unitPath"] == walk(unit_id)
            assert [stands.get(f"unit{n}") for n in range(1, 9)] == (stands["unitPath"].split(".") + [None] * 8)[:8]
        if goer is None or (stored_path in by_path and kind == "geography"):
            assert stands == before
        elif goer.home is None:
            assert {**stands, "active": None} == {**before, "active": None}
            assert kind == "members" or stands["active"] is False
        elif kind == "members" or not before.get("official"):
            assert stands["path" if kind == "geography" else "unitPath"].startswith(goer.home.path)
        else:
            assert stands == before
