"""`penstock releases`: what was read of sources that targets share, and what of it no target gets."""

from __future__ import annotations

import click

from penstock.cli import output
from penstock.cli.answers import shared as answers
from penstock.cli.app import App, pass_app
from penstock.cli.command import DONE, FOUND, Command
from penstock.cli.lines import moment
from penstock.core.release import ReleaseState
from penstock.use_cases import releases


@click.command("releases", cls=Command)
@click.argument("pipeline", required=False)
@pass_app
def releases_(app: App, pipeline: str | None) -> int:
    """How every partition of the source that PIPELINE's targets share stands, or of all such pipelines: what targets get, and
    what is quarantined, since when and why. Exit code 1 while anything is held back."""
    pipelines = [app.contexts.pipeline(pipeline)] if pipeline else list(app.contexts.pipelines.values())
    sharing = [one for one in pipelines if one.shared]
    found = tuple(_line(state) for one in sharing for state in releases.standing(app.contexts.ports, one))
    held = tuple(dict.fromkeys(f"penstock run {line.pipeline}" for line in found if line.held))
    steps = held or tuple(f"penstock run {one.name}" for one in sharing if not found) or ("penstock status",)
    app.answer(answers.Releases(found, steps), lambda: _show(found, sharing=bool(sharing)))
    return FOUND if held else DONE


def _line(state: ReleaseState) -> answers.ReleaseLine:
    quarantine = state.quarantine
    return answers.ReleaseLine(
        pipeline=state.pipeline,
        source=state.source,
        partition=state.partition,
        current=state.current.name if state.current else "",
        read_at=moment(state.current.at) if state.current else "",
        documents=state.current.documents if state.current else 0,
        quarantined_since=moment(quarantine.since) if quarantine else "",
        faults=quarantine.faults if quarantine else {},
        reports=quarantine.reports if quarantine else {},
        held=releases.held_back(state),
    )


def _show(found: tuple[answers.ReleaseLine, ...], *, sharing: bool) -> None:
    if not found:
        output.say("Nothing was read yet." if sharing else "No pipeline here has a source that its targets share.")
        return
    rows = [(f"{r.pipeline} {r.source}", r.partition, r.read_at[:19] or "never", r.documents, _standing(r)) for r in found]
    output.table(("source", "partition", "targets get what was read (UTC)", "documents", "now"), rows)
    for line in found:
        if line.held:
            output.say(f"\n{line.held}")


def _standing(line: answers.ReleaseLine) -> str:
    if line.quarantined_since:
        return f"quarantined since {line.quarantined_since[:19]}"
    if line.held:
        return "the last reading was not complete"
    return "current" if line.current else "never read"


COMMANDS = (releases_,)
