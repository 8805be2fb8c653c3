"""`penstock status`, `sweep`, `pause` and `resume`: how targets stand, and what brings them to rest."""

from __future__ import annotations

import shlex

import click

from penstock.cli import output
from penstock.cli.answers import targets as answers
from penstock.cli.app import App, as_option, pass_app
from penstock.cli.command import DONE, FOUND, Command
from penstock.cli.lines import batch_line, moment, steps_of
from penstock.core import freeze
from penstock.use_cases import forgetting, listing, pausing
from penstock.use_cases.braking import held_for
from penstock.use_cases.context import Context
from penstock.use_cases.listing import Standing
from penstock.use_cases.sweep import sweep as sweep_target
from penstock.use_cases.sweep import sweep_hub
from penstock.web.text import plain, plural


@click.command(cls=Command)
@click.argument("pipeline", required=False)
@pass_app
def status(app: App, pipeline: str | None) -> int:
    """How every target stands, or those of PIPELINE: what runs, what waits, what is owed, what failed."""
    contexts = app.all_targets(pipeline or "")
    standings = app.contexts.ports.each(listing.standing, contexts)
    found = tuple(_status(ctx, standing) for ctx, standing in zip(contexts, standings, strict=True))
    steps = tuple(dict.fromkeys(step for standing in standings for step in _steps(standing)))
    app.answer(answers.StatusAnswer(found, steps), lambda: _show(found))
    return FOUND if any(t.failed or t.owed_failing or t.held for t in found) else DONE


def _status(ctx: Context, s: Standing) -> answers.TargetStatus:
    state, last = s.state, s.state.last_run
    until = freeze.frozen_until(ctx.pipeline.brakes.freeze, ctx.pipeline.time_zone, ctx.ports.now())
    owed = tuple(answers.OwedLine(o.fact, o.kind, o.batch, o.attempts, moment(o.due), o.error) for o in s.owed if o.error)
    return answers.TargetStatus(
        target=ctx.id,
        pipeline=ctx.pipeline.name,
        paused=state.paused,
        leased_until=moment(state.lease.until) if state.lease else "",
        leased_by=state.lease.started_by if state.lease else "",
        open=batch_line(s.open) if s.open else None,
        applying=batch_line(s.applying) if s.applying else None,
        packs_left=s.packs_left,
        failed=tuple(map(batch_line, s.failed)),
        sources=tuple(answers.SourceLine(name, of.watermark, of.window) for name, of in state.sources.items()),
        last_run_at=moment(last.get("at")),
        last_run_mode=last.get("mode", ""),
        last_run_batch=last.get("batch", ""),
        rechecks=len(state.recheck),
        declined=s.declined,
        owed=len(s.owed),
        owed_failing=owed,
        held=held_for(state.hold) if state.hold else "",
        frozen_until=until.isoformat(timespec="minutes") if until else "",
    )


def _steps(s: Standing) -> tuple[str, ...]:
    steps: tuple[str, ...] = (f"penstock resume {s.state.id}",) if s.state.paused else ()
    for batch in (*s.failed, *filter(None, (s.applying, s.open))):
        steps += steps_of(batch)
    if any(o.error for o in s.owed):
        steps += ("penstock sweep",)
    pipeline = s.state.id.partition(".")[0]
    return steps or (f"penstock run {pipeline} --target {s.state.id}",)


def _show(found: tuple[answers.TargetStatus, ...]) -> None:
    rows = []
    for t in found:
        doing = [f"running until {t.leased_until} by {t.leased_by}"] if t.leased_until else []
        doing += ["paused"] if t.paused else []
        doing += ["held by a brake"] if t.held else []
        doing += [f"no promotion begins before {t.frozen_until}"] if t.frozen_until else []
        for batch in filter(None, (t.applying, t.open)):
            left = f", {t.packs_left} packs left" if t.packs_left else ""
            doing.append(f"{batch.batch} {batch.status}{left}")
        marks = "; ".join(f"{s.source} {plain(s.watermark)}" for s in t.sources if s.watermark is not None)
        last = f"{t.last_run_at[:19]} {t.last_run_mode}".strip() or "never"
        counts = (t.declined, t.owed, len(t.owed_failing), len(t.failed))
        rows.append((t.target, "; ".join(doing) or "at rest", marks, last, *counts))
    output.table(("target", "now", "read up to", "last run (UTC)", "declined", "owed", "failing", "failed batches"), rows)
    for t in found:
        if t.held:
            output.say(f"\n{t.target} is held: {t.held}")
        for failed in t.failed:
            output.say(f"\n{failed.batch} FAILED: {failed.error}")
        for o in t.owed_failing:
            output.say(f"\n{o.fact} could not be paid in {o.attempts} tries, next after {o.due}: {o.error}")


