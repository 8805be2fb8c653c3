"""A run over the many targets of a hub: what they share is read once, and each that has something to do gets a message of its
own. A target at rest costs two reads, its declaration and its state. What a run came to is a document of the hub, and a line
for each target that was run."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from penstock.core import layout
from penstock.core.batch import Status
from penstock.core.codec import Mode, TargetState, from_data, to_data
from penstock.core.declaration import Pipeline, Target
from penstock.core.errors import Conflict, NotFound, PenstockError
from penstock.core.records import ABSENT, NAME, Query, Set, Where, as_seen
from penstock.core.values import Timestamp
from penstock.ports import Ports
from penstock.use_cases import registry, releases
from penstock.use_cases.context import Context, find_batch, hub_store, load_target
from penstock.use_cases.proposing import Outcome
from penstock.use_cases.registry import Registered
from penstock.use_cases.topics import CAPTURE

Word: TypeAlias = Literal["asked", "at rest", "paused", "disabled", "waits", "running", "promoting", "no release", "broken"]
TOLD = 200  # lines that the document of a run holds; the counts are of all


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which targets of a pipeline a run is for: all; those that are `active`; those of a stage. In `full` mode also those are run
    that have nothing new."""

    active: bool = False
    stage: str = ""
    mode: Mode = "changes"

    def takes(self, target: Target) -> bool:
        return (target.active or not self.active) and self.stage in ("", target.stage)


@dataclass(frozen=True, slots=True)
class NotRun:
    """A target that a run leaves alone, and why, in a word and in plain words."""

    target: str
    word: Word
    text: str


@dataclass(frozen=True, slots=True)
class Current:
    """What targets get of the source that they share: by partition the name of its release. `troubles` say in plain words which
    could not be read, or is quarantined; then what was read before stands, if anything was."""

    releases: Mapping[str, str]
    troubles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """What a run comes to before any target is run. `lines`: what people should know of targets that it leaves alone; of
    those at rest there is only the count. `troubles` are those of the source that the targets share."""

    todo: list[Context]
    lines: list[NotRun]
    at_rest: int
    troubles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ran:
    """`penstock_runs/{run}`: a run over many targets."""

    id: str
    pipeline: str
    at: Timestamp
    by: str
    mode: Mode
    counts: dict[str, int]  # targets by what the run had for them
    lines: tuple[str, ...]  # what is wrong with the source; those that it left alone
    purge_at: Timestamp


@dataclass(frozen=True, slots=True)
class Line:
    """`penstock_runs/~{run}.{target}`: what a run came to on one target."""

    run: str
    target: str
    at: Timestamp
    outcome: Literal["proposed", "nothing", "held", "failed"]
    batch: str
    text: str
    purge_at: Timestamp


def spread(
    ports: Ports, pipeline: Pipeline, declared: Sequence[Registered], of: Callable[[Target], Context], wanted: Wanted
) -> Spread:
    """Read what the targets share, and tell who is to be run of those that are declared. `NotFound` where nobody is wanted, and
    says whom there is."""
    open = registry.rollout(ports, pipeline)
    lines = [NotRun(entry.id, "broken", str(entry.wrong)) for entry in declared if entry.wrong]
    targets = {entry.id: entry.target for entry in declared if entry.target and wanted.takes(entry.target)}
    if not targets:
        raise _nobody(pipeline, declared, wanted)
    running: list[Context] = []
    for id, target in targets.items():
        if not target.enabled:
            lines.append(NotRun(id, "disabled", f"{id} is disabled."))
        elif not open.runs(target):
            lines.append(NotRun(id, "waits", f"{id} waits for its stage `{target.stage}`, which is not open."))
        else:
            running.append(of(target))
    current = refresh(ports, pipeline, running, wanted.mode)

    def left_alone(ctx: Context) -> NotRun | None:
        return _left_alone(ctx, wanted.mode, current.releases)

    todo, at_rest = [], 0
    for ctx, why in zip(running, ports.each(left_alone, running), strict=True):
        if why is None:
            todo.append(ctx)
        elif why.word == "at rest":
            at_rest += 1
        else:
            lines.append(why)
    return Spread(todo, lines, at_rest, current.troubles)


def refresh(ports: Ports, pipeline: Pipeline, targets: Iterable[Context], mode: Mode) -> Current:
    """Read each partition that one of the targets takes, once, and all of it in `full` mode."""
    wanted = {partition for ctx in targets for partition in ctx.target.partitions}
    found = releases.refresh_all(ports, pipeline, wanted, full=mode == "full")
    troubles = [f"{one.partition} could not be read: {one.error}" for one in found if one.error]
    troubles += [text for one in found if one.state and (text := releases.held_back(one.state))]
    states = [one.state for one in found if one.state]
    if any(one.error for one in found):
        states += releases.standing(ports, pipeline)
    return Current({s.partition: s.current.name for s in states if s.current}, tuple(troubles))


