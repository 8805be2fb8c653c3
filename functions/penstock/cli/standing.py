"""`penstock targets state`: how targets stand to their source."""

from __future__ import annotations

import click

from penstock.cli import output
from penstock.cli.answers import declaring as answers
from penstock.cli.app import App, pass_app
from penstock.cli.command import DONE, FOUND, Command
from penstock.core.divergence import Standing
from penstock.core.errors import PenstockError
from penstock.use_cases.context import Context
from penstock.use_cases.divergence import divergence


@click.command("state", cls=Command)
@click.argument("pipeline")
@click.option("--target", metavar="T", help="One target alone; all of the pipeline's otherwise.")
@click.option("--show", default=20, type=click.IntRange(0, 10_000), help="So many differences of each, the worst first.")
@pass_app
def state(app: App, pipeline: str, target: str | None, show: int) -> int:
    """Whether the targets of PIPELINE hold what their source says: equal, pending (proposed, or will be), declined by a person,
    or unexplained. Reads all that production holds of them. Exit code 1 where anything is unexplained, or a target could
    not be looked at."""
    contexts, failed = ([app.find_target(target, pipeline)], {}) if target else app.contexts.declared(pipeline)
    found: list[tuple[Context, Standing]] = []
    for ctx in contexts:
        app.say(f"{ctx.id}: reading …")
        try:
            found += [(ctx, standing) for standing in divergence(ctx)]
        except PenstockError as error:  # one that cannot be looked at never stops the others
            failed[ctx.id] = str(error)
    lines = tuple(_line(ctx, standing, show) for ctx, standing in found)
    wrong = [line for line in lines if line.state == "unexplained"]
    steps = tuple(dict.fromkeys(f"penstock run {pipeline} --target {line.target} --full" for line in wrong))
    app.answer(answers.Standings(lines, failed, steps or ("penstock status",)), lambda: _show(lines, failed))
    return FOUND if wrong or failed else DONE


def _line(ctx: Context, standing: Standing, show: int) -> answers.StandingLine:
    differences = tuple(answers.DifferenceLine(d.key, d.state, d.why) for d in standing.differences[:show])
    hashes = standing.source_hash, standing.production_hash
    counts = {str(state): many for state, many in standing.counts.items()}
    return answers.StandingLine(ctx.id, standing.partition, standing.state, counts, *hashes, differences)


def _show(lines: tuple[answers.StandingLine, ...], failed: dict[str, str]) -> None:
    names = ("equal", "pending", "declined", "unexplained")
    rows = [(line.target, line.partition, line.state, *(line.counts[name] for name in names)) for line in lines]
    if rows:
        output.table(("target", "partition", "stands", *names), rows)
    for line in lines:
        for d in line.differences:
            output.say(f"{line.target} {d.key}: {d.state}, {d.why}")
    for target, why in failed.items():
        output.say(f"{target} could not be looked at. {why}")
