"""What the outbox pays: each effect can be caused twice and shows once, because what it causes carries the id of its fact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

from penstock.core import layout, tokens
from penstock.core.batch import Status
from penstock.core.bill import query_of, reported
from penstock.core.codec import to_data
from penstock.core.cost import Cost
from penstock.core.packs import decode_findings
from penstock.core.plan import Batch
from penstock.core.promotion import refusal
from penstock.core.records import EXISTS, Query, Set, Update
from penstock.core.values import Data
from penstock.ports import Message
from penstock.use_cases import archiving, lineages, outbox, staging
from penstock.use_cases.context import Context, LostRace, Move, advance, load_batch
from penstock.use_cases.decide import decide_unasked
from penstock.use_cases.finish import fetch_latecomers, finish, sample
from penstock.use_cases.listing import batches
from penstock.use_cases.metering import Metering
from penstock.use_cases.opening import CONTENT_TYPES, open_review, write_report
from penstock.use_cases.outbox import Effect
from penstock.use_cases.promote import promote_pack, start
from penstock.use_cases.reviewing import rows_of
from penstock.use_cases.topics import CAPTURE, CHECK, PROMOTE, send_packs

INDEXED = 100  # batches on a target's index page
INLINE = 500  # a batch of so many approved changes is promoted within the approver's request


def ask_checks(ctx: Context, _: str, data: Data) -> None:
    if not data["packs"]:  # a hold: nothing is to be checked
        outbox.pay(ctx, open_review(ctx, data["batch"]), EFFECTS)
        return
    send_packs(ctx, CHECK, data["batch"], range(data["packs"]))
    held = load_batch(ctx, data["batch"])
    if held.batch.status is Status.STAGED:
        try:
            advance(ctx, Move(held, Status.CHECKING, "engine"))
        except LostRace:
            return  # the checks were quicker, and opened the review


def mail_review(ctx: Context, fact: str, data: Data) -> None:
    """The mail to one approver. The token is made again from what it is bound to; the database knows its hash alone."""
    batch = load_batch(ctx, data["batch"]).batch
    link = ctx.store.get([layout.token(data["token"])])[0].fields
    if batch.status is not Status.UNDER_REVIEW or link["state"] != "open":
        return
    grant = tokens.grant_of(link)
    facts = {
        "batch": batch,
        "title": ctx.pipeline.title,
        "link": f"{ctx.ports.base_url}/{ctx.id}/{tokens.token(ctx.ports.keys, link['key_id'], grant)}",
        "code": tokens.code(ctx.ports.keys, link["key_id"], grant),
        "recipient": link["recipient"],
        "expires": link["expires_at"],
        "worst": decode_findings(data["worst"]),
    }
    subject, text, html = ctx.ports.pages.mail("locked" if data["locked"] else "review", facts)
    ctx.ports.mailer.send(Message(fact, link["recipient"], subject, text, html))


def consent(ctx: Context, _: str, data: Data) -> None:
    """Nobody is asked about this batch."""
    outbox.pay(ctx, decide_unasked(ctx, data["batch"]), EFFECTS)


def promote(ctx: Context, _: str, data: Data) -> None:
    """Start the promotion. A small batch is done at once; a larger one goes on over Pub/Sub, pack by pack; of a tree the first is
    sent, and whoever promoted one sends the next. In a freeze nothing is started; the sweep does it when that is over."""
    batch = start(ctx, data["batch"])
    if batch.status is not Status.APPLYING:
        return
    if batch.approved > INLINE:
        send_packs(ctx, PROMOTE, batch.id, range(1 if ctx.pipeline.tree else batch.packs))
        return
    for number in range(batch.packs):
        promote_pack(ctx, batch, number)
    outbox.pay(ctx, finish(ctx, batch.id), EFFECTS)


def report(ctx: Context, _: str, data: Data) -> None:
    """The report after a promotion. What it finds out is noted on the batch too: a sample read back, what production holds now,
    and where the files lie. A batch that was given up names its own trouble and is not read back."""
    metering = Metering()
    batch = load_batch(ctx, data["batch"]).batch
    others = batches(ctx, limit=INDEXED)
    after = {ctx.collection(e): ctx.store.count(Query(ctx.collection(e))) for e in ctx.pipeline.entities}
    fields: Data = {"production_after": after}
    if not batch.error:
        back = sample(ctx, batch, list(staging.packs_of(ctx, batch.id, payload=False)), batch.applied)
        fields |= {"verified": back.verified, "mismatched": len(back.mismatched), "edited_since": back.edited}
        if back.mismatched:
            named = ", ".join(back.mismatched[:5])
            fields["error"] = f"{len(back.mismatched)} records read back differ from what was approved: {named}."
    told = metering.spent + Cost(reads=query_of(batch.packs), writes=1) + reported(batch.packs, data.get("moved", 1))
    told += Cost(writes=1, messages=1) if batch.drifted else Cost()
    fields["costs"] = {**batch.costs, "report": told}
    batch = replace(batch, **fields)
    kind = "rollback" if batch.kind == "rollback" else "post-sync"
    packs = (pack for pack in staging.packs_of(ctx, batch.id) if staging.is_intact(batch, pack))  # `error` names any other
    rows = lineages.told(ctx.pipeline, packs, lambda pack: rows_of(pack, batch))
    fields["reports"] = {**batch.reports, **write_report(ctx, kind, batch, rows)}
    written = {**fields, "costs": to_data(fields["costs"])}
    ctx.store.commit([Update(layout.batch(batch.id), written, tuple((name,) for name in written), EXISTS)])
    batch = replace(batch, **fields)
    page = ctx.ports.pages.index(ctx.id, [batch if other.id == batch.id else other for other in others])
    ctx.ports.blobs.write(layout.index_blob(ctx.id), page, CONTENT_TYPES["html"], replace=True)


def mail_done(ctx: Context, fact: str, data: Data) -> None:
    batch = load_batch(ctx, data["batch"]).batch
    subject, text, html = ctx.ports.pages.mail("done", {"batch": batch, "title": ctx.pipeline.title, "reports": batch.reports})
    for number, recipient in enumerate(ctx.approvers):
        ctx.ports.mailer.send(Message(f"{fact}-{number}", recipient, subject, text, html))


def mail_held(ctx: Context, fact: str, data: Data) -> None:
    """Units have no place, and no review says so: those are told who approve, and those who may mend the source."""
    facts = {
        "title": ctx.pipeline.title,
        "pipeline": ctx.pipeline.name,
        "target": ctx.id,
        "findings": decode_findings(data["findings"]),
        "new": data["new"],
        "read_time": data["read_time"],
    }
    subject, text, html = ctx.ports.pages.mail("held", facts)
    for number, recipient in enumerate(dict.fromkeys((*ctx.approvers, *ctx.operators))):
        ctx.ports.mailer.send(Message(f"{fact}-{number}", recipient, subject, text, html))


def remember(ctx: Context, _: str, data: Data) -> None:
    """A batch was refused as a whole: keep what it proposed, so that it is not proposed again while its source stays as it is."""
    batch: Batch = load_batch(ctx, data["batch"]).batch
    for pack in staging.packs_of(ctx, batch.id):
        if batch.kind != "rollback":
            refused = {change.key: refusal(change) for change in pack.changes}
            ctx.store.commit([staging.remember(ctx, batch.id, pack.number, refused)])


def archive(ctx: Context, _: str, data: Data) -> None:
    """What proves a batch that ended: its evidence beside its backups, and the entry that ended it anchored."""
    if load_batch(ctx, data["batch"]).batch.finished_at is not None:
        archiving.keep(ctx, data["batch"])
    archiving.anchor_end(ctx, data["batch"], data["since"])


def recheck(ctx: Context, _: str, __: Data) -> None:
    ctx.ports.publisher.publish(CAPTURE, [{"target": ctx.id, "mode": "recheck"}])


def latecomers(ctx: Context, _: str, data: Data) -> None:
    fetch_latecomers(ctx, data["batch"])


def proceed(ctx: Context, _: str, data: Data) -> None:
    """A brake was approved: the hold is over, and the target is run."""
    held = load_batch(ctx, data["batch"])
    if held.batch.status is Status.APPROVED:
        with suppress(LostRace):  # another payer did it
            advance(ctx, Move(held, Status.APPLIED, "engine"))
    mode = data.get("mode", "full")  # what an earlier version owes says none, and meant that
    ctx.ports.publisher.publish(CAPTURE, [{"target": ctx.id, "mode": mode}])


EFFECTS: Mapping[str, Effect] = {
    "check": ask_checks,
    "review": mail_review,
    "consent": consent,
    "promote": promote,
    "report": report,
    "done": mail_done,
    "held": mail_held,
    "archive": archive,
    "remember": remember,
    "recheck": recheck,
    "proceed": proceed,
    "latecomers": latecomers,
}


def pay(ctx: Context, owed: Iterable[Set]) -> list[str]:
    """Cause what was just committed as owed; gives the failures in words, each noted for the sweep."""
    return outbox.pay(ctx, owed, EFFECTS)
