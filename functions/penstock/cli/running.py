"""`penstock run`: one target of a pipeline now, or many, each with a line of what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import click

from penstock.cli import output, waiting
from penstock.cli.answers import running as answers
from penstock.cli.app import App, as_option, pass_app, wait_option
from penstock.cli.command import DONE, FAILURE, FOUND, Command, error_of, exit_code
from penstock.cli.lines import moment, steps_of, tallies
from penstock.core.batch import Status
from penstock.core.codec import Mode
from penstock.core.errors import InvalidInput, NotFound, PenstockError
from penstock.use_cases import effects, registry
from penstock.use_cases.capture import capture
from penstock.use_cases.context import Context, load_batch, load_target
from penstock.use_cases.fan_out import NotRun, Wanted, refresh
from penstock.use_cases.proposing import Outcome
from penstock.web.text import plural


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Who is to be run; who is not, and why; and how many have nothing new."""

    todo: list[Context]
    not_run: list[NotRun] = field(default_factory=list)
    at_rest: int = 0
    troubles: tuple[str, ...] = ()  # of the source that they share


@click.command(cls=Command)
@click.argument("pipeline")
@click.option("--target", metavar="T", help="One target alone.")
@click.option("--all", "all_", is_flag=True, help="Every target that is enabled and whose stage is open (the default).")
@click.option("--active", is_flag=True, help="Those of them alone that are marked as active.")
@click.option("--stage", metavar="S", default="", help="Those of them alone that belong to this stage of the rollout.")
@click.option("--full", "--force", "full", is_flag=True, help="Compare everything with production, also where nothing is new.")
@click.option("--reconcile", is_flag=True, help="Count the whole source too, to find what is gone from it.")
@as_option
@wait_option
@pass_app
def run(
    app: App, pipeline: str, target: str | None, all_: bool, active: bool, stage: str, full: bool, reconcile: bool, by: str,
    wait: bool,
) -> int:  # fmt: skip
    """Run PIPELINE now: read its sources, stage the difference, have it checked, mail the approvers."""
    if target and (all_ or active or stage):
        raise InvalidInput("is one target, and --all, --active and --stage are many", subject=target, remedy="Say one of them.")
    if full and reconcile:
        what = "says how a source is read, and so does --full"
        raise InvalidInput(what, subject="--reconcile", remedy="Nothing was run. Say one of them; --full finds what is gone too.")
    mode: Mode = "full" if full else "reconcile" if reconcile else "changes"
    chosen = _choose(app, pipeline, target, Wanted(active, stage, mode))
    runs = _run_all(app, chosen.todo, mode, by, wait=wait)
    steps = dict.fromkeys(step for _, then, _ in runs for step in then) or {"penstock status": None}
    told = tuple(run for run, _, _ in runs)

    def people() -> None:
        for one in told:
            output.say(_told(one))
        for text in (*chosen.troubles, *(left.text for left in chosen.not_run)):
            output.say(text)
        if chosen.at_rest:
            output.say(f"{plural(chosen.at_rest, 'target')} {'has' if chosen.at_rest == 1 else 'have'} nothing new.")

    not_run = tuple(answers.NotRun(left.target, left.word, left.text) for left in chosen.not_run)
    app.answer(answers.Ran(told, tuple(steps), not_run, chosen.at_rest, chosen.troubles), people)
    codes = [DONE, *(code for _, _, code in runs)]
    wrong = chosen.troubles or any(left.word == "broken" for left in chosen.not_run)
    return max(*codes, FOUND if wrong or not (runs or chosen.at_rest) else DONE)


def _choose(app: App, name: str, target: str | None, wanted: Wanted) -> _Chosen:
    known = app.contexts
    pipeline = known.pipeline(name)
    if target:
        ctx = app.find_target(target, name)
        registry.demand_open(ctx)
        return _Chosen([ctx], troubles=refresh(known.ports, pipeline, [ctx], wanted.mode).troubles)
    if known.is_hub(name):
        found = known.spread(name, wanted)
        return _Chosen(found.todo, found.lines, found.at_rest, found.troubles)
    contexts = [ctx for ctx in known.of_pipeline(name) if wanted.takes(ctx.target)]
    if not contexts:
        remedy = "Nothing was run. Its targets stand in its file: they are run all together, or one by --target."
        raise NotFound("has no active targets and no stages", subject=name, remedy=remedy)
    return _Chosen(contexts)


_Done = tuple[answers.TargetRun, tuple[str, ...], int]  # what came of it, the next steps, the exit code


def _run_all(app: App, targets: list[Context], mode: Mode, by: str, *, wait: bool) -> list[_Done]:
    """Capture on all of them side by side; then watch the checks of one after the other."""

    def begin(ctx: Context) -> tuple[Outcome, list[str]] | PenstockError:
        try:
            app.say(f"{ctx.id}: reading …")
            outcome = capture(ctx, mode, by)
            return outcome, effects.pay(ctx, outcome.owed)
        except PenstockError as error:  # one failing target never stops the others
            return error

    begun = app.contexts.ports.each(begin, targets)
    return [_finish(app, ctx, mode, one, wait=wait) for ctx, one in zip(targets, begun, strict=True)]


def _finish(app: App, ctx: Context, mode: Mode, begun: tuple[Outcome, list[str]] | PenstockError, *, wait: bool) -> _Done:
    try:
        if isinstance(begun, PenstockError):
            raise begun
        outcome, failures = begun
        batch = None
        if outcome.batch:
            batch = waiting.until_reviewed(app, ctx, outcome.batch) if wait else load_batch(ctx, outcome.batch).batch
        open = load_target(ctx).state.open
    except PenstockError as error:
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


COMMANDS = (run,)
