"""`penstock batches` and `show`: what is proposed."""

from __future__ import annotations

import click

from penstock.cli import output
from penstock.cli.answers import batches as answers
from penstock.cli.app import App, pass_app
from penstock.cli.command import Command
from penstock.cli.lines import batch_line, shown, steps_of
from penstock.core.batch import Status
from penstock.core.errors import InvalidInput
from penstock.core.plan import Row
from penstock.use_cases import listing
from penstock.use_cases.context import load_batch
from penstock.use_cases.reviewing import find_row, review
from penstock.web.summary import billed, priced, sentence
from penstock.web.text import plain

SHORT = 60  # characters of a value in a table


@click.command(cls=Command)
@click.option("--target", metavar="T", help="Of one target; of all otherwise.")
@click.option("--status", type=click.Choice([s.value for s in Status], case_sensitive=False), help="In this status alone.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="So many, the newest.")
@pass_app
def batches(app: App, target: str | None, status: str | None, limit: int) -> None:
    """List batches, the newest first."""
    wanted = Status(status.upper()) if status else None
    contexts = [app.find_target(target)] if target else app.all_targets()
    lists = app.contexts.ports.each(lambda ctx: listing.batches(ctx, wanted, limit), contexts)
    found = sorted((batch for some in lists for batch in some), key=lambda b: b.created_at, reverse=True)[:limit]
    answer = answers.Batches(tuple(map(batch_line, found)), steps_of(found[0]) if found else ("penstock pipelines list",))

    def people() -> None:
        if not found:
            output.say("There is no such batch." if status or target else "There is no batch yet.")
            return
        rows = [
            (b.id, b.kind, b.status.value, str(b.created_at)[:19], b.total, b.applied, b.drifted, b.started_by) for b in found
        ]
        output.table(("batch", "kind", "status", "created (UTC)", "changes", "applied", "drifted", "by"), rows)

    app.answer(answer, people)


@click.command(cls=Command)
@click.argument("batch")
@click.option("--change", "key", metavar="KEY", help="One change with all its fields.")
@click.option("--findings", is_flag=True, help="Only the changes about which something was found.")
@click.option("--page", type=click.IntRange(1), default=1, show_default=True, help="Fifty changes a page.")
@pass_app
def show(app: App, batch: str, key: str | None, findings: bool, page: int) -> None:
    """Show BATCH: what it would change, what was found about it, and what became of it."""
    ctx = app.contexts.of_batch(batch)
    held = load_batch(ctx, batch).batch
    more = ""
    if key:
        rows: tuple[Row, ...] = (find_row(ctx, held, key),)
        pages = 1
    elif findings:
        found, follows = listing.rows_with_findings(ctx, held, page)
        rows, pages, more = tuple(found), 0 if follows else page, " --findings"
    else:
        seen = review(ctx, held, "", page)
        rows, pages = seen.rows, seen.pages
        if page > pages:
            raise InvalidInput(f"has {pages} pages", subject=batch, remedy=f"Ask for a page up to {pages}.")
    steps = steps_of(held)
    if not key and (page < pages or pages == 0):
        steps = (f"penstock show {batch}{more} --page {page + 1}", *steps)
    answer = shown(held, rows, page, pages, steps)

    def people() -> None:
        output.say(f"{held.id}  {held.status}  {sentence(held)}")
        _head(answer)
        if held.foreseen or held.costs:
            output.say(f"  bill: {billed(held)}; {priced(held)}")
        if key:
            _fields(answer.changes[0])
        elif answer.changes:
            of = "" if pages in (0, 1) else f" of {pages}"
            output.table(("change", "action", "status", "fields", "found"), [_row(c) for c in answer.changes], f"Page {page}{of}")
        elif findings:
            output.say("\nNothing was found about any single change.")

    app.answer(answer, people)


def _head(a: answers.Shown) -> None:
    facts = {
        "read at": a.read_time, "started by": a.batch.started_by, "expires": a.expires_at if not a.decisions else "",
        "supersedes": a.supersedes, "superseded by": a.superseded_by, "rolls back": a.rolls_back, "follows": a.follows,
        "error": a.batch.error,
    }  # fmt: skip
    for name, text in facts.items():
        if text:
            output.say(f"  {name}: {text}")
    for note in a.notes:
        output.say(f"  {note}")
    for d in a.decisions:
        words = ", ".join(f"{label}={said}" for label, said in (*d.groups.items(), *{**d.changes, **d.choices}.items()))
        output.say(f"  {d.verdict} by {d.by} at {d.at}" + (f" ({words})" if words else "") + (f": {d.note}" if d.note else ""))
    if a.batch.finished_at:
        b = a.batch
        output.say(f"  {b.applied:,} applied, {b.rejected:,} rejected, {b.drifted:,} drifted; {a.verified:,} read back and equal,"
                   f" {a.edited_since:,} edited since, {a.mismatched:,} different")  # fmt: skip
    for name, where in sorted(a.reports.items()):
        output.say(f"  {name}: {where}")
    if a.findings:
        rows = [(rule, *(by.get(s, 0) for s in ("blocker", "warning", "notice"))) for rule, by in sorted(a.findings.items())]
        output.table(("found by", "blockers", "warnings", "notices"), rows, "Findings")
    for f in a.batch_findings:
        if not f.key:
            output.say(f"  {f.severity}, {f.rule}: {f.text} {f.remedy}")


def _row(c: answers.ChangeLine) -> tuple[str, str, str, str, str]:
    fields = f"{len(c.diff)} new fields" if c.action == "CREATE" else "; ".join(_arrow(d, SHORT) for d in c.diff)
    return c.key, c.action, c.status, _cut(fields, 3 * SHORT), "; ".join(f"{f.severity} {f.rule}" for f in c.findings)


def _fields(c: answers.ChangeLine) -> None:
    output.say(f"\n{c.key}  {c.action}  {c.status}\n  document: {c.path}\n  group: {c.group}")
    for d in c.diff:
        output.say(f"  {_arrow(d, 10_000)}")
    for f in c.findings:
        output.say(f"  {f.severity}, {f.rule}: {f.text} {f.remedy}")
    if c.note:
        output.say(f"  {c.note}")


def _arrow(d: answers.FieldChange, width: int) -> str:
    before, after = ("nothing" if v is None else _cut(plain(v), width) or "empty text" for v in (d.before, d.after))
    return f"{d.field}: {before} → {after}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


COMMANDS = (batches, show)
