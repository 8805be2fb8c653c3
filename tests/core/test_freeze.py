from __future__ import annotations

import datetime as dt

import pytest
from penstock.core.declaration import Freeze
from penstock.core.freeze import frozen_until
from penstock.core.values import Timestamp

ZONE = "Africa/Johannesburg"  # two hours ahead, all year
WINTER = Freeze(dt.date(2026, 12, 15), dt.date(2027, 1, 5))
FRIDAYS = Freeze(days=frozenset({4}), begins=16 * 60)
WEEKEND = Freeze(days=frozenset({5, 6}))
OFFICE = Freeze(begins=8 * 60, ends=17 * 60)


def until(text: str, *freezes: Freeze, zone: str = ZONE) -> str:
    at = Timestamp(int(dt.datetime.fromisoformat(text + "+00:00").timestamp()))
    found = frozen_until(freezes, zone, at)
    return found.isoformat()[:16] if found else ""


@pytest.mark.parametrize(
    ("utc", "freezes", "ends"),
    [
        ("2026-12-14T21:59", [WINTER], ""),
        ("2026-12-14T22:00", [WINTER], "2027-01-06T00:00"),  # midnight in Johannesburg
        ("2027-01-05T21:59", [WINTER], "2027-01-06T00:00"),
        ("2027-01-05T22:00", [WINTER], ""),
        ("2026-11-20T13:59", [FRIDAYS, WEEKEND], ""),
        ("2026-11-20T14:00", [FRIDAYS, WEEKEND], "2026-11-23T00:00"),  # windows that meet are one
        ("2026-11-20T14:00", [FRIDAYS], "2026-11-21T00:00"),
        ("2026-11-19T06:00", [OFFICE], "2026-11-19T17:00"),
        ("2026-11-19T15:00", [OFFICE], ""),
        ("2026-11-19T06:00", [], ""),
    ],
)
def test_a_freeze_holds_from_its_first_minute_to_its_last_in_the_pipelines_time_zone(
    utc: str, freezes: list[Freeze], ends: str
) -> None:
    assert until(utc, *freezes) == ends


def test_a_freeze_goes_by_the_clock_on_the_wall_when_the_clocks_change() -> None:
    night = Freeze(begins=60, ends=3 * 60)  # 01:00 to 03:00; at 02:00 the clocks go to 03:00
    assert until("2026-03-29T00:30", night, zone="Europe/Berlin") == "2026-03-29T03:00"
    assert until("2026-03-29T01:00", night, zone="Europe/Berlin") == ""
    back = Freeze(begins=2 * 60, ends=3 * 60)  # at 03:00 the clocks go back to 02:00: the hour is there twice
    assert until("2026-10-25T00:30", back, zone="Europe/Berlin") == "2026-10-25T03:00"
    assert until("2026-10-25T01:30", back, zone="Europe/Berlin") == "2026-10-25T03:00"


def test_a_freeze_without_an_end_is_told_and_does_not_go_on_for_ever() -> None:
    assert until("2026-11-19T06:00", Freeze(begins=0)).startswith("2029-11")
