"""`penstock targets`: the targets that operators declare in a pipeline's hub, and the stages of its rollout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import click
import yaml

from penstock.cli import output
from penstock.cli.answers import declaring as answers
from penstock.cli.app import App, as_option, pass_app
from penstock.cli.command import DONE, FOUND, Group
from penstock.cli.lines import moment
from penstock.cli.standing import state
from penstock.core import layout
from penstock.core.declaration import Pipeline, Target
from penstock.core.errors import InvalidInput, NotFound
from penstock.use_cases import fan_out, registry
from penstock.use_cases.registry import Registered, Rollout
from penstock.web.text import plural

CLEARED = ("partitions", "approvers", "approvals", "expires", "auto_approve", "stage", "overrides")


def _said(command: Callable[..., Any]) -> Callable[..., Any]:
    """What may be said of a target when it is added, and later."""
    several = "; as often as you like."
    for option in (
        click.option(
            "--band", "bands", multiple=True, metavar="BRAKE=VALUE", help=f"A brake of its own, `null` for none{several}"
        ),
        click.option("--enable/--disable", "enabled", default=None, help="Whether it is run at all."),
        click.option("--active/--not-active", default=None, help="Whether the schedule for active targets runs it too."),
        click.option("--stage", metavar="S", help="The stage of the rollout that it belongs to."),
        click.option("--expires", metavar="SPAN", help="How long a review stays open, like `7 days`."),
        click.option("--ask-always", is_flag=True, help="Nothing is approved unasked, whatever the pipeline says."),
        click.option(
            "--auto-approve", multiple=True, metavar="CLASS", help=f"A harmless class of which nobody is asked here{several}"
        ),
        click.option("--approvals", type=click.IntRange(1), help="So many different approvers must agree."),
        click.option("--approver", "approvers", multiple=True, metavar="ADDRESS", help=f"One who decides for it{several}"),
        click.option("--partition", "partitions", multiple=True, metavar="P", help=f"One of the source's that it takes{several}"),
    ):
        command = option(command)
    return command


@click.group(cls=Group)
def targets() -> None:
    """The targets of pipelines: those that operators declare, and the stages of their rollout."""


@targets.command("list")
@click.argument("pipeline", required=False)
@pass_app
def list_(app: App, pipeline: str | None) -> int:
    """List the targets of PIPELINE, or of all: where they write, who decides, and whether they run."""
    names = [app.contexts.pipeline(pipeline).name] if pipeline else list(app.contexts.pipelines)
    found = tuple(line for name in names for line in _lines(app, app.contexts.pipelines[name]))
    hub = next((name for name in names if app.contexts.pipelines[name].hub), "")
    steps = ("penstock status",) if found or not hub else (f"penstock targets add {hub} NAME --project PROJECT",)

    def people() -> None:
        if not found:
            output.say("No target is declared.")
            return
        rows = [
            (
                t.target,
                " ".join(filter(None, (t.project, t.database, t.prefix))),
                ", ".join(t.partitions),
                _gate(t),
                t.stage,
                _runs(t),
            )
            for t in found
        ]
        output.table(("target", "writes to", "partitions", "approvals", "stage", "runs"), rows)
        for t in found:
            if t.broken:
                output.say(f"\n{t.broken}")

    app.answer(answers.DeclaredTargets(found, steps), people)
    return FOUND if any(t.broken for t in found) else DONE


def _gate(t: answers.DeclaredTarget) -> str:
    unasked = f", unasked: {', '.join(t.auto_approve)}" if t.auto_approve else ""
    return "" if t.broken else f"{t.approvals} of {', '.join(t.approvers)}" + (" (central)" if t.central else "") + unasked


def _runs(t: answers.DeclaredTarget) -> str:
    if t.broken:
        return "broken"
    if not t.enabled:
        return "no, disabled"
    if t.waits:
        return "no, its stage is not open"
    return "active" if t.active else "yes"


def _lines(app: App, pipeline: Pipeline) -> list[answers.DeclaredTarget]:
    if pipeline.targets or not pipeline.hub:
        return [_line(app, pipeline.on(target), target, None, Rollout()) for target in pipeline.targets]
    open = registry.rollout(app.contexts.ports, pipeline)
    return [_of(app, pipeline, entry, open) for entry in app.contexts.registered(pipeline.name)]


def _of(app: App, pipeline: Pipeline, entry: Registered, open: Rollout) -> answers.DeclaredTarget:
    if entry.target is None:
        by, at = (str(entry.data.get(name, "")) for name in ("changed_by", "changed_at"))
        return answers.DeclaredTarget(
            entry.id, "", "", "", (), (), False, 0, (), "", False, False, False, {}, by, at, str(entry.wrong)
        )
    return _line(app, pipeline.on(entry.target), entry.target, entry, open)


def _line(app: App, pipeline: Pipeline, target: Target, entry: Registered | None, open: Rollout) -> answers.DeclaredTarget:
    return answers.DeclaredTarget(
        target=layout.target_id(pipeline.name, target.name),
        project=target.project,
        database=target.database,
        prefix=target.prefix,
        partitions=target.partitions,
        approvers=target.approvers or app.contexts.ports.people.get(pipeline.gate.approvers, ()),
        central=not target.approvers,
        approvals=pipeline.gate.approvals,
        auto_approve=pipeline.gate.auto_approve,
        stage=target.stage,
        waits=not open.runs(target),
        active=target.active,
        enabled=target.enabled,
        overrides=target.brakes,
        changed_by=str(entry.data["changed_by"]) if entry else "",
        changed_at=str(entry.data["changed_at"]) if entry else "",
    )


@targets.command()
@click.argument("pipeline")
@click.argument("name")
@click.option("--project", required=True, metavar="P", help="The project that its database lies in, as pipelines name it.")
@click.option("--database", default="(default)", show_default=True, metavar="D", help="Its database.")
@click.option("--prefix", default="", metavar="PATH/", help="What stands before its collections, like `tenants/nepal/`.")
@_said
@as_option
@pass_app
def add(app: App, /, pipeline: str, name: str, project: str, database: str, prefix: str, by: str, **said: Any) -> None:
    """Declare the target NAME of PIPELINE. What is not said is as the pipeline's file says."""
    ports, declared = app.contexts.ports, app.contexts.pipeline(pipeline)
    place = {"project": project, "database": database, "prefix": prefix}
    entry = registry.add(ports, declared, name, place | _given(said), by)
    _answer(app, declared, entry, "is declared", f"penstock run {pipeline} --target {entry.id}")


