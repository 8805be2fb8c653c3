import json
import random

import pytest
from fibre_records import APPROVED, PIPELINE, PROJECTOR, SEEN, pole, project, record
from hypothesis import given
from hypothesis import strategies as st
from penstock.core.mapping import allowed_fields
from penstock.core.records import Snapshot
from penstock.core.values import Timestamp, dumps

LAT, LON = ("location", "latitude"), ("location", "longitude")


def test_one_record_gives_its_pole_and_its_drop():
    found = project(record())
    assert [(p.entity, p.key, p.group) for p in found.projected] == [
        ("poles", "LAW.P.A007", "LAW.P.A007"),
        ("drops", "DR1700001", "LAW.P.A007"),
    ]
    assert found.projected[0].values[LAT] == -26.3784901600001
    assert found.projected[0].facts == {"children": {"drops": 1}}
    assert found.projected[1].values[("poleNumber",)] == "LAW.P.A007"


def test_the_latest_record_wins_by_its_moment_and_not_by_the_text_of_its_stamp():
    early = record("2", lst_mod_dt="2025-06-28 10:30:00+02", PONs="early")
    late = record("1", lst_mod_dt="2025-06-28T09:00:00Z", PONs="late")
    assert pole(early, late).values[("ponNumber",)] == "late"
    assert pole(early, late).sources == ("2", "1")


def test_records_of_one_moment_are_ordered_by_their_id():
    assert pole(record("2", PONs="b"), record("1", PONs="a")).values[("ponNumber",)] == "b"


def test_a_blank_in_the_latest_record_does_not_hide_an_earlier_value():
    for blank in ("", "  ", "N/A", "n/a", None, "Missing"):
        found = pole(record("1", PONs="4"), record("2", PONs=blank, lst_mod_dt="2025-07-01"))
        assert found.values[("ponNumber",)] == "4"


def test_a_blank_everywhere_is_blank_and_no_value():
    found = pole(record("1", PONs=""), record("2", PONs="-"))
    assert ("ponNumber",) in found.blank
    assert ("ponNumber",) not in found.values


def test_an_unreadable_latest_value_is_withheld_rather_than_replaced_by_an_older_one():
    found = pole(record("1"), record("2", date_status_changed="31/12/2025", lst_mod_dt="2025-07-01"))
    assert ("statusChangeDate",) not in found.values
    assert ("statusChangeDate",) not in found.blank
    assert {"field": "statusChangeDate", "convert": "timestamp", "shape": "99/99/9999"} in found.facts["problems"]


def test_an_unreadable_value_of_an_older_record_is_told_and_the_latest_counts():
    found = pole(record("1", Latitude="26.38 S"), record("2", lst_mod_dt="2025-07-01"))
    assert found.values[LAT] == -26.3784901600001
    assert found.facts["problems"] == [{"field": "location.latitude", "convert": "latitude", "shape": "99.99 A"}]


def test_a_place_never_mixes_the_halves_of_two_records():
    found = pole(record("1"), record("2", Latitude="-26.9", Longitude="", lst_mod_dt="2025-07-01"))
    assert (found.values[LAT], found.values[LON]) == (-26.3784901600001, 28.8083746089681)
    alone = project(record("1", Latitude="far south")).projected[0]
    assert LAT not in alone.values
    assert LON not in alone.values
    assert len(alone.facts["problems"]) == 1
    assert alone.facts["missing"] == ["location.latitude", "location.longitude"]


def test_first_permission_is_the_earliest_among_the_records_that_were_approved():
    found = pole(
        record("1", date_status_changed="2025-01-01", Status="Home Installation: Installed"),
        record("2", date_status_changed="2025-03-01", Status=f" {APPROVED} "),
        record("3", date_status_changed="2025-02-01", Status=APPROVED),
    )
    assert found.values[("firstPermissionAt",)] == Timestamp.parse("2025-01-31T22:00:00Z")


def test_the_property_of_a_pole_stays_the_same_whichever_record_is_touched():
    one, other = record("100002"), record("100001", lst_mod_dt="2025-07-01")
    assert pole(one, other).values[("propertyId",)] == "100001"
    assert pole(record("100002", lst_mod_dt="2025-08-01"), other).values[("propertyId",)] == "100001"


def test_every_status_is_kept_once():
    found = pole(record("1", Status="b"), record("2", Status="a"), record("3", Status="b"), record("4", Status=""))
    assert found.values[("statusHistory",)] == ["a", "b"]
    assert found.facts["statuses"] == ["a", "b"]
    assert found.facts["rows"] == 4


def test_records_that_disagree_are_told_but_not_in_what_follows_their_own_progress():
    found = pole(record("1", PONs="4", Status="x", Site="Lawley"), record("2", PONs="5", Status="y", Site="LAWLEY"))
    assert found.facts["disagree"] == {"ponNumber": ["4", "5"]}


