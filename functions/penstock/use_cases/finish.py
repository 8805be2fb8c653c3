"""The end of a promotion: the ledgers are added up and the batch comes to rest; then a sample of production is read back."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from penstock.core.batch import Status
from penstock.core.bill import after_pack, starting
from penstock.core.changes import Change
from penstock.core.codec import Recheck, to_data
from penstock.core.cost import Cost, total
from penstock.core.diff import with_value
from penstock.core.errors import Conflict, OutcomeUnknown, Unavailable
from penstock.core.packs import Ledger, digest_of_ledgers
from penstock.core.plan import Batch
from penstock.core.promotion import promoted, stamp_of
from penstock.core.records import Set, Update, unchanged_since
from penstock.core.values import Data, Timestamp, dumps, get_in
from penstock.use_cases import outbox, staging
from penstock.use_cases.context import Context, Held, LostRace, Move, advance, find_batch, load_batch, load_target
from penstock.use_cases.following import STRAGGLING, fetch_stragglers, led_astray
from penstock.use_cases.metering import Metering
from penstock.use_cases.promote import resolve
from penstock.use_cases.putting_back import put_back
from penstock.use_cases.staging import Pack
from penstock.use_cases.topics import PROMOTE, send_packs

CLOSING_TRIES = 5


@dataclass(frozen=True, slots=True)
class ReadBack:
    verified: int = 0  # production is byte for byte what was approved
    mismatched: tuple[str, ...] = ()  # it is not, although nobody else wrote it
    edited: int = 0  # somebody wrote it since; what was promoted cannot be told from it any more


def finish_after(ctx: Context, batch: str, number: int) -> tuple[Set, ...]:
    """`finish`, unless the pack behind the one just promoted waits: whoever promotes that asks again. That of a tree is sent
    now."""
    if not staging.next_waits(ctx, batch, number, "CHECKED"):
        return finish(ctx, batch, number)
    if ctx.pipeline.tree:
        send_packs(ctx, PROMOTE, batch, [number + 1])
    return ()


def finish(ctx: Context, batch: str, number: int | None = None) -> tuple[Set, ...]:
    """Bring a batch to rest when its last pack is promoted; otherwise do nothing. Gives what is owed: report, mail, follow-up."""
    if ctx.store.count(staging.in_state(batch, "CHECKED")):
        return ()
    metering = Metering()
    for look in range(STRAGGLING):
        held = load_batch(ctx, batch)
        if held.batch.status is not Status.APPLYING:
            return ()
        packs = list(staging.packs_of(ctx, batch, payload=False))
        ledgers = [pack.ledger for pack in packs]
        ours = number is None or look > 0 or staging.moved_last(packs, number)
        if len(packs) != held.batch.packs or not all(ledgers) or not ours:
            return ()
        fetch_stragglers(ctx, held.batch, packs)
        if not put_back(ctx, held, packs):
            break
    else:
        return ()  # the sweep looks again
    drifted = tuple(key for ledger in ledgers if ledger for key in ledger.drifted)
    applied = sum(ledger.applied for ledger in ledgers if ledger)
    to = Status.PARTIALLY_APPLIED if drifted else Status.APPLIED
    fields: Data = {
        "applied": applied,
        "drifted": len(drifted),
        "rejected": sum(len(ledger.rejected) for ledger in ledgers if ledger),
        "finished_at": ctx.ports.now(),
    }
    detail: Data = {"ledgers": digest_of_ledgers(pack.fields["ledger"] for pack in packs)}
    return _rest(ctx, held, to, fields, drifted, detail, _Spent(metering, _promoting(packs, by_messages=number is not None)))


@dataclass(frozen=True, slots=True)
class _Spent:
    """What ends in the commit that brings a batch to rest."""

    metering: Metering
    packs: Cost

    def with_writes(self, writes: int) -> Cost:
        return self.packs + self.metering.spent + Cost(writes=writes)


def _promoting(packs: Sequence[Pack], *, by_messages: bool) -> Cost:
    own = total(pack.cost("promote") for pack in packs)
    if by_messages:
        return own + starting(len(packs)) + total(after_pack(pack.number, len(packs)) for pack in packs)
    return own + starting(0) + Cost(reads=1)


def give_up(ctx: Context, batch: str) -> tuple[Set, ...]:
    """End a promotion that FAILED and that nobody mended: what landed stands and can be rolled back, what did not is planned anew
    by the next run. Gives what is owed; nothing where the batch is not FAILED, or moved meanwhile."""
    held, target = load_batch(ctx, batch), load_target(ctx)
    if held.batch.status is not Status.FAILED:
        return ()
    packs = list(staging.packs_of(ctx, batch, payload=False))
    last_first = [_closed(ctx, pack) for pack in reversed(packs)]  # of a tree a sleeper begins none behind one that is closed
    ledgers = last_first[::-1]
    applied = sum(ledger.applied for ledger in ledgers)
    rejected = sum(len(ledger.rejected) for ledger in ledgers)
    fields = {
        "applied": applied,
        "rejected": rejected,
        "drifted": held.batch.total - applied - rejected,
        "finished_at": ctx.ports.now(),
    }
    report, done, archive = _owed(ctx, held)
    owed = (report, done, archive) if applied else (archive,)
    late = [outbox.owe(ctx, batch, "latecomers")] if any(ledger.moved for ledger in ledgers) else []
    detail: Data = {"applied": applied, "ledgers": digest_of_ledgers(map(to_data, ledgers))}
    step = Move(held, Status.PARTIALLY_APPLIED if applied else Status.SUPERSEDED, "engine", fields, detail)
    target_fields = {"applying": "", "recheck": (*target.state.recheck, Recheck(batch))}
    try:
        advance(ctx, step, writes=[*owed, *late], target=target, target_fields=target_fields)
    except LostRace:
        return ()
    return owed  # not `late`: who gives up may not write production, and the sweep may


def fetch_latecomers(ctx: Context, batch: str) -> None:
    """What came below units while packs were promoted, of a batch that was given up since."""
    fetch_stragglers(ctx, load_batch(ctx, batch).batch, list(staging.packs_of(ctx, batch, payload=False)))


def _closed(ctx: Context, pack: Pack) -> Ledger:
    """What a pack came to. One that was not promoted gets a ledger by which all of it fell out: an instance that stalled half-way
    through it, and wakes up after the batch was given up, then loses its commit."""
    for _ in range(CLOSING_TRIES):
        if pack.ledger is not None:
            return pack.ledger
        assert pack.snapshot.update_time is not None
        ledger = Ledger(ctx.ports.now(), ctx.ports.new_id(), 0, (), tuple(pack.fields["keys"]))
        fields = {"state": "PROMOTED", "ledger": to_data(ledger)}
        as_read = unchanged_since(pack.snapshot.update_time)
        with suppress(Conflict, OutcomeUnknown):
            ctx.store.commit([Update(pack.snapshot.path, fields, (("state",), ("ledger",)), as_read)])
        pack = staging.load_pack(ctx, pack.fields["batch"], pack.number)
    raise Unavailable("could not be closed", subject=pack.snapshot.path, remedy="Nothing was read. Run it again.")


def _owed(ctx: Context, held: Held, moved: int = 1) -> list[Set]:
    """`moved`: how many batches come to rest in this commit."""
    batch = held.batch.id
    archive = outbox.owe(ctx, batch, "archive", since=held.head.sequence)
    return [outbox.owe(ctx, batch, "report", "post", moved=moved), outbox.owe(ctx, batch, "done"), archive]


def _rest(
    ctx: Context, held: Held, to: Status, fields: Data, drifted: tuple[str, ...], detail: Data, spent: _Spent
) -> tuple[Set, ...]:
    batch, target = held.batch, load_target(ctx)
    undone = _undone(ctx, batch) if to is Status.APPLIED and not fields["rejected"] else []
    owed = _owed(ctx, held, 1 + len(undone))
    target_fields: Data = {"applying": ""}
    if drifted and batch.kind != "rollback":
        target_fields["recheck"] = (*target.state.recheck, Recheck(batch.id, drifted))
        owed.append(outbox.owe(ctx, batch.id, "recheck"))
    told = {k: v for k, v in fields.items() if isinstance(v, int)} | detail
    promoting = spent.with_writes(2 * (1 + len(undone)) + len(owed) + 1)
    steps = [Move(held, to, "engine", {**fields, "costs": {**batch.costs, "promote": promoting}}, told), *undone]
    try:
        advance(ctx, *steps, writes=owed, target=target, target_fields=target_fields)
    except LostRace:
        return ()  # another instance finished it
    return tuple(owed)


def _undone(ctx: Context, rollback: Batch) -> list[Move]:
    """A rollback that came to rest whole: the batch it took back is ROLLED_BACK. Where that was itself a rollback, the one below
    it stands again, the one below that is rolled back again, and so on down. Where only a part went back, all of this stays."""
    steps: list[Move] = []
    to, above = Status.ROLLED_BACK, rollback
    while above.kind == "rollback" and not above.part:
        held = find_batch(ctx, above.rolls_back)
        if held is None or (held.batch.status is Status.ROLLED_BACK) == (to is Status.ROLLED_BACK):
            break
        steps.append(Move(held, to, "engine"))
        to, above = Status.APPLIED if to is Status.ROLLED_BACK else Status.ROLLED_BACK, held.batch
    return steps


def sample(ctx: Context, batch: Batch, packs: Sequence[Pack], applied: int) -> ReadBack:
    """Read back a random share of what was applied, whole packs until it is reached, and compare with what was approved."""
    wanted = math.ceil(applied * ctx.pipeline.readback_share)
    order = [pack.number for pack in packs if pack.ledger and pack.ledger.applied]
    random.Random(ctx.ports.new_id()).shuffle(order)  # noqa: S311 - a sample, no secret
    total = ReadBack()
    for number in order:
        if total.verified + total.edited + len(total.mismatched) >= wanted:
            break
        left = wanted - total.verified - total.edited - len(total.mismatched)
        part = read_back(ctx, batch, staging.load_pack(ctx, batch.id, number), left)
        total = ReadBack(total.verified + part.verified, total.mismatched + part.mismatched, total.edited + part.edited)
    return total


def read_back(ctx: Context, batch: Batch, pack: Pack, at_most: int | None = None) -> ReadBack:
    """Compare records of a promoted pack with production, byte for byte: all, or so many at random."""
    ledger = pack.ledger
    assert ledger is not None
    assert pack.snapshot.update_time is not None
    approved, _ = resolve(batch, pack)
    keys = [c.key for c in approved if c.key not in set(ledger.drifted)]
    random.Random(ctx.ports.new_id()).shuffle(keys)  # noqa: S311
    changes, stamp = pack.some(set(keys[:at_most])), stamp_of(batch, ledger.at)
    verified, edited, mismatched = 0, 0, []
    found = ctx.store.get([c.path for c in changes])
    astray = led_astray(ctx, found)
    for change, now in zip(changes, found, strict=True):
        entity = ctx.pipeline.entity(change.entity)
        expected = promoted(change, entity, stamp)
        if entity.tree:  # the path is worked out: it follows whatever is moved above
            expected = with_value(expected, entity.tree.path, get_in(now.fields, entity.tree.path)) if now.exists else expected
        if dumps(now.fields) == dumps(expected) and now.path not in astray:
            verified += 1
        elif _untouched(change, now.update_time, ledger.committed or pack.snapshot.update_time):
            mismatched.append(change.key)
        else:
            edited += 1
    return ReadBack(verified, tuple(mismatched), edited)


def _untouched(change: Change, now: Timestamp | None, promoted_at: Timestamp) -> bool:
    return now is None if change.action == "DELETE" else now == promoted_at
