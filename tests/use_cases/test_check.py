"""Checks: as often as they are asked for, each pack is judged once, and the review opens once, when all are."""

from __future__ import annotations

from typing import Any

import pytest
from penstock.core import packs
from penstock.core.batch import Status
from penstock.core.errors import Conflict, NotFound, OutcomeUnknown, Unavailable
from penstock.core.records import Delete
from penstock.use_cases import check, effects, staging
from penstock.use_cases.capture import capture
from penstock.use_cases.opening import open_review
from penstock.use_cases.sweep import retry
from support import network as net
from support.faults import PlainPages
from support.rest import assert_sound, entries, facts, settle
from support.world import World


@pytest.fixture(autouse=True)
def _small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "MAX_CHANGES", 4)


def staged() -> tuple[World, str]:
    """Three packs, asked to be checked; nothing is delivered yet."""
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 6)))
    outcome = capture(world.ctx)
    effects.pay(world.ctx, outcome.owed)
    return world, outcome.batch


def status(world: World, batch: str) -> Status:
    return world.batch(batch).status


def opened_entries(world: World) -> list[str]:
    return [e["what"] for e in entries(world) if e["what"].endswith("→ UNDER_REVIEW")]


def test_a_batch_never_opens_with_an_unchecked_pack() -> None:
    world, batch = staged()
    assert world.batch(batch).packs == 3
    for number in (2, 0):
        assert check.check_pack(world.ctx, batch, number) == ()
        assert open_review(world.ctx, batch) == ()
        assert status(world, batch) is Status.CHECKING
    assert check.check_pack(world.ctx, batch, 1) != ()
    assert status(world, batch) is Status.UNDER_REVIEW


def test_a_batch_does_not_open_when_a_pack_is_missing() -> None:
    world, batch = staged()
    world.production.commit([Delete(f"penstock_staging/{batch}.00002")])
    for number in (0, 1):
        check.check_pack(world.ctx, batch, number)
    assert status(world, batch) is Status.CHECKING


def test_a_duplicate_message_judges_nothing_again_and_opens_nothing_again() -> None:
    world, batch = staged()
    world.publisher.messages *= 3
    world.pump()
    before = world.documents("penstock_staging")
    writes = world.production.bill.writes
    for number in range(3):
        assert check.check_pack(world.ctx, batch, number) == ()
    assert world.production.bill.writes == writes
    assert world.documents("penstock_staging") == before
    assert len(opened_entries(world)) == 1
    assert len(world.mailer.sent) == 1


def test_messages_in_any_order_open_the_same_review() -> None:
    digests = set()
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        world, batch = staged()
        for number in order:
            check.check_pack(world.ctx, batch, number)
        digests.add(world.batch(batch).digest)
    assert len(digests) == 1


def test_two_that_find_no_unchecked_pack_left_open_the_review_once() -> None:
    world, batch = staged()
    for number in (0, 1):
        check.check_pack(world.ctx, batch, number)
    real, nested = world.ctx.store.commit, []

    def commit(writes: Any) -> Any:
        if writes[0].path == f"penstock_batches/{batch}" and not nested:
            nested.append(1)
            nested.append(open_review(world.ctx, batch))
        return real(writes)

    world.ctx.store.commit = commit  # type: ignore[method-assign]
    mine = check.check_pack(world.ctx, batch, 2)
    assert mine == ()
    assert nested[1]
    assert len(opened_entries(world)) == 1
    settle(world)
    assert len(world.mailer.mailbox) == 1


def test_a_lost_message_is_sent_again_by_the_sweep() -> None:
    world, batch = staged()
    world.publisher.messages.pop()
    world.pump()
    assert status(world, batch) is Status.CHECKING
    assert not [line for line in world.sweep() if "checked again" in line]  # not at once: it may be on its way
    world.clock.forward(200)
    assert [line for line in world.sweep() if "1 packs were sent to be checked again" in line]
    world.pump()
    assert status(world, batch) is Status.UNDER_REVIEW
    assert_sound(world)


