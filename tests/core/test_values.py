from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.core.ordering import key
from penstock.core.values import GeoPoint, Reference, Timestamp, Vector, dumps, get_in, loads, set_in

doubles = st.floats()
keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["$time", "$map", "$bytes", "$double", "$ref", "$geo", "$vector", "$", "a.b"]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | doubles
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.binary(max_size=20)
    | st.builds(Timestamp, st.integers(-62_135_596_800, 253_402_300_799), st.integers(0, 999_999_999))
    | st.builds(Reference, st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
    | st.builds(GeoPoint, doubles, doubles)
    | st.builds(Vector, st.lists(doubles, max_size=4).map(tuple))
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)


def same(a: Any, b: Any) -> bool:
    """Equal in type and in every bit that Firestore keeps."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, GeoPoint):
        return same(a.latitude, b.latitude) and same(a.longitude, b.longitude)
    return same(a.values, b.values) if isinstance(a, Vector) else a == b


@given(values)
def test_a_value_comes_back_from_its_text_exactly(value: Any) -> None:
    text = dumps(value)
    assert same(loads(text), value)
    assert same(loads(text.encode()), value)
    assert dumps(loads(text)) == text


@given(values, values)
def test_texts_are_equal_exactly_when_the_values_are_the_same(a: Any, b: Any) -> None:
    assert (dumps(a) == dumps(b)) == same(a, b)


@given(values)
def test_the_text_is_plain_json(value: Any) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    json.loads(dumps(value), parse_constant=refuse)


@given(st.dictionaries(keys, values, max_size=5))
def test_the_text_does_not_depend_on_the_order_of_the_keys(data: dict[str, Any]) -> None:
    assert dumps(dict(reversed(data.items()))) == dumps(data)


@given(values)
def test_what_is_the_same_sorts_as_equal(value: Any) -> None:
    assert key(value) == key(loads(dumps(value)))


@given(st.builds(Timestamp, st.integers(-62_135_596_800, 253_402_300_799), st.integers(0, 999_999_999)))
def test_a_time_comes_back_from_its_text(time: Timestamp) -> None:
    assert Timestamp.parse(str(time)) == time
    assert Timestamp.of(time.datetime()) == Timestamp(time.seconds, time.nanos // 1_000 * 1_000)


@given(st.integers(0, 10**10), st.integers(0, 999_999_999), st.integers(-(10**9), 10**9))
def test_a_time_moves_by_whole_microseconds_exactly(seconds: int, nanos: int, micros: int) -> None:
    moved = Timestamp(seconds, nanos).plus(micros / 1e6)
    assert (moved.seconds - seconds) * 10**9 + moved.nanos - nanos == micros * 1_000
    assert 0 <= moved.nanos < 10**9


@pytest.mark.parametrize("text", ["2025-06-28", "2025-06-28T10:03:02+02:00", "2025-06-28T10:03:02.1234567890Z", "x", ""])
def test_a_text_that_is_no_utc_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an RFC 3339"):
        Timestamp.parse(text)


@pytest.mark.parametrize("value", [{1, 2}, object(), {"a": {1}}, b"x".__class__])
def test_what_is_no_firestore_value_has_no_text(value: object) -> None:
    with pytest.raises(TypeError, match="no Firestore value"):
        dumps(value)


def test_paths_reach_into_maps_and_nowhere_else() -> None:
    data: dict[str, Any] = {"a": {"b.c": 1}, "s": "text", "n": None}
    assert get_in(data, ("a", "b.c")) == 1
    assert [get_in(data, p, "none") for p in (("a", "b"), ("s", "x"), ("n", "x"), ("n",), ())] == [
        "none",
        "none",
        "none",
        None,
        data,
    ]
    set_in(data, ("s", "x"), 2)
    set_in(data, ("new", "y"), 3)
    assert data == {"a": {"b.c": 1}, "s": {"x": 2}, "n": None, "new": {"y": 3}}
