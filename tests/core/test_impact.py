"""Who stands at a unit and below it: the numbers are those that walking everything finds, and asking is cheap."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from penstock.core.changes import Change, Finding
from penstock.core.rules import impact
from penstock.core.values import Data
from support.geography import asked_of, created, custom, deactivated, judged, member, stored, unit, updated, with_rules

FULL = with_rules(impact=impact.Settings("comprehensive"))
SIMPLE = with_rules(impact=impact.Settings("simple"))


def rows(found: Finding) -> dict[str, int]:
    return {name: number for name, _, number in found.table}


def renamed(data: Data) -> Change:
    return updated(data, names={"en": "Another"})


PROVINCE, DISTRICT, TOWN, WARD = unit("p"), unit("p.d"), unit("p.d.t"), unit("p.d.t.w")
COMMITTEE = custom("p.d.t.w.c")
MEMBERS = [member("p.d.t.w"), member("p.d.t.w.c"), member("p.d"), member("p-d.x"), member("q")]
NEPAL = stored(PROVINCE, DISTRICT, TOWN, WARD, COMMITTEE, unit("p-d"), members=MEMBERS)


def test_everything_at_and_below_is_counted_with_what_is_the_targets_own() -> None:
    (found,) = judged(FULL, NEPAL, [renamed(PROVINCE)])
    assert rows(found) == {"members": 3, "units": 4, "own units": 1, "children": 1}
    assert found.severity == "notice"
    assert "In production unit p is p: 3 members at or below it, 4 units below it, 1 of them the target's own" in found.text
    (at_ward,) = judged(FULL, NEPAL, [renamed(WARD)])
    assert rows(at_ward) == {"members": 2, "units": 1, "own units": 1, "children": 1}


def test_the_simple_policy_counts_who_names_the_unit_at_its_level_and_nothing_else() -> None:
    assert rows(judged(SIMPLE, NEPAL, [renamed(PROVINCE)])[0]) == {"members": 3}
    assert rows(judged(SIMPLE, NEPAL, [renamed(DISTRICT)])[0]) == {"members": 3}
    assert rows(judged(SIMPLE, NEPAL, [renamed(unit("p-d"))])[0]) == {"members": 1}


@pytest.mark.parametrize("pipeline", [FULL, SIMPLE])
def test_what_moves_or_goes_with_people_below_it_is_a_warning_and_a_rename_is_none(pipeline: object) -> None:
    def severity(change: Change) -> str:
        (found,) = judged(pipeline, NEPAL, [change])  # type: ignore[arg-type]
        return found.severity

    assert severity(deactivated(DISTRICT)) == severity(updated(DISTRICT, "move", parentId="q", path="q.d")) == "warning"
    assert severity(renamed(DISTRICT)) == severity(deactivated(unit("p.e"))) == "notice"


def test_the_numbers_are_those_of_the_place_that_is_left() -> None:
    (found,) = judged(FULL, NEPAL, [updated(TOWN, "move", parentId="p-d", path="p-d.t", landlordParent="p-d")])
    assert rows(found) == {"members": 2, "units": 2, "own units": 1, "children": 1}
    assert "is p.d.t:" in found.text


def test_a_new_unit_touches_nobody_and_asks_nothing() -> None:
    assert asked_of(FULL, NEPAL, created(unit("p.d.u"))) == []
    assert judged(FULL, NEPAL, [created(unit("p.d.u"))]) == []


def test_a_unit_without_a_path_says_so() -> None:
    lost = {name: value for name, value in DISTRICT.items() if name != "path"}
    change = updated(DISTRICT, "move", path="p.d")
    (found,) = judged(FULL, NEPAL, [change._replace(before=lost)])
    assert "whose path is not known" in found.text
    assert rows(found) == {"units": 0, "own units": 0, "children": 1}


def test_thirty_empty_wards_are_asked_about_at_once() -> None:
    wards = [unit(f"p.d.t.w{n}") for n in range(60)]
    asked = asked_of(FULL, stored(PROVINCE, *wards), *map(renamed, wards))
    assert len(asked) == 4
    assert {tuple(rows(f).values()) for f in judged(FULL, stored(*wards), [*map(renamed, wards)])} == {(0, 0, 0, 0)}


def test_one_full_ward_among_empty_ones_is_counted() -> None:
    wards = [unit(f"p.d.t.w{n}") for n in range(30)]
    held = stored(*wards, custom("p.d.t.w7.c"), members=[member("p.d.t.w9"), member("p.d.t.w7.c")])
    found = {f.key: rows(f) for f in judged(FULL, held, [*map(renamed, wards)])}
    assert found["units/w7"] == {"members": 1, "units": 1, "own units": 1, "children": 1}
    assert found["units/w9"] == {"members": 1, "units": 0, "own units": 0, "children": 0}
    assert sum(any(of.values()) for of in found.values()) == 2


@st.composite
def forests(draw: st.DrawFn) -> list[Data]:
    """Units with their parents before them; those from level 5 on are custom."""
    paths: list[str] = []
    for n in range(draw(st.integers(1, 14))):
        above = draw(st.sampled_from(["", *(p for p in paths if p.count(".") < 6)]))
        paths.append(f"{above}.u{n}" if above else f"u{n}")
    return [unit(p) if p.count(".") < 4 else custom(p) for p in paths]


@given(forests(), st.data())
@settings(max_examples=80, deadline=None)
def test_the_numbers_are_those_that_a_walk_over_parents_finds(forest: list[Data], data: st.DataObject) -> None:
    at = data.draw(st.lists(st.sampled_from([u["path"] for u in forest]), max_size=9))
    parents = {u["path"].rpartition(".")[2]: u.get("parentId") for u in forest}

    def walk(id: str | None) -> list[str]:
        found = []
        while id:
            found.append(id)
            id = parents[id]
        return found

    official = [u for u in forest if u.get("official")]
    documents = stored(*forest, members=map(member, at))
    for found in judged(FULL, documents, [*map(renamed, official)]):
        id = found.group
        below = [other for other in parents if other != id and id in walk(other)]
        assert rows(found) == {
            "members": sum(id in walk(path.rpartition(".")[2]) for path in at),
            "units": len(below),
            "own units": sum(documents[f"geography/{other}"].get("official") is None for other in below),
            "children": sum(parents[other] == id for other in parents),
        }
    for found in judged(SIMPLE, documents, [*map(renamed, official)]):
        assert rows(found) == {"members": sum(found.group in walk(path.rpartition(".")[2]) for path in at)}


def test_what_grew_beyond_the_tolerance_is_named_and_what_shrank_is_not() -> None:
    approved = {"members": 100, "units": 0}
    assert impact.outgrown(0.1, approved, {"members": 110, "units": 0}) == []
    assert impact.outgrown(0.1, approved, {"members": 3}) == []
    assert impact.outgrown(0.1, approved, {"members": 111, "units": 1}) == [
        "100 members were approved, and there are 111",
        "0 units were approved, and there are 1",
    ]
