from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pytest
from penstock.core import limits
from penstock.core.errors import InvalidInput
from penstock.core.records import ABSENT, Bill, Delete, Precondition, Query, Set, Update, Where, Write
from penstock.core.values import GeoPoint, Reference, Timestamp, Vector
from penstock.ports import Store


def nested(levels: int, leaf: Any = 1) -> Any:
    value = leaf
    for _ in range(levels):
        value = {"a": value}
    return value


def sized(path: str, size: int) -> dict[str, Any]:
    """A document of exactly so many bytes."""
    data = {"f": "x" * 500_000, "g": ""}
    return {**data, "g": "y" * (size - limits.document_size(path, data))}


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("c/a", sized("c/a", 2**20)),
        ("tenants/nepal/units/b", sized("tenants/nepal/units/b", 2**20)),
        ("c/a", {"v": "é" * (limits.MAX_VALUE // 2)}),
        ("c/a", {"v": b"x" * limits.MAX_VALUE}),
        ("c/a", {"v": nested(20)}),
        ("c/a", {"v": nested(18, [nested(1)])}),
        ("c/" + "x" * 1500, {}),
        ("c/" + "é" * 750, {}),
        ("c/__a", {"__b": 1, "x" * 1500: 1}),
        ("c/a b`\\\n.é🙂", {}),
        ("c/a", {"v": [{"v": [1]}]}),
    ],
)
def test_what_is_just_within_a_limit_is_stored(store: Store, path: str, data: dict[str, Any]) -> None:
    store.commit([Set(path, data)])
    (found,) = store.get([path])
    assert found.data == data
    assert found.path == path


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("c/a", sized("c/a", 2**20 + 1)),
        ("tenants/nepal/units/b", sized("tenants/nepal/units/b", 2**20 + 1)),
        ("c/a", {"v": "é" * (limits.MAX_VALUE // 2 + 1)}),
        ("c/a", {"v": b"x" * (limits.MAX_VALUE + 1)}),
        ("c/a", {"v": nested(21)}),
        ("c/a", {"v": nested(19, [nested(1)])}),
        ("c/" + "x" * 1501, {}),
        ("c/" + "é" * 751, {}),
        ("c/.", {}),
        ("c/..", {}),
        ("c/__a__", {}),
        ("c/", {}),
        ("c", {}),
        ("c/a/b", {}),
        ("__c__/a", {}),
        ("c/a", {"__b__": 1}),
        ("c/a", {"m": {"": 1}}),
        ("c/a", {"x" * 1501: 1}),
        ("c/a", {"v": [[1]]}),
        ("c/a", {"v": [(1,)]}),
        ("c/a", {"v": [Vector((1.0,))]}),
        ("c/a", {"v": 2**63}),
        ("c/a", {"v": -(2**63) - 1}),
        ("c/a", {"v": "\ud800"}),
        ("c/a", {"v": Vector(())}),
        ("c/a", {"v": Vector((0.0,) * 2049)}),
        ("c/a", {"v": Vector((math.nan,))}),
        ("c/a", {"v": GeoPoint(90.1, 0.0)}),
        ("c/a", {"v": GeoPoint(0.0, math.nan)}),
        ("c/a", {"v": Reference("planned-poles/a")}),
        ("c/a", {"v": Reference("projects/p/databases/d/documents/c")}),
        ("c/a", {"v": Timestamp(253_402_300_800)}),
        ("c/a", {"v": Timestamp(0, 10**9)}),
        ("c/a", {"v": dt.datetime(2025, 1, 1, tzinfo=dt.UTC)}),
        ("c/a", {"v": {1, 2}}),
    ],
)
def test_what_is_beyond_a_limit_is_refused_by_name_and_nothing_of_the_commit_is_stored(
    store: Store, path: str, data: dict[str, Any]
) -> None:
    for write in (Set(path, data), Update(path, data, tuple((name,) for name in data))):
        with pytest.raises(InvalidInput) as refused:
            store.commit([Set("c/good", {"v": 1}), write])
        assert refused.value.subject
        assert refused.value.remedy
        assert len(str(refused.value)) < 700
    assert store.bill == Bill()
    assert list(store.scan(Query("c"))) == []


def test_an_error_never_quotes_a_value(store: Store) -> None:
    for value in ("secret\ud800", [["secret"]], 10**30, Reference("secret"), {"m": {"secret"}}):
        with pytest.raises(InvalidInput) as refused:
            store.commit([Set("c/a", {"v": value})])
        assert "secret" not in str(refused.value)
        assert "10000000" not in str(refused.value)
        assert refused.value.subject == "c/a"


def test_a_document_may_not_grow_beyond_its_limit_by_updates(store: Store) -> None:
    store.commit([Set("c/a", {"f": "x" * 600_000})])
    with pytest.raises(InvalidInput):
        store.commit([Update("c/a", {"g": "x" * 600_000}, (("g",),))])
    assert store.get(["c/a"])[0].data == {"f": "x" * 600_000}


@pytest.mark.parametrize(
    "writes",
    [
        [],
        [Set(f"c/{n}", {}) for n in range(limits.MAX_WRITES + 1)],
        [Set(f"c/{n}", {"v": "x" * 1_000_000}) for n in range(11)],
        [Set("c/a", {}), Delete("c/a")],
        [Update("c/a", {"m": {"x": 1}}, (("m",), ("m", "x")))],
        [Update("c/a", {"m": 1}, (("m",), ("m",)))],
        [Update("c/a", {"m": 1}, ((),))],
        [Update("c/a", {"m": 1}, (("m",),)), Update("c/b", {"m": 1}, (("m",), ("m",)))],
        [Update("c/a", {}, (("x" * 1_000, "y" * 600),))],
        [Delete("c/__a__")],
        [Set("c/a", {}), Set("c/__a__", {})],
        [Set("c/a", {}, Precondition(exists=False, update_time=Timestamp(1)))],
    ],
)
def test_a_commit_that_firestore_would_refuse_is_not_sent(store: Store, writes: list[Write]) -> None:
    with pytest.raises(InvalidInput):
        store.commit(writes)
    assert store.bill == Bill()


def test_as_many_writes_as_a_commit_takes_are_one_commit(store: Store) -> None:
    """As a move of that many units: each written under its update time, but for a few fields masked."""
    path, many = f"{'a' * 20}.{'b' * 20}.{'c' * 20}.", range(limits.MAX_WRITES)
    at = store.commit([Set(f"c/{n:020}", {"path": f"{path}{n:020}", "n": n}, ABSENT) for n in many])
    moved = store.commit([
        Update(f"c/{n:020}", {"path": f"new.{path}{n:020}", "unit2": "b" * 20, "unit3": "c" * 20},
               (("path",), ("unit2",), ("unit3",)), Precondition(update_time=at))
        for n in many
    ])  # fmt: skip
    assert store.count(Query("c", (Where(("path",), ">=", "new."), Where(("path",), "<", "new/")), ("path",))) == len(many)
    (one,) = store.get([f"c/{7:020}"])
    assert (one.fields["n"], one.update_time) == (7, moved)


@pytest.mark.parametrize("path", ["c", "c/__a__", "c/..", "", "c//a/b"])
def test_a_path_that_names_no_document_cannot_be_read(store: Store, path: str) -> None:
    with pytest.raises(InvalidInput):
        store.get(["c/a", path])


@pytest.mark.parametrize("field", [(), ("",), ("__x__",), ("x" * 1_501,), ("x" * 1_000, "y" * 600)])
def test_a_field_that_cannot_be_cannot_be_selected(store: Store, field: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput):
        store.get(["c/a"], select=(("v",), field))
    with pytest.raises(InvalidInput):
        store.scan(Query("c", select=(("v",), field)))