@targets.command("set")
@click.argument("target")
@_said
@click.option("--clear", multiple=True, type=click.Choice(CLEARED), help="Back to what the pipeline says; as often as you like.")
@as_option
@pass_app
def set_(app: App, /, target: str, clear: tuple[str, ...], by: str, **said: Any) -> None:
    """Change what TARGET declares. Partitions, approvers and bands are replaced by those named here."""
    given = dict.fromkeys(clear) | _given(said)
    if not given:
        raise InvalidInput(
            "nothing was said to change", subject=target, remedy="`penstock targets set --help` names what can be."
        )
    pipeline, id = _find(app, target)
    entry = registry.change(app.contexts.ports, pipeline, id, given, by)
    _answer(app, pipeline, entry, "is changed", f"penstock targets list {pipeline.name}")


@targets.command()
@click.argument("target")
@click.option("--at-once", is_flag=True, help="Whatever is on the way there, and also where its database is gone.")
@as_option
@pass_app
def remove(app: App, target: str, at_once: bool, by: str) -> None:
    """Take TARGET out of the hub. Nothing in its database is touched."""
    pipeline, id = _find(app, target)
    before = registry.one(app.contexts.ports, pipeline, id)
    registry.remove(app.contexts.ports, pipeline, id, by, at_once=at_once)
    _answer(app, pipeline, before, "is removed; its database is as it was", f"penstock targets list {pipeline.name}")


@targets.command()
@click.argument("pipeline")
@click.option("--open", "opened", multiple=True, metavar="STAGE", help="Run its targets from now on; as often as you like.")
@click.option("--close", "closed", multiple=True, metavar="STAGE", help="Run them no more.")
@as_option
@pass_app
def rollout(app: App, pipeline: str, opened: tuple[str, ...], closed: tuple[str, ...], by: str) -> None:
    """Show the stages of PIPELINE, or open and close some. Targets of a stage that is not open are not run."""
    ports, declared = app.contexts.ports, app.contexts.pipeline(pipeline)
    of_stage = Counter(entry.target.stage for entry in app.contexts.registered(pipeline) if entry.target)
    state = registry.rollout(ports, declared)
    if unknown := set(opened) - of_stage.keys() or set(closed) - of_stage.keys() - set(state.stages):
        known = ", ".join(filter(None, sorted(of_stage))) or "none"
        raise NotFound("is no stage of any target", subject=", ".join(sorted(unknown)), remedy=f"There are: {known}.")
    if opened or closed:
        state = registry.set_stages(ports, declared, opened, closed, by)
    stages = sorted(of_stage.keys() | set(state.stages))
    lines = tuple(answers.StageLine(stage, not stage or stage in state.stages, of_stage[stage]) for stage in stages)
    steps = (f"penstock run {pipeline} --stage {opened[0]}",) if opened else (f"penstock targets list {pipeline}",)

    def people() -> None:
        rows = [(line.stage or "(none)", "open" if line.open else "closed", line.targets) for line in lines]
        output.table(("stage", "is", "targets"), rows)

    app.answer(answers.Stages(pipeline, lines, state.changed_by, moment(state.changed_at), steps), people)


