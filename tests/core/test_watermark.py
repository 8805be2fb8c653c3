from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from penstock.core.declaration import ChangeCursor
from penstock.core.values import Timestamp
from penstock.core.watermark import Watermark, is_stamp, overlap_start

TEXT = ChangeCursor(("at",), "text", dt.timedelta(days=2))
TIMES = ChangeCursor(("at",), "timestamp", dt.timedelta(hours=6))
NOW = Timestamp.parse("2026-09-21T14:13:20Z")


@pytest.mark.parametrize(
    ("watermark", "start"),
    [("2026-03-01", "2026-02-27"), ("2026-03-01 23:59:59.9+02", "2026-02-27"), ("2026-01-01T00:00:00Z", "2025-12-30")],
)
def test_of_textual_stamps_the_overlap_goes_back_whole_days(watermark: str, start: str) -> None:
    assert overlap_start(TEXT, watermark) == start


def test_of_timestamps_the_overlap_goes_back_to_the_nanosecond() -> None:
    assert overlap_start(TIMES, Timestamp(100_000, 7)) == Timestamp(100_000 - 6 * 3_600, 7)


def seen(cursor: ChangeCursor, *stamps: Any, start: Any = None) -> Any:
    watermark = Watermark(cursor, start, NOW)
    for stamp in stamps:
        watermark.see(stamp)
    return watermark.value


def test_the_highest_stamp_counts_in_whatever_order_they_come() -> None:
    assert seen(TEXT, "2026-01-02", "2026-03-01 10:00", "2026-01-05") == "2026-03-01 10:00"
    assert seen(TIMES, Timestamp(3), Timestamp(9), Timestamp(5)) == Timestamp(9)


def test_it_never_goes_back() -> None:
    assert seen(TEXT, "2026-01-02", start="2026-02-01") == "2026-02-01"


def test_a_stamp_more_than_a_day_ahead_is_a_wrong_clock() -> None:
    assert seen(TEXT, "2026-09-20", "2099-01-01") == "2026-09-20"
    assert seen(TEXT, "2026-09-22 23:59+02") == "2026-09-22 23:59+02"
    assert seen(TEXT, "2026-09-23") is None
    assert seen(TIMES, NOW.plus(86_400), NOW.plus(86_401)) == NOW.plus(86_400)


@pytest.mark.parametrize("stamp", [None, "", "yesterday", "2026-13-01", 7, 20260101, ["2026-01-01"], Timestamp(1), b"2026-01-01"])
def test_what_is_no_day_moves_no_textual_watermark(stamp: Any) -> None:
    assert not is_stamp(TEXT, stamp)
    assert seen(TEXT, stamp, start="2026-01-01") == "2026-01-01"


@pytest.mark.parametrize("stamp", [None, "2026-01-01", 7])
def test_what_is_no_timestamp_moves_no_watermark_of_timestamps(stamp: Any) -> None:
    assert seen(TIMES, stamp, start=Timestamp(1)) == Timestamp(1)
