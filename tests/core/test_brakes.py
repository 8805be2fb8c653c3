from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.core.brakes import Lost, Measured, Seen, alike, fingerprint, header, lacking, outside, spread, tripped
from penstock.core.declaration import Brakes

HALF = Brakes(changed_share=0.5)


@pytest.mark.parametrize(
    ("counts", "production", "trips"),
    [
        ({"poles UPDATE": 50}, {"planned-poles": 100}, False),
        ({"poles UPDATE": 51}, {"planned-poles": 100}, True),
        ({"poles UPDATE": 40, "drops UPDATE": 40}, {"planned-poles": 60, "drops": 60}, True),
        ({"poles DELETE": 51}, {"planned-poles": 100}, True),
        ({"poles CREATE": 5_000}, {"planned-poles": 1}, False),
        ({"poles CREATE": 5_000}, {"planned-poles": 0, "drops": 0}, False),
        ({}, {}, False),
    ],
)
def test_a_batch_that_changes_more_than_the_band_is_held_and_creates_do_not_count(counts, production, trips) -> None:
    found = tripped(HALF, counts, production)
    assert bool(found) is trips
    for finding in found:
        assert (finding.severity, finding.key) == ("blocker", "")
        assert "50%" in finding.text
        assert finding.remedy


def test_the_finding_says_how_much_of_what() -> None:
    (finding,) = tripped(HALF, {"poles UPDATE": 3}, {"planned-poles": 4})
    assert finding.text == "3 of 4 production records (75%) would change; the band is 50%."


def test_a_band_of_everything_never_holds() -> None:
    assert tripped(Brakes(), {"poles UPDATE": 4}, {"planned-poles": 4}) == ()


BANDS = Brakes(minimum_source=10, shrunken=0.3, replaced=0.3, older=dt.timedelta(days=7), header="any")
NAMES = tuple(sorted(map(fingerprint, ("a", "b", "x"))))
WAS = Seen(1_000, NAMES, (fingerprint("r"),), ids=("1", "2"))


def told(now: Seen, before: Seen | None = WAS, lost: Lost = Lost(), brakes: Brakes = BANDS) -> list[str]:  # noqa: B008
    return outside(brakes, Measured("records", {"a", "b"}, now, "2026-06-28"), before, lost)


@pytest.mark.parametrize(
    ("now", "lost", "words"),
    [
        (WAS, Lost(0, 50), ""),
        (replace(WAS, documents=700), Lost(15, 50), ""),  # at the bands, not beyond
        (replace(WAS, documents=699), Lost(), "holds 699 documents; at the last complete read it held 1,000 (30% fewer"),
        (replace(WAS, documents=9), Lost(), "fewer than the 10 that it must; at the last complete read it held 1,000"),
        (WAS, Lost(16, 50), "16 of 50 documents of records that were there before are gone (the band is 30%)"),
        (
            replace(WAS, older="2026-06-21"),
            Lost(),
            "Nothing in records was changed since 2026-06-21, and it was read up to 2026-06-28",
        ),
        (replace(WAS, names=(*NAMES, fingerprint("y"))), Lost(), "has 1 new field that the pipeline does not name"),
        (replace(WAS, names=tuple(map(fingerprint, ("a", "x")))), Lost(), 'no longer has "b" (header '),
        (replace(WAS, names=tuple(map(fingerprint, "ab"))), Lost(), "lost 1 field that the pipeline does not name"),
        (replace(WAS, names=tuple(map(fingerprint, "abxr"))), Lost(), ""),  # what some had, all have now
        (replace(WAS, names=()), Lost(), ""),  # too small a sample tells nothing
        (replace(WAS, lacking=(fingerprint("b"), fingerprint("z"))), Lost(), 'no longer has "b" (header '),
    ],
)
def test_a_source_is_told_of_where_it_lies_outside_its_bands(now: Seen, lost: Lost, words: str) -> None:
    found = told(now, lost=lost)
    assert (words in found[0] and len(found) == 1) if words else found == []
    assert told(now, lost=lost, brakes=Brakes()) == []


@given(
    st.builds(
        Seen, st.integers(0, 2_000), st.just(NAMES) | st.just(NAMES[:2]), st.just(()), st.just(()) | st.just(NAMES[:1]),
        older=st.sampled_from(["", "2026-06-21"]),
    )
)  # fmt: skip
def test_what_was_seen_lies_within_the_bands_of_itself(seen: Seen) -> None:
    """So a fact that people know is not told to them again."""
    assert told(seen, before=seen, lost=Lost(0, 10)) == []


def test_of_a_first_read_only_too_little_is_told() -> None:
    assert told(Seen(9), before=None) == ["records holds 9 documents, fewer than the 10 that it must."]
    assert told(Seen(10), before=None) == []


def test_of_a_few_documents_no_share_is_judged_but_their_absence_is() -> None:
    few = replace(WAS, documents=19)
    assert told(replace(few, documents=10), before=few, lost=Lost(2, 2)) == []
    assert told(replace(few, documents=0), before=few, brakes=replace(BANDS, minimum_source=0))


def test_a_header_needs_five_documents() -> None:
    assert header([{"a"}] * 4) == ((), ())
    every, some = header([{"a", "b"}, {"a"}, {"a"}, {"a"}, {"a", "c"}])
    assert every == (fingerprint("a"),)
    assert set(some) == {fingerprint("b"), fingerprint("c")}
    assert lacking([{"a"}] * 4, {"b"}) == ()
    assert lacking([{"a"}] * 5, {"a", "b"}) == (fingerprint("b"),)


def test_a_name_that_comes_near_is_told_where_it_is_the_only_one() -> None:
    assert alike({"Pole Number", "PONs"}, {"pole_number", "pons ", "other"}) == {"Pole Number": "pole_number", "PONs": "pons "}
    assert alike({"Pole Number"}, {"pole_number", "POLE NUMBER"}) == {}
    assert alike({"a" * 80}, {"a" * 63}) == {"a" * 80: "a" * 63}
    assert alike({"Location Address"}, {"Locatio", "Owner"}) == {}


def test_ids_are_taken_from_all_over() -> None:
    assert spread((f"{n:03d}" for n in range(100)), 4) == ("000", "025", "050", "075")
    assert spread(["b", "a"], 50) == ("a", "b")
    assert spread([], 50) == ()
