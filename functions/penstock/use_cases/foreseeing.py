"""What a batch will cost once it is staged, from its packs: told before anybody is asked to approve it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.core import layout
from penstock.core.bill import Circumstances, Known, Staged, foresee, reads_of_check
from penstock.core.cost import Cost
from penstock.core.harmless import classes_of
from penstock.core.packs import Draft
from penstock.core.plan import Kind
from penstock.core.records import NAME, Query, Where
from penstock.core.tree_bill import beside
from penstock.use_cases.context import Context
from penstock.use_cases.effects import INLINE


def staged(ctx: Context, draft: Draft, held: Mapping[str, int], known: Known | None = None) -> Staged:
    """`held`: how many documents each collection of production holds; `known` as for `bill.reads_of_check`."""
    reads = reads_of_check(ctx.pipeline, ctx.target.prefix, draft.changes, held, known)
    harmless = bool(classes_of(ctx.pipeline.approved_unasked, draft.changes, ()))
    return Staged(draft.counts, reads, beside(ctx.pipeline, ctx.target.prefix, draft.changes), harmless)


def after_capture(ctx: Context, kind: Kind, packs: Sequence[Staged], held: Mapping[str, int], undone: int = 0) -> dict[str, Cost]:
    """The phases behind the capture. Costs a billed count: reports list all batches that are kept. `undone` as for
    `bill.Circumstances`."""
    after, before = layout.batch(f"{ctx.id}."), layout.batch(f"{ctx.id}.~")
    batches = ctx.store.count(Query(layout.BATCHES, (Where(NAME, ">", after), Where(NAME, "<", before))))
    of = Circumstances(
        approvers=len(ctx.approvers),
        approvals=ctx.pipeline.gate.approvals,
        production={entity.name: held[ctx.collection(entity)] for entity in ctx.pipeline.entities},
        batches=batches,
        readback_share=ctx.pipeline.readback_share,
        inline=INLINE,
        kind=kind,
        undone=undone,
        ordered=ctx.pipeline.tree is not None,
    )
    return foresee(packs, of)