def test_the_spread_is_the_distance_of_the_outermost_records_in_metres():
    found = pole(record("1"), record("2", Latitude="-26.3794901600001"), record("3", Latitude="-26.3789"))
    assert found.facts["spread_m"] == pytest.approx(111.2, abs=0.1)


def test_drops_of_a_pole_are_counted_once_each():
    found = pole(
        record("1"), record("2", Drop_Number="dr1700001"), record("3", Drop_Number="DR1700002"), record("4", Drop_Number="")
    )
    assert found.facts["children"] == {"drops": 2}


def test_what_is_left_out_is_counted_by_a_reason_in_plain_words():
    found = project(
        record("1", Pole_Number=""),
        record("2", Pole_Number="n/a", Drop_Number="No drop allocated"),
        record("3", Pole_Number="to be advised"),
    )
    assert found.skipped == {
        ("poles", "no pole number"): 2,
        ("poles", "unreadable pole number"): 1,
        ("drops", "no pole named"): 1,
        ("drops", "no drop number"): 1,
    }
    assert [(p.entity, p.key) for p in found.projected] == [("drops", "DR1700001")]
    assert project(record(Drop_Number="DR12")).skipped == {("drops", "unreadable drop number"): 1}


UNFIT = ["A/1", "__1__", "1" * 1501, "é" * 750 + "1", "1\0", "\x1b[31m1", "1\u200b2", "\u202e1", "1\u20282", "1\U000e00412"]


@pytest.mark.parametrize("key", UNFIT)
def test_a_key_that_cannot_be_a_document_id_or_cannot_be_read_is_left_out_with_that_reason(key):
    assert project(record(Pole_Number=key)).skipped[("poles", "pole number that cannot be a document id")] == 1


@pytest.mark.parametrize("key", [*UNFIT, "..", "."])
def test_what_names_a_parent_that_cannot_be_a_document_is_left_out(key):
    assert project(record(Pole_Number=key)).skipped[("drops", "pole named that cannot be a document id")] == 1


def test_the_fingerprint_follows_the_content_and_neither_the_stamp_nor_unmapped_columns():
    one = pole(record())
    assert pole(record(lst_mod_dt="2025-07-07", Owner_Name="canary", Location_Address="elsewhere")).fingerprint == one.fingerprint
    assert pole(record(PONs="5")).fingerprint != one.fingerprint
    assert len(one.fingerprint) == 16


def test_nothing_of_an_unmapped_column_is_projected():
    found = project(record(Owner_Name="canary", ID_Number="canary"), record("2", Owner_Name="canary"))
    assert "canary" not in dumps(
        [[dict(zip(map(str, p.values), p.values.values(), strict=True)), p.facts] for p in found.projected]
    )


def test_the_fields_to_select_are_exactly_the_mapped_ones():
    assert sorted(f[0] for f in allowed_fields(PIPELINE, "onemap")) == [
        "Drop Number", "Flow Name Groups", "Latitude", "Location Address", "Longitude", "PONs", "Pole Number", "Property ID",
        "Sections", "Site", "Status", "date_status_changed", "lst_mod_dt",
    ]  # fmt: skip


cells = st.sampled_from(
    ["", "N/A", "LAW.P.A007", "DR1700001", "dr1700002", "-26.3", "28.8", "2025-06-01", "x", "0", None, 5, 2.5, True]
)
records = st.lists(
    st.dictionaries(st.sampled_from([f[0] for f in allowed_fields(PIPELINE, "onemap")]), cells, max_size=13),
    min_size=1,
    max_size=8,
)


@given(records)
def test_every_record_read_is_projected_merged_or_left_out(rows):
    found = PROJECTOR.project([Snapshot(f"onemap-records/{n}", row, SEEN) for n, row in enumerate(rows)])
    for entity in ("poles", "drops"):
        projected = sum(p.entity == entity for p in found.projected)
        skipped = sum(many for (name, _), many in found.skipped.items() if name == entity)
        assert found.read[entity] == len(rows) == projected + found.merged[entity] + skipped


@given(records, st.randoms())
def test_the_order_of_arrival_plays_no_part(rows, shuffler: random.Random):
    snapshots = [Snapshot(f"onemap-records/{n}", row, SEEN) for n, row in enumerate(rows)]
    shuffled = shuffler.sample(snapshots, len(snapshots))
    first, second = ({(p.entity, p.key): p for p in PROJECTOR.project(s).projected} for s in (snapshots, shuffled))
    assert first == second


@given(records)
def test_facts_are_values_that_firestore_can_hold(rows):
    found = PROJECTOR.project([Snapshot(f"onemap-records/{n}", row, SEEN) for n, row in enumerate(rows)])
    for projected in found.projected:
        text = dumps(dict(projected.facts))
        assert "[[" not in text  # no list directly in a list
        json.loads(text)
