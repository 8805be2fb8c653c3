import datetime as dt
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.core.converters import ABSENT, CONVERTERS, Context, Problem, build, mask
from penstock.core.declaration import Source
from penstock.core.values import GeoPoint, Reference, Timestamp, Vector

SOURCE = Source("s", "p", "(default)", "c", None, "Africa/Johannesburg", frozenset({""}))
ROOT = "projects/live/databases/(default)/documents/"
OPTIONS = {
    "identifier": {"pattern": r"DR\d{7}", "upper": True, "nothing": ("no drop allocated",)},
    "enum": {"values": ("pt", "en")},
}


def convert(name, raw, **options):
    return build(name, options or OPTIONS.get(name, {}), Context(SOURCE, ROOT))(raw)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-06-28 10:03:02.852165+02", "2025-06-28T08:03:02.852165000Z"),
        ("2025-06-28 10:03:02.8+02:00", "2025-06-28T08:03:02.800000000Z"),
        ("2025-06-28 10:03:02,85+0200", "2025-06-28T08:03:02.850000000Z"),
        ("2025-06-25T10:45:43.560Z", "2025-06-25T10:45:43.560000000Z"),
        ("2025-06-25T10:45Z", "2025-06-25T10:45:00Z"),
        ("2025-06-25 10:45:43 UTC", "2025-06-25T10:45:43Z"),
        ("2025-06-25 10:45:43", "2025-06-25T08:45:43Z"),
        ("2025-06-25", "2025-06-24T22:00:00Z"),
        ("2025-06-25T00:30:00-03:30", "2025-06-25T04:00:00Z"),
        ("1965-01-01T00:00:00.25Z", "1965-01-01T00:00:00.250000000Z"),
    ],
)
def test_a_stamp_of_any_iso_like_shape_is_one_moment(text, moment):
    assert convert("timestamp", text) == Timestamp.parse(moment)


def test_a_stamp_is_cut_to_the_microsecond_that_firestore_keeps():
    assert convert("timestamp", "2025-06-28T10:03:02.123456789Z") == Timestamp.parse("2025-06-28T10:03:02.123456Z")


@pytest.mark.parametrize(
    "text", ["2025-02-30", "28/06/2025", "2025-06-28 24:00Z", "2025-06-28 10:61:00", "soon", "2025-6-1", "20250601"]
)
def test_what_is_no_stamp_is_a_problem_and_not_a_crash(text):
    assert convert("timestamp", text) == Problem(mask(text))


@given(st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2090, 1, 1)))  # noqa: DTZ001
def test_a_stamp_without_a_zone_is_of_the_sources_time_zone(local):
    aware = local.replace(tzinfo=zoneinfo.ZoneInfo("Africa/Johannesburg"))
    assert convert("timestamp", local.isoformat(sep=" ")) == Timestamp.of(aware)


def test_a_sentinel_of_the_field_and_a_lower_case_identifier_are_understood():
    assert convert("identifier", "No drop ALLOCATED ") is ABSENT
    assert convert("identifier", " dr1700001") == "DR1700001"
    assert convert("identifier", "DR17") == Problem("AA99")


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("text", "  a b ", "a b"),
        ("text", 12, "12"),
        ("text", 12.0, "12"),
        ("text", "   ", ABSENT),
        ("number", "-1.5e3", -1500.0),
        ("number", 7, 7.0),
        ("integer", "12.0", 12),
        ("integer", 12.0, 12),
        ("latitude", "-26.378490160000123", -26.378490160000123),
        ("longitude", 180, 180.0),
        ("enum", "PT ", "pt"),
        ("list", "a, b,,c ", ["a", "b", "c"]),
        ("list", ["a", " ", "b"], ["a", "b"]),
        ("list", " , ", ABSENT),
        ("geopoint", "-26.5, 28", GeoPoint(-26.5, 28.0)),
        ("boolean", "Yes", True),
        ("boolean", 0, False),
        ("timestamp", Timestamp(5, 7), Timestamp(5, 7)),
        ("reference", "shelves/a", Reference(ROOT + "shelves/a")),
        ("reference", Reference("projects/x/databases/d/documents/shelves/a"), Reference(ROOT + "shelves/a")),
    ],
)
def test_a_readable_value_is_converted(name, raw, value):
    found = convert(name, raw)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("number", "1,5"),
        ("number", "1 200"),
        ("number", "nan"),
        ("number", True),
        ("integer", "12.5"),
        ("integer", str(2**63)),
        ("latitude", "90.1"),
        ("longitude", "28° 48'"),
        ("enum", "fr"),
        ("list", 5),
        ("geopoint", "91, 0"),
        ("boolean", "perhaps"),
        ("text", {"a": 1}),
        ("reference", "shelves"),
        ("reference", "shelves//b/c"),
    ],
)
def test_an_unreadable_value_is_a_problem(name, raw):
    assert isinstance(convert(name, raw), Problem)


def test_a_target_root_needs_no_slash_behind_it():
    assert build("reference", {}, Context(SOURCE, ROOT.rstrip("/")))("shelves/a") == Reference(ROOT + "shelves/a")


def test_a_reference_without_a_target_to_point_into_is_a_problem():
    assert isinstance(build("reference", {}, Context(SOURCE))("shelves/a"), Problem)


def test_a_problem_shows_the_shape_and_never_the_value():
    assert mask("Thabo 82/05, élan") == "Aaaaa 99/99, aaaa"
    assert mask({"name": "Thabo"}) == "(dict)"
    assert mask("x" * 100) == "a" * 40 + "…"


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=40), st.binary(max_size=5),
    st.lists(st.integers(), max_size=3), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.builds(Timestamp, st.integers(0, 9)), st.just(Vector((1.0,))), st.just(GeoPoint(1.0, 2.0)),
    st.just(Reference("projects/p/databases/d/documents/c/i")),
)  # fmt: skip


@given(st.sampled_from(sorted(CONVERTERS)), anything)
def test_no_value_of_any_type_makes_a_converter_raise(name, raw):
    convert(name, raw)
