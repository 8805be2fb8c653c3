"""The page: what it shows of each change, and what it says when nothing can be decided any more."""

from __future__ import annotations

import pytest
from penstock.core import layout, tokens
from penstock.core.batch import Status
from penstock.core.changes import ChangeStatus
from penstock.core.errors import NotFound
from penstock.use_cases import effects
from penstock.use_cases.decide import Said
from penstock.use_cases.reviewing import PAGE, find_row, review_by_link
from penstock.use_cases.rollback import plan_rollback
from support import network as net
from support.faults import PlainPages
from support.world import APPROVER, World

LERATO = "lerato@example.org"


def opened(poles: int = 3, **more: object) -> World:
    world = World(pages=PlainPages(), **more)  # type: ignore[arg-type]
    net.feed(world, net.network(range(1, poles + 1)))
    world.run()
    return world


def test_every_change_is_on_one_page_and_on_no_other() -> None:
    world = opened(70)
    token, _ = world.link()
    first = review_by_link(world.ctx, token)
    assert first.pages == 3
    pages = [review_by_link(world.ctx, token, page) for page in (1, 2, 3)]
    keys = [row.change.key for page in pages for row in page.rows]
    assert [len(page.rows) for page in pages] == [PAGE, PAGE, 40]
    assert len(set(keys)) == 140
    assert review_by_link(world.ctx, token, 99).page == 3
    assert review_by_link(world.ctx, token, -1).page == 1


def test_a_link_is_used_up_by_its_decision_and_says_what_it_waits_for() -> None:
    world = opened(people={"fibre_approvers": (APPROVER, LERATO)}, approvals=2)
    token, _ = world.link()
    world.decide(Said("approve"))
    (link,) = world.production.get([layout.token(tokens.hash_of(token))])
    assert link.fields["state"] == "used"
    page = review_by_link(world.ctx, token)
    assert not page.open
    assert "waits for another approver" in page.why_closed
    assert review_by_link(world.ctx, world.link(LERATO)[0]).open


def test_a_decided_batch_names_who_decided_and_takes_nothing_more() -> None:
    world = opened()
    token, _ = world.link()
    world.decide(Said("reject"))
    page = review_by_link(world.ctx, token)
    assert not page.open
    assert f"reject by {APPROVER}" in page.why_closed


def test_a_change_tells_what_became_of_it() -> None:
    world = opened()
    token, _ = world.link()

    def stands(key: str) -> ChangeStatus:
        batch = world.batch(min(world.documents("penstock_batches")))
        return find_row(world.ctx, batch, key).status

    one, two, refused = f"poles/{net.name(1)}", f"poles/{net.name(2)}", f"drops/{net.drop_name(30)}"
    assert stands(one) is ChangeStatus.PENDING
    world.put(world.production, "planned-poles", [(net.name(2), {"poleNumber": "edited meanwhile"})])
    world.decide(Said("approve", changes={refused: "reject"}))
    assert (stands(one), stands(two), stands(refused)) == (ChangeStatus.APPLIED, ChangeStatus.DRIFTED, ChangeStatus.REJECTED)
    _, owed = plan_rollback(world.ctx, min(world.documents("penstock_batches")), "operator@example.org")
    effects.pay(world.ctx, owed)
    world.pump()
    assert world.approve().status is Status.APPLIED
    assert (stands(one), stands(two)) == (ChangeStatus.ROLLED_BACK, ChangeStatus.DRIFTED)
    assert not review_by_link(world.ctx, token).open


def test_a_change_is_found_by_its_key_with_one_query() -> None:
    world = opened(70)
    batch = world.batch(min(world.documents("penstock_batches")))
    reads = world.production.bill.reads
    assert find_row(world.ctx, batch, f"drops/{net.drop_name(700)}").change.group == net.name(70)
    assert world.production.bill.reads == reads + 1
    with pytest.raises(NotFound, match="penstock show"):
        find_row(world.ctx, batch, "drops/none")


def test_a_page_costs_a_read_for_each_pack_whatever_its_size() -> None:
    world = opened(300)
    token, _ = world.link()
    packs = world.batch(min(world.documents("penstock_batches"))).packs
    reads = world.production.bill.reads
    review_by_link(world.ctx, token)
    assert world.production.bill.reads - reads <= packs + 2


def test_a_link_past_its_time_is_closed_though_nobody_swept() -> None:
    world = opened()
    token, _ = world.link()
    batch = world.batch(min(world.documents("penstock_batches")))
    assert batch.expires_at is not None
    world.clock.time = batch.expires_at
    assert "expired" in review_by_link(world.ctx, token).why_closed
