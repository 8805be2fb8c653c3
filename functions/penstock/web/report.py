"""A report's files from one pass over the rows: CSV and JSON take every row, the picture page keeps what it shows.

CSV: one line a change, `COLUMNS`; UTF-8 with a byte order mark (spreadsheets ask for it), commas, CRLF.

JSON, schema `penstock.report.v1`: `kind`, `title`, `batch`, `pipeline`, `target`, `batch_kind`, `status`, `digest`,
`started_by`, `recommendation`; `times` (RFC 3339 or null); `numbers`; `counts` (`entity ACTION` → changes); `tallies` by
entity, each with `skipped` by reason and `closes`; `production_before` and `production_after` (collection → documents);
`findings` (rule → severity → how many); `batch_findings`; `decisions`; `bill`, `foreseen` and `metered`, each with `usd` and
`phases` (phase → billed reads, writes and deletes, and messages); `certificates` of the sources, each with `of`,
`counted` and `streamed` documents, `complete` and `why`; `notes`; and `changes`: `key`, `entity`, `group`, `action`, `status`,
`document`, `diff` (`field`, `before`, `after`, `passive`), `findings` (`rule`, `severity`, `field`, `text`, `remedy`,
`table`), `note`, and of a unit of a tree `place`: `step`, `level`, `before` and `after` (`id` of the document, `name`, and those
`above` it from the root down; null where it was not) and `impact` (name → how many). Values
are in the exact text form of `core.values`. Fields may be added to a version, never changed or taken away."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from penstock.core.certificate import Certificate
from penstock.core.changes import Change, Finding
from penstock.core.cost import Cost, money, total
from penstock.core.errors import InvalidInput
from penstock.core.lineage import Lineage, Unit
from penstock.core.plan import Batch, Decision, Row
from penstock.core.rules import impact
from penstock.core.values import dotted, dumps
from penstock.web import hierarchy, summary
from penstock.web.report_page import Gathered, report_page
from penstock.web.text import plain, visible

KINDS = {"pre-sync": "before the sync", "post-sync": "after the sync", "rollback": "after the rollback"}
SCHEMA = "penstock.report.v1"
COLUMNS = (
    "key", "entity", "group", "action", "status", "document", "changed", "findings", "note", "level", "path", "impact",
)  # fmt: skip

# A spreadsheet runs what begins with one of these, and a file opened with another separator begins cells elsewhere, so
# what follows a separator or a quote counts as a beginning too. A negative number that stands alone is left a number.
_SEPARATOR, _ACTS = r"""[,;|\t\r\n"']\s*+""", r"[=+\-@＝＋－＠]"
_NUMBER = r"-\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\]*\s*(?:[,;\t\r\n]|$)"
_FORMULA = re.compile(rf"({_SEPARATOR})(?!{_NUMBER})(?={_ACTS})")
_BEGINS = re.compile(_SEPARATOR + _ACTS)  # to look for that first takes a third of the time
_LEADING = ("\t", "\r", "\n")


def report_files(kind: str, title: str, batch: Batch, rows: Iterable[Row]) -> dict[str, bytes]:
    """The files `html`, `csv` and `json` of one batch. `rows` is read once; memory grows by the two files' bytes alone."""
    if kind not in KINDS:
        raise InvalidInput("is no kind of report", subject=kind, remedy=f"Kinds: {', '.join(KINDS)}.")
    gathered = Gathered()
    table, listed = io.BytesIO(), io.BytesIO()
    table.write(b"\xef\xbb\xbf")
    lines = io.TextIOWrapper(table, "utf-8", errors="replace", newline="")
    writer = csv.writer(lines)
    writer.writerow(COLUMNS)
    listed.write(dumps(_head(kind, title, batch))[:-1].encode(errors="replace") + b',"changes":[')
    for row in rows:
        listed.write(b",\n" if gathered.rows else b"\n")
        gathered.add(row)
        writer.writerow(_cells(row))
        listed.write(dumps(_entry(row)).encode(errors="replace"))
    listed.write(b"]}\n")
    lines.flush()
    return {"html": report_page(kind, title, batch, gathered).encode(), "csv": table.getvalue(), "json": listed.getvalue()}


def cell(text: str) -> str:
    """The text as a spreadsheet cell that is never taken for a formula."""
    text = text.replace("\x00", "␀")
    if _BEGINS.search(f",{text}"):  # behind a comma, as in the file
        text = _FORMULA.sub(r"\1'", f",{text}")[1:]
    return f"'{text}" if text.startswith(_LEADING) else text


def _cells(row: Row) -> tuple[str, ...]:
    change = row.change
    return (
        cell(change.key),
        cell(change.entity),
        cell(change.group),
        change.action.value,
        row.status.value,
        cell(change.path),
        cell("; ".join([f"{dotted(path)}: {plain(before)} → {plain(after)}" for path, before, after, _ in change.diff])),
        cell("; ".join([f"{f.severity} {f.rule}: {f.text}" for f in row.findings])) if row.findings else "",
        cell(row.note) if row.note else "",
        *_place_cells(row),
    )


def _place_cells(row: Row) -> tuple[str, str, str]:
    """Of a unit of a tree: its level, the names from the root down to itself, and what it touches."""
    of = row.lineage
    if of is None:
        return "", "", ""
    path = hierarchy.way((*of.above, of.unit))
    touched = "; ".join(f"{name}: {number}" for name, number in impact_of(row).items()) if row.findings else ""
    return str(of.level), cell(path), touched


def impact_of(row: Row) -> dict[str, int]:
    """What hangs on a record, by name, as it was counted for the review."""
    return {name: number for found in row.findings if found.rule == impact.NAME for name, _, number in found.table}


def _entry(row: Row) -> dict[str, Any]:
    change: Change = row.change
    return {
        "key": change.key,
        "entity": change.entity,
        "group": change.group,
        "action": change.action.value,
        "status": row.status.value,
        "document": change.path,
        "diff": [
            {"field": dotted(path), "before": before, "after": after, "passive": passive}
            for path, before, after, passive in change.diff
        ],
        "findings": [_finding(f) for f in row.findings],
        "note": row.note,
        **({"place": _place(row, of)} if (of := row.lineage) else {}),
    }


def _place(row: Row, of: Lineage) -> dict[str, Any]:
    def units(above: Iterable[Unit]) -> list[dict[str, str]]:
        return [{"id": unit.id, "name": unit.name} for unit in above]

    before = None if of.was is None else {"id": of.was.id, "name": of.was.name, "above": units(of.was_above)}
    after = {"id": of.unit.id, "name": of.unit.name, "above": units(of.above)}
    return {"step": of.step, "level": of.level, "before": before, "after": after, "impact": impact_of(row)}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "field": finding.field,
        "text": finding.text,
        "remedy": finding.remedy,
        "table": [list(line) for line in finding.table],
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "by": decision.by,
        "at": str(decision.at),
        "verdict": decision.verdict,
        "groups": dict(decision.groups),
        "changes": dict(decision.changes),
        "choices": dict(decision.choices),
        "note": decision.note,
    }


