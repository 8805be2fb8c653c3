"""What must be true whenever nothing is going on any more, whatever went wrong before; and the way there."""

from __future__ import annotations

import gzip
from collections import Counter
from typing import Any

from penstock.core import audit, layout
from penstock.core.batch import Status
from penstock.core.changes import Change
from penstock.core.errors import PenstockError
from penstock.core.layout import STAMP
from penstock.core.records import Query
from penstock.core.values import Data, dumps, loads
from penstock.use_cases import effects, finish, staging
from penstock.use_cases.context import load_batch, load_target
from penstock.use_cases.promote import resolve

from support.faults import Killed
from support.world import World

SETTLED = {Status.UNDER_REVIEW, Status.APPLIED, Status.PARTIALLY_APPLIED, Status.REJECTED, Status.SUPERSEDED, Status.EXPIRED,
           Status.ROLLED_BACK}  # fmt: skip


def quiet(world: World) -> bool:
    """Nothing waits: no message, no effect, no lease, no promotion, no batch on its way."""
    state = load_target(world.outside).state
    waiting = world.delivered < len(world.publisher.messages)
    owed = any(fact["state"] != "paid" for fact in world.documents(layout.OUTBOX).values())
    moving = any(batch["status"] not in SETTLED for batch in world.documents(layout.BATCHES).values())
    return not (waiting or owed or moving or state.lease or state.applying)


def settle(world: World) -> None:
    """Let time pass, sweep and deliver until nothing waits. A message whose handler failed comes again, as from Pub/Sub."""
    for _ in range(12):
        deliver(world)
        if quiet(world):
            return
        world.clock.forward(1_000)
        try:
            world.sweep()
        except Killed:
            continue
    raise AssertionError(f"no rest: {load_target(world.outside).state}, {world.documents(layout.OUTBOX)}")


def deliver(world: World) -> None:
    for _ in range(200):
        try:
            world.pump()
            return
        except (Killed, PenstockError):
            continue
    raise AssertionError("a message fails for ever")


def changes(world: World, batch: str) -> list[Change]:
    return list(staging.changes_of(world.outside, batch))


def content(world: World, batch: str) -> list[str]:
    """What a batch proposes, without the moments at which it was planned."""
    return [staging.content_of(change) for change in changes(world, batch)]


def production(world: World) -> dict[str, Data]:
    """All of production without our stamps, by path."""
    return {
        f"{e.collection}/{id}": {k: v for k, v in data.items() if k != STAMP}
        for e in world.outside.pipeline.entities
        for id, data in world.documents(e.collection).items()
    }


def entries(world: World) -> list[Data]:
    return list(world.documents(layout.AUDIT).values())


def assert_sound(world: World) -> None:
    """The laws, of everything that is there."""
    assert quiet(world)
    _assert_chain(world)
    _assert_mail(world)
    for id in world.documents(layout.BATCHES):
        _assert_batch(world, id)


def _assert_chain(world: World) -> None:
    head = audit.Head()
    for at, entry in enumerate(entries(world), 1):
        assert entry["sequence"] == at
        assert entry["previous"] == head.hash
        assert entry["hash"] == audit.digest(entry)
        head = audit.head_of(entry)
    twice = Counter((e["batch"], e["what"]) for e in entries(world) if "ROLLED_BACK" not in e["what"] and e["batch"])
    assert [found for found, many in twice.items() if many > 1] == []
    last = {e["batch"]: e["what"].rpartition(" → ")[2] for e in entries(world) if e["batch"]}
    assert last == {id: data["status"] for id, data in world.documents(layout.BATCHES).items()}
    assert load_target(world.outside).state.audit.sequence <= len(entries(world))


def _assert_mail(world: World) -> None:
    """Every mail that was owed is in the mailbox, once."""
    owed = {id: fact for id, fact in world.documents(layout.OUTBOX).items() if fact["kind"] in ("review", "done", "held")}
    approvers = world.outside.approvers
    each = {"review": 1, "done": len(approvers), "held": len({*approvers, *world.outside.operators})}
    assert len(world.mailer.mailbox) == sum(each[fact["kind"]] for fact in owed.values())
    for id, fact in owed.items():
        assert [m for m in world.mailer.mailbox if m.id == id or m.id.startswith(f"{id}-")], fact


def _assert_batch(world: World, id: str) -> None:
    batch = load_batch(world.outside, id).batch
    if batch.finished_at is None:
        return
    packs = list(staging.packs_of(world.outside, id))
    assert batch.applied + batch.rejected + batch.drifted == batch.total == sum(len(p.changes) for p in packs)
    assert not batch.mismatched
    for pack in packs:
        approved, _ = resolve(batch, pack)
        applied = pack.some({c.key for c in approved if pack.ledger and c.key not in pack.ledger.drifted})
        lines = _backup(world, id, pack.number) if applied else {}
        for change in applied:
            assert dumps(lines[change.key]["before"]) == dumps(change.before)
            assert lines[change.key]["update_time"] == change.planned_against
        read = finish.read_back(world.outside, batch, pack)
        assert read.mismatched == ()
    kind = "rollback" if batch.kind == "rollback" else "post-sync"
    assert set(batch.reports) == {f"{k}.{e}" for k in ("pre-sync", kind) for e in ("html", "csv", "json")}


def _backup(world: World, batch: str, number: int) -> dict[str, Any]:
    content = gzip.decompress(world.blobs.objects[layout.backup_blob(world.outside.id, batch, number)])
    return {line["key"]: line for line in map(loads, content.splitlines())}


def facts(world: World) -> dict[str, Data]:
    return world.documents(layout.OUTBOX)


def count(world: World, collection: str) -> int:
    return world.production.count(Query(collection))


__all__ = [
    "assert_sound",
    "changes",
    "content",
    "count",
    "deliver",
    "effects",
    "entries",
    "facts",
    "production",
    "quiet",
    "settle",
]