@click.command(cls=Command)
@click.option("--target", metavar="T", help="One target; all otherwise.")
@pass_app
def sweep(app: App, target: str | None) -> int:
    """Bring to rest what a kill, a lost message or a dead mail server left behind. Safe at any time."""
    contexts = [app.find_target(target)] if target else app.all_targets()
    swept = tuple(app.contexts.ports.each(_sweep, contexts))
    hubs = () if target else tuple(line for hub in app.contexts.hubs() for line in sweep_hub(app.contexts.ports, hub))

    def people() -> None:
        for one in swept:
            for line in one.done or (f"{one.target}: everything is at rest",):
                output.say(line)
        for line in hubs:
            output.say(line)

    app.answer(answers.Swept(swept, hubs, ("penstock status",)), people)
    return FOUND if any(one.owed_failing for one in swept) else DONE


def _sweep(ctx: Context) -> answers.SweptTarget:
    done = tuple(sweep_target(ctx))
    return answers.SweptTarget(ctx.id, done, sum(1 for o in listing.owed(ctx) if o.error))


@click.command(cls=Command)
@click.argument("target")
@as_option
@pass_app
def pause(app: App, target: str, by: str) -> None:
    """Start no more runs on TARGET. What is under review or being applied goes on."""
    _set(app, target, by, paused=True)


@click.command(cls=Command)
@click.argument("target")
@as_option
@pass_app
def resume(app: App, target: str, by: str) -> None:
    """Let TARGET run again."""
    _set(app, target, by, paused=False)


def _set(app: App, target: str, by: str, *, paused: bool) -> None:
    ctx = app.find_target(target)
    changed = pausing.pause(ctx, by) if paused else pausing.resume(ctx, by)
    step = f"penstock resume {ctx.id}" if paused else f"penstock run {ctx.pipeline.name} --target {ctx.id}"
    word = "paused" if paused else "running by its schedule"
    answer = answers.Paused(ctx.id, paused, changed, (step,))
    app.answer(answer, lambda: output.say(f"{ctx.id} is {word}{'' if changed else ' already'}."))


@click.command(cls=Command)
@click.argument("target")
@pass_app
def declined(app: App, target: str) -> None:
    """List what TARGET does not say although its source does, because a person rejected it or took it back."""
    ctx = app.find_target(target)
    found = forgetting.intended(ctx)
    records = tuple(answers.DeclinedRecord(r.key, r.fields, r.batch, moment(r.since)) for r in found)
    step = f"penstock forget {ctx.id} {shlex.quote(found[0].key)}" if found else "penstock status"

    def people() -> None:
        if not found:
            output.say(f"Nothing is declined on {ctx.id}.")
            return
        rows = [(r.key, ", ".join(name or "the whole record" for name in r.fields), r.batch, r.since[:19]) for r in records]
        output.table(("change", "fields", "decided in", "since (UTC)"), rows)

    app.answer(answers.DeclinedList(ctx.id, records, (step,)), people)


@click.command(cls=Command)
@click.argument("target")
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@click.option("--field", "fields", multiple=True, metavar="FIELD", help="Of them this field alone; as often as you like.")
@as_option
@pass_app
def forget(app: App, target: str, keys: tuple[str, ...], fields: tuple[str, ...], by: str) -> None:
    """Let these records of TARGET be proposed again as their source has them, though it was declined before."""
    ctx = app.find_target(target)
    seen = forgetting.forget(ctx, dict.fromkeys(keys), by, fields)
    unseen = tuple(key for key in dict.fromkeys(keys) if key not in seen)
    step = f"penstock run {ctx.pipeline.name} --target {ctx.id}" + (" --full" if unseen else "")

    def people() -> None:
        output.say(f"{plural(len(seen) + len(unseen), 'record')} of {ctx.id} may be proposed again.")
        if unseen:
            output.say(f"Only a full run sees {plural(len(unseen), 'of them', 'of them')}: {', '.join(unseen[:8])}.")

    app.answer(answers.Forgotten(ctx.id, seen, unseen, (step,)), people)


COMMANDS = (status, sweep, pause, resume, declined, forget)
