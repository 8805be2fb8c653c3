"""The private functions: what schedules and Pub/Sub call."""

from __future__ import annotations

import logging
from typing import Any

from flask import Request, Response

from penstock import wiring
from penstock.adapters.confined import Grant
from penstock.core import layout
from penstock.core.codec import Mode
from penstock.core.errors import InvalidInput, PenstockError
from penstock.entrypoints import privileges
from penstock.entrypoints.http import Malformed, private
from penstock.entrypoints.logs import log
from penstock.use_cases import check as checking
from penstock.use_cases import effects, fan_out, registry
from penstock.use_cases.capture import capture as run_capture
from penstock.use_cases.context import Context
from penstock.use_cases.fan_out import Wanted
from penstock.use_cases.finish import finish_after
from penstock.use_cases.promote import promote_asked
from penstock.use_cases.proposing import Outcome
from penstock.use_cases.sweep import sweep as run_sweep
from penstock.use_cases.sweep import sweep_hub
from penstock.wiring import Contexts

MODES: tuple[Mode, ...] = ("changes", "reconcile", "full", "recheck")


def capture(request: Request) -> Response:
    """`{"pipeline": …}` or `{"target": …}`, with an optional `mode` (changes, reconcile, full, recheck) and `started_by`. Of a
    pipeline whose targets a hub declares, `active` and `stage` say which are run, each by a message of its own, which names the
    `run`; `force` is mode full."""
    return private(request, _capture)


def _capture(body: dict[str, Any]) -> list[dict[str, Any]]:
    asked = "full" if body.get("force") else body.get("mode", "changes")
    mode = next((mode for mode in MODES if mode == asked), None)
    if mode is None:
        raise Malformed(f"is no mode: {str(asked)[:40]!r}", subject="mode", remedy=f"Modes: {', '.join(MODES)}.")
    known, by = wiring.contexts(privileges.CAPTURE), str(body.get("started_by", "schedule"))
    if "target" in body:
        ctx, run = known.target(str(body["target"])), str(body.get("run", ""))
        if not run and mode != "recheck":  # the run that asks for many has read already what they share
            for line in fan_out.refresh(known.ports, known.pipelines[ctx.pipeline.name], [ctx], mode).troubles:
                log(logging.ERROR, line, target=ctx.id)
        return _captured([ctx], mode, by, run)
    name = str(body.get("pipeline", ""))
    if known.is_hub(name):
        return [_fanned_out(known, name, Wanted(bool(body.get("active")), str(body.get("stage", "")), mode), by)]
    return _captured(known.of_pipeline(name), mode, by, "")


def _fanned_out(known: Contexts, name: str, wanted: Wanted, by: str) -> dict[str, Any]:
    found = known.spread(name, wanted)
    for line in found.troubles:
        log(logging.ERROR, line, pipeline=name)
    run = fan_out.ask(known.ports, known.pipelines[name], found, wanted.mode, by)
    for line in run.lines[len(found.troubles) :]:
        log(logging.WARNING, line, run=run.id)
    log(logging.INFO, "fanned out", run=run.id, pipeline=name, counts=run.counts)
    return {"run": run.id, "counts": run.counts, "lines": list(run.lines)}


def _captured(targets: list[Context], mode: Mode, by: str, run: str) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    last_error = None
    for ctx in targets:
        try:
            if mode != "recheck":  # what was begun goes on, whatever operators closed since
                registry.demand_open(ctx)
            outcome = run_capture(ctx, mode, by)
        except PenstockError as error:  # one failing target never stops the others
            log(logging.ERROR, str(error), target=ctx.id)
            _noted(ctx, run, error)
            results.append({"target": ctx.id, "error": str(error)})
            last_error = error
            continue
        _noted(ctx, run, outcome)
        log(logging.INFO, "captured", target=ctx.id, batch=outcome.batch, mode=outcome.mode)
        if outcome.held:
            log(logging.WARNING, outcome.held, target=ctx.id, batch=outcome.batch)
        told(ctx, effects.pay(ctx, outcome.owed))
        results.append({"target": ctx.id, "batch": outcome.batch} | ({"held": outcome.held} if outcome.held else {}))
    if last_error is not None and all("error" in result for result in results):
        raise last_error
    return results


