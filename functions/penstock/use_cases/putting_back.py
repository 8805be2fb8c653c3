"""A unit to which somebody came right as it was removed stands again. Nothing stood where they came to, so nothing told the
commit of them; a lock would only have had them wait for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from penstock.core import layout
from penstock.core.changes import Change
from penstock.core.codec import to_data
from penstock.core.declaration import Entity
from penstock.core.diff import with_value
from penstock.core.errors import Conflict, OutcomeUnknown
from penstock.core.findings import listed
from penstock.core.followers import Moves
from penstock.core.packs import Ledger
from penstock.core.records import ABSENT, Set, Update, Write, unchanged_since
from penstock.core.tree import DOT, joined
from penstock.core.values import Data, get_in
from penstock.use_cases import staging
from penstock.use_cases.context import Context, Held
from penstock.use_cases.following import attached
from penstock.use_cases.staging import Pack


@dataclass(frozen=True, slots=True)
class _Removed:
    """A unit that a pack removed. `lay`: its path in production then; `path`: that once all moves of the pack were made."""

    document: str
    pack: Pack
    key: str
    lay: str
    path: str

    @property
    def above(self) -> str:
        """The document that it hung under; "" for a root."""
        id = self.path.rpartition(DOT)[0].rpartition(DOT)[2]
        return f"{self.document.rpartition('/')[0]}/{id}" if id else ""


def put_back(ctx: Context, held: Held, packs: Sequence[Pack]) -> bool:
    """Put back the units that this batch removed and that something hangs under by now, with those that they hung under, as they
    stood; by its ledgers their removals fell out. Only before the batch comes to rest: whoever sleeps until after that loses.
    True where it was tried: read again, and look again."""
    entity = ctx.pipeline.tree
    removed = {r.document: r for r in _removed(ctx, entity, packs)} if entity else {}
    if entity is None or not removed:
        return False
    left = _joined(ctx, entity, packs, removed)
    gone: dict[str, _Removed] = {}
    for document in left:
        here = document
        while here in removed and here not in gone:
            gone[here] = removed[here]
            here = gone[here].above
    stood = _changes(ctx, held, gone)
    again = _standing(ctx, entity, gone, stood) if gone else {}
    if not again:
        return False
    why = {gone[document].key: _why(left.get(document, {})) for document in again}
    assert held.update_time is not None
    writes: list[Write] = [Set(document, data, ABSENT) for document, data in again.items()]
    writes += [_corrected(pack, pack.ledger, why) for pack in packs if pack.ledger and pack.ledger.removed.keys() & why.keys()]
    fallen = {"drifted": held.batch.drifted + len(again)}  # that it changes is what tells a sleeper
    writes.append(Update(layout.batch(held.batch.id), fallen, (("drifted",),), unchanged_since(held.update_time)))
    lifted = {stood[document].key: dict.fromkeys(stood[document].facts.get("declines", ()), "") for document in again}
    writes.append(staging.remember(ctx, f"{held.batch.id}.again-{ctx.ports.new_id()}", 0, lifted))
    with suppress(Conflict, OutcomeUnknown):
        ctx.store.commit(writes)
    return True


def _removed(ctx: Context, entity: Entity, packs: Sequence[Pack]) -> Iterator[_Removed]:
    for pack in packs:
        moves = Moves(pack.ledger.moved if pack.ledger else {})
        for key, path in pack.ledger.removed.items() if pack.ledger else ():
            yield _Removed(f"{ctx.collection(entity)}/{path.rpartition(DOT)[2]}", pack, key, path, moves.after(path))


def _joined(ctx: Context, entity: Entity, packs: Sequence[Pack], removed: Mapping[str, _Removed]) -> dict[str, dict[str, int]]:
    """What hangs under removed units, pack by pack: also what came later than others were fetched, by the path of before."""
    found: dict[str, dict[str, int]] = {}
    for pack in packs:
        mine = [r for r in removed.values() if r.pack is pack]
        for units in ({r.document: r.path for r in mine}, {r.document: r.lay for r in mine if r.lay != r.path}):
            found |= attached(ctx, entity, units, {}, {}) if units else {}
    return found


def _changes(ctx: Context, held: Held, gone: Mapping[str, _Removed]) -> dict[str, Change]:
    """By document; each pack is read once."""
    keys: dict[int, set[str]] = {}
    for r in gone.values():
        keys.setdefault(r.pack.number, set()).add(r.key)
    packs = ((staging.load_pack(ctx, held.batch.id, number), some) for number, some in keys.items())
    return {change.path: change for pack, some in packs for change in pack.some(some)}


def _standing(ctx: Context, entity: Entity, gone: Mapping[str, _Removed], stood: Mapping[str, Change]) -> dict[str, Data]:
    """Those that nobody put there since, as they stood and where what they hung under lies now. What hung under a unit that
    somebody else removed would hang under nothing, and stays removed."""
    assert entity.tree is not None
    field = entity.tree.path
    wanted = {*gone, *(r.above for r in gone.values())} - {""}
    lies = {s.path: str(get_in(s.fields, field) or "") for s in ctx.store.get(sorted(wanted), select=(field,)) if s.exists}
    found: dict[str, Data] = {}
    for document, r in sorted(gone.items(), key=lambda item: item[1].path.count(DOT)):
        if document not in lies and (not r.above or lies.get(r.above)):
            lies[document] = joined(lies.get(r.above, ""), document.rpartition("/")[2])
            found[document] = with_value(stood[document].before or {}, field, lies[document])
    return found


def _why(left: Mapping[str, int]) -> str:
    what = listed(f"{many:,} {name}" for name, many in left.items())
    return f"{what} came to hang under it as it was removed" if left else "a unit that was removed from below it came back"


def _corrected(pack: Pack, ledger: Ledger, back: Mapping[str, str]) -> Update:
    """The ledger of a pack without the removals that were taken back. From now on the pack's `update_time` is that of this."""
    at = pack.snapshot.update_time
    assert at is not None
    why = {key: text for key, text in back.items() if key in ledger.removed}
    rest = {key: path for key, path in ledger.removed.items() if key not in why}
    applied, drifted = ledger.applied - len(why), (*ledger.drifted, *why)
    told, committed = {**ledger.why, **why}, ledger.committed or at
    ledger = replace(ledger, applied=applied, drifted=drifted, why=told, removed=rest, committed=committed)
    return Update(pack.snapshot.path, {"ledger": to_data(ledger)}, (("ledger",),), unchanged_since(at))
