import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.core.comparison import distance, equal, identical, same_place, target_value
from penstock.core.declaration import Compare
from penstock.core.values import GeoPoint, Timestamp


def test_a_degree_of_latitude_is_some_hundred_and_eleven_kilometres():
    assert distance(-26.0, 28.0, -27.0, 28.0) == pytest.approx(111_195, abs=1)


def test_places_on_both_sides_of_the_date_line_are_near():
    assert distance(0.0, 179.9999, 0.0, -179.9999) < 25


@given(st.floats(-89, 89), st.floats(-180, 180), st.floats(-89, 89), st.floats(-180, 180))
def test_distance_is_the_same_both_ways_and_never_more_than_half_the_globe(a, b, c, d):
    assert distance(a, b, c, d) == pytest.approx(distance(c, d, a, b), abs=1e-6)
    assert 0 <= distance(a, b, c, d) <= math.pi * 6_371_009


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (5, 5.0, True),
        (math.nan, math.nan, True),
        (0.0, -0.0, True),
        (1, True, False),
        ("1", 1, False),
        (None, "", False),
        ([1], [1.0], False),
        ([math.nan], [math.nan], True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        (Timestamp(1, 1), Timestamp(1, 1), True),
        (b"a", "a", False),
    ],
)
def test_values_are_identical_by_type_and_content(old, new, same):
    assert identical(old, new) is same


@pytest.mark.parametrize(
    ("compare", "old", "new", "same"),
    [
        (Compare("decimals", 2), 1.2349, 1.2351, True),
        (Compare("decimals", 2), 1.23, 1.24, False),
        (Compare("decimals", 2), None, 0.0, False),
        (Compare("decimals", 2), math.inf, math.inf, True),
        (Compare("folded"), "Protea  Street", "PROTEA street", True),
        (Compare("folded"), "Caf\u00e9", "Cafe\u0301", True),
        (Compare("folded"), "Protea", "Protea Rd", False),
        (Compare(), "a", "A", False),
        (Compare("metres", 20), GeoPoint(1.0, 2.0), GeoPoint(1.0001, 2.0), True),
        (Compare("metres", 5), GeoPoint(1.0, 2.0), GeoPoint(1.0001, 2.0), False),
    ],
)
def test_a_field_is_compared_as_declared(compare, old, new, same):
    assert equal(compare, old, new) is same


def test_a_pair_is_one_place_within_its_metres_only():
    assert same_place(5, (-26.37849016, 28.808374608968), (-26.3784901, 28.8083747))
    assert not same_place(5, (-26.37849016, 28.808374608968), (-26.3785901, 28.8083747))
    assert not same_place(5, (None, None), (-26.3, 28.8))
    assert not same_place(5, ("-26.3", "28.8"), (-26.3, 28.8))


def test_a_union_keeps_what_is_there_in_its_order_and_adds_each_new_value_once():
    assert target_value(Compare("union"), ["b", "a"], ["a", "c"]) == ["b", "a", "c"]
    assert target_value(Compare("union"), None, ["a"]) == ["a"]


def test_the_earliest_value_only_moves_back():
    earliest = Compare("earliest")
    assert target_value(earliest, Timestamp(5), Timestamp(9)) == Timestamp(5)
    assert target_value(earliest, Timestamp(5), Timestamp(3)) == Timestamp(3)
    assert target_value(earliest, None, Timestamp(3)) == Timestamp(3)
    assert target_value(earliest, "2025", Timestamp(3)) == Timestamp(3)


def test_what_is_not_finite_is_no_place_and_breaks_nothing():
    infinite, here = (1.0, float("inf")), (1.0, 2.0)
    assert not same_place(5.0, infinite, here)
    assert same_place(5.0, infinite, infinite)
    assert distance(*infinite, *here) == float("inf")
