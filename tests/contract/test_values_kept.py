from __future__ import annotations

import math
from enum import IntEnum, StrEnum

import pytest
from penstock.core.records import Query, Set, Where
from penstock.core.values import GeoPoint, Reference, Timestamp, Vector, dumps
from penstock.ports import Store

REFERENCE = "projects/p/databases/(default)/documents/planned-poles/LAW.P.A001"
EXACT = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "one": 1,
    "least": -(2**63),
    "most": 2**63 - 1,
    "zero double": 0.0,
    "minus zero": -0.0,
    "one double": 1.0,
    "fifteen digits": -26.204102772,
    "tiny": 5e-324,
    "infinity": math.inf,
    "minus infinity": -math.inf,
    "not a number": math.nan,
    "empty text": "",
    "text": "Ö漢🙂\x00\n",
    "no bytes": b"",
    "bytes": bytes(range(256)),
    "1970": Timestamp(0),
    "before 1970": Timestamp(-1, 999_999_000),
    "microsecond": Timestamp(1_750_000_000, 123_456_000),
    "first": Timestamp(-62_135_596_800),
    "last": Timestamp(253_402_300_799, 999_999_000),
    "reference": Reference(REFERENCE),
    "deep reference": Reference(REFERENCE + "/drops/DR1234567"),
    "place": GeoPoint(-26.2041, 28.0473),
    "nowhere": GeoPoint(0.0, 0.0),
    "minus nowhere": GeoPoint(-0.0, -0.0),
    "vector": Vector((0.0, -0.0, 1.5, math.inf)),
    "longest vector": Vector((0.25,) * 2048),
    "empty array": [],
    "array": [None, True, 1, 1.0, "x", b"x", {"in": [1, {"deeper": []}]}, GeoPoint(1.0, 2.0), {"v": Vector((1.0,))}],
    "empty map": {},
    "map": {"a": {"b": {"c": None}}, "$ref": "a name like a tag", "__type": 1},
}


@pytest.mark.parametrize("name", EXACT)
def test_a_value_comes_back_exactly(store: Store, name: str) -> None:
    store.commit([Set("c/a", {"v": EXACT[name], "in array": [EXACT[name]] if not isinstance(EXACT[name], list | Vector) else 0})])
    (snapshot,) = store.get(["c/a"])
    assert dumps(snapshot.fields["v"]) == dumps(EXACT[name])
    assert type(snapshot.fields["v"]) is type(EXACT[name])
    if not isinstance(EXACT[name], list | Vector):
        assert dumps(snapshot.fields["in array"]) == dumps([EXACT[name]])


def test_a_whole_document_of_all_types_comes_back_exactly_by_get_and_by_scan(store: Store) -> None:
    store.commit([Set("c/a", EXACT)])
    (got,) = store.get(["c/a"])
    (scanned,) = store.scan(Query("c"))
    assert dumps(got.data) == dumps(scanned.data) == dumps(EXACT)


@pytest.mark.parametrize(
    ("given", "kept"),
    [(Timestamp(5, 123_456_789), Timestamp(5, 123_456_000)), (Timestamp(-5, 999_999_999), Timestamp(-5, 999_999_000))],
)
def test_firestore_cuts_times_to_the_microsecond_downwards(store: Store, given: Timestamp, kept: Timestamp) -> None:
    store.commit([Set("c/a", {"v": given, "m": [{"v": given}]})])
    assert store.get(["c/a"])[0].data == {"v": kept, "m": [{"v": kept}]}


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


def test_tuples_come_back_as_arrays_and_enumerations_as_what_they_hold(store: Store) -> None:
    store.commit([Set("c/a", {"t": (1, 2), "e": Colour.RED, "n": Level.HIGH})])
    found = store.get(["c/a"])[0].fields
    assert found == {"t": [1, 2], "e": "red", "n": 3}
    assert (type(found["t"]), type(found["e"]), type(found["n"])) == (list, str, int)
    assert store.count(Query("c", where=(Where(("e",), "==", Colour.RED), Where(("n",), "in", (Level.HIGH,))))) == 1


def test_equal_documents_have_equal_fingerprints_whatever_the_order_of_their_fields(store: Store) -> None:
    backwards = {name: EXACT[name] for name in reversed(EXACT)}
    store.commit([Set("c/a", EXACT), Set("c/b", backwards), Set("d/other", EXACT)])
    prints = {s.fingerprint for s in (*store.scan(Query("c")), *store.get(["d/other", "c/b"]))}
    assert len(prints) == 1
    assert all(len(p) == 16 and int(p, 16) >= 0 for p in prints)


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (0.0, -0.0), ("", None), ([], {}), ("a", b"a"), (True, 1), (Timestamp(1), Timestamp(1, 1000))]
)
def test_documents_that_differ_in_one_value_differ_in_fingerprint(store: Store, one: object, other: object) -> None:
    store.commit([Set("c/a", {"v": one}), Set("c/b", {"v": other})])
    a, b = store.scan(Query("c"))
    assert a.fingerprint != b.fingerprint
    assert (a.path, b.path) == ("c/a", "c/b")


def test_a_fingerprint_is_the_same_before_and_after_the_fields_are_looked_at(store: Store) -> None:
    store.commit([Set("c/a", EXACT)])
    (seen,) = store.get(["c/a"])
    first = seen.fingerprint
    assert dumps(seen.data) == dumps(EXACT)
    assert seen.fingerprint == first == store.get(["c/a"])[0].fingerprint
    assert (seen.path, seen.id, seen.exists) == ("c/a", "a", True)


def test_a_fingerprint_of_selected_fields_knows_nothing_of_the_others(store: Store) -> None:
    store.commit([Set("c/a", {"x": 1, "y": 1}), Set("c/b", {"x": 1, "y": 2}), Set("c/c", {"x": 2, "y": 1})])
    for query in (Query("c", select=(("x",),)), Query("c", select=(("x",),), order_by=("y",))):
        prints = {s.id: s.fingerprint for s in store.scan(query)}
        assert prints["a"] == prints["b"] != prints["c"]
