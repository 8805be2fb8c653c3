"""What each operation does: parsed request in, model out. Each is one use case, or two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

from penstock.core import layout
from penstock.core.batch import DECIDED, Status
from penstock.core.decisions import person
from penstock.core.errors import InvalidInput, NotFound
from penstock.core.plan import Batch, Row, Verdict
from penstock.core.reversal import Choice
from penstock.entrypoints.api import models, views
from penstock.entrypoints.problems import Problem
from penstock.use_cases import asking, effects, impact, listing, reviewing
from penstock.use_cases.context import Context, load_batch, load_target
from penstock.use_cases.decide import Said, decide
from penstock.use_cases.rollback import DONE, plan_rollback, preview
from penstock.use_cases.sweep import resume_promotion

APPLIED = DONE | {Status.ROLLED_BACK}


@dataclass(frozen=True, slots=True)
class Call:
    """An admitted request: whose it is, on which target, and what it says. `args` are the names in the path."""

    ctx: Context
    who: str
    args: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, int | bool] = field(default_factory=dict)
    body: models.Body | None = None

    @property
    def key(self) -> str:
        """The key of the change that `externalId` names."""
        return f"{self.ctx.pipeline.named.name}/{self.args['externalId']}"

    def batch(self, named: str = "") -> Batch:
        """The batch in the path, or the one named; `NotFound` for one of another target as for one that never was."""
        id = named or self.args["batch"]
        unknown = NotFound("there is no such batch", subject=repr(id[:120]), remedy="`history` lists them.")
        if not layout.is_batch(id) or layout.target_id(*layout.target_of(id)) != self.ctx.id:
            raise unknown
        try:
            return load_batch(self.ctx, id).batch
        except NotFound:
            raise unknown from None

    def look(self, path: str) -> str:
        return f"{self.ctx.ports.base_url}/tenants/{self.ctx.target.name}/{self.ctx.pipeline.api}/{path}"


def ask(call: Call) -> models.Asked:
    assert isinstance(call.body, models.RunRequest)
    asking.ask_run(call.ctx, call.body.mode, call.who)
    look = call.look("staging-status")
    return models.Asked(tenant=call.ctx.target.name, mode=call.body.mode, started_by=call.who, look=look)


def status(call: Call) -> models.StagingStatus:
    ctx, state = call.ctx, load_target(call.ctx).state
    found = {id: load_batch(ctx, id).batch for id in (state.open, state.applying) if id}
    current, applying = found.get(state.open), found.get(state.applying)
    last = state.last_run
    return models.StagingStatus(
        tenant=ctx.target.name,
        paused=state.paused,
        running=state.lease is not None and state.lease.until > ctx.ports.now(),
        open=views.batch_line(current) if current else None,
        applying=views.batch_line(applying) if applying else None,
        packs_left=reviewing.packs_left(ctx, applying or current),
        last_run_at=views.moment(last.get("at")),
        last_run_mode=last.get("mode", ""),
        last_run_batch=last.get("batch", ""),
    )


def pending(call: Call) -> models.Pending:
    ctx, state = call.ctx, load_target(call.ctx).state
    batch = load_batch(ctx, state.open).batch if state.open else None
    if batch is None or batch.status is not Status.UNDER_REVIEW:
        return models.Pending(
            batch=None, digest="", approvals=0, page=1, pages=0, blockers=0, batch_findings=(), changes=()
        )  # fmt: skip
    shown = reviewing.review(ctx, batch, call.who, call.query["page"])
    return models.Pending(
        batch=views.batch_line(batch),
        digest=batch.digest,
        approvals=batch.approvals,
        page=shown.page,
        pages=shown.pages,
        blockers=shown.blockers_total,
        batch_findings=tuple(map(views.finding, batch.batch_findings)),
        changes=tuple(map(views.change, shown.rows)),
    )


def change(call: Call) -> models.ChangeDetail:
    ctx, id = call.ctx, call.args["externalId"]
    staged = reviewing.staged(ctx.store, ctx.id, call.key)
    unit = impact.unit_by_key(ctx, id)
    if staged is None and unit is None:
        raise _unknown(id)
    return models.ChangeDetail(
        external_id=id,
        batch=staged[0].id if staged else "",
        staging=views.change(staged[1]) if staged else None,
        production=views.record(ctx.pipeline.named, unit) if unit else None,
        impact=_impact(call, staged[1] if staged else None) if unit else None,
    )


def impact_of(call: Call) -> models.ImpactView:
    staged = reviewing.staged(call.ctx.store, call.ctx.id, call.key)
    return _impact(call, staged[1] if staged else None)


def _impact(call: Call, row: Row | None) -> models.ImpactView:
    id = call.args["externalId"]
    unit = impact.unit_by_key(call.ctx, id)
    if unit is None:
        raise _unknown(id)
    (now,) = impact.live(call.ctx, [unit])
    shown = views.shown_impact(row) if row else None
    return models.ImpactView(external_id=id, id=unit.id, shown=shown, now=dict(now))


def _unknown(id: str) -> NotFound:
    return NotFound("is neither proposed nor in production", subject=repr(id[:80]), remedy="`pending` lists what is proposed.")


def approve(call: Call) -> models.Decided:
    assert isinstance(call.body, models.ApproveRequest)
    said, ids = call.body, call.body.ids
    words: dict[str, Verdict] = {}
    if ids is not None:  # all that is not named: of each entity, and a word on a change itself counts more
        words = {f"entity:{entity.name}": "reject" for entity in call.ctx.pipeline.entities}
    return _decide(call, said, "approve", words, ids or [], "approve", said.reason)


def reject(call: Call) -> models.Decided:
    assert isinstance(call.body, models.RejectRequest)
    said = call.body
    if said.ids is None:
        return _decide(call, said, "reject", {}, [], "reject", said.reason)
    return _decide(call, said, "approve", {}, said.ids, "reject", said.reason)


def _decide(
    call: Call, said: models.Decision, verdict: Verdict, words: Mapping[str, Verdict], ids: list[str], own: Verdict, reason: str
) -> models.Decided:
    ctx, batch = call.ctx, call.batch(said.batch)
    if batch.status is Status.UNDER_REVIEW and said.digest != batch.digest:
        remedy = "Nothing was decided. Look at `pending` again."
        raise Problem(412, "is not what you were shown any more", subject=batch.id, remedy=remedy)
    entity = ctx.pipeline.named.name
    groups = {**words, **{f"rule:{k}": v for k, v in said.rules.items()}, **{f"mass:{k}": v for k, v in said.masses.items()}}
    choices = {f"{entity}/{id}": choice for id, choice in said.choices.items()}
    changes = {f"{entity}/{id}": own for id in ids}
    _, owed = decide(ctx, batch.id, said.digest, call.who, Said(verdict, groups, changes, reason, choices))
    failures = effects.pay(ctx, owed)
    now = call.batch(batch.id)
    spoken = {person(d.by) for d in now.decisions if d.verdict == "approve"}
    return models.Decided(
        batch=now.id,
        status=now.status.value,
        verdict=verdict,
        approved=now.approved,
        rejected=now.rejected,
        applied=now.applied,
        drifted=now.drifted,
        missing=max(0, now.approvals - len(spoken)) if now.status is Status.UNDER_REVIEW else 0,
        owed=tuple(failures),
    )


def apply(call: Call) -> models.Applied:
    batch = call.batch()
    if batch.status in APPLIED:
        return _applied(call, batch, "it was applied before; nothing was done", already=True)
    if batch.status not in DECIDED:
        remedy = f"It is {batch.status}: {batch.error or 'only what was approved is applied'}. Nothing was done."
        raise InvalidInput("Batch must be APPROVED before application", remedy=remedy)
    done = resume_promotion(call.ctx, batch)
    return _applied(call, call.batch(), done, already=False)


def _applied(call: Call, batch: Batch, done: str, *, already: bool) -> models.Applied:
    return models.Applied(
        batch=batch.id,
        status=batch.status.value,
        already=already,
        done=done,
        applied=batch.applied,
        drifted=batch.drifted,
        packs_left=0 if already else reviewing.packs_left(call.ctx, batch),
    )


def rollback_preview(call: Call) -> models.RollbackPreview:
    batch = call.batch()
    found = preview(call.ctx, batch.id, Choice(overwrite=bool(call.query["overwriteEdits"])))
    found.sort(key=lambda r: not r.later)  # what was edited since leads; the order is kept otherwise
    pages = max(1, ceil(len(found) / reviewing.PAGE))
    page = min(call.query["page"], pages)
    some = found[(page - 1) * reviewing.PAGE : page * reviewing.PAGE]
    units = call.ctx.store.get([r.undone.path for r in some])
    stands = impact.live(call.ctx, units)
    would: dict[str, int] = {}
    for r in found:
        action = r.change.action.value if r.change else "NONE"
        would[action] = would.get(action, 0) + 1
    return models.RollbackPreview(
        batch=batch.id,
        would=would,
        edited=sum(1 for r in found if r.later),
        page=page,
        pages=pages,
        records=tuple(views.preview(r, numbers) for r, numbers in zip(some, stands, strict=True)),
    )


def rollback(call: Call) -> models.Proposed:
    assert isinstance(call.body, models.RollbackRequest)
    batch, entity = call.batch(), call.ctx.pipeline.named.name
    keys = None if call.body.ids is None else frozenset(f"{entity}/{id}" for id in call.body.ids)
    choice = Choice(keys, tuple(tuple(name.split(".")) for name in call.body.fields), call.body.overwrite_edits)
    proposed, owed = plan_rollback(call.ctx, batch.id, call.who, choice)
    failures = effects.pay(call.ctx, owed)
    look = call.look(f"batch/{proposed.id}")
    return models.Proposed(
        batch=proposed.id,
        rolls_back=batch.id,
        status=call.batch(proposed.id).status.value,
        changes=proposed.total,
        look=look,
        owed=tuple(failures),
    )


def history(call: Call) -> models.History:
    found = listing.batches(call.ctx, limit=call.query["limit"])
    return models.History(batches=tuple(map(views.batch_line, found)))


def batch(call: Call) -> models.BatchDetail:
    found = call.batch()
    shown = reviewing.review(call.ctx, found, call.who, call.query["page"])
    return models.BatchDetail(
        line=views.batch_line(found),
        digest=found.digest,
        counts=dict(found.counts),
        findings={rule: dict(by) for rule, by in found.findings.items()},
        batch_findings=tuple(map(views.finding, found.batch_findings)),
        approvals=found.approvals,
        decisions=views.decisions(found),
        supersedes=found.supersedes,
        superseded_by=found.superseded_by,
        rolls_back=found.rolls_back,
        follows=found.follows,
        reports=dict(found.reports),
        notes=found.notes,
        page=shown.page,
        pages=shown.pages,
        changes=tuple(map(views.change, shown.rows)),
    )