def _head(kind: str, title: str, batch: Batch) -> dict[str, Any]:
    moments = ("read_time", "created_at", "opened_at", "decided_at", "finished_at", "expires_at")
    numbers = ("total", "approved", "rejected", "applied", "drifted", "verified", "mismatched", "edited_since")
    return {
        "schema": SCHEMA,
        "kind": kind,
        "title": title,
        "batch": batch.id,
        "pipeline": batch.pipeline,
        "target": batch.target,
        "batch_kind": batch.kind,
        "status": batch.status.value,
        "digest": batch.digest,
        "started_by": batch.started_by,
        "times": {name: str(at) if (at := getattr(batch, name)) else None for name in moments},
        "numbers": {name: getattr(batch, name) for name in numbers},
        "counts": dict(batch.counts),
        "tallies": {entity: _tally(tally) for entity, tally in batch.tallies.items()},
        "production_before": dict(batch.production_before),
        "production_after": dict(batch.production_after),
        "findings": {rule: dict(by) for rule, by in batch.findings.items()},
        "batch_findings": [_finding(f) for f in batch.batch_findings],
        "decisions": [_decision(d) for d in batch.decisions],
        "bill": _bill(batch),
        "certificates": [_certificate(c) for c in batch.certificates],
        "notes": [visible(note, lines=True) for note in batch.notes],
        "recommendation": summary.recommendation(batch),
    }


def _bill(batch: Batch) -> dict[str, Any]:
    def told(costs: Mapping[str, Cost]) -> dict[str, Any]:
        usd = money(total(costs.values()), batch.prices)
        return {"phases": {phase: asdict(cost) for phase, cost in costs.items()}, "usd": round(usd, 6)}

    return {"foreseen": told(batch.foreseen), "metered": told(batch.costs)}


def _certificate(c: Certificate) -> dict[str, Any]:
    read = {"source": c.source, "at": str(c.at), "of": c.of, "counted": c.counted, "streamed": c.streamed}
    return {**read, "complete": c.complete, "why": visible(c.why)}


def _tally(tally: Any) -> dict[str, Any]:
    names = ("read", "gone", "created", "updated", "deleted", "unchanged", "declined", "held", "merged")
    return {**{name: getattr(tally, name) for name in names}, "skipped": dict(tally.skipped), "closes": tally.closes}
