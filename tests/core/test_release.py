"""A release as an object: exact, canonical, and never taken for another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.core import release
from penstock.core.codec import SourceState, from_data, to_data
from penstock.core.errors import InvalidInput
from penstock.core.manifest import Entry
from penstock.core.release import Document, Quarantine, Release, ReleaseState
from penstock.core.values import GeoPoint, Timestamp

values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(), st.builds(Timestamp, st.integers(0, 2**31)), st.just(GeoPoint(1.5, 2.0))
)
documents = st.dictionaries(
    st.text("abcXYZ-", min_size=1),
    st.builds(
        Document,
        st.dictionaries(st.text(), values),
        st.builds(Entry, st.text(), st.none() | st.builds(Timestamp, st.just(7)), st.text(), st.just("")),
    ),
)


def released(content: bytes, many: int) -> Release:
    return Release("r", Timestamp(1), many, release.digest(content))


@given(documents)
def test_what_was_stored_is_read_back_exactly_and_equal_releases_are_equal_bytes(found: dict[str, Document]) -> None:
    content = release.encode(found)
    assert release.decode(content, released(content, len(found))) == found
    assert release.encode(dict(reversed(found.items()))) == content


def test_another_object_or_another_number_is_refused() -> None:
    content = release.encode({"a": Document({}, Entry("a", None, "f"))})
    for other in (released(content, 2), released(content + b"x", 1)):
        with pytest.raises(InvalidInput, match=r"is not the release that was stored.*--full"):
            release.decode(content, other)


def test_the_state_of_a_partition_is_kept_whole() -> None:
    one = Release("r", Timestamp(1), 3, "d")
    held = Quarantine(one, Timestamp(1), {"orphan": 2}, "2 faults: 2 orphan", {"html": "https://x"})
    state = ReleaseState(
        "p.s.NP", "p", "s", "NP", "a", Timestamp(2), one, one, SourceState(Timestamp(3), 4), "f", held, "why"
    )  # fmt: skip
    assert from_data(to_data(state), ReleaseState) == state
    assert from_data({"id": "p.s.NP", "pipeline": "p", "source": "s", "partition": "NP"}, ReleaseState).current is None
