"""`penstock export` and `verify`: what is in production was approved, and by whom, proved from files alone."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.adapters.folder import FolderBlobs
from penstock.cli import answers, output
from penstock.cli.app import App, pass_app
from penstock.cli.command import DONE, FOUND, Command
from penstock.cli.lines import moment
from penstock.core.chain import Fault
from penstock.use_cases.exporting import export as export_target
from penstock.use_cases.verifying import Verdict
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
        ctx.id, str(folder), moment(done.at), done.entries, done.anchors, done.batches, done.documents, done.lacking, (step,)
    )

    def people() -> None:
        output.say(
            f"{ctx.id} as of {answer.at}: {plural(done.entries, 'audit entry', 'audit entries')}, "
            f"{plural(done.anchors, 'anchor')}, "
            f"{plural(done.batches, 'approved batch', 'approved batches')}, {plural(done.documents, 'document')} in {folder}"
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
    which batch; and no audit entry is altered, missing, inserted or moved."""
    with output.progress("Documents verified", None) as advance:
        told = verify_files(FolderBlobs(folder), advance)
    faults = tuple(answers.FaultLine(f.place, f.first, f.last, f.what) for f in told.faults)
    edits = tuple(answers.EditLine(e.path, e.field, e.batch, e.what) for e in told.edited)
    batches = tuple(answers.ApprovalLine(a.batch, a.by, moment(a.at), a.entry, a.values) for a in told.approvals)
    behind = told.entries - told.anchored
    answer = answers.Verified(
        told.target, moment(told.at), told.holds, told.entries, max(behind, 0), told.documents, told.approved, told.untouched,
        told.unproved, batches, edits, faults, () if told.holds else (f"penstock status {told.target.partition('.')[0]}",),
    )  # fmt: skip
    app.answer(answer, lambda: _show(told, max(behind, 0)))
    return DONE if told.holds else FOUND


def _show(told: Verdict, behind: int) -> None:
    output.say(f"{told.target} as of {moment(told.at)}")
    output.say(f"  {told.approved:,} live values were approved, {told.untouched:,} were never written by Penstock")
    if told.unproved:
        output.say(f"  {told.unproved:,} values of batches that are named below are not proved")
    output.say(f"  {plural(told.entries, 'audit entry', 'audit entries')}, the last {behind} not anchored yet" if behind
               else f"  {plural(told.entries, 'audit entry', 'audit entries')}, anchored to the last")  # fmt: skip
    rows = [(a.batch, ", ".join(a.by), moment(a.at)[:19], a.entry, a.values) for a in told.approvals]
    if rows:
        output.table(("batch", "approved by", "at (UTC)", "audit entry", "live values"), rows)
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


def _fault(fault: Fault) -> str:
    at = f" {fault.first}" if fault.first == fault.last else f" {fault.first} to {fault.last}"
    return f"{fault.place}{at if fault.first else ''}: {fault.what}"


COMMANDS = (export, verify)
