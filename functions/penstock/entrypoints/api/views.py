"""From the engine's records to the models of answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from penstock.core.changes import Finding
from penstock.core.declaration import Entity
from penstock.core.layout import STAMP
from penstock.core.plan import Batch, Row
from penstock.core.records import Snapshot
from penstock.core.reversal import FieldState, Reversal
from penstock.core.tree import place_of
from penstock.core.values import FieldPath, Timestamp, Value, dotted, dumps, get_in
from penstock.entrypoints.api import models
from penstock.web.report import impact_of


def moment(when: Timestamp | None) -> str | None:
    return str(when) if when else None


def plain(value: Value) -> Any:
    """A value as JSON; what JSON has no type for is a tagged object."""
    return json.loads(dumps(value))


def external(key: str) -> str:
    """The id by which people name a record, out of the key of its change."""
    return key.partition("/")[2]


def batch_line(batch: Batch) -> models.BatchLine:
    return models.BatchLine(
        batch=batch.id,
        kind=batch.kind,
        status=batch.status.value,
        created_at=moment(batch.created_at),
        started_by=batch.started_by,
        opened_at=moment(batch.opened_at),
        expires_at=moment(batch.expires_at),
        decided_at=moment(batch.decided_at),
        finished_at=moment(batch.finished_at),
        changes=batch.total,
        approved=batch.approved,
        rejected=batch.rejected,
        applied=batch.applied,
        drifted=batch.drifted,
        error=batch.error,
    )


def finding(found: Finding) -> models.FindingView:
    return models.FindingView(
        rule=found.rule,
        severity=found.severity,
        external_id=external(found.key),
        field=found.field,
        text=found.text,
        remedy=found.remedy,
        table=found.table,
    )


def shown_impact(row: Row) -> dict[str, int] | None:
    """The numbers that the check of a batch found."""
    return impact_of(row) or None


def change(row: Row) -> models.ChangeView:
    of, place = row.change, place_of(row.change)
    return models.ChangeView(
        external_id=external(of.key),
        entity=of.entity,
        id=of.path.rpartition("/")[2],
        action=of.action.value,
        status=row.status.value,
        level=place.level if place else None,
        step=place.step if place else None,
        parent=place.parent if place else None,
        path=place.path if place else None,
        fields=tuple(models.FieldView(field=dotted(d.path), before=plain(d.before), after=plain(d.after)) for d in of.diff),
        findings=tuple(map(finding, row.findings)),
        impact=shown_impact(row),
    )


def decisions(batch: Batch) -> tuple[models.DecisionView, ...]:
    return tuple(
        models.DecisionView(
            by=d.by,
            at=moment(d.at),
            verdict=d.verdict,
            groups=dict(d.groups),
            changes=dict(d.changes),
            choices=dict(d.choices),
            reason=d.note,
        )
        for d in batch.decisions
    )


def record(entity: Entity, document: Snapshot) -> models.RecordView:
    """What the pipeline writes of a document, and no field that others keep there."""
    written: list[FieldPath] = [f.target for f in entity.fields]
    if entity.deactivate:
        written.append(entity.deactivate.field)
    if entity.tree:
        written += [entity.tree.parent, entity.tree.path, entity.tree.own[0]]
    named = {dotted(path): get_in(document.fields, path) for path in (*written, (STAMP,))}
    fields = {name: plain(value) for name, value in named.items() if value is not None}
    return models.RecordView(id=document.id, fields=fields)


def preview(reversal: Reversal, stands: Mapping[str, int]) -> models.PreviewRecord:
    undone = reversal.undone
    return models.PreviewRecord(
        external_id=external(undone.key),
        id=undone.path.rpartition("/")[2],
        action=reversal.change.action.value if reversal.change else "NONE",
        why=reversal.why,
        later=reversal.later,
        fields=tuple(map(_preview_field, reversal.fields)),
        others=reversal.others,
        impact=dict(stands),
    )


def _preview_field(state: FieldState) -> models.PreviewField:
    return models.PreviewField(
        field=dotted(state.path),
        now=plain(state.now),
        promoted=plain(state.promoted),
        before=plain(state.before),
        would_be=plain(state.before if state.taken else state.now),
        edited=state.edited,
    )
