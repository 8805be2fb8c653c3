from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Any

import pytest
from penstock.core.declaration import ChangeCursor
from penstock.core.values import Timestamp
from penstock.core.watermark import Watermark, is_stamp, overlap_start

TEXT = ChangeCursor(("at",), "text", dt.timedelta(days=2))
TIMES = ChangeCursor(("at",), "timestamp", dt.timedelta(hours=6))
ZONE = zoneinfo.ZoneInfo("Africa/Johannesburg")
NOW = Timestamp.parse("2026-09-21T14:13:20Z")


@pytest.mark.parametrize(
    ("watermark", "start"),
    [
        ("2026-03-01", "2026-02-26"),  # midnight in Johannesburg, two days before, where the day begins last
        ("2026-03-01 23:59:59.9+02", "2026-02-27"),
        ("2026-03-01T13:59:59Z", "2026-02-27"),
        ("2026-03-01T11:59:59Z", "2026-02-26"),
        ("2026-03-01 at noon", "2026-02-25"),  # any moment of that day, anywhere
        ("0001-01-01", "0001-01-01"),
    ],
)
def test_of_textual_stamps_the_overlap_goes_back_to_the_day_it_may_be_in_any_zone(watermark: str, start: str) -> None:
    assert overlap_start(TEXT, watermark, ZONE) == start


def test_whoever_writes_it_a_stamp_within_the_overlap_is_in_the_window() -> None:
    for hours in range(24):
        watermark = f"2026-03-03T{hours:02d}:30:00+14:00"
        late = Timestamp.of(dt.datetime.fromisoformat(watermark)).plus(-2 * 86_400)
        for west in range(-14, 13):
            text = late.datetime().astimezone(dt.timezone(dt.timedelta(hours=-west))).isoformat()
            assert text >= overlap_start(TEXT, watermark, ZONE)


def test_of_timestamps_the_overlap_goes_back_to_the_nanosecond() -> None:
    assert overlap_start(TIMES, Timestamp(100_000, 7), ZONE) == Timestamp(100_000 - 6 * 3_600, 7)
    assert str(overlap_start(TIMES, Timestamp.parse("0001-01-01T05:00:00Z"), ZONE)) == "0001-01-01T00:00:00Z"


def seen(cursor: ChangeCursor, *stamps: Any, start: Any = None) -> Any:
    watermark = Watermark(cursor, start, NOW, ZONE)
    for stamp in stamps:
        watermark.see(stamp)
    return watermark.value


def test_the_highest_stamp_counts_in_whatever_order_they_come() -> None:
    assert seen(TEXT, "2026-01-02", "2026-03-01 10:00", "2026-01-05") == "2026-03-01 10:00"
    assert seen(TIMES, Timestamp(3), Timestamp(9), Timestamp(5)) == Timestamp(9)


def test_it_never_goes_back() -> None:
    assert seen(TEXT, "2026-01-02", start="2026-02-01") == "2026-02-01"


def test_no_stamp_from_ahead_of_the_moment_of_reading_counts() -> None:
    assert seen(TEXT, "2026-09-20", "2099-01-01") == "2026-09-20"
    assert seen(TEXT, "2026-09-21 16:13:20+02", "2026-09-21 16:13:21+02") == "2026-09-21 16:13:20+02"
    assert seen(TEXT, "2026-09-21 16:13:20", "2026-09-21 16:13:21") == "2026-09-21 16:13:20"
    assert seen(TEXT, "2026-09-20 at noon", "2026-09-21 at noon") == "2026-09-20 at noon"  # that day may not be over
    assert seen(TIMES, NOW, NOW.plus(1e-6)) == NOW


@pytest.mark.parametrize(
    "stamp",
    [None, "", "yesterday", "2026-13-01", "20260101", "2026-W01-1", 7, 20260101, ["2026-01-01"], Timestamp(1), b"2026-01-01"],
)
def test_what_is_no_day_moves_no_textual_watermark(stamp: Any) -> None:
    assert not is_stamp(TEXT, stamp)
    assert seen(TEXT, stamp, start="2026-01-01") == "2026-01-01"


@pytest.mark.parametrize("stamp", [None, "2026-01-01", 7])
def test_what_is_no_timestamp_moves_no_watermark_of_timestamps(stamp: Any) -> None:
    assert seen(TIMES, stamp, start=Timestamp(1)) == Timestamp(1)
