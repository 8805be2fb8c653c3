"""Brakes on a source: it is measured before anything of it is staged, and what lies outside its bands holds the run.

A hold is a batch without packs that goes through the same mail, page and decision as any other. Its approval lets the next run,
a full one, pass what was seen; its refusal holds every run, silently, until the source is another than what was refused."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Mapping
from dataclasses import replace

from penstock.core import layout, watermark
from penstock.core.batch import Status
from penstock.core.brakes import (
    DEAR,
    ENOUGH,
    Lost,
    Measured,
    Seen,
    alike,
    drift_of,
    fields,
    finding,
    fingerprint,
    header,
    lacking,
    outside,
    too_dear,
)
from penstock.core.changes import Finding
from penstock.core.codec import Hold, Recheck, to_data
from penstock.core.cost import Cost
from penstock.core.declaration import Source
from penstock.core.errors import Conflict, Unavailable
from penstock.core.mapping import allowed_fields
from penstock.core.plan import Batch
from penstock.core.records import Query, Where
from penstock.core.values import Data, Timestamp, Value, dumps
from penstock.use_cases import outbox
from penstock.use_cases.context import Context, Held, HeldTarget, LostRace, Move, advance, find_replaceable
from penstock.use_cases.looking import Look
from penstock.use_cases.proposing import Found, Outcome, write_target

SAMPLE = 10  # documents whose field names are looked at


def hold(ctx: Context, target: HeldTarget, run: Found) -> Outcome | None:
    """Measure what this run looks at; None where it may go on. Otherwise nothing was staged: the sources are as they were, and
    people are asked, unless they were asked the same, or said no to it, before."""
    standing = target.state.hold
    measured = {look.plan.source.name: _measure(ctx, look, run, standing) for look in run.looks}
    told: list[str] = []
    same = standing is not None
    for look in run.looks:
        of = measured[look.plan.source.name]
        facts = _outside(ctx, look, of, look.reading.state.seen, run.at)
        told += facts
        if facts and same:
            evidence = standing.seen.get(of.source) if standing else None
            same = evidence is not None and not _outside(ctx, look, of, evidence, run.at)
    if not told or (same and standing and standing.verdict == "approve"):
        _pass(run, measured, standing if told else None)
        return None
    if same and standing and (standing.verdict == "reject" or target.state.open == standing.batch):
        return _stay(ctx, target, run, standing)
    fact = finding(told)
    return _ask(ctx, target, run, fact, Hold("", fact.text, {name: of.now for name, of in measured.items()}))


def _measure(ctx: Context, look: Look, run: Found, standing: Hold | None) -> Measured:
    """A source as it is now. Where nothing speaks for it that it lost anything, an incremental run asks for nothing more than
    what it reads anyway; otherwise its documents are counted, and a few of them looked at by their field names."""
    source, state, before = look.plan.source, look.reading.state, look.reading.state.seen
    mapped = {path[0] for path in allowed_fields(ctx.pipeline, source.name)}
    known = standing.seen.get(source.name) if standing else None
    newer = [record.fields for record in look.newer]
    lacks = lacking(newer, mapped) if len(newer) >= ENOUGH else (known or before or Seen()).lacking
    if before is not None and standing is None and not look.whole(run.mode) and not look.thinned:
        return Measured(source.name, mapped, replace(before, lacking=lacks), str(state.watermark))
    sample = list(look.store.scan(Query(source.collection, limit=SAMPLE, names_only=True), run.at))
    names, rare = header([document.fields for document in sample])
    limit = _older_than(look, ctx.pipeline.brakes.older)
    older = str(limit) if limit is not None and not look.store.count(_since(source, limit, look.moment(run.at)), run.at) else ""
    now = Seen(look.count(run.at), names, rare, lacks, tuple(document.id for document in sample), older)
    near = alike(mapped, set[str]().union(*(document.fields for document in sample)))
    return Measured(source.name, mapped, now, str(state.watermark), near)


def _older_than(look: Look, by: dt.timedelta | None) -> Value:
    """The moment since which something must have been changed; None where nothing tells."""
    cursor, read_to = look.plan.source.cursor, look.reading.state.watermark
    if cursor is None or read_to is None or by is None:
        return None
    return watermark.before(cursor, read_to, by, zoneinfo.ZoneInfo(look.plan.source.time_zone))


def _since(source: Source, limit: Value, at: Timestamp) -> Query:
    cursor = source.cursor
    assert cursor is not None
    between = Where(cursor.field, ">=", limit), Where(cursor.field, "<=", watermark.ahead(cursor, at))
    return Query(source.collection, between, cursor.field)


def _outside(ctx: Context, look: Look, of: Measured, before: Seen | None, at: Timestamp) -> list[str]:
    brakes, lost = ctx.pipeline.brakes, Lost()
    if before is not None and before.ids and brakes.replaced is not None and look.documents is not None:
        there = look.store.get([f"{look.plan.source.collection}/{id}" for id in before.ids], at, ())
        lost = Lost(sum(not document.exists for document in there), len(there))
    return outside(brakes, of, before, lost)


def _pass(run: Found, measured: Mapping[str, Measured], approved: Hold | None) -> None:
    """What was measured is what the next run is compared with, once this one has read the source whole."""
    if approved is not None:
        run.remarks += [f"A brake was approved ({batch}): {text}" for batch, text in _all_approved(approved).items()]
    for look in run.looks:
        of, before = measured[look.plan.source.name], look.reading.state.seen
        if look.documents is None:
            continue
        look.seen = replace(of.now, older="")
        if before is not None and (came := drift_of(of, before).came):
            run.remarks.append(
                f"{of.source} has {fields(came, 'new ')} that the pipeline does not name; nothing of them was read."
            )


def _all_approved(standing: Hold | None) -> dict[str, str]:
    """What people let pass up to here: batch → text."""
    if standing is None:
        return {}
    return standing.passed | ({standing.batch: standing.text} if standing.verdict == "approve" else {})


def too_costly(ctx: Context, target: HeldTarget, run: Found, cost: Cost, *, stopped: bool = False) -> Outcome | None:
    """None where a run may cost so much. Otherwise nothing more is spent on it, and people are asked. One that was `stopped` on
    the way keeps what it staged, and its moment: with an approval in time it goes on there."""
    over, asked_before = _beyond(ctx, target, cost), _of_cost(target)
    if not over:
        return None
    if not stopped and asked_before is not None and _asked(target, asked_before):
        return _stay(ctx, target, run, asked_before)
    seen = {look.plan.source.name: look.seen for look in run.looks if look.seen}
    if stopped:
        by_now = "it had cost" if cost.operations <= run.spent.operations else "by what it found it would cost"
        fact = finding([f"The run was stopped on the way, because {by_now} {over}."], DEAR)
    else:
        fact = finding([f"Reading what changed is foreseen to cost {over}."], DEAR)
    dear = Hold("", fact.text, seen, cost=cost, stopped=stopped, mode=run.mode, passed=_all_approved(target.state.hold))
    return _ask(ctx, target, run, fact, dear)


def may_not_cost(ctx: Context, target: HeldTarget, cost: Cost) -> bool:
    """Whether a run that costs so much is to be held."""
    return bool(_beyond(ctx, target, cost))


def _beyond(ctx: Context, target: HeldTarget, cost: Cost) -> str:
    """How much more than a run may cost, in words; "" where it is not, or where people let it pass."""
    before = _of_cost(target)
    approved = before is not None and before.verdict == "approve"
    return "" if approved else too_dear(ctx.pipeline.brakes, ctx.pipeline.prices, cost)


def _of_cost(target: HeldTarget) -> Hold | None:
    """The hold that there is of what a run costs, and not of the source alone."""
    standing = target.state.hold
    return standing if standing is not None and standing.cost.operations else None


def still_stopped(ctx: Context, target: HeldTarget) -> Hold | None:
    """The hold of a run that was stopped on the way, as long as nobody approved it and no more may be spent than it had spent."""
    hold = target.state.hold
    if hold is None or not hold.stopped or hold.verdict == "approve" or not _asked(target, hold):
        return None
    return hold if too_dear(ctx.pipeline.brakes, ctx.pipeline.prices, hold.cost) else None


def _asked(target: HeldTarget, standing: Hold) -> bool:
    """Whether people have been asked, and have not let it pass."""
    return standing.verdict == "reject" or target.state.open == standing.batch


def _stay(ctx: Context, target: HeldTarget, run: Found, standing: Hold) -> Outcome:
    """Held for what people know already: nothing is written but that the run ended."""
    try:
        write_target(ctx, target, {"lease": None, "last_run": {"at": run.at, "mode": run.mode, "batch": ""}}, [])
    except Conflict as lost:
        raise _changed(ctx) from lost
    return Outcome(ctx.id, run.mode, "", run.at, run.tallies(), (), held=held_for(standing))


def held_for(hold: Hold) -> str:
    """Why a target is held, and what there is to do, in plain words."""
    match hold.verdict:
        case "reject" if hold.cost.operations:
            then = f"This was rejected ({hold.batch}): runs are held until less is foreseen or the band allows it."
        case "reject":
            then = f"This was rejected ({hold.batch}): runs are held until the source changes."
        case "approve":
            then = f"This was approved ({hold.batch}): the next run goes on with it."
        case _ if hold.cost.operations:
            then = (
                f"Decide on {hold.batch}: approve to let the next run cost what it takes, reject to hold until less is foreseen."
            )
        case _:
            then = f"Decide on {hold.batch}: approve to go on with the source as it is, reject to hold until it changes."
    return f"{hold.text} {then}"


def _ask(ctx: Context, target: HeldTarget, run: Found, fact: Finding, hold: Hold) -> Outcome:
    """A hold becomes the target's one open batch. What was open and is replaced by it is planned again once it is over."""
    state = target.state
    id = layout.batch_id(ctx.id, run.at, "hold")
    hold = replace(hold, batch=id)
    before = find_replaceable(ctx, state)
    batch = Batch(
        id, ctx.pipeline.name, ctx.id, "hold", Status.CREATED, run.at, ctx.ports.now(), run.started_by,
        approvals=ctx.pipeline.gate.approvals, batch_findings=(fact,), supersedes=before.batch.id if before else "",
    )  # fmt: skip
    evidence = fingerprint(dumps(to_data(replace(hold, batch=""))))
    steps = [Move(Held(batch, None, state.audit), Status.STAGED, run.started_by, detail={"evidence": evidence})]
    recheck = state.recheck
    if before is not None:
        steps.append(Move(before, Status.SUPERSEDED, run.started_by, {"superseded_by": id}))
        recheck += (Recheck(before.batch.id),) if before.batch.kind in ("sync", "followup") else ()
    owed = outbox.owe(ctx, id, "check", packs=0)
    last_run = {"at": run.at, "mode": run.mode, "batch": id}
    lease = state.lease and replace(state.lease, until=ctx.ports.now(), read_time=run.at)
    fields: Data = {"lease": lease if hold.stopped else None, "open": id, "hold": hold, "recheck": recheck, "last_run": last_run}
    try:
        advance(ctx, *steps, writes=[owed], target=target, target_fields=fields)
    except (LostRace, Conflict) as lost:
        raise _changed(ctx) from lost
    superseded = before.batch.id if before else ""
    return Outcome(ctx.id, run.mode, id, run.at, run.tallies(), (), superseded, (owed,), held_for(hold))


def _changed(ctx: Context) -> Unavailable:
    return Unavailable("changed while it was being run", subject=ctx.id, remedy="Nothing was proposed. Run it again.")
