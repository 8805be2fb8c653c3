"""What stands in values is shown and never acts."""

import pytest
from penstock.core.values import GeoPoint, Reference, Timestamp, Vector
from penstock.web import text


@pytest.mark.parametrize(
    "payload",
    ["<script>alert(1)</script>", "</script><img src=x onerror=alert(1)>", "\"><b onclick='x'>", "'; background:url(x)", "&lt;"],
)
def test_markup_in_a_value_is_escaped(payload: str) -> None:
    shown = str(text.show(payload))
    inner = shown.removeprefix("<bdi>").removesuffix("</bdi>")
    assert not set("<>\"'") & set(inner)
    assert "&amp;lt;" in shown if payload == "&lt;" else True


@pytest.mark.parametrize(
    "char", ["\x00", "\x07", "\x1b", "\x7f", "\x9b", "\u200b", "\u202e", "\u2066", "\u2028", "\u2029", "\ufeff", "\ud800"]
)
def test_a_character_that_cannot_be_seen_is_made_visible(char: str) -> None:
    assert char not in text.visible(f"a{char}b")
    assert len(text.visible(f"a{char}b")) > 2


def test_joiners_that_scripts_need_stay_as_they_are() -> None:
    nepali = "क\u094d\u200dष"
    assert text.visible(nepali) == nepali


def test_line_ends_stay_in_prose_and_are_visible_in_values() -> None:
    assert "one\ntwo" in text.prose("one\ntwo")
    assert "one␊two" in text.show("one\ntwo")


def test_a_value_without_end_is_folded_and_cut_with_its_size() -> None:
    shown = str(text.show("x" * 1_000_000))
    assert len(shown) < text.LONGEST + text.SHORT + 500
    assert "1,000,000 characters" in shown
    assert "990,000 more characters" in shown


def test_nothing_and_empty_text_are_told_apart() -> None:
    assert text.show(None) != text.show("") != text.show("nothing")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "true"),
        (1.5, "1.5"),
        (float("nan"), "nan"),
        (-0.0, "-0.0"),
        (Timestamp(0, 5), "1970-01-01T00:00:00.000000005Z"),
        (GeoPoint(-26.1, 27.5), "-26.1, 27.5"),
        (Reference("projects/p/databases/d/documents/a/b"), "projects/p/databases/d/documents/a/b"),
        (Vector((1.0, 2.0)), "[1.0,2.0]"),
        (b"abc", "3 bytes: YWJj"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        (None, ""),
    ],
)
def test_every_value_type_has_a_plain_text(value: object, shown: str) -> None:
    assert text.plain(value) == shown


@pytest.mark.parametrize(
    "url", ["https://storage.cloud.google.com/b/r.html", "http://127.0.0.1:9023/x?alt=media", "/r/token", "?page=2"]
)
def test_a_web_address_becomes_a_link(url: str) -> None:
    assert str(text.link(url, "here")) == f'<a href="{url}">here</a>'


def test_a_link_cannot_leave_its_attribute() -> None:
    assert '"onclick' not in text.link('https://a.example/"onclick="x', "here")


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(0, 10, "0 %"), (1, 1000, "1 %"), (999, 1000, "99 %"), (1000, 1000, "100 %"), (0, 0, "0 %"), (1, 3, "33 %")],
)
def test_a_share_says_none_and_all_only_when_it_is_so(part: int, whole: int, shown: str) -> None:
    assert text.percent(part, whole) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (200, "3 min 20 s"), (7_500, "2 h 5 min"), (259_200, "3 days")],
)
def test_durations_read_as_people_say_them(seconds: float, shown: str) -> None:
    assert text.duration(seconds) == shown
