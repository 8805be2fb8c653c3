"""Batches of harmless changes, which nobody is asked about: approved by the policy that a gate names, and by nobody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from penstock.adapters.memory_services import MemoryBlobs
from penstock.core.batch import Status
from penstock.core.cost import Cost
from penstock.core.declaration import Freeze, Pipeline
from penstock.core.errors import Refused
from penstock.core.plan import Batch
from penstock.core.records import Update
from penstock.ports import Message
from penstock.use_cases.context import load_target
from penstock.use_cases.decide import Said, decide, decide_unasked
from penstock.use_cases.exporting import export
from penstock.use_cases.rollback import plan_rollback
from penstock.use_cases.verifying import verify
from penstock.web.views import outcome
from penstock.wiring import Contexts
from support.faults import PlainPages
from support.landlord import Landlord, country, tenant, unit
from support.rest import assert_sound
from support.world import APPROVER

DAY = 86_400.0
UNITS = "tenants/nepal/geography"


class Asking(Landlord):
    told = 0

    @property
    def mails(self) -> list[Message]:
        """Since the country was mirrored."""
        return self.mailer.sent[self.told :]


def mirrored(*classes: str, **gate: Any) -> Asking:
    """A tenant that mirrors a country, and asks nobody about these classes."""
    target = replace(tenant("nepal", "XA"), auto_approve=classes, **gate)
    world = Asking(target, pages=PlainPages(), people={"geography_approvers": (APPROVER, "bo@example.org")})
    world.publish(country())
    world.refresh()
    world.run()
    for person in (APPROVER, "bo@example.org")[: world.ctx.pipeline.gate.approvals]:
        world.approve("approve", person)
    world.told = len(world.mailer.sent)
    return world


def runs_as(world: Asking, pipeline: Pipeline) -> None:
    world.contexts = Contexts(world.ports, {pipeline.name: pipeline})
    world.ctx = world.outside = world.contexts.all()[0]


def renamed(world: Asking, **more: Any) -> Batch:
    world.amend("XA-1", names={"en": "Renamed"}, **more)
    world.refresh()
    return world.batch(world.run().batch)


def swept(world: Asking) -> None:
    world.clock.forward(300)
    assert world.sweep() == []
    world.pump()


def test_a_batch_of_harmless_changes_is_approved_by_the_sweep_and_its_approvers_are_told_afterwards() -> None:
    world = mirrored("renamed")
    batch = renamed(world)
    assert (batch.status, batch.harmless, batch.decisions) == (Status.UNDER_REVIEW, ("renamed",), ())
    assert world.mails == []
    assert outcome(batch) == "Nobody is asked: it is harmless (renamed), and approved within minutes."
    swept(world)
    done = world.batch(batch.id)
    assert (done.status, done.applied) == (Status.APPLIED, 1)
    assert [(d.by, d.verdict, d.note, d.digest) for d in done.decisions] == [
        ("policy", "approve", "Harmless: renamed.", batch.digest)
    ]
    assert world.documents(UNITS)["XA-1"]["names"] == {"en": "Renamed"}
    assert {mail.to for mail in world.mails} == {APPROVER, "bo@example.org"}
    assert not any("https://review" in mail.text for mail in world.mails)
    assert_sound(world)


def test_without_a_word_of_the_target_or_the_pipeline_everything_is_asked_about() -> None:
    world = mirrored()
    batch = renamed(world)
    swept(world)
    assert (world.batch(batch.id).status, batch.harmless) == (Status.UNDER_REVIEW, ())
    assert {mail.to for mail in world.mails} == {APPROVER, "bo@example.org"}


def test_a_target_may_ask_always_where_its_pipeline_does_not() -> None:
    world = mirrored()
    pipeline = world.ctx.pipeline
    lenient = replace(pipeline, gate=replace(pipeline.gate, auto_approve=("renamed",)))
    assert lenient.on(world.ctx.target).approved_unasked == {}
    assert list(lenient.on(replace(world.ctx.target, auto_approve=None)).approved_unasked) == ["renamed"]


def beside(world: Asking, what: str) -> None:
    match what:
        case "a move":
            world.amend("XA-0-0", parent="XA-1")
        case "a new unit":
            world.publish([unit("XA-9", 1)])
        case "a unit that goes":
            world.withdraw("XA-0-2")
        case "another field":
            world.amend("XA-0-0", code="other")


@pytest.mark.parametrize("what", ["a move", "a new unit", "a unit that goes", "another field"])
def test_one_change_of_another_kind_has_the_whole_batch_asked_about(what: str) -> None:
    world = mirrored("renamed")
    beside(world, what)
    batch = renamed(world)
    assert (batch.total, batch.harmless, batch.approvals) == (2, (), 1)
    swept(world)
    assert world.batch(batch.id).status is Status.UNDER_REVIEW
    assert world.mails


def test_what_was_edited_by_hand_is_asked_about() -> None:
    world = mirrored("renamed")
    world.production.commit([Update(f"{UNITS}/XA-1", {"names": {"en": "By hand"}}, (("names",),))])
    batch = renamed(world)
    assert ("edited_by_hand" in batch.findings, batch.harmless) == (True, ())


def test_in_a_freeze_people_are_asked() -> None:
    world = mirrored("renamed")
    pipeline = world.ctx.pipeline
    runs_as(world, replace(pipeline, brakes=replace(pipeline.brakes, freeze=(Freeze(days=frozenset(range(7))),))))
    assert renamed(world).harmless == ()


@pytest.mark.parametrize("still", [True, False])
def test_a_persons_word_that_comes_first_counts_and_the_policys_is_not_taken(still: bool) -> None:
    world = mirrored("renamed")
    batch = renamed(world)
    _, owed = decide(world.ctx, batch.id, batch.digest, APPROVER, Said("reject"))
    world.pay(owed)
    if not still:
        runs_as(world, world.ctx.pipeline.on(replace(world.ctx.target, auto_approve=())))
    swept(world)
    assert world.batch(batch.id).status is Status.REJECTED
    assert [d.by for d in world.batch(batch.id).decisions] == [APPROVER]
    assert_sound(world)


def test_the_policys_word_is_enough_where_people_would_need_two() -> None:
    world = mirrored("renamed", approvals=2)
    batch = renamed(world)
    swept(world)
    assert world.batch(batch.id).status is Status.APPLIED
    world.amend("XA-0", code="other")
    world.refresh()
    assert world.batch(world.run().batch).approvals == 2


def test_one_that_expired_before_it_was_approved_is_not_approved_any_more() -> None:
    world = mirrored("renamed")
    batch = renamed(world)
    world.clock.forward(8 * DAY)
    world.sweep()
    world.sweep()
    assert world.batch(batch.id).status is Status.EXPIRED
    assert world.documents(UNITS)["XA-1"]["names"] == {"en": "Unit XA-1"}


def test_at_the_moment_at_which_it_expires_it_is_not_approved_any_more() -> None:
    world = mirrored("renamed")
    expires = renamed(world).expires_at
    assert expires is not None
    late = replace(world.ctx, ports=replace(world.ctx.ports, now=lambda: expires))
    assert decide_unasked(late, load_target(world.ctx).state.open) == ()


def test_one_whose_place_a_newer_one_took_is_not_approved_and_the_newer_one_is_asked_about() -> None:
    world = mirrored("renamed")
    first = renamed(world)
    second = renamed(world, code="other")
    assert (first.harmless, second.harmless) == (("renamed",), ())
    swept(world)
    assert world.batch(first.id).status is Status.SUPERSEDED
    assert world.batch(second.id).status is Status.UNDER_REVIEW


def test_what_a_gate_does_not_let_pass_any_more_expires_and_people_are_asked_by_the_next_run_of_an_idle_source() -> None:
    world = mirrored("renamed")
    batch = renamed(world)
    runs_as(world, world.ctx.pipeline.on(replace(world.ctx.target, auto_approve=())))
    swept(world)
    assert (world.batch(batch.id).status, world.mails) == (Status.EXPIRED, [])
    assert outcome(world.batch(batch.id)).startswith("Nobody was asked, and it was not approved: the next run proposes it again.")
    assert world.documents(UNITS)["XA-1"]["names"] == {"en": "Unit XA-1"}
    again = world.batch(world.run().batch)
    assert (again.status, again.total, again.harmless) == (Status.UNDER_REVIEW, 1, ())
    assert len(world.mails) == 2
    world.clock.forward(4_000)
    assert world.sweep() == []
    assert world.approve("approve").status is Status.APPLIED
    assert_sound(world)


def test_a_person_who_decides_at_the_same_moment_is_the_one_who_decided() -> None:
    world = mirrored("renamed")
    batch = renamed(world)
    real, quicker = world.production.commit, [1]

    def commit(writes: Any) -> Any:
        if quicker and any(write.path == f"penstock_batches/{batch.id}" for write in writes):
            quicker.clear()
            decide(world.ctx, batch.id, batch.digest, APPROVER, Said("reject"))
        return real(writes)

    world.production.commit = commit  # type: ignore[method-assign]
    assert decide_unasked(world.ctx, batch.id) == ()
    assert [(d.by, d.verdict) for d in world.batch(batch.id).decisions] == [(APPROVER, "reject")]


@pytest.mark.parametrize("marked", ["renamed", "another"])
@pytest.mark.parametrize("more", [{}, {"code": "other"}])
def test_a_batch_that_is_marked_as_what_it_does_not_hold_is_not_approved(marked: str, more: dict[str, str]) -> None:
    world = mirrored("renamed")
    batch = renamed(world, **more)
    right = not more and marked == "renamed"
    world.production.commit([Update(f"penstock_batches/{batch.id}", {"harmless": [marked]}, (("harmless",),))])
    assert bool(decide_unasked(world.ctx, batch.id)) is right
    assert world.batch(batch.id).status is (Status.APPROVED if right else Status.EXPIRED)


def test_what_people_were_asked_about_waits_for_them() -> None:
    world = mirrored()
    batch = renamed(world)
    assert decide_unasked(world.ctx, batch.id) == ()
    assert world.batch(batch.id).status is Status.UNDER_REVIEW


def test_what_else_stands_against_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    world = mirrored("renamed")
    batch = renamed(world)

    def refuse(*_: Any) -> None:
        raise Refused("is not what was shown", subject=batch.id, remedy="Run it again.")

    monkeypatch.setattr("penstock.use_cases.decide.staging.demand_shown", refuse)
    with pytest.raises(Refused, match="is not what was shown"):
        decide_unasked(world.ctx, batch.id)


def test_what_was_approved_unasked_is_taken_back_by_people_for_what_was_foreseen() -> None:
    world = mirrored("renamed")
    batch = renamed(world)
    swept(world)
    rollback, owed = plan_rollback(world.ctx, batch.id, "operator@example.org")
    world.pay(owed)
    world.pump()
    assert world.batch(rollback.id).harmless == ()
    done = world.approve("approve")
    assert all(done.foreseen[phase] == done.costs[phase] for phase in ("review", "decide"))
    assert world.documents(UNITS)["XA-1"]["names"] == {"en": "Unit XA-1"}
    assert load_target(world.ctx).state.open == ""
    assert_sound(world)


def test_what_fell_out_of_it_and_expires_is_proposed_again_of_an_idle_source() -> None:
    world = mirrored("renamed")
    renamed(world)
    world.production.commit([Update(f"{UNITS}/XA-1", {"names": {"en": "By hand"}}, (("names",),))])
    swept(world)
    followup = load_target(world.ctx).state.open
    world.clock.forward(8 * DAY)
    world.sweep()
    assert world.batch(followup).status is Status.EXPIRED
    again = world.batch(world.run().batch)
    assert (again.status, again.total) == (Status.UNDER_REVIEW, 1)


def test_it_is_proved_offline_to_be_approved_by_the_policy() -> None:
    world = mirrored("renamed")
    batch = renamed(world)
    swept(world)
    into = MemoryBlobs()
    world.clock.forward(60)
    export(world.outside, into)
    verdict = verify(into)
    assert ({fault.place for fault in verdict.faults}, verdict.edited) == ({"hub"}, ())  # no hub declares the target here
    assert [a.by for a in verdict.approvals if a.batch == batch.id] == [("policy",)]


def test_its_cost_is_foreseen_without_mails_and_links() -> None:
    world = mirrored("renamed")
    batch = renamed(world)
    swept(world)
    done = world.batch(batch.id)
    assert {phase: done.foreseen[phase] for phase in ("review", "decide")} == {
        "review": done.costs["review"], "decide": done.costs["decide"],
    }  # fmt: skip
    assert done.costs["review"] == Cost(reads=2, writes=3)


def test_the_cost_of_what_fell_out_of_it_is_foreseen_with_mails_and_links() -> None:
    world = mirrored("renamed")
    batch = renamed(world)
    world.production.commit([Update(f"{UNITS}/XA-1", {"names": {"en": "By hand"}}, (("names",),))])
    swept(world)
    assert world.batch(batch.id).drifted == 1
    followup = world.batch(load_target(world.ctx).state.open)
    assert (followup.kind, followup.status, followup.harmless) == ("followup", Status.UNDER_REVIEW, ())
    assert followup.foreseen["review"] == followup.costs["review"]