def _left_alone(ctx: Context, mode: Mode, current: Mapping[str, str]) -> NotRun | None:
    """Why the target needs no run now; None where it does, or where that cannot be told: its own run then says why."""
    if lacks := [p for p in ctx.target.partitions if p not in current]:
        return NotRun(ctx.id, "no release", f"{ctx.id} waits for a sound release of {', '.join(lacks)}.")
    try:
        state = load_target(ctx).state
        if state.paused:
            return NotRun(ctx.id, "paused", f"{ctx.id} is paused.")
        if state.lease is not None and state.lease.until > ctx.ports.now():
            return NotRun(ctx.id, "running", f"{ctx.id} is being run already.")
        applying = find_batch(ctx, state.applying) if state.applying else None
        if applying is not None and applying.batch.status is not Status.FAILED:
            return NotRun(ctx.id, "promoting", f"{ctx.id} is being promoted now ({state.applying}).")
        dealt = {partition: current[partition] for partition in ctx.target.partitions}
        if mode == "changes" and dealt and state.dealt == dealt and _is_at_rest(state):
            return NotRun(ctx.id, "at rest", f"{ctx.id} has nothing new.")
    except PenstockError:
        return None
    return None


def _is_at_rest(state: TargetState) -> bool:
    """Whether a run would do nothing where the source has nothing new. A batch may be open: its time runs out by itself."""
    return not (state.recheck or state.owes_full or state.applying or state.lease or state.hold)


def _nobody(pipeline: Pipeline, declared: Sequence[Registered], wanted: Wanted) -> NotFound:
    named = [f"of the stage `{wanted.stage}`"] if wanted.stage else []
    named += ["active"] if wanted.active else []
    targets = [entry.target for entry in declared if entry.target]
    stages = ", ".join(f"{stage} ({many})" for stage, many in sorted(Counter(t.stage for t in targets if t.stage).items()))
    there = f"{len(targets)} targets, {sum(t.active for t in targets)} of them active; stages: {stages or 'none'}"
    broken = len(declared) - len(targets)
    there += f"; {broken} more are declared wrongly" if broken else ""
    remedy = f"Nothing was run. There are {there}. `penstock targets list {pipeline.name}`."
    what = f"has no target that is {' and '.join(named)}" if named else "has no target"
    return NotFound(what, subject=pipeline.name, remedy=remedy)


def ask(ports: Ports, pipeline: Pipeline, found: Spread, mode: Mode, by: str) -> Ran:
    """Ask for a run of every target that has something to do, one message each, and note what the run is."""
    now = ports.now()
    counts = Counter[str]({"asked": len(found.todo), "at rest": found.at_rest})
    counts.update(line.word for line in found.lines)
    lines = (*found.troubles, *(line.text for line in found.lines))[:TOLD]
    purge_at = now.plus(pipeline.staging_retention.total_seconds())
    run = Ran(layout.run_id(pipeline.name, now), pipeline.name, now, by, mode, dict(counts), lines, purge_at)
    hub_store(ports, pipeline).commit([Set(layout.run(run.id), to_data(run))])
    if found.todo:
        asked = {"mode": mode, "run": run.id, "started_by": by}
        ports.publisher.publish(CAPTURE, [{"target": ctx.id, **asked} for ctx in found.todo])
    return run


def note(ctx: Context, run: str, outcome: Outcome | PenstockError) -> None:
    """Write what a run came to on this target. A message may come twice: what was told first stays, unless it was a failure."""
    line = _line(ctx, run, outcome)
    path = layout.run_line(run, ctx.id)
    try:
        ctx.hub_store.commit([Set(path, to_data(line), ABSENT)])
    except Conflict:
        there = ctx.hub_store.get([path])[0]
        if there.exists and from_data(there.fields, Line).outcome == "failed":
            ctx.hub_store.commit([Set(path, to_data(line), as_seen(there))])


def _line(ctx: Context, run: str, outcome: Outcome | PenstockError) -> Line:
    now = ctx.ports.now()
    purge_at = now.plus(ctx.pipeline.staging_retention.total_seconds())
    if isinstance(outcome, PenstockError):
        return Line(run, ctx.id, now, "failed", "", str(outcome), purge_at)
    if outcome.held:
        return Line(run, ctx.id, now, "held", outcome.batch, outcome.held, purge_at)
    if outcome.batch:
        changes = sum(t.created + t.updated + t.deleted for t in outcome.tallies.values())
        return Line(run, ctx.id, now, "proposed", outcome.batch, f"{changes:,} changes were proposed.", purge_at)
    open = load_target(ctx).state.open
    text = f"There was nothing to propose; {open} is still open." if open else "There was nothing to propose."
    return Line(run, ctx.id, now, "nothing", open, text, purge_at)


def runs(ports: Ports, pipeline: Pipeline, limit: int) -> list[Ran]:
    """The newest runs, newest first."""
    after, before = layout.run(f"{pipeline.name}."), layout.run(f"{pipeline.name}.~")
    found = hub_store(ports, pipeline).scan(Query(layout.RUNS, (Where(NAME, ">", after), Where(NAME, "<", before))))
    return [from_data(run.fields, Ran) for run in reversed(deque(found, limit))]


def find_run(ports: Ports, pipeline: Pipeline, run: str) -> Ran:
    """Raises `NotFound`."""
    found = hub_store(ports, pipeline).get([layout.run(run)])[0] if layout.is_run(run) else None
    if found is None or not found.exists:
        remedy = f"`penstock targets runs {pipeline.name}` lists them."
        raise NotFound("there is no such run", subject=repr(run[:80]), remedy=remedy)
    return from_data(found.fields, Ran)


def lines_of(ports: Ports, pipeline: Pipeline, run: str) -> list[Line]:
    """What a run came to, target by target, as far as they were run by now."""
    store = hub_store(ports, pipeline)
    after, before = layout.run_line(run, ""), layout.run_line(run, "~")
    query = Query(layout.RUNS, (Where(NAME, ">", after), Where(NAME, "<", before)))
    return [from_data(found.fields, Line) for found in store.scan(query)]
