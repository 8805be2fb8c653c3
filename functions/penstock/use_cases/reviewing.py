"""What the review page shows. Looking changes nothing: every GET, by whomever and however often, reads and no more."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

from penstock.core import choices, layout
from penstock.core.batch import OPEN, Status
from penstock.core.changes import ChangeStatus
from penstock.core.codec import TargetState, from_data
from penstock.core.decisions import outcome
from penstock.core.errors import NotFound
from penstock.core.outcomes import note
from penstock.core.plan import Batch, Review, Row
from penstock.core.records import Query, Where
from penstock.ports import Store
from penstock.use_cases import staging
from penstock.use_cases.context import Context, held_of, load_batch
from penstock.use_cases.decide import Link, find_link
from penstock.use_cases.lineages import put_to
from penstock.use_cases.opening import is_folded
from penstock.use_cases.staging import Pack

PAGE = 50
BLOCKERS_SHOWN = 200
GOING = frozenset({Status.APPROVED, Status.APPLYING})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a promotion is. `done` of `batch.approved` changes, as far as whole packs tell; `seconds_left` at the rate so far,
    None while there is none."""

    batch: Batch
    done: int
    seconds_left: float | None


def by_link(ctx: Context, token: str, page: int = 1) -> Review | Progress:
    """The page behind a mailed link, and while its batch is being promoted how far that is: three billed reads then, however
    large it is. `Refused` for a link that was never given out."""
    link = find_link(ctx, token)
    batch = load_batch(ctx, link.grant.batch).batch
    if batch.status in GOING:
        return progress(ctx, batch)
    return review(ctx, batch, link.recipient, page, _why_closed(ctx, link, batch))


def review_by_link(ctx: Context, token: str, page: int = 1) -> Review:
    """The review page behind a mailed link, whatever its batch is at."""
    link = find_link(ctx, token)
    batch = load_batch(ctx, link.grant.batch).batch
    return review(ctx, batch, link.recipient, page, _why_closed(ctx, link, batch))


