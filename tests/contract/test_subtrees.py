"""What lies below a unit is a range of paths: on both stores the same documents, and no neighbour whose id only begins alike."""

from __future__ import annotations

from dataclasses import replace

import pytest
from penstock.core.followers import Moves, following, places_in
from penstock.core.records import Query, Set, Where
from penstock.core.rules.base import Below, Count
from penstock.core.tree import below
from penstock.pipelines.schema import FOLDER, load
from penstock.ports import Store

UNITS, MEMBERS = places_in(load(FOLDER / "tenant_geography.yaml").entity("units"))
BELOW = ["np.p1.d", "np.p1.d.w", "np.p1.-", "np.p1.p1", "np.p1.~", "np.p1. ", "np.p1.é", "np.p1.🙂", "np.p1.ZZ"]
BESIDE = ["np.p1", "np.p10", "np.p1-x", "np.p1+.d", "np.p1 .d", "np.p1é.d", "np.p", "np.P1.d", "p1.d", "np.p1/d", "np.p1,d"]


@pytest.fixture
def filled(store: Store) -> Store:
    store.commit([Set(f"geography/u{n}", {"path": path, "n": n}) for n, path in enumerate(BELOW + BESIDE)])
    store.commit([Set("geography/none", {"n": 1}), Set("geography/other", {"path": ["np.p1.d"]})])
    return store


def test_a_subtree_is_its_range(filled: Store) -> None:
    query = replace(Below("geography", ("path",), "np.p1").query, select=(("path",),))
    found = [s.fields for s in filled.scan(query)]
    assert [data["path"] for data in found] == sorted(BELOW, key=lambda text: text.encode())
    assert all(data.keys() == {"path"} for data in found)
    assert filled.count(query) == len(BELOW)


def test_a_range_and_equality_ask_of_each_other_nothing(filled: Store) -> None:
    assert [s.id for s in filled.scan(Count("geography", ("path",), "np.p1").query)] == [f"u{len(BELOW)}"]
    low, high = below("np.p1")
    assert low < "np.p1.-" < high


def test_a_province_with_1500_documents_below_it_moves_in_one_commit(store: Store) -> None:
    path = "np.p1.{0:02}.{1:03}"
    wards = [(a, b) for a in range(10) for b in range(75)]
    units = [Set(f"geography/w{a:02}{b:03}", {"path": path.format(a, b), "name": "Ward"}) for a, b in wards]
    chain = {"unit1": "np", "unit2": "p1"}
    members = [
        Set(f"members/m{a:02}{b:03}", {"unitPath": path.format(a, b), **chain, "unit3": f"{a:02}", "unit4": f"{b:03}"})
        for a, b in wards
    ]
    store.commit(units + members)
    moves = Moves()
    moves.move("np.p1", "np.p2.p1")
    wrote = []
    for of in (UNITS, MEMBERS):
        subtree = replace(Below(of.collection, of.path, "np.p1").query, select=(of.path, *of.chain))
        wrote += following(moves, of, store.scan(subtree))
    assert len(wrote) == 1_500
    at = store.commit([f.write() for f in wrote])
    (unit, member) = store.get(["geography/w03004", "members/m03004"])
    assert (unit.update_time, member.update_time) == (at, at)
    assert unit.fields == {"path": "np.p2.p1.03.004", "name": "Ward"}
    stored = ["np", "p2", "p1", "03", "004"]
    assert member.fields == {"unitPath": "np.p2.p1.03.004", **{f"unit{n}": id for n, id in enumerate(stored, 1)}}
    assert store.count(Query("members", (Where(("unitPath",), "==", "np.p1.03.004"),))) == 0