def test_a_poison_pack_ends_in_the_dead_letters_with_its_cause_and_can_be_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    world, batch = staged()
    with monkeypatch.context() as patch:

        def poison(*_: Any) -> Any:
            raise Unavailable("has no index", subject="drops", remedy="Deploy firestore.indexes.json.")

        patch.setattr(check, "_look_up", poison)
        with pytest.raises(Unavailable):
            world.pump()
    world.publisher.messages.clear()
    world.delivered = 0
    failed = next(n for n in range(3) if staging.load_pack(world.ctx, batch, n).fields.get("error"))
    assert check.fail(world.ctx, batch, failed)
    stopped = world.batch(batch)
    assert stopped.status is Status.FAILED
    assert "has no index Deploy firestore.indexes.json." in stopped.error
    assert not check.fail(world.ctx, batch, failed)  # told once
    retry(world.ctx, batch, "operator@example.org")
    settle(world)
    assert status(world, batch) is Status.UNDER_REVIEW
    assert world.batch(batch).error == ""
    assert len(opened_entries(world)) == 1


def test_a_retry_after_which_nothing_is_left_to_check_opens_the_review() -> None:
    world, batch = staged()
    assert check.fail(world.ctx, batch, 0)
    world.pump()
    assert status(world, batch) is Status.FAILED
    retry(world.ctx, batch, "operator@example.org")
    world.pump()
    assert status(world, batch) is Status.UNDER_REVIEW


def test_the_dead_letter_of_a_pack_that_was_checked_after_all_stops_nothing() -> None:
    world, batch = staged()
    world.pump()
    assert not check.fail(world.ctx, batch, 0)
    assert status(world, batch) is Status.UNDER_REVIEW


def test_a_message_that_names_nothing_is_not_found() -> None:
    world, batch = staged()
    for act in (check.check_pack, lambda *given: check.note_failure(*given, "why")):
        with pytest.raises(NotFound) as told:
            act(world.ctx, batch, 77)
        assert told.value.remedy


@pytest.mark.parametrize("applied", [True, False])
def test_a_check_whose_answer_was_lost_is_done_or_comes_again(applied: bool) -> None:
    world, batch = staged()
    real, once = world.ctx.store.commit, [1]

    def commit(writes: Any) -> Any:
        if once and writes[0].path.startswith("penstock_staging"):
            once.pop()
            if applied:
                real(writes)
            raise OutcomeUnknown("the answer was lost", subject="commit", remedy="Read the marker.")
        return real(writes)

    world.ctx.store.commit = commit  # type: ignore[method-assign]
    if applied:
        check.check_pack(world.ctx, batch, 0)
    else:
        with pytest.raises((OutcomeUnknown, Conflict)):
            check.check_pack(world.ctx, batch, 0)
    settle(world)
    assert status(world, batch) is Status.UNDER_REVIEW


def test_what_was_noted_of_a_promoted_pack_makes_nobody_believe_it_was_edited() -> None:
    world, batch = staged()
    world.pump()
    world.approve("approve")
    before = staging.load_pack(world.ctx, batch, 0).snapshot.update_time
    check.note_failure(world.ctx, batch, 0, "the mail server is down")
    assert staging.load_pack(world.ctx, batch, 0).snapshot.update_time == before


def test_a_check_of_a_batch_that_was_superseded_opens_nothing() -> None:
    world, batch = staged()
    net.feed(world, [net.record("7-0", 7, day="2026-06-05")])
    second = capture(world.ctx, "full")
    assert second.superseded == batch
    effects.pay(world.ctx, second.owed)
    world.pump()
    assert status(world, batch) is Status.SUPERSEDED
    assert status(world, second.batch) is Status.UNDER_REVIEW
    assert [m for m in world.mailer.mailbox if batch in m.id] == []
    assert len(opened_entries(world)) == 1


def test_an_approver_without_an_address_is_named_with_the_setting_to_set() -> None:
    world, batch = staged()
    people = dict(world.ctx.ports.people)
    world.ctx.ports.people.clear()  # type: ignore[attr-defined]
    world.pump()
    assert "PENSTOCK_PEOPLE_FIBRE_APPROVERS" in str(world.refused[-1])
    assert not [f for f in facts(world).values() if f["kind"] == "review"]
    assert status(world, batch) is Status.CHECKING
    world.clock.forward(200)
    assert "PENSTOCK_PEOPLE_FIBRE_APPROVERS" in " ".join(world.sweep())
    world.ctx.ports.people.update(people)  # type: ignore[attr-defined]
    settle(world)
    assert status(world, batch) is Status.UNDER_REVIEW