def progress(ctx: Context, batch: Batch) -> Progress:
    left = packs_left(ctx, batch)
    done = batch.packs - left
    since = ctx.ports.now().seconds - batch.decided_at.seconds if batch.decided_at else 0
    return Progress(batch, batch.approved * done // max(batch.packs, 1), since * left / done if done else None)


def packs_left(ctx: Context, batch: Batch | None) -> int:
    """How many packs are still to be checked, or to be promoted once the batch is decided; 0 when nothing is going on."""
    if batch is None or batch.status is Status.UNDER_REVIEW:
        return 0
    return ctx.store.count(staging.in_state(batch.id, "STAGED" if batch.status in OPEN else "CHECKED"))


def review(ctx: Context, batch: Batch, recipient: str, page: int = 1, why_closed: str = "") -> Review:
    """One page of a batch. Reads its packs, one billed read each; decodes only those whose changes are shown."""
    packs = list(staging.packs_of(ctx, batch.id))
    total = sum(len(pack.fields["keys"]) for pack in packs)
    pages = max(1, -(-total // PAGE))
    page = min(max(page, 1), pages)
    blocked = {pack.number: _blocked(pack, batch) for pack in packs}
    return Review(
        batch=batch,
        title=ctx.pipeline.title,
        rows=put_to(ctx.pipeline, packs, _page(packs, batch, page)),
        page=page,
        pages=pages,
        blockers=put_to(ctx.pipeline, packs, _blockers(packs, batch, blocked)),
        blockers_total=sum(map(len, blocked.values())),
        recipient=recipient,
        open=not why_closed,
        why_closed=why_closed,
        link_to=batch.superseded_by,
    )


def _why_closed(ctx: Context, link: Link, batch: Batch) -> str:
    now, state = ctx.ports.now(), link.snapshot.fields["state"]
    if batch.status is Status.SUPERSEDED and batch.kind == "hold":
        found = "A newer run found it otherwise" if batch.superseded_by else "A newer run found it within its bands again"
        return f"The source is not what it was. {found}; nothing is left to decide here."
    if batch.status is Status.SUPERSEDED:
        return "A newer run replaced this batch. Its undecided changes are in the newer one, which was mailed to you."
    if batch.status is not Status.UNDER_REVIEW:
        by = ", ".join(f"{d.verdict} by {d.by}, {d.at.datetime():%d %B %Y, %H:%M} UTC" for d in batch.decisions)
        return f"This batch is {batch.status} ({by or 'nobody decided'}). Nothing is left to decide."
    if state == "used":
        return "You have decided on this batch; it waits for another approver."
    if state == "locked":
        return "This link is locked after five wrong codes. A new link was mailed to you."
    if link.snapshot.fields["expires_at"] <= now or link.grant.digest != batch.digest:
        return "This link has expired. The next run mails a new one."
    return ""


def _blocked(pack: Pack, batch: Batch) -> set[str]:
    keys = set(pack.fields["keys"])
    found = (*pack.findings, *(f for f in batch.batch_findings if f.key in keys))
    return {f.key for f in found if f.severity == "blocker"}


def rows_of(pack: Pack, batch: Batch, keys: Container[str] | None = None) -> Iterator[Row]:
    """The changes of a pack, all or those with these keys, with what was found, said and done about each."""
    findings = staging.findings_by_key(pack, batch.batch_findings)
    ledger, carried, chosen = pack.ledger, pack.carried, choices.chosen(batch.decisions)
    for change in pack.some(keys):
        told = tuple(f for f in findings.get(change.key, ()) if not is_folded(f, batch.folded))
        said = outcome(staging.subject(change, findings), batch.decisions, carried, batch.approvals)
        status = _status(batch, change.key, said, ledger.drifted if ledger else None)
        yield Row(change, told, status, note(change, ledger, chosen.get(change.key, "")))


def _status(batch: Batch, key: str, said: str | None, drifted: tuple[str, ...] | None) -> ChangeStatus:
    if batch.status is Status.SUPERSEDED:
        return ChangeStatus.SUPERSEDED
    if said is None:
        return ChangeStatus.PENDING
    if said == "reject":
        return ChangeStatus.REJECTED
    if drifted is None:
        return ChangeStatus.APPROVED
    if key in drifted:
        return ChangeStatus.DRIFTED
    return ChangeStatus.ROLLED_BACK if batch.status is Status.ROLLED_BACK else ChangeStatus.APPLIED


def _page(packs: list[Pack], batch: Batch, page: int) -> Iterator[Row]:
    """In the order of the packs; of a tree by level, then by key."""
    order = [(level, key, pack) for pack in packs for level, key in zip(_levels(pack), pack.fields["keys"], strict=True)]
    if any("levels" in pack.fields for pack in packs):
        order.sort(key=lambda line: line[:2])
    shown = order[(page - 1) * PAGE : page * PAGE]
    found: dict[str, Row] = {}
    for pack in packs:
        if keys := {key for _, key, of in shown if of is pack}:
            found |= {row.change.key: row for row in rows_of(pack, batch, keys)}
    yield from (found[key] for _, key, _ in shown)


def _levels(pack: Pack) -> list[int]:
    levels: list[int] | None = pack.fields.get("levels")
    return levels if levels is not None else [0] * len(pack.fields["keys"])


def _blockers(packs: list[Pack], batch: Batch, blocked: dict[int, set[str]]) -> Iterator[Row]:
    left = BLOCKERS_SHOWN
    for pack in packs:
        if left > 0 and blocked[pack.number]:
            rows = list(rows_of(pack, batch, blocked[pack.number]))[:left]
            left -= len(rows)
            yield from rows


def find_row(ctx: Context, batch: Batch, key: str) -> Row:
    """One change by its key: one query, whatever the size of the batch."""
    row = _row(ctx.store, batch, key)
    if row is None:
        raise NotFound("is not in this batch", subject=key, remedy=f"`penstock show {batch.id}` lists its changes.")
    return row


def staged(store: Store, target: str, key: str) -> tuple[Batch, Row] | None:
    """The change with this key, in the target's open batch or in the one that is being promoted; None where neither has it."""
    found = store.get([layout.target(target)])[0]
    state = from_data(found.fields, TargetState) if found.exists else TargetState(target)
    batches = [id for id in (state.open, state.applying) if id]
    held = [held_of(snapshot) for snapshot in store.get([layout.batch(id) for id in batches])]
    return next(((h.batch, row) for h in held if h is not None and (row := _row(store, h.batch, key))), None)


def _row(store: Store, batch: Batch, key: str) -> Row | None:
    query = Query(layout.STAGING, (Where(("batch",), "==", batch.id), Where(("keys",), "array-contains", key)))
    return next((row for found in store.scan(query) for row in rows_of(Pack(found), batch, {key})), None)
