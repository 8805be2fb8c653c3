from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from penstock.core.manifest import GONE, LOST, Entry, Manifest, decode, encode
from penstock.core.values import Timestamp

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
stamps = st.none() | words | st.builds(Timestamp, st.integers(0, 2_000_000_000), st.just(0))
entries = st.dictionaries(words, st.builds(Entry, st.none() | words, stamps, words, st.just("") | words), max_size=5)
fed = st.lists(words, min_size=2, max_size=4).map(tuple)


@given(st.builds(Manifest, st.dictionaries(words, entries, max_size=3), st.dictionaries(words, fed, max_size=5)))
def test_a_manifest_comes_back_as_it_was(manifest: Manifest) -> None:
    assert decode(encode(manifest)) == manifest


def test_equal_manifests_are_equal_bytes_whatever_the_order() -> None:
    a, b = Entry("g", "2026-01-01", "f"), Entry("h", None, "e", " h")
    assert encode(Manifest({"s": {"1": a, "2": b}}, {"x": ("1", "g"), "y": ("2", "h")})) == encode(
        Manifest({"s": {"2": b, "1": a}}, {"y": ("2", "h"), "x": ("1", "g")})
    )


def test_the_members_of_a_group_are_found_and_those_of_none_are_not() -> None:
    manifest = Manifest(
        {"s": {"1": Entry("a", None, ""), "2": Entry("b", None, ""), "3": Entry("a", None, ""), "4": Entry(None, None, "")}}
    )
    assert manifest.members("s", {"a", "z"}) == {"a": ["1", "3"]}
    assert manifest.members("elsewhere", {"a"}) == {}


def test_groups_that_a_run_did_not_touch_still_feed_their_key() -> None:
    manifest = Manifest({}, {"k": ("f1", "a", "b"), "m": ("f2", "c")})
    manifest.feed({"k": ["d"], "m": ["c"]}, {"k": "f3"}, frozenset({"a", "c", "d"}))
    assert manifest.keys == {"k": ("f3", "d", "b"), "m": ("f2", "c")}


def test_a_key_that_comes_back_is_fed_by_what_feeds_it_now_alone() -> None:
    manifest = Manifest({}, {"k": (GONE, "a"), "m": (LOST, "b")})
    manifest.feed({"k": ["c"], "m": ["b"]}, {"k": "f1", "m": "f2"}, frozenset())
    assert manifest.keys == {"k": ("f1", "c"), "m": ("f2", "b")}
    assert manifest.print_of("k") == "f1"
    assert manifest.print_of("unknown") == ""
