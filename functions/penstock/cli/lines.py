"""From the engine's records to the lines of an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict

from penstock.cli.answers import batches as answers
from penstock.cli.answers.proving import StepLine
from penstock.core.chain import Step
from penstock.core.changes import Finding
from penstock.core.cost import PHASES, Cost, money, total
from penstock.core.plan import Batch, Row, Tally
from penstock.core.values import Timestamp, Value, dotted, dumps

STAMPED = ("changed_by", "changed_at")  # of a declaration, which its entry says too


def moment(when: Timestamp | None) -> str:
    return str(when) if when else ""


def batch_line(batch: Batch) -> answers.BatchLine:
    findings: Counter[str] = Counter()
    for of_rule in batch.findings.values():
        findings.update(of_rule)
    return answers.BatchLine(
        batch=batch.id,
        target=batch.target,
        kind=batch.kind,
        status=batch.status.value,
        created_at=moment(batch.created_at),
        started_by=batch.started_by,
        finished_at=moment(batch.finished_at),
        changes=batch.total,
        findings=dict(findings),
        approved=batch.approved,
        rejected=batch.rejected,
        applied=batch.applied,
        drifted=batch.drifted,
        error=batch.error,
    )


def tallies(by_entity: Mapping[str, Tally]) -> tuple[answers.EntityTally, ...]:
    return tuple(
        answers.EntityTally(
            name, t.read, t.gone, t.created, t.updated, t.deleted, t.unchanged, t.declined, t.held, t.merged, dict(t.skipped)
        )
        for name, t in by_entity.items()
    )


def finding_line(found: Finding) -> answers.FindingLine:
    return answers.FindingLine(found.rule, found.severity, found.key, found.field, found.text, found.remedy, found.table)


def change_line(row: Row) -> answers.ChangeLine:
    change = row.change
    return answers.ChangeLine(
        key=change.key,
        entity=change.entity,
        group=change.group,
        path=change.path,
        action=change.action.value,
        status=row.status.value,
        diff=tuple(answers.FieldChange(dotted(d.path), d.before, d.after) for d in change.diff),
        findings=tuple(map(finding_line, row.findings)),
        note=row.note,
    )


def shown(batch: Batch, rows: tuple[Row, ...], page: int, pages: int, steps: tuple[str, ...]) -> answers.Shown:
    return answers.Shown(
        batch=batch_line(batch),
        digest=batch.digest,
        read_time=moment(batch.read_time),
        expires_at=moment(batch.expires_at),
        counts=dict(batch.counts),
        tallies=tallies(batch.tallies),
        findings=batch.findings,
        batch_findings=tuple(map(finding_line, batch.batch_findings)),
        approvals=batch.approvals,
        decisions=tuple(
            answers.DecisionLine(d.by, moment(d.at), d.verdict, dict(d.groups), dict(d.changes), d.note, dict(d.choices))
            for d in batch.decisions
        ),
        verified=batch.verified,
        mismatched=batch.mismatched,
        edited_since=batch.edited_since,
        supersedes=batch.supersedes,
        superseded_by=batch.superseded_by,
        rolls_back=batch.rolls_back,
        follows=batch.follows,
        reports=batch.reports,
        notes=batch.notes,
        page=page,
        pages=pages,
        changes=tuple(map(change_line, rows)),
        next_steps=steps,
        bill=tuple(
            answers.PhaseLine(phase, _counts(batch.foreseen.get(phase)), _counts(batch.costs.get(phase)))
            for phase in PHASES
            if phase in batch.foreseen or phase in batch.costs
        ),
        usd={
            "foreseen": round(money(total(batch.foreseen.values()), batch.prices), 6),
            "metered": round(money(total(batch.costs.values()), batch.prices), 6),
        },
    )


def _counts(cost: Cost | None) -> dict[str, int] | None:
    return asdict(cost) if cost is not None else None


def steps_of(batch: Batch) -> tuple[str, ...]:
    """What makes sense next with a batch, by where it stands."""
    id = batch.id
    if batch.kind == "hold":
        return _steps_of_hold(batch)
    match batch.status.value:
        case "UNDER_REVIEW":
            return (f"penstock show {id} --findings", f"penstock decide {id} approve", f"penstock decide {id} reject")
        case "STAGED" | "CHECKING":
            return (f"penstock show {id}", "penstock sweep")
        case "APPROVED" | "APPLYING":
            return (f"penstock promote {id}",)
        case "APPLIED" | "PARTIALLY_APPLIED":
            return (f"penstock readback {id} --all", f"penstock rollback {id}")
        case "FAILED":
            return (f"penstock retry {id}",)
        case "SUPERSEDED" if batch.superseded_by:
            return (f"penstock show {batch.superseded_by}",)
        case "ROLLED_BACK" | "REJECTED" | "EXPIRED" | "SUPERSEDED":
            return (f"penstock run {batch.pipeline} --target {batch.target}",)
        case _:
            return (f"penstock show {id}",)


def _steps_of_hold(batch: Batch) -> tuple[str, ...]:
    match batch.status.value:
        case "UNDER_REVIEW":
            return (f"penstock decide {batch.id} approve --rule brake=approve", f"penstock decide {batch.id} reject")
        case "STAGED":
            return ("penstock sweep",)
        case "SUPERSEDED" if batch.superseded_by:
            return (f"penstock show {batch.superseded_by}",)
        case _:
            return (f"penstock run {batch.pipeline} --target {batch.target}",)


def step_line(chain: str, step: Step) -> StepLine:
    before, after = (step.detail.get(name) or {} for name in ("before", "after"))
    what = step.what
    if isinstance(before, list | tuple) or isinstance(after, list | tuple):
        what += f": {_short(before)} → {_short(after)}"
    elif isinstance(before, dict) and isinstance(after, dict) and after:
        names = [name for name in {**before, **after} if name not in STAMPED and before.get(name) != after.get(name)]
        what += "".join(f"; {name}: {_short(before.get(name))} → {_short(after.get(name))}" for name in names)
    return StepLine(chain, step.entry, moment(step.at), step.who, what)


def _short(value: Value) -> str:
    return "nothing" if value in (None, [], {}, ()) else dumps(value)[:100]
