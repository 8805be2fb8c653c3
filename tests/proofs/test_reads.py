"""The proof of reads, smaller; and that each guard taken out turns it red."""

from __future__ import annotations

from typing import Any

import pytest
from penstock.core.certificate import Certificate
from penstock.core.records import Query, Where
from penstock.core.watermark import Watermark
from penstock.use_cases import comparing, looking

from proofs.reads import faults, histories

SEEDS = range(1, 4)


def test_nothing_is_missed_in_thousands_of_changes() -> None:
    counted, missing, reached = histories(SEEDS, 2_000)
    assert missing == []
    assert counted["changes"] >= 6_000
    assert all(reached.values()), reached


def test_a_stream_cut_anywhere_loses_no_change_deletes_nothing_and_is_told() -> None:
    struck, broken = faults("port", "", 6)
    assert struck > 50
    assert broken == []


@pytest.mark.emulator
def test_the_same_below_the_adapter(firestore_emulator: str) -> None:
    struck, broken = faults("channel", firestore_emulator, 30)
    assert struck >= 10
    assert broken == []


def window(low: Any, high: Any) -> Any:
    def of(plan: looking.Plan, watermark: Any) -> Query:
        cursor = plan.source.cursor
        start = looking.overlap_start(cursor, watermark, looking._zone(plan.source.time_zone))
        between = Where(cursor.field, low[0], low[1](start, watermark)), Where(cursor.field, high, watermark)
        return Query(plan.source.collection, between, cursor.field, plan.select)

    return of


PLANTED = {
    "the overlap window is skipped": (looking.Plan, "window", window((">=", lambda start, watermark: watermark), "<=")),
    "the watermark's own stamp is passed over": (looking.Plan, "window", window((">=", lambda start, watermark: start), "<")),
    "a clock that runs ahead moves the watermark": (
        looking,
        "Watermark",
        lambda cursor, start, at, zone: Watermark(cursor, start, at.plus(86_400), zone),
    ),
    "an older snapshot is believed": (comparing, "is_older", lambda *given: False),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_guard_taken_out_loses_changes(planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*PLANTED[planted])
    assert any(histories(range(seed, seed + 1), 2_000)[1] for seed in range(1, 9))


def test_a_certificate_that_is_always_complete_loses_changes_and_tells_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Certificate, "complete", property(lambda self: True))
    _, broken = faults("port", "", 12)
    assert any("nobody is told" in what for what in broken)
    assert any(", not r" in what for what in broken)


def test_news_that_is_not_counted_is_lost_when_the_stream_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    real = looking.Look.certify
    monkeypatch.setattr(
        looking.Look, "certify", lambda look, of, at, counted, doubtful=0: real(look, of, at, look.streamed, doubtful)
    )
    _, broken = faults("port", "", 12)
    assert any(", not r" in what for what in broken)
