"""What outlives the staging collection, for a proof without any database: a batch's evidence beside its backups, and anchors of
the audit chain where its entries cannot be written."""

from __future__ import annotations

from penstock.core import audit, layout, proof
from penstock.core.audit import Head
from penstock.core.errors import Incomplete, NotFound, PenstockError
from penstock.core.packs import expand
from penstock.core.proof import Sheet
from penstock.core.values import Data, Timestamp
from penstock.ports import Blobs
from penstock.use_cases import staging
from penstock.use_cases.context import Context, chain_behind


class Rewritten(PenstockError):
    """The audit chain is not the one that was anchored."""


def anchor(blobs: Blobs, of: str, head: Head) -> None:
    """Make a head of the chain of a target, or of a hub, durable under a name of its own, once. `Rewritten` where that entry was
    another one before."""
    name, content = layout.anchor_blob(of, head.sequence), audit.anchor(of, head)
    if _there(blobs, name) is None:  # asked first: who may only create is refused a name that is taken, whatever it holds
        blobs.write(name, content, "application/json")
    if _there(blobs, name) != content:
        target = of if layout.is_target(of) else "TARGET"
        raise Rewritten(
            f"has another entry {head.sequence} than was anchored in {name}: it was rewritten",
            subject=of,
            remedy=f"Change nothing. `penstock export {target} FOLDER`, then `penstock verify FOLDER` names the entries.",
        )


def _there(blobs: Blobs, name: str) -> bytes | None:
    try:
        return blobs.read(name)
    except NotFound:
        return None


def anchor_end(ctx: Context, batch: str, since: int) -> None:
    """Anchor the entry that ended a decided batch; it lies behind entry `since`."""
    for found in ctx.store.scan(chain_behind(ctx, since, "sequence", "hash", "batch", "what")):
        if found.fields["batch"] == batch and audit.must_be_anchored(found.fields):
            anchor(ctx.ports.blobs, ctx.id, audit.head_of(found.fields))


def keep(ctx: Context, batch: str) -> None:
    """Write a batch's evidence, once: what it was, who decided it, and what came of each pack. The packs themselves go with the
    staging collection; their changes stay in the backups."""
    content = proof.encode_evidence(*evidence(ctx, batch))
    ctx.ports.blobs.write(layout.evidence_blob(ctx.id, batch), content, "application/gzip")


def evidence(ctx: Context, batch: str, at: Timestamp | None = None) -> tuple[Data, list[Sheet]]:
    """A batch as it is stored, and a sheet of each of its packs; at a moment, or now. `Incomplete` where a pack is not there."""
    of_batch = ctx.store.get([layout.batch(batch)], at)[0].fields
    sheets = [_sheet(pack.fields) for pack in staging.packs_of(ctx, batch, payload=False, at=at)]
    if not of_batch or len(sheets) != of_batch["packs"]:
        raise Incomplete(
            f"has {len(sheets)} of its {of_batch.get('packs', 'unknown')} packs left",
            subject=batch,
            remedy="What it wrote cannot be proved any more. Look for whoever removed its packs before their time.",
        )
    return of_batch, sheets


def _sheet(of: Data) -> Sheet:
    findings = expand(of["findings"]) if of.get("findings") else ""
    return Sheet(of["number"], of["payload_digest"], of["digest"], of["ready_digest"], findings, of["carried"], of.get("ledger"))
