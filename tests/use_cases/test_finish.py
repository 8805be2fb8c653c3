"""The end of a promotion: the ledgers add up, and what is read back is compared byte for byte."""

from __future__ import annotations

from dataclasses import replace

import pytest
from penstock.core import layout, packs
from penstock.core.batch import Status
from penstock.core.records import Delete, Update
from penstock.use_cases import effects, staging
from penstock.use_cases.context import Context, load_batch
from penstock.use_cases.decide import Said, decide
from penstock.use_cases.finish import finish, read_back
from penstock.use_cases.promote import promote_pack, start
from support import network as net
from support.faults import PlainPages
from support.rest import assert_sound
from support.world import APPROVER, World


def applied() -> tuple[World, str]:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 4)))
    batch = world.run().batch
    world.approve("approve")
    return world, batch


def test_read_back_finds_every_record_as_approved() -> None:
    world, id = applied()
    batch = world.batch(id)
    assert read_back(world.ctx, batch, staging.load_pack(world.ctx, id, 0)).verified == 6
    assert batch.verified >= 1  # the share that is read back by itself
    assert (batch.production_before, batch.production_after) == (
        {"planned-poles": 0, "drops": 0},
        {"planned-poles": 3, "drops": 3},
    )


def test_a_record_edited_or_deleted_since_is_told_apart_from_one_that_is_wrong() -> None:
    world, id = applied()
    world.production.commit([Update(f"planned-poles/{net.name(1)}", {"crew": 1}, (("crew",),))])
    world.production.commit([Delete(f"planned-poles/{net.name(2)}")])
    found = read_back(world.ctx, world.batch(id), staging.load_pack(world.ctx, id, 0))
    assert (found.verified, found.edited, found.mismatched) == (4, 2, ())


def test_a_record_that_is_not_what_was_approved_though_nobody_wrote_it_is_named() -> None:
    world, id = applied()
    batch = world.batch(id)
    other = replace(batch, decided_at=batch.read_time)  # as if another moment of approval had been written
    found = read_back(world.ctx, other, staging.load_pack(world.ctx, id, 0))
    assert (found.verified, len(found.mismatched)) == (0, 6)


def test_all_of_it_is_read_back_where_the_share_is_all() -> None:
    world = World(pages=PlainPages())
    world.ctx = Context(world.ctx.ports, replace(world.ctx.pipeline, readback_share=1.0), world.ctx.target)
    world.contexts._by_id[world.ctx.id] = world.ctx
    net.feed(world, net.network(range(1, 4)))
    batch = world.batch(world.run().batch)
    world.approve("approve")
    done = world.batch(batch.id)
    assert (done.verified, done.mismatched, done.edited_since) == (6, 0, 0)


def test_a_batch_ends_once_and_not_before_its_last_pack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "MAX_CHANGES", 2)
    monkeypatch.setattr(effects, "INLINE", 0)
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 4)))
    id = world.run().batch
    _, owed = decide(world.ctx, id, world.batch(id).digest, APPROVER, Said("approve"))
    effects.pay(world.ctx, owed)
    batch = load_batch(world.ctx, id).batch
    for number in (2, 0):
        promote_pack(world.ctx, batch, number)
        assert finish(world.ctx, id) == ()
        assert world.batch(id).status is Status.APPLYING
    promote_pack(world.ctx, batch, 1)
    owed = finish(world.ctx, id)
    assert {fact.data["kind"] for fact in owed} == {"report", "done", "archive"}
    assert finish(world.ctx, id) == ()
    effects.pay(world.ctx, owed)
    world.pump()
    assert_sound(world)


def test_a_promotion_of_a_batch_that_was_not_decided_does_nothing() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network([1]))
    id = world.run().batch
    assert start(world.ctx, id).status is Status.UNDER_REVIEW
    assert promote_pack(world.ctx, world.batch(id), 0) is None
    assert finish(world.ctx, id) == ()
    assert world.documents("planned-poles") == {}


def test_an_index_leads_to_the_reports_of_a_target_newest_first() -> None:
    world = World()
    net.feed(world, net.network(range(1, 3)))
    first = world.run().batch
    world.approve("approve")
    net.feed(world, net.network(range(3, 4)))
    second = world.run().batch
    world.approve("approve")
    page = world.blobs.read(layout.index_blob(world.ctx.id)).decode()
    assert 0 < page.index(second) < page.index(first)
    assert all(page.count(name) >= 2 for name in ("pre-sync.html", "post-sync.html"))
