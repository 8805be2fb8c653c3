"""Batches of fibre poles and drops as reviews and reports meet them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from penstock.core.batch import Status
from penstock.core.changes import Action, Change, ChangeStatus, FieldDiff, Finding
from penstock.core.cost import Cost
from penstock.core.plan import Batch, Decision, Review, Row, Tally
from penstock.core.values import Data, Timestamp, dumps

NOW = Timestamp.parse("2026-03-02T00:05:00Z")
UPDATED = Timestamp.parse("2026-03-01T08:00:00.123456Z")


def pole(number: int, **fields: Any) -> Data:
    return {
        "poleNumber": f"LAW.P.A{number:03d}",
        "location": {"latitude": -26.3841 + number % 73 * 0.00031, "longitude": 27.8083 + number % 91 * 0.00037},
        "address": f"{number} Lawley Street, Lawley",
        "ponNumber": str(40 + number % 12),
        "zoneNumber": str(1 + number % 4),
        "projectName": "Lawley",
        "importStatus": ("Pole Permission: Approved", "Home Sign Ups: Approved", "Installation: In Progress")[number % 3],
        **fields,
    }


def diff(before: Data, after: Data) -> tuple[FieldDiff, ...]:
    """Every field that differs, maps one level down."""

    def flat(data: Data) -> dict[tuple[str, ...], Any]:
        found: dict[tuple[str, ...], Any] = {}
        for name, value in data.items():
            if isinstance(value, dict):
                found.update({(name, inner): v for inner, v in value.items()})
            else:
                found[(name,)] = value
        return found

    old, new = flat(before), flat(after)
    return tuple(
        FieldDiff(path, old.get(path), new.get(path)) for path in {**old, **new} if dumps(old.get(path)) != dumps(new.get(path))
    )


def created(number: int, **fields: Any) -> Change:
    after = pole(number, **fields)
    return Change(
        f"poles/{after['poleNumber']}",
        "poles",
        after["poleNumber"],
        f"planned-poles/{after['poleNumber']}",
        Action.CREATE,
        None,
        None,
        after,
        diff({}, after),
        f"{number:016x}",
    )


def updated(number: int, before: dict[str, Any] | None = None, **after: Any) -> Change:
    was = pole(number, **(before or {}))
    return Change(
        f"poles/{was['poleNumber']}",
        "poles",
        was["poleNumber"],
        f"planned-poles/{was['poleNumber']}",
        Action.UPDATE,
        was,
        UPDATED,
        after,
        diff({k: was.get(k) for k in after}, after),
        f"{number:016x}",
    )


def deleted(number: int) -> Change:
    was = pole(number)
    return Change(
        f"poles/{was['poleNumber']}",
        "poles",
        was["poleNumber"],
        f"planned-poles/{was['poleNumber']}",
        Action.DELETE,
        was,
        UPDATED,
        None,
        diff(was, {}),
        f"{number:016x}",
    )


def moved(number: int) -> Row:
    place = {"latitude": -26.3800 - number * 0.00001, "longitude": 27.8120}
    change = updated(number, location=place)
    return Row(
        change,
        (
            finding(
                change, "moved", "blocker", "Production has the pole 184 m from where OneMap has it now.", "location.latitude"
            ),
        ),
    )


def finding(change: Change, rule: str, severity: Any, text: str, field: str = "") -> Finding:
    return Finding(
        rule,
        severity,
        change.key,
        change.group,
        text,
        "Use the source if the pole was moved in the field; otherwise keep production.",
        field,
    )


MASS = Finding(
    "mass_change",
    "warning",
    "",
    "",
    "ponNumber changes in 843 of 1,204 records: 12 old values become 12 new ones.",
    "Approve if the PONs were recoded; otherwise keep production's.",
    "ponNumber",
    tuple((str(40 + n), str(140 + n), 843 // 12 + (n < 3)) for n in range(12)),
)


def batch(**fields: Any) -> Batch:
    given: dict[str, Any] = {
        "id": "fibre-20260302-k3m9",
        "pipeline": "fibre_network",
        "target": "fibreflow",
        "kind": "sync",
        "status": Status.UNDER_REVIEW,
        "read_time": NOW,
        "created_at": NOW,
        "started_by": "schedule",
        "packs": 6,
        "tallies": {
            "poles": Tally(
                read=5_287,
                created=212,
                updated=843,
                deleted=0,
                unchanged=4_012,
                declined=8,
                held=3,
                merged=0,
                skipped={"no pole number": 174, "status blank": 35},
            ),
            "drops": Tally(
                read=9_904, created=149, updated=0, deleted=0, unchanged=6_105, merged=2_400, skipped={"no drop allocated": 1_250}
            ),
        },
        "counts": {"poles CREATE": 212, "poles UPDATE": 843, "drops CREATE": 149},
        "digest": "9f3c1ab2e07745d1",
        "findings": {
            "moved": {"blocker": 8, "warning": 21},
            "too_many_drops": {"blocker": 4, "warning": 11},
            "status_backwards": {"warning": 19, "notice": 3},
        },
        "batch_findings": (MASS,),
        "folded": ("ponNumber",),
        "production_before": {"planned-poles": 5_075, "drops": 6_254},
        "opened_at": NOW.plus(180),
        "expires_at": NOW.plus(7 * 86_400),
        "costs": {"capture": Cost(2_318, 12), "check": Cost(410, 6, 0, 6)},
        "foreseen": {"capture": Cost(2_320, 12), "check": Cost(402, 6, 0, 6), "promote": Cost(24, 5_301, 2, 6)},
        "notes": ("Complete: 15,191 records counted and streamed at one moment.",),
    }
    return Batch(**{**given, **fields})


def rows(count: int, status: ChangeStatus = ChangeStatus.PENDING) -> Iterator[Row]:
    """An everyday mixture: a fifth new, one in fifty moved, the others with another status."""
    for number in range(count):
        if number % 5 == 0:
            yield Row(created(number), status=status)
        elif number % 50 == 1:
            yield replace(moved(number), status=status)
        else:
            change = updated(number, importStatus="Installation: Complete", ponNumber=str(140 + number % 12))
            yield Row(change._replace(facts={"statuses": ["Pole Permission: Approved", "Installation: Complete"]}), status=status)


def blockers() -> tuple[Row, ...]:
    drops = created(901)
    crowded = Row(drops, (finding(drops, "too_many_drops", "blocker", "14 drops would hang on this pole; 12 is the most."),))
    both = moved(7)
    both = replace(
        both,
        findings=(
            *both.findings,
            finding(both.change, "too_many_drops", "blocker", "13 drops would hang on this pole; 12 is the most."),
        ),
    )
    return (moved(3), moved(5), both, crowded)


def review(**fields: Any) -> Review:
    given: dict[str, Any] = {
        "batch": batch(),
        "title": "Fibre network",
        "rows": (*blockers()[:1], *(row for row in rows(54) if not row.findings)),
        "page": 1,
        "pages": 25,
        "blockers": blockers(),
        "blockers_total": 12,
        "recipient": "thandi@example.com",
        "open": True,
        "nonce": "n0nce",
    }
    return Review(**{**given, **fields})


def decided(status: Status = Status.PARTIALLY_APPLIED, **fields: Any) -> Batch:
    decision = Decision(
        "thandi@example.com",
        NOW.plus(18_300),
        "9f3c1ab2e07745d1",
        "approve",
        {"rule:moved": "reject", "mass:ponNumber": "approve"},
        {"poles/LAW.P.A007": "approve"},
        "Checked with the field team.\nA007 really was moved.",
    )
    given: dict[str, Any] = {
        "status": status,
        "decisions": (decision,),
        "approved": 1_196,
        "rejected": 8,
        "applied": 1_194,
        "drifted": 2,
        "verified": 24,
        "production_after": {"planned-poles": 5_286, "drops": 6_403},
        "decided_at": NOW.plus(18_300),
        "finished_at": NOW.plus(18_342),
        "reports": {
            "pre-sync.html": "https://storage.cloud.google.com/b/reports/pre-sync.html",
            "post-sync.html": "https://storage.cloud.google.com/b/reports/post-sync.html",
        },
    }
    return batch(**{**given, **fields})
