"""Rows of a tree as reviews and reports meet them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import reviews
from penstock.core.changes import Finding
from penstock.core.lineage import lineage_of
from penstock.core.plan import Review, Row
from support.geography import PIPELINE, created, deactivated, unit, updated

NAMES = {"p": "Bagmati", "q": "Gandaki", "p.d": "Kathmandu", "p.d.t": "Budhanilkantha"}
BY_ID = {path.rpartition(".")[2]: name for path, name in NAMES.items()}


def named(path: str, name: str = "", **fields: Any) -> dict[str, Any]:
    return unit(path, names={"en": name or NAMES.get(path, path.upper())}, **fields)


def row(change: Any, *findings: Finding) -> Row:
    return Row(change, findings, lineage=lineage_of(PIPELINE.entity("units"), change, BY_ID))


def impact(change: Any, **numbers: int) -> Finding:
    table = tuple((name.replace("_", " "), "", number) for name, number in numbers.items())
    return Finding("impact", "warning", change.key, change.group, "120 members at or below it.", "Look.", table=table)


NEW = created(named("p.d.n", "New Town"))
RENAMED = updated(named("p.d.t"), names={"en": "Budhanilkantha City"})
MOVED = updated(named("p.d"), "move", path="q.d", parentId="q", landlordParent="q")
GOING = deactivated(named("p.d.g", "Old Town"))


def rows() -> tuple[Row, ...]:
    return row(MOVED, impact(MOVED, members=120, own_units=3)), row(NEW), row(RENAMED), row(GOING)


def review(**fields: Any) -> Review:
    batch = reviews.batch(id="tenant_geography.nepal.20260302t000500-k3m9aa", pipeline="tenant_geography", batch_findings=())
    given = {"batch": batch, "title": "Tenant geography", "rows": rows(), "blockers": (), "blockers_total": 0, "pages": 1}
    return replace(reviews.review(), **{**given, **fields})
