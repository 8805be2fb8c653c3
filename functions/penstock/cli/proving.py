"""`penstock export` and `verify`: what is in production was approved, and by whom, proved from files alone."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.adapters.folder import FolderBlobs
from penstock.cli import output
from penstock.cli.answers import proving as answers
from penstock.cli.app import App, pass_app
from penstock.cli.command import DONE, FOUND, Command
from penstock.cli.lines import moment, step_line
from penstock.core.chain import Fault
from penstock.use_cases.exporting import export as export_target
from penstock.use_cases.verifying import Hub, Verdict
from penstock.use_cases.verifying import verify as verify_files
from penstock.web.text import plural

SHOWN = 20  # findings told to people; a program gets all


@click.command(cls=Command)
@click.argument("target")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@pass_app
def export(app: App, target: str, folder: Path) -> int:
    """Write into FOLDER, new or empty, all that proves what TARGET's production holds. Nothing is changed, and nothing that no
    pipeline maps is exported."""
    ctx = app.find_target(target)
    with output.progress("Documents exported", None) as advance:
        done = export_target(ctx, FolderBlobs(folder), advance)
    step = f"penstock verify {click.format_filename(folder)}"
    answer = answers.ExportedTo(
        ctx.id, str(folder), moment(done.at), done.entries, done.anchors, done.hub_entries, done.batches, done.documents,
        done.lacking, (step,),
    )  # fmt: skip

    def people() -> None:
        output.say(
            f"{ctx.id} as of {answer.at}: {plural(done.entries, 'audit entry', 'audit entries')}, "
            f"{plural(done.anchors, 'anchor')}, "
            + (f"{plural(done.hub_entries, 'audit entry', 'audit entries')} of its hub, " if ctx.pipeline.hub else "")
            + f"{plural(done.batches, 'approved batch', 'approved batches')}, {plural(done.documents, 'document')} in {folder}"
        )
        for batch in done.lacking:
            output.say(f"{batch}: its evidence or its changes are kept no more; what it wrote cannot be proved from this export")

    app.answer(answer, people)
    return FOUND if done.lacking else DONE


@click.command(cls=Command)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@pass_app
def verify(app: App, folder: Path) -> int:
    """Prove from the files in FOLDER alone, without any network: each live value that Penstock wrote was approved, by whom and in
    which batch; who paused the target, declared it in its hub, and opened stages; and no audit entry is altered, missing,
    inserted or moved."""
    with output.progress("Documents verified", None) as advance:
        told = verify_files(FolderBlobs(folder), advance)
    faults = tuple(answers.FaultLine(f.place, f.first, f.last, f.what) for f in told.faults)
    edits = tuple(answers.EditLine(e.path, e.field, e.batch, e.what) for e in told.edited)
    batches = tuple(answers.ApprovalLine(a.batch, a.by, moment(a.at), a.entry, a.values) for a in told.approvals)
    behind = told.entries - told.anchored
    hub = told.hub or Hub("", 0, 0, ())
    steps = (*(step_line(told.target, step) for step in told.steps), *(step_line(hub.name, step) for step in hub.steps))
    answer = answers.Verified(
        told.target, moment(told.at), told.holds, told.entries, max(behind, 0), hub.name, hub.entries,
        max(hub.entries - hub.anchored, 0), steps, told.documents, told.approved, told.untouched, told.unproved, batches, edits,
        faults, () if told.holds else (f"penstock status {told.target.partition('.')[0]}",),
    )  # fmt: skip
    app.answer(answer, lambda: _show(told, answer))
    return DONE if told.holds else FOUND


def _show(told: Verdict, answer: answers.Verified) -> None:
    output.say(f"{told.target} as of {moment(told.at)}")
    output.say(f"  {told.approved:,} live values were approved, {told.untouched:,} were never written by Penstock")
    if told.unproved:
        output.say(f"  {told.unproved:,} values of batches that are named below are not proved")
    output.say(f"  {_anchored(told.entries, answer.not_anchored)}")
    if answer.hub:
        output.say(f"  of the hub of {answer.hub}: {_anchored(answer.hub_entries, answer.hub_not_anchored)}")
    rows = [(a.batch, ", ".join(a.by), moment(a.at)[:19], a.entry, a.values) for a in told.approvals]
    if rows:
        output.table(("batch", "approved by", "at (UTC)", "audit entry", "live values"), rows)
    if answer.steps:
        newest = answer.steps[-SHOWN:]
        output.table(
            ("chain", "audit entry", "by", "at (UTC)", "what"), [(s.chain, s.entry, s.by, s.at[:19], s.what) for s in newest]
        )
        if len(newest) < len(answer.steps):
            output.say(f"  and {len(answer.steps) - len(newest):,} before these: see --json")
    found = [f"{e.path}{f' {e.field}' if e.field else ''}: {e.what}; {e.batch} wrote it" for e in told.edited]
    for heading, lines in (("Edited since", found), ("It does not hold", [_fault(f) for f in told.faults])):
        if lines:
            output.say(f"\n{heading}:")
        for line in lines[:SHOWN]:
            output.say(f"  {line}")
        if len(lines) > SHOWN:
            output.say(f"  and {len(lines) - SHOWN:,} more: see --json")
    if told.holds:
        output.say("It holds.")


def _anchored(entries: int, behind: int) -> str:
    return f"{plural(entries, 'audit entry', 'audit entries')}, " + (
        f"the last {behind} not anchored yet" if behind else "anchored to the last"
    )


def _fault(fault: Fault) -> str:
    at = f" {fault.first}" if fault.first == fault.last else f" {fault.first} to {fault.last}"
    return f"{fault.place}{at if fault.first else ''}: {fault.what}"


COMMANDS = (export, verify)
