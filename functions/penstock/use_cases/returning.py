"""The way back of units that went: what they left behind, and went along with them or moved, returns in the same commit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from penstock.core import choices, layout
from penstock.core.declaration import Entity
from penstock.core.diff import value_fingerprint
from penstock.core.errors import NotFound, Refused
from penstock.core.followers import Followed, Moves, decode_followed, following, line_of, of_line, places_in
from penstock.core.packs import Ledger, Ready, digest_of
from penstock.core.placing import Placing
from penstock.core.plan import Batch
from penstock.core.records import Snapshot
from penstock.core.returning import Returned, left_for_good, needed, put_back
from penstock.core.reversal import Reversal
from penstock.core.values import dotted, get_in
from penstock.use_cases.context import Context
from penstock.use_cases.leaving import hanging
from penstock.use_cases.staging import Pack, Tampered


@dataclass(frozen=True, slots=True)
class Returning:
    """`followed`: what is written beside the changes; `leaves`: the units that these documents are at until then; `kept`: those
    that stay as they are, and why; `declined`: what is not to be proposed again of official units by now, "" where that is
    lifted."""

    followed: Sequence[Followed] = ()
    leaves: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    declined: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def with_what_was_left(ctx: Context, undone: Batch, pack: Pack, ledger: Ledger, found: Sequence[Reversal]) -> Iterator[Reversal]:
    """Reversals of a pack, and with those of units that went what they left behind, as far as that still is as it was left then.
    What was chosen for it then holds again should the reversal be taken back itself."""
    entity = ctx.pipeline.tree
    off = entity.deactivate if entity else None
    turned = {r.undone.key for r in found if r.change and off and off.field in r.change.mask}
    if entity is None or not turned:
        yield from found
        return
    lines = _left_by(ctx, undone, pack, ledger, turned) if ledger.beside else []
    put = _put_back(ctx, entity, lines, Moves())
    chosen = choices.chosen(undone.decisions)
    for r in found:
        if r.change is None or r.change.key not in turned:
            yield r
            continue
        mine = [line for line in lines if line.by == r.change.key]
        choice = chosen.get(r.change.key) or r.undone.facts.get("choice")
        stays = {line.document: put.kept[line.document] for line in mine if line.document in put.kept}
        back = [line_of(line) for line in mine if line.document not in stays]
        facts = {name: value for name, value in (("choice", choice), ("back", back), ("stays", stays)) if value}
        yield replace(r, change=r.change._replace(facts={**r.change.facts, **facts}))


def _left_by(ctx: Context, undone: Batch, pack: Pack, ledger: Ledger, keys: set[str]) -> list[Followed]:
    name = layout.followers_blob(ctx.id, undone.id, pack.number, ledger.attempt)
    try:
        content = ctx.ports.blobs.read(name)
    except NotFound as gone:
        what = f"cannot be rolled back any more: what pack {pack.number} wrote beside its changes is gone ({name})"
        raise Refused(what, subject=undone.id, remedy="Take back its other changes by their keys.") from gone
    if digest_of(content) != ledger.beside:
        what = "is not the list that the promotion wrote"
        raise Tampered(
            what, subject=name, remedy="Nothing was proposed. Look for whoever changed it before you take anything back."
        )
    return [line for line in decode_followed(content) if line.by in keys]


def returning(ctx: Context, batch: Batch, pack: Pack, entity: Entity, going: Sequence[Ready], placing: Placing) -> Returning:
    """Look at production and place what returns with a pack's changes."""
    if batch.kind != "rollback":
        return Returning()
    lines = [of_line(line) for c in pack.some({c.key for c in going}) for line in c.facts.get("back", ())]
    if not lines:
        return Returning()
    found = _put_back(ctx, entity, lines, placing.moves)
    leaves = left_for_good(places_in(entity), (line for line in lines if line.document not in found.kept))
    along = _below(ctx, entity, found.followed)
    return Returning([*found.followed, *along], leaves, found.kept, _declined(ctx, entity, found.followed))


def _below(ctx: Context, entity: Entity, returned: Sequence[Followed]) -> list[Followed]:
    """What came below the units that return, since these were left: it goes along with them."""
    assert entity.tree is not None
    path, moves = entity.tree.path, Moves()
    for f in returned:
        if f.kind == entity.name and path in f.fields:
            moves.move(str(get_in(f.before, path)), str(get_in(f.after, path)))
    written = {f.document for f in returned}
    below = hanging(ctx, entity, moves.tops)
    return [f for of, some in below.items() for f in following(moves, of, (now for now in some if now.path not in written))]


def _put_back(ctx: Context, entity: Entity, lines: Iterable[Followed], moves: Moves) -> Returned:
    places, lines = places_in(entity, ctx.target.prefix), list(lines)
    wanted = needed(entity, places, lines)
    select = tuple(dict.fromkeys(path for fields in wanted.values() for path in fields))
    live = {s.path: s for s in ctx.store.get(list(wanted), select=select)} if wanted else {}
    return put_back(entity, places, lines, live, moves.after)


def _declined(ctx: Context, entity: Entity, wrote: Sequence[Followed]) -> dict[str, Mapping[str, str]]:
    """Of official units that went along, and return: the source's word counts again."""
    off = entity.deactivate
    mine = [f for f in wrote if off and f.kind == entity.name and off.field in f.fields]
    if not mine or off is None or not any(f.target == off.field for f in entity.fields):
        return {}
    units: list[Snapshot] = ctx.store.get([f.document for f in mine], select=(entity.key,))
    found: dict[str, Mapping[str, str]] = {}
    for wrote_, unit in zip(mine, units, strict=True):
        before, after = (get_in(data, off.field) for data in (wrote_.before, wrote_.after))
        if (key := get_in(unit.fields, entity.key)) is not None:
            found[f"{entity.name}/{key}"] = {dotted(off.field): value_fingerprint(before) if after == off.value else ""}
    return found