def _noted(ctx: Context, run: str, outcome: Outcome | PenstockError) -> None:
    if run:
        try:
            fan_out.note(ctx, run, outcome)
        except PenstockError as error:  # the run itself stands, and its batch tells what came of it
            log(logging.ERROR, f"a run's line could not be written: {error}", target=ctx.id, run=run)


def check(request: Request) -> Response:
    """`{"batch": …, "pack": …}` by push: judge one pack."""
    return private(request, _check)


def _check(body: dict[str, Any]) -> str:
    ctx, batch, number = _pack(body, privileges.CHECK)
    try:
        owed = checking.check_pack(ctx, batch, number)
    except PenstockError as error:
        checking.note_failure(ctx, batch, number, str(error))
        raise
    told(ctx, effects.pay(ctx, owed))
    return batch


def promote(request: Request) -> Response:
    """`{"batch": …, "pack": …}` by push: promote one pack of a decided batch, and end the batch with its last."""
    return private(request, _promote)


def _promote(body: dict[str, Any]) -> str:
    ctx, batch, number = _pack(body, privileges.PROMOTE)
    try:
        done = promote_asked(ctx, batch, number)
        owed = finish_after(ctx, batch, number) if done else ()
    except PenstockError as error:
        checking.note_failure(ctx, batch, number, str(error))
        raise
    told(ctx, effects.pay(ctx, owed))
    return batch


def dead_letter(request: Request) -> Response:
    """A push that failed too often: its batch stops and names the cause."""
    return private(request, _dead_letter)


def _dead_letter(body: dict[str, Any]) -> str:
    if "pack" not in body:
        log(logging.ERROR, "a message ended in the dead letters", delivery=body.get("delivery", ""))
        return "logged"
    ctx, batch, number = _pack(body, privileges.DEAD_LETTER)
    stopped = checking.fail(ctx, batch, number)
    log(logging.ERROR, "a pack ended in the dead letters", batch=batch, pack=number, stopped=stopped)
    return batch


def sweep(request: Request) -> Response:
    """Bring to rest whatever was left behind, on every target."""
    return private(request, _sweep)


def _sweep(_: dict[str, Any]) -> list[str]:
    known = wiring.contexts(privileges.SWEEP)
    targets, broken = known.survey()
    for line in broken:
        log(logging.ERROR, line)
    swept = known.ports.each(_swept, targets)
    of_hubs = [line for hub in known.hubs() for line in sweep_hub(known.ports, hub)]
    for line in of_hubs:
        log(logging.WARNING, line)
    if wrong := next((error for _, error in swept if error), None):
        raise wrong  # the others were swept
    return [line for lines, _ in swept for line in lines] + of_hubs + broken


def _swept(ctx: Context) -> tuple[list[str], Exception | None]:
    try:
        return told(ctx, run_sweep(ctx)), None
    except Exception as error:  # noqa: BLE001 - a bug that one target brings out never stops the others; it is raised at the end
        log(logging.ERROR, f"unexpected {type(error).__name__}", target=ctx.id)
        return [], error


def _pack(body: dict[str, Any], grant: Grant) -> tuple[Context, str, int]:
    known = wiring.contexts(grant)
    try:
        batch, number = str(body["batch"]), int(body["pack"])
        layout.target_of(batch)
    except (KeyError, ValueError, TypeError, OverflowError, InvalidInput) as error:
        raise Malformed("names no pack of a batch", subject="message", remedy="It is not taken again.") from error
    return known.of_batch(batch), batch, number


def told(ctx: Context, lines: list[str]) -> list[str]:
    for line in lines:
        log(logging.WARNING, line, target=ctx.id)
    return lines