@targets.command()
@click.argument("pipeline")
@click.argument("run", required=False)
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="So many runs, the newest.")
@pass_app
def runs(app: App, pipeline: str, run: str | None, limit: int) -> int:
    """List what the schedules' runs over the targets of PIPELINE came to; of one RUN, target by target."""
    ports, declared = app.contexts.ports, app.contexts.pipeline(pipeline)
    found = [fan_out.find_run(ports, declared, run)] if run else fan_out.runs(ports, declared, limit)
    lines = fan_out.lines_of(ports, declared, run) if run else []
    told = tuple(answers.RunLine(r.id, str(r.at), r.by, r.mode, r.counts, r.lines) for r in found)
    of_targets = tuple(answers.RunOfTarget(x.target, str(x.at), x.outcome, x.batch, x.text) for x in lines)
    failed = any(line.outcome == "failed" for line in lines)
    step = f"penstock run {pipeline}" if run or not found else f"penstock targets runs {pipeline} {found[0].id}"

    def people() -> None:
        if not found:
            output.say("There is no run yet.")
            return
        rows = [(r.run, r.mode, r.by, ", ".join(f"{many:,} {word}" for word, many in r.counts.items() if many)) for r in told]
        output.table(("run", "mode", "by", "targets"), rows)
        if run:
            output.table(("target", "outcome", "batch", "what"), [(t.target, t.outcome, t.batch, t.text) for t in of_targets])
            for text in told[0].lines:
                output.say(text)

    app.answer(answers.TargetRuns(told, of_targets, (step,)), people)
    return FOUND if failed else DONE


def _find(app: App, text: str) -> tuple[Pipeline, str]:
    """The pipeline and the id of a declared target, also of one that is broken."""
    hubs = [pipeline for pipeline in app.contexts.pipelines.values() if pipeline.hub]
    ids = {p.name: text if text.startswith(f"{p.name}.") else layout.target_id(p.name, text) for p in hubs}
    found = []
    for pipeline in hubs:
        if layout.is_target(ids[pipeline.name]):
            try:
                found.append((pipeline, registry.one(app.contexts.ports, pipeline, ids[pipeline.name]).id))
            except NotFound:
                continue
    if len(found) == 1:
        return found[0]
    what = "is declared by several pipelines" if found else "is declared by no hub"
    raise NotFound(what, subject=repr(text[:80]), remedy="`penstock targets list` names the targets there are.")


def _given(said: dict[str, Any]) -> dict[str, Any]:
    """What was said, as the document holds it."""
    if said["ask_always"] and said["auto_approve"]:
        raise InvalidInput(
            "say the opposite of each other", subject="--ask-always and --auto-approve", remedy="Name one of them."
        )
    lists = {name: list(said[name]) for name in ("partitions", "approvers", "auto_approve")}
    given = {**said, **lists, "overrides": dict(map(_band, said["bands"]))}
    found = {name: value for name, value in given.items() if name not in ("bands", "ask_always") and value not in (None, [], {})}
    return found | ({"auto_approve": []} if said["ask_always"] else {})


def _band(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not value:
        raise click.UsageError(f"`{text}` is no band. Say it like `changed_share=0.9`.")
    try:
        return name.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        raise click.UsageError(f"`{text}` is no band. Say it like `changed_share=0.9`.") from None


def _answer(app: App, pipeline: Pipeline, entry: Registered, what: str, step: str) -> None:
    line = _of(app, pipeline, entry, registry.rollout(app.contexts.ports, pipeline))

    def people() -> None:
        output.say(f"{line.target} {what}.")
        if line.waits:
            output.say(f"It is not run before its stage `{line.stage}` is open.")
        if line.approvers and not line.broken:
            output.say(f"{plural(line.approvals, 'approval')} of {', '.join(line.approvers)} let a batch pass.")

    app.answer(answers.DeclaredTargets((line,), (step,)), people)


targets.add_command(state)
COMMANDS = (targets,)
