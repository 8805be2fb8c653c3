"""The sample has the shape and the quirks of the real thing, and nothing wrong in it but what was planted."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from penstock.local import sample
from penstock.local.sample import Sample
from penstock.local.sample_columns import CANARY, MAPPED

SHAPES = {
    "9999-99-99 99:99:99.999999+99", "9999-99-99 99:99:99.99999+99", "9999-99-99 99:99:99.9999+99",
    "9999-99-99 99:99:99.999+99", "9999-99-99", "9999-99-99T99:99:99.999Z",
}  # fmt: skip


@pytest.fixture(scope="module")
def first_day() -> Sample:
    return Sample(seed=1)


@pytest.fixture(scope="module")
def rows(first_day: Sample) -> list[dict[str, str]]:
    return [row for _, row in first_day.records()]


def drops_of(rows: list[dict[str, str]]) -> dict[str, set[str]]:
    found = defaultdict(set)
    for row in rows:
        if row["Pole Number"] and row["Drop Number"].startswith("DR"):
            found[row["Pole Number"]].add(row["Drop Number"])
    return found


def test_a_seed_gives_the_same_data_every_time_and_another_seed_other_data(first_day: Sample) -> None:
    again, other = Sample(seed=1), Sample(seed=2)
    assert list(again.records()) == list(first_day.records())
    assert list(again.poles()) == list(first_day.poles())
    assert again.second_day() == first_day.second_day() == first_day.second_day()
    assert list(other.records()) != list(first_day.records())
    assert other.planted == first_day.planted


def test_its_size_is_that_of_the_real_network(first_day: Sample, rows: list[dict[str, str]]) -> None:
    assert len(rows) == 24_000
    assert len({row["Property ID"] for row in rows}) == 24_000
    assert len(list(first_day.poles())) == 5_287
    drops = {row["Drop Number"] for row in rows if re.fullmatch(r"DR\d{7}", row["Drop Number"])}
    assert 22_500 <= len(drops) <= 23_500
    poleless = sum(row["Pole Number"] == "" for row in rows) / len(rows)
    assert 0.27 <= poleless <= 0.30
    assert max(Counter(row["Pole Number"] for row in rows if row["Pole Number"]).values()) == 16


def test_every_record_has_159_columns_all_of_them_text(rows: list[dict[str, str]]) -> None:
    assert {len(row) for row in rows} == {159}
    assert {frozenset(row) for row in rows} == {frozenset(rows[0])}
    assert all(type(value) is str for row in rows for value in row.values())


def test_without_blanks_only_empty_unmapped_columns_are_left_out(first_day: Sample, rows: list[dict[str, str]]) -> None:
    for whole, (_, row) in zip(rows, first_day.records(blanks=False), strict=True):
        assert row == {column: value for column, value in whole.items() if value or column in MAPPED}


def test_every_value_outside_the_map_carries_the_canary_and_none_inside_does(rows: list[dict[str, str]]) -> None:
    for row in rows:
        for column, value in row.items():
            assert (CANARY in value) == (column not in MAPPED and value != "")
    assert all(any(row[c] for c in row if c not in MAPPED) for row in rows)


def test_stamps_come_in_six_shapes_and_all_begin_with_the_day(rows: list[dict[str, str]]) -> None:
    assert {re.sub(r"\d", "9", row["lst_mod_dt"]) for row in rows} == SHAPES


def test_quirks_of_the_source_are_there(first_day: Sample, rows: list[dict[str, str]]) -> None:
    assert any(row["Status"] == "" for row in rows)
    assert any(row["Drop Number"] == "no drop allocated" for row in rows)
    assert any(row["PONs"] == "N/A" for row in rows)
    assert {row["Pole Number"][:5] for row in rows} >= {"LAW.P", "LAW.S", "MOH.P"}
    stored = {(str(p["location"]["latitude"]), str(p["location"]["longitude"])) for _, p in first_day.poles()}
    assert not stored & {(row["Latitude"], row["Longitude"]) for row in rows}, "coordinates never match exactly"


def test_poles_with_too_many_drops_are_exactly_the_planted_ones(first_day: Sample, rows: list[dict[str, str]]) -> None:
    crowded = [len(drops) for drops in drops_of(rows).values() if len(drops) >= 10]
    assert sorted(crowded) == [10, 11, 12, 13, 14]
    assert len(crowded) == first_day.planted["too_many_children"]


def test_drops_that_two_poles_claim_are_exactly_the_planted_ones(first_day: Sample, rows: list[dict[str, str]]) -> None:
    claims = Counter(drop for drops in drops_of(rows).values() for drop in drops)
    assert sum(n > 1 for n in claims.values()) == first_day.planted["rivals"]
    assert max(claims.values()) == 2


def test_records_of_a_pole_agree_but_for_the_planted_ones(first_day: Sample, rows: list[dict[str, str]]) -> None:
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        for column in ("PONs", "Sections", "Site", "Location Address"):
            if row["Pole Number"] and row[column] not in ("", "N/A"):
                seen[row["Pole Number"], column].add(row[column])
    disagreeing = {pole for (pole, _), values in seen.items() if len(values) > 1}
    assert len(disagreeing) == 4  # the fifth disagrees about the place
    assert first_day.planted["records_disagree"] == 5


def test_the_second_day_changes_a_thousand_records_and_edits_clean_poles_by_hand(first_day: Sample) -> None:
    known = {row["Property ID"]: row for _, row in first_day.records()}
    day = first_day.second_day()
    assert 1_000 <= len(day.records) <= 1_500
    assert all(row["lst_mod_dt"] > "2025-06-29" for row in day.records.values())
    assert all(row != known.get(number) for number, row in day.records.items())
    assert any(number not in known for number in day.records)
    assert day.planted == {"edited_by_hand": len(day.edits)}
    poles = dict(first_day.poles())
    touched = {row["Pole Number"] for row in day.records.values()}
    assert {path.removeprefix("planned-poles/") for path in day.edits} <= touched & set(poles)


def test_the_command_writes_json_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str], first_day: Sample) -> None:
    assert sample.main(["--records", str(tmp_path / "r.jsonl"), "--poles", str(tmp_path / "p.jsonl")]) == 0
    assert json.loads(capsys.readouterr().out) == first_day.planted
    poles = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [(pole.pop("_id"), pole) for pole in poles] == list(first_day.poles())
    assert (tmp_path / "r.jsonl").read_bytes().count(b"\n") == 24_000
