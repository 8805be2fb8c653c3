"""Opens the review of a batch whose packs are all checked: the batch-wide rules, the digest that decisions are bound to, the
pre-sync report, and a link and a code for each approver."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from penstock.core import freeze, layout, tokens
from penstock.core.batch import OPEN, Status
from penstock.core.bill import after_pack, asking, mailing
from penstock.core.changes import SEVERITIES, Finding
from penstock.core.cost import Cost, total
from penstock.core.harmless import classes_of
from penstock.core.packs import digest_of_batch, encode_findings
from penstock.core.plan import Batch, Row
from penstock.core.records import ABSENT, Set
from penstock.core.rules import judge
from penstock.core.tokens import Grant
from penstock.use_cases import lineages, outbox, staging
from penstock.use_cases.context import Context, LostRace, Move, advance, load_batch
from penstock.use_cases.metering import Metering
from penstock.use_cases.promote import frozen_until
from penstock.use_cases.staging import Pack

WORST_IN_A_MAIL = 8
_OPENED = (
    "batch_findings", "folded", "findings", "pack_digests", "digest", "opened_at", "expires_at", "costs", "harmless", "approvals",
)  # fmt: skip


def open_review(ctx: Context, batch: str, number: int | None = None) -> tuple[Set, ...]:
    """Open the review, once: a batch that is open, decided or gone already is left as it is. Gives the mails that are owed. With
    the number of the pack that was just checked: only if that was the last one to be."""
    metering = Metering()
    held = load_batch(ctx, batch)
    if held.batch.status not in OPEN - {Status.UNDER_REVIEW, Status.CREATED}:
        return ()
    packs = list(staging.packs_of(ctx, batch))
    if len(packs) != held.batch.packs or any(pack.state == "STAGED" for pack in packs):
        return ()
    if number is not None and not staging.moved_last(packs, number):
        return ()
    totals = _totals(ctx, held.batch)
    judged = judge(ctx.pipeline, [pack.gathered for pack in packs], totals)
    now = ctx.ports.now()
    of_batch = (*held.batch.batch_findings, *judged.findings, *_freeze(ctx, held.batch))
    expires = now.plus(ctx.pipeline.gate.expires.total_seconds())
    opened = replace(
        held.batch,
        status=Status.UNDER_REVIEW,
        batch_findings=of_batch,
        folded=judged.folded,
        findings=_count(packs, of_batch, judged.folded),
        pack_digests=tuple(staging.shown_digest(pack) for pack in packs),
        digest=digest_of_batch([staging.shown_digest(pack) for pack in packs], of_batch),
        opened_at=now,
        expires_at=expires,
    )
    classes = harmless(ctx, opened, packs)
    asked = () if classes else ctx.approvers
    unasked = (outbox.owe(ctx, batch, "consent"),) if classes else ()  # paid by the sweep: who checks may promote nothing
    check = total(pack.cost("check") + after_pack(pack.number, len(packs)) for pack in packs)
    review = metering.spent + Cost(writes=2 + 2 * len(asked) + len(unasked)) + mailing(len(asked))
    costs = {**opened.costs, "check": asking(len(packs)) + check, "review": review}
    opened = replace(opened, costs=costs, harmless=classes, approvals=1 if classes else opened.approvals)
    reports = write_report(ctx, "pre-sync", opened, _rows(ctx, packs, opened))
    worst = _worst(packs, opened)
    grants = [invite(ctx, opened, recipient, 1, worst) for recipient in asked]
    owed = tuple(fact for _, fact in grants)
    fields = {name: getattr(opened, name) for name in _OPENED} | {"reports": {**held.batch.reports, **reports}}
    step = Move(
        held,
        Status.UNDER_REVIEW,
        "engine",
        fields,
        {"digest": opened.digest, "approvers": len(grants), "approvals": opened.approvals}
        | ({"harmless": list(classes)} if classes else {}),
    )
    try:
        advance(ctx, step, writes=[*(token for token, _ in grants), *owed, *unasked])
    except LostRace:
        return ()  # another check of the last pack opened it
    return owed


def harmless(ctx: Context, batch: Batch, packs: Sequence[Pack]) -> tuple[str, ...]:
    """The classes that all of a sync falls into, where nobody is asked about these. What fell out, and the way back, are looked
    at by people."""
    named = ctx.pipeline.approved_unasked
    if batch.kind != "sync" or not named:
        return ()
    findings = (*(found for pack in packs for found in pack.findings), *batch.batch_findings)
    return classes_of(named, (change for pack in packs for change in pack.changes), findings)


def _freeze(ctx: Context, batch: Batch) -> tuple[Finding, ...]:
    """What would not be promoted now is not approved in passing."""
    until = None if batch.kind == "hold" else frozen_until(ctx, batch)
    return (freeze.finding(until),) if until else ()


def _totals(ctx: Context, batch: Batch) -> dict[str, int]:
    return {e.name: batch.production_before.get(ctx.collection(e), 0) for e in ctx.pipeline.entities}


def _count(packs: list[Pack], of_batch: tuple[Finding, ...], folded: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """rule → severity → how many records carry it. The claims of rivals on one record are one."""
    every = (*(f for pack in packs for f in pack.findings), *of_batch)
    told = {(f.rule, f.severity, f.key.partition("#")[0] or f.field) for f in every if not is_folded(f, folded)}
    counted: dict[str, Counter[str]] = {}
    for rule, severity, _ in told:
        counted.setdefault(rule, Counter())[severity] += 1
    return {rule: dict(of_rule) for rule, of_rule in sorted(counted.items())}


def is_folded(finding: Finding, folded: tuple[str, ...]) -> bool:
    """Told once for all by a mass change."""
    return finding.rule == "different_values" and finding.field in folded


def _rows(ctx: Context, packs: list[Pack], batch: Batch) -> Iterator[Row]:
    """Every change with its findings, pack by pack."""

    def of(pack: Pack) -> Iterator[Row]:
        found = staging.findings_by_key(pack, batch.batch_findings)
        for change in pack.changes:
            yield Row(change, tuple(f for f in found.get(change.key, ()) if not is_folded(f, batch.folded)))

    return lineages.told(ctx.pipeline, packs, of)


def write_report(ctx: Context, kind: str, batch: Batch, of: Iterator[Row]) -> dict[str, str]:
    """The files of a report in Storage: `pre-sync.html` → where a person finds it. Written again, they are the same."""
    written = {}
    for extension, content in ctx.ports.pages.report(kind, ctx.pipeline.title, batch, of).items():
        name = layout.report_blob(ctx.id, batch.id, kind, extension)
        ctx.ports.blobs.write(name, content, CONTENT_TYPES[extension], replace=True)
        written[f"{kind}.{extension}"] = ctx.ports.blobs.url(name)
    return written


CONTENT_TYPES = {"html": "text/html; charset=utf-8", "csv": "text/csv; charset=utf-8", "json": "application/json"}


def _worst(packs: list[Pack], batch: Batch) -> str:
    """A few of the worst findings, for the mail."""
    told = (f for pack in packs for f in pack.findings if f.severity != "notice" and not is_folded(f, batch.folded))
    return encode_findings(sorted(islice(told, 200), key=lambda f: SEVERITIES.index(f.severity))[:WORST_IN_A_MAIL])


def invite(ctx: Context, batch: Batch, recipient: str, serial: int, worst: str) -> tuple[Set, Set]:
    """A link for one person: the token's hash as stored, and the mail that is owed. The token itself is stored nowhere; the mail
    makes it again from what it is bound to."""
    key_id, expires = next(iter(ctx.ports.keys)), batch.expires_at
    assert expires is not None
    grant = Grant(ctx.id, batch.id, batch.digest, recipient, tokens.DECIDE, serial, expires)
    hash = tokens.hash_of(tokens.token(ctx.ports.keys, key_id, grant))
    data = {
        **tokens.stored(grant),
        "key_id": key_id,
        "tries": 0,
        "state": "open",
        "purge_at": expires.plus(ctx.pipeline.staging_retention.total_seconds()),
    }
    person = hashlib.sha256(recipient.encode()).hexdigest()[:12]
    mail = outbox.owe(ctx, batch.id, "review", f"{person}-{serial}", token=hash, locked=serial > 1, worst=worst)
    return Set(layout.token(hash), data, ABSENT), mail
