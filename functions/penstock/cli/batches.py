"""`penstock run`, `batches` and `show`: what is proposed."""

from __future__ import annotations

import click

from penstock.cli import answers, output, waiting
from penstock.cli.app import App, as_option, pass_app, wait_option
from penstock.cli.command import DONE, FAILURE, FOUND, Command, error_of, exit_code
from penstock.cli.lines import batch_line, moment, shown, steps_of, tallies
from penstock.core.batch import Status
from penstock.core.codec import Mode
from penstock.core.errors import InvalidInput, PenstockError
from penstock.core.plan import Row
from penstock.use_cases import effects, listing
from penstock.use_cases.capture import capture
from penstock.use_cases.context import Context, load_batch, load_target
from penstock.use_cases.reviewing import find_row, review
from penstock.web.summary import billed, priced, sentence
from penstock.web.text import plain

SHORT = 60  # characters of a value in a table


@click.command(cls=Command)
@click.argument("pipeline")
@click.option("--target", metavar="T", help="One target alone; all of the pipeline's otherwise.")
@click.option("--full", is_flag=True, help="Compare everything with production, not only what changed.")
@click.option("--reconcile", is_flag=True, help="Count the whole source too, to find what is gone from it.")
@as_option
@wait_option
@pass_app
def run(app: App, pipeline: str, target: str | None, full: bool, reconcile: bool, by: str, wait: bool) -> int:
    """Run PIPELINE now: read its sources, stage the difference, have it checked, mail the approvers."""
    of_pipeline = app.contexts.of_pipeline(pipeline)
    targets = [app.find_target(target, pipeline)] if target else of_pipeline
    codes, runs = [DONE], []
    steps: list[str] = []
    for ctx in targets:
        done, then, code = _run(app, ctx, "full" if full else "reconcile" if reconcile else "changes", by, wait)
        runs.append(done)
        codes.append(code)
        steps += then

    def people() -> None:
        for one in runs:
            output.say(_told(one))

    app.answer(answers.Ran(tuple(runs), tuple(dict.fromkeys(steps))), people)
    return max(codes)


def _run(app: App, ctx: Context, mode: Mode, by: str, wait: bool) -> tuple[answers.TargetRun, tuple[str, ...], int]:
    try:
        app.say(f"{ctx.id}: reading …")
        outcome = capture(ctx, mode, by)
        failures = effects.pay(ctx, outcome.owed)
        batch = None
        if outcome.batch:
            batch = waiting.until_reviewed(app, ctx, outcome.batch) if wait else load_batch(ctx, outcome.batch).batch
        open = load_target(ctx).state.open
    except PenstockError as error:  # one failing target never stops the others
        none = answers.TargetRun(ctx.id, mode, "", "", "", "", "", (), (), (), error_of(error))
        return none, ("penstock status",), exit_code(error)
    done = answers.TargetRun(
        target=ctx.id,
        mode=outcome.mode,
        read_time=moment(outcome.read_time),
        batch=outcome.batch,
        status=batch.status.value if batch else "",
        superseded=outcome.superseded,
        open=open,
        tallies=tallies(outcome.tallies),
        notes=outcome.notes,
        failures=tuple(failures),
        error=None,
        held=outcome.held,
    )
    steps = steps_of(batch) if batch else (f"penstock show {open}",) if open else ("penstock status",)
    code = FAILURE if batch and batch.status is Status.FAILED else FOUND if failures or outcome.held else DONE
    return done, steps, code


def _told(run: answers.TargetRun) -> str:
    if run.error:
        return f"{run.target}: {run.error.what} {run.error.remedy}"
    lines = [f"{run.target}: nothing to propose" + (f"; {run.open} is still open" if run.open else "")]
    if run.held:
        lines = [f"{run.target}: held. {run.held}"]
    elif run.batch:
        lines = [f"{run.target}: batch {run.batch} is {run.status}"]
    for t in run.tallies:
        skipped = "".join(f", {count:,} skipped ({reason})" for reason, count in t.skipped.items())
        parts = (("created", t.created), ("updated", t.updated), ("deleted", t.deleted), ("unchanged", t.unchanged),
                 ("declined before", t.declined), ("held", t.held), ("merged", t.merged))  # fmt: skip
        gone = f", {t.gone:,} gone from the source" if t.gone else ""
        lines.append(f"  {t.entity}: {t.read:,} read{gone}" + "".join(f", {n:,} {name}" for name, n in parts if n) + skipped)
    lines += [f"  {note}" for note in run.notes]
    lines += [f"  {run.superseded} is superseded"] if run.superseded else []
    lines += [f"  owed and not paid yet: {failure}" for failure in run.failures]
    return "\n".join(lines)


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


def _arrow(d: answers.FieldChange, width: int) -> str:
    before, after = ("nothing" if v is None else _cut(plain(v), width) or "empty text" for v in (d.before, d.after))
    return f"{d.field}: {before} → {after}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


COMMANDS = (run, batches, show)
