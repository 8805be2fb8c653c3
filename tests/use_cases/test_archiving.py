"""Anchors and evidence: what is left in Storage for a proof, and when."""

from __future__ import annotations

import pytest
from penstock.adapters.memory_services import MemoryBlobs
from penstock.core import audit, layout
from penstock.core.audit import Head
from penstock.core.batch import Status
from penstock.core.errors import Incomplete
from penstock.core.records import Delete, Query, Set
from penstock.core.values import Data, loads
from penstock.use_cases import archiving
from penstock.use_cases.capture import capture
from penstock.use_cases.context import load_target
from penstock.use_cases.decide import Said
from penstock.use_cases.exporting import export
from penstock.use_cases.promote import promote_pack, start
from penstock.use_cases.verifying import Verdict, verify
from support import logs
from support import network as net
from support.faults import Faults, PlainPages
from support.world import World

DAY = 86_400


def proposed(wrap: Faults | None = None, poles: int = 4) -> World:
    world = World(pages=PlainPages(), **({"wrap": wrap.wrap} if wrap else {}))
    net.feed(world, net.network(range(1, poles)))
    world.run()
    return world


def anchors(world: World) -> list[int]:
    return [loads(world.blobs.read(name))["sequence"] for name in world.blobs.names(layout.ANCHORS)]


def entries(world: World) -> list[Data]:
    return list(world.documents(layout.AUDIT).values())


def verified(world: World) -> Verdict:
    return verify(logs.exported(world))


def test_a_batch_that_ends_is_anchored_at_the_entry_that_ended_it() -> None:
    world = proposed()
    assert anchors(world) == []
    world.approve("approve")
    last = entries(world)[-1]
    assert last["what"] == "APPLYING → APPLIED"
    assert anchors(world) == [last["sequence"]]
    (name,) = world.blobs.names(layout.ANCHORS)
    assert loads(world.blobs.read(name)) == {"target": world.ctx.id, "sequence": last["sequence"], "hash": last["hash"]}


def test_a_refused_batch_is_anchored_too() -> None:
    world = proposed()
    world.decide(Said("reject"))
    assert anchors(world) == [entries(world)[-1]["sequence"]]
    assert verified(world).holds


def test_a_batch_costs_one_fact_more_whatever_it_holds() -> None:
    for poles in (2, 12):
        world = proposed(poles=poles)
        world.approve("approve")
        assert [f["kind"] for f in world.documents(layout.OUTBOX).values()].count("archive") == 1


def test_the_sweep_anchors_what_waits_once_a_day_and_the_chain_names_it() -> None:
    world = proposed()
    world.sweep()
    assert anchors(world) == []
    world.clock.forward(DAY)
    world.sweep()
    waiting = entries(world)[-1]["sequence"]
    assert anchors(world) == [waiting]
    world.clock.forward(DAY)
    assert world.sweep() == []  # the chain has not grown
    world.approve("approve")
    assert waiting in [e["detail"].get("anchored") for e in entries(world)]
    told = verified(world)
    assert told.holds
    assert told.anchored == told.entries


def test_what_is_behind_the_last_anchor_is_told() -> None:
    world = proposed()
    world.approve("approve")
    net.feed(world, net.network(range(1, 2), day="2026-07-01", Sections="9"))
    world.run()
    told = verified(world)
    assert told.holds
    assert told.entries - told.anchored == 4


def test_a_chain_that_was_rewritten_is_noticed_by_whoever_anchors_next() -> None:
    world = proposed()
    world.approve("approve")
    last = entries(world)[-1]
    with pytest.raises(archiving.Rewritten, match="penstock export"):
        archiving.anchor(world.blobs, world.ctx.id, Head(last["sequence"], "0" * 64))
    forged = last | {"who": "m@example.org"}
    forged["hash"] = audit.digest(forged)
    world.production.commit([Set(layout.audit(world.ctx.id, last["sequence"]), forged)])
    with pytest.raises(archiving.Rewritten):
        archiving.anchor_end(world.ctx, last["batch"], 0)


def test_an_anchor_that_is_owed_is_paid_by_the_sweep_when_storage_is_back() -> None:
    world = proposed()
    world.patient = True
    write = world.blobs.write

    def down(name: str, *given: object, **named: object) -> bool:
        if name.endswith("evidence.jsonl.gz"):
            raise Incomplete("is down")
        return write(name, *given, **named)  # type: ignore[arg-type]

    world.blobs.write = down  # type: ignore[method-assign]
    world.approve("approve")
    assert anchors(world) == []
    assert any("has no anchor" in f.what for f in verified(world).faults)
    world.blobs.write = write  # type: ignore[method-assign]
    world.clock.forward(4_000)
    world.sweep()
    assert len(anchors(world)) == 1
    assert verified(world).holds


def test_the_proof_outlives_the_staging_collection() -> None:
    world = logs.lived()
    before = verified(world)
    for collection in (layout.STAGING, layout.BATCHES, layout.OUTBOX, layout.TOKENS):
        for found in list(world.production.scan(Query(collection))):
            world.production.commit([Delete(found.path)])
    after = verified(world)
    assert after.holds
    assert (after.approvals, after.untouched) == (before.approvals, before.untouched)


def test_a_promotion_half_way_is_proved_as_far_as_it_is() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penstock.core.packs.MAX_CHANGES", 2)
        world = proposed(poles=6)
    world.patient = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penstock.use_cases.effects.INLINE", 0)
        patch.setattr(world, "pump", lambda: None)
        world.approve("approve")
    (id,) = world.documents(layout.BATCHES)
    promote_pack(world.ctx, start(world.ctx, id), 1)
    assert world.batch(id).status is Status.APPLYING
    told = verified(world)
    assert told.faults == ()
    assert 0 < told.approved < 100


def test_memory_is_bounded_by_passes_that_give_the_same_answer() -> None:
    world = logs.lived()
    files = logs.exported(world)
    heard: list[int] = []
    once, often = verify(files), verify(files, heard.append, at_once=1_000)
    assert len(heard) == 5
    assert heard[-1] == once.documents == often.documents
    assert (often.approvals, often.untouched, often.edited, often.faults) == (
        once.approvals, once.untouched, once.edited, once.faults,
    )  # fmt: skip


def test_evidence_is_not_written_of_packs_that_are_gone() -> None:
    world = proposed()
    (id,) = world.documents(layout.BATCHES)
    world.production.commit([Delete(layout.pack(id, 0))])
    with pytest.raises(Incomplete, match="0 of its 1 packs"):
        archiving.keep(world.ctx, id)


def test_what_was_approved_by_two_names_both_and_a_consent_carried_on_counts() -> None:
    both = ("thandi@example.org", "sipho@example.org")
    world = World(pages=PlainPages(), approvals=2, people={"fibre_approvers": both})
    net.feed(world, net.network(range(1, 3)))
    world.run()
    world.approve("approve", to=both[0])
    net.feed(world, net.network(range(3, 4), day="2026-06-02"))
    world.run()  # replaces the first, with the consents given to what is the same
    assert "thandi" in str([pack["carried"] for pack in world.documents(layout.STAGING).values()])
    world.approve("approve", to=both[1])
    world.approve("approve", to=both[0])  # for what is new
    told = verified(world)
    assert told.holds, told.faults
    assert [a.by for a in told.approvals] == [tuple(sorted(both))]


def test_an_export_holds_what_stood_at_one_moment() -> None:
    world = proposed()
    world.approve("approve")
    world.clock.forward(100)
    files = MemoryBlobs()
    done = export(world.outside, files)
    net.feed(world, net.network(range(1, 2), day="2026-07-01", Sections="9"))
    world.run()
    world.approve("approve")
    assert verify(files).holds
    assert done.documents == len(world.documents("planned-poles")) + len(world.documents("drops"))
    assert load_target(world.ctx).state.audit.sequence > done.entries


def test_a_run_alone_writes_no_anchor() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 3)))
    capture(world.ctx)
    assert anchors(world) == []
