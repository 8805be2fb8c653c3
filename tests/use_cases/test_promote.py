"""Promotion: what was approved lands byte for byte, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from penstock.core import layout, packs
from penstock.core.batch import Status
from penstock.core.changes import Action, Finding
from penstock.core.errors import Conflict, NotFound, OutcomeUnknown, PenstockError, Unavailable
from penstock.core.packs import compress, decode_findings, encode_findings, expand
from penstock.core.records import Delete, Set, Update
from penstock.use_cases import check, effects, staging, topics
from penstock.use_cases.capture import capture
from penstock.use_cases.context import load_target
from penstock.use_cases.decide import Said, decide_by_link
from penstock.use_cases.finish import finish
from penstock.use_cases.promote import promote_asked, promote_pack, start
from penstock.use_cases.reviewing import review_by_link
from penstock.use_cases.rollback import plan_rollback
from penstock.use_cases.staging import Tampered
from penstock.use_cases.sweep import retry
from support import network as net
from support.faults import PlainPages
from support.rest import assert_sound, changes, entries, production, settle
from support.world import World

POLE = f"planned-poles/{net.name(2)}"


def opened(*, standing: bool = True) -> World:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 4)))
    if standing:
        world.put(world.production, "planned-poles", [net.standing(2, ponNumber="9")])
    world.run()
    return world


def first(world: World) -> str:
    return min(world.documents("penstock_batches"))


def edit(world: World, path: str = POLE, **fields: Any) -> None:
    world.production.commit([Update(path, fields, tuple((name,) for name in fields))])


def test_fields_that_no_pipeline_names_are_not_touched() -> None:
    world = opened()
    world.approve("approve")
    pole = world.documents("planned-poles")[net.name(2)]
    assert pole["crew"] == {"lead": 2, "tools": ["spade"]}
    assert (pole["ponNumber"], pole["importStatus"]) == ("4", net.APPROVED)


@pytest.mark.parametrize("how", ["edited", "deleted"])
def test_a_record_that_moved_falls_out_and_the_rest_lands(how: str) -> None:
    world = opened()
    if how == "edited":
        edit(world, ponNumber="11")
    else:
        world.production.commit([Delete(POLE)])
    world.approve("approve")
    batch = world.batch(first(world))
    assert (batch.status, batch.applied, batch.drifted, batch.total) == (Status.PARTIALLY_APPLIED, 5, 1, 6)
    found = production(world).get(POLE)
    assert found is None if how == "deleted" else found and found["ponNumber"] == "11"
    assert_sound(world)


def test_a_record_that_appeared_meanwhile_is_not_overwritten() -> None:
    world = opened(standing=False)
    world.put(world.production, "planned-poles", [(net.name(2), {"poleNumber": "somebody else's"})])
    world.approve("approve")
    assert production(world)[POLE] == {"poleNumber": "somebody else's"}


def test_what_fell_out_comes_back_for_review_with_planned_approved_and_now() -> None:
    world = opened()
    edit(world, ponNumber="11")
    world.approve("approve")
    follow_up = world.batch(load_target(world.outside).state.open)
    assert (follow_up.kind, follow_up.follows, follow_up.status) == ("followup", first(world), Status.UNDER_REVIEW)
    (change,) = changes(world, follow_up.id)
    assert change.action is Action.UPDATE
    assert change.facts["drift"]["ponNumber"] == ["9", "4", "11"]
    assert change.facts["drift"]["importStatus"] == [None, net.APPROVED, None]
    net.feed(world, [net.record("7-0", 7, day="2026-06-05")])  # a newer run supersedes it and keeps the story
    again = {c.key: c for c in changes(world, world.run().batch)}
    assert again[change.key].facts["drift"]["ponNumber"] == ["9", "4", "11"]
    world.approve("approve")
    assert production(world)[POLE]["ponNumber"] == "4"
    assert_sound(world)


def test_a_dotted_field_drifts_with_its_own_value() -> None:
    world = opened()
    edit(world, location={"latitude": 1.0, "longitude": 2.0})
    world.approve("approve")
    (change,) = changes(world, load_target(world.outside).state.open)
    assert change.facts["drift"]["ponNumber"][2] == "9"
    assert "location.latitude" in [".".join(d.path) for d in change.diff]


def test_a_promote_message_that_comes_after_a_rollback_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "INLINE", 0)
    world = opened()
    world.approve("approve")
    before = [m for m in world.publisher.messages if m[0] == topics.PROMOTE]
    assert before
    _, owed = plan_rollback(world.ctx, first(world), "operator@example.org")
    effects.pay(world.ctx, owed)
    world.pump()
    world.approve("approve")
    rest = production(world)
    world.publisher.messages += before
    world.pump()
    settle(world)
    assert production(world) == rest
    assert_sound(world)


def tampered(world: World, **fields: Any) -> None:
    (path,) = (f"penstock_staging/{id}" for id in world.documents("penstock_staging") if id.startswith(first(world)))
    world.production.commit([Update(path, fields, tuple((name,) for name in fields))])


def pack(world: World) -> Any:
    return staging.load_pack(world.outside, first(world), 0)


def decided(world: World) -> World:
    """Approved, and nothing of it promoted yet."""
    world.ctx.ports.publisher.messages.clear()  # type: ignore[attr-defined]
    world.delivered = 0
    token, code = world.link()

    decide_by_link(world.ctx, token, code, Said("approve"))
    return world


def findings_gone(world: World) -> dict[str, Any]:
    text = encode_findings([replace(f, severity="notice") for f in decode_findings(expand(pack(world).fields["findings"]))])
    return {"findings": compress(text)}


def other_digest(world: World) -> dict[str, Any]:
    text = encode_findings([])
    return {"findings": compress(text), "findings_digest": staging.digest_of(text)}


def other_values(world: World) -> dict[str, Any]:
    return {"payload": compress(expand(pack(world).fields["payload"]).replace("LAWLEY", "ELSEWHERE"))}


def other_values_and_digest(world: World) -> dict[str, Any]:
    text = expand(pack(world).fields["payload"]).replace("LAWLEY", "ELSEWHERE")
    return {"payload": compress(text), "digest": staging.digest_of(text)}


def other_consents(world: World) -> dict[str, Any]:
    return {"carried": '{"mallory@example.org": {}}'}


TAMPERED = [findings_gone, other_digest, other_values, other_values_and_digest, other_consents, lambda _: {"payload": b"junk"}]


@pytest.mark.parametrize("how", TAMPERED)
def test_a_pack_that_is_not_what_was_shown_is_not_promoted(how: Any) -> None:
    world = decided(opened())
    before = production(world)
    tampered(world, **how(world))
    settle_failed(world)
    assert production(world) == before
    with pytest.raises(Tampered) as told:
        promote_pack(world.ctx, replace(world.batch(first(world)), status=Status.APPLYING), 0)
    assert told.value.remedy


@pytest.mark.parametrize("how", TAMPERED)
def test_after_the_dead_letter_the_next_run_plans_a_tampered_batch_anew(how: Any) -> None:
    world = decided(opened())
    tampered(world, **how(world))
    settle_failed(world)
    assert check.fail(world.ctx, first(world), 0)
    failed = world.batch(first(world))
    assert failed.status is Status.FAILED
    assert "was not" in failed.error or "Pack 0" in failed.error
    again = world.run("changes")
    assert world.batch(first(world)).status in (Status.SUPERSEDED, Status.PARTIALLY_APPLIED)
    world.approve("approve")
    assert len(world.documents("planned-poles")) == 3
    assert production(world)[POLE]["projectName"] == "LAWLEY"
    assert again.batch
    assert load_target(world.outside).state.applying == ""


def settle_failed(world: World) -> None:
    for _ in range(3):
        world.clock.forward(1_000)
        world.sweep()


@pytest.mark.parametrize("how", [findings_gone, other_values, lambda _: {"payload": b"junk"}])
def test_a_tampered_pack_is_not_shown_and_not_decided_and_the_next_run_mends_it(how: Any) -> None:
    world = opened()
    tampered(world, **how(world))
    token, _ = world.link()
    with pytest.raises(Tampered):
        review_by_link(world.ctx, token)
    with pytest.raises(Tampered):
        world.decide(Said("approve"))
    again = world.run("full")
    assert again.superseded == first(world)
    world.approve("approve")
    assert production(world)[POLE]["projectName"] == "LAWLEY"


def test_a_pack_that_failed_for_a_while_is_retried_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "INLINE", 0)
    world = opened()
    blobs = world.ctx.ports.blobs
    real, down = blobs.write, [True]

    def write(name: str, *given: Any, **named: Any) -> bool:

        if down and name.startswith("backups/"):
            raise Unavailable("is not writable", subject="bucket", remedy="Grant the account storage.objects.create.")
        return real(name, *given, **named)

    blobs.write = write  # type: ignore[method-assign]
    world.patient = True
    with pytest.raises(Exception, match="not writable"):
        world.approve("approve")
    world.publisher.messages.clear()
    world.delivered = 0
    assert check.fail(world.ctx, first(world), 0)
    batch = world.batch(first(world))
    assert "storage.objects.create" in batch.error
    assert f"penstock retry {batch.id}" in batch.error
    down.clear()
    retry(world.ctx, batch.id, "operator@example.org")
    settle(world)
    assert world.batch(batch.id).status is Status.APPLIED
    assert_sound(world)


def test_a_promotion_given_up_half_way_names_what_landed_and_can_be_rolled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "MAX_CHANGES", 2)
    world = decided(opened())
    id = f"{first(world)}.00001"
    world.production.commit([Update(f"penstock_staging/{id}", {"payload": b"junk"}, (("payload",),))])
    settle_failed(world)
    assert check.fail(world.ctx, first(world), 1)
    failed = len(world.documents("planned-poles"))
    outcome = capture(world.ctx)
    effects.pay(world.ctx, outcome.owed)
    given_up = world.batch(first(world))
    assert (given_up.status, given_up.applied, given_up.drifted) == (Status.PARTIALLY_APPLIED, 2, 4)
    assert failed < 3
    assert given_up.reports["post-sync.html"]
    world.pump()
    world.approve("approve")
    assert len(world.documents("planned-poles")) == 3
    back, owed = plan_rollback(world.ctx, first(world), "operator@example.org")
    effects.pay(world.ctx, owed)
    assert back.total == 2


def test_an_instance_that_wakes_up_after_all_was_done_and_taken_back_changes_nothing() -> None:
    world = decided(opened())
    batch = start(world.ctx, first(world))
    real, slept = world.ctx.store.commit, []

    def commit(writes: Any) -> Any:
        if not slept and any(write.path.startswith("planned-poles") for write in writes):
            slept.append(1)
            settle(world)  # meanwhile another instance promotes, and the batch is rolled back
            _, owed = plan_rollback(world.ctx, batch.id, "operator@example.org")
            effects.pay(world.ctx, owed)
            world.pump()
            world.approve()
            slept.append(production(world))
        return real(writes)

    world.ctx.store.commit = commit  # type: ignore[method-assign]
    ledger = promote_pack(world.ctx, batch, 0)
    assert ledger is not None  # the one of the instance that was quicker
    assert production(world) == slept[1]
    assert world.batch(batch.id).status is Status.ROLLED_BACK
    assert_sound(world)


def test_a_batch_that_lacks_a_pack_does_not_end() -> None:
    world = decided(opened())
    batch = start(world.ctx, first(world))
    promote_pack(world.ctx, batch, 0)
    (path,) = (f"penstock_staging/{id}" for id in world.documents("penstock_staging"))
    world.production.commit([Delete(path)])
    assert finish(world.ctx, batch.id) == ()
    assert world.batch(batch.id).status is Status.APPLYING


def test_a_batch_whose_own_findings_are_others_than_were_shown_takes_no_decision() -> None:
    world = opened()
    path = layout.batch(first(world))
    findings = encode_findings([Finding("rivals", "notice", "", "", "nothing to see", "go on")])
    world.production.commit([Update(path, {"batch_findings": compress(findings)}, (("batch_findings",),))])
    with pytest.raises(Tampered):
        world.decide(Said("approve"))


def test_a_batch_whose_findings_were_changed_after_the_approval_is_not_promoted() -> None:
    world = decided(opened())
    start(world.ctx, first(world))
    before = production(world)
    findings = compress(encode_findings([Finding("rivals", "notice", "", "", "nothing to see", "go on")]))
    world.production.commit([Update(layout.batch(first(world)), {"batch_findings": findings}, (("batch_findings",),))])
    with pytest.raises(Tampered, match="is not what was checked and shown"):
        promote_asked(world.ctx, first(world), 0)
    assert production(world) == before


def test_a_follow_up_whose_message_was_lost_is_planned_by_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(effects.EFFECTS, "recheck", lambda *_: None)  # type: ignore[index]
    world = opened()
    edit(world, ponNumber="11")
    world.approve("approve")
    assert load_target(world.outside).state.open == ""
    assert not any("planned again" in line for line in world.sweep())  # the message may still be on its way
    world.clock.forward(1_000)
    assert any("planned again" in line for line in world.sweep())
    world.pump()
    follow_up = world.batch(load_target(world.outside).state.open)
    assert (follow_up.kind, follow_up.status) == ("followup", Status.UNDER_REVIEW)


def ledger_of(world: World) -> Any:
    return pack(world).ledger


def test_what_a_promotion_did_stands_in_the_pack_in_the_commit_that_did_it() -> None:
    world = opened()
    refused = f"drops/{net.drop_name(10)}"
    edit(world, ponNumber="11")
    before, costs = world.clock.time, pack(world).fields["costs"]
    assert "promote" not in costs
    world.decide(Said("approve", {"rule:edited_by_hand": "approve"}, {refused: "reject"}))
    ledger, fields = ledger_of(world), pack(world).fields
    assert (ledger.applied, ledger.rejected, ledger.drifted) == (4, (refused,), (f"poles/{net.name(2)}",))
    assert before < ledger.at < world.clock.time
    assert fields["state"] == "PROMOTED"
    assert {**fields["costs"], **costs} == fields["costs"]  # what its check cost is still known
    assert "promote" in fields["costs"]
    assert fields["purge_at"] > ledger.at.plus(world.ctx.pipeline.staging_retention.total_seconds() - 1)
    assert {data["penstock"]["appliedAt"] for data in world.documents("planned-poles").values() if "penstock" in data} == {
        ledger.at
    }


def test_the_prior_images_lie_in_storage_as_they_were_staged_and_are_written_once() -> None:
    world = opened()
    world.approve("approve")
    name = layout.backup_blob(world.ctx.id, first(world), 0)
    assert world.blobs.objects[name] == pack(world).fields["payload"]
    assert world.blobs.types[name] == "application/gzip"


def test_of_a_pack_in_which_all_is_refused_nothing_is_backed_up_and_nothing_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "MAX_CHANGES", 2)
    world = opened(standing=False)
    words = {c.key: "reject" for c in staging.load_pack(world.outside, first(world), 0).changes}
    world.decide(Said("approve", changes=words))  # type: ignore[arg-type]
    ledger = ledger_of(world)
    assert (ledger.applied, set(ledger.rejected), ledger.drifted) == (0, set(words), ())
    assert world.blobs.names(layout.backup_blob(world.ctx.id, first(world), 0)) == []
    assert len(production(world)) == 4
    assert set(staging.declined(world.outside)) == set(words)


def test_a_pack_in_which_all_is_refused_is_done_once_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packs, "MAX_CHANGES", 2)
    world = opened(standing=False)
    world.ctx.ports.publisher.messages.clear()  # type: ignore[attr-defined]
    world.delivered = 0
    token, code = world.link()
    words = {c.key: "reject" for c in staging.load_pack(world.outside, first(world), 0).changes}
    decide_by_link(world.ctx, token, code, Said("approve", changes=words))  # type: ignore[arg-type]
    batch = start(world.ctx, first(world))
    ledger = promote_pack(world.ctx, batch, 0)
    assert ledger is not None
    assert promote_pack(world.ctx, batch, 0) == ledger == ledger_of(world)


def test_what_was_approved_is_not_remembered_as_refused() -> None:
    world = opened()
    world.approve("approve")
    assert world.documents(layout.REJECTIONS) == {}


def test_a_promotion_begins_once_and_is_told_in_the_record() -> None:
    world = decided(opened())
    assert start(world.ctx, first(world)).status is Status.APPLYING
    assert start(world.ctx, first(world)).status is Status.APPLYING
    (entry,) = [e for e in entries(world) if e["what"] == "APPROVED → APPLYING"]
    assert entry["who"] == "engine"
    assert entry["detail"]["digest"] == world.batch(first(world)).digest


def test_of_two_instances_that_begin_at_once_both_go_on_with_the_same_promotion() -> None:
    world = decided(opened())
    real, once = world.ctx.store.commit, [1]

    def commit(writes: Any) -> Any:
        if once:
            once.clear()
            start(world.outside, first(world))
        return real(writes)

    world.ctx.store.commit = commit  # type: ignore[method-assign]
    assert start(world.ctx, first(world)).status is Status.APPLYING
    assert len([e for e in entries(world) if e["what"] == "APPROVED → APPLYING"]) == 1


def test_what_is_under_review_does_not_begin_and_is_not_promoted() -> None:
    world = opened()
    before = production(world)
    assert start(world.ctx, first(world)).status is Status.UNDER_REVIEW
    assert promote_asked(world.ctx, first(world), 0) is None
    assert promote_pack(world.ctx, world.batch(first(world)), 0) is None
    assert production(world) == before


def test_a_pack_that_is_not_there_is_told_by_its_name() -> None:
    world = decided(opened())
    start(world.ctx, first(world))
    for batch, number in ((first(world), 7), ("fibre_network.fibreflow.20260101t000000-000000", 0)):
        with pytest.raises(NotFound, match="there is no such pack") as told:
            promote_asked(world.ctx, batch, number)
        assert layout.pack(batch, number) in str(told.value)


def test_a_pack_whose_batch_is_gone_is_told_too() -> None:
    world = decided(opened())
    batch = start(world.ctx, first(world)).id
    world.production.commit([Delete(layout.batch(batch))])
    with pytest.raises(NotFound, match="there is no such pack"):
        promote_asked(world.ctx, batch, 0)


def test_a_message_that_comes_twice_while_others_are_promoted_gives_the_ledger_and_takes_no_second_look() -> None:
    world = decided(opened())
    batch = start(world.ctx, first(world))
    ledger = promote_pack(world.ctx, batch, 0)
    before = world.production.bill.writes, dict(world.blobs.objects)
    edit(world, ponNumber="a later edit")
    stands = production(world)
    assert promote_asked(world.ctx, batch.id, 0) == ledger == promote_pack(world.ctx, batch, 0)
    assert production(world) == stands
    assert world.production.bill.writes == before[0] + 1  # the edit
    assert world.blobs.objects == before[1]


def test_a_pack_that_was_promoted_gives_its_ledger_again_whatever_became_of_the_batch() -> None:
    world = opened()
    world.approve("approve")
    stands = production(world)
    assert world.batch(first(world)).status is Status.APPLIED
    assert promote_asked(world.ctx, first(world), 0) == ledger_of(world)
    assert production(world) == stands


@pytest.mark.parametrize("error", [OutcomeUnknown, Conflict])
def test_a_pack_that_the_database_never_takes_is_given_up_after_eight_tries(error: type[PenstockError]) -> None:
    world = decided(opened())
    batch = start(world.ctx, first(world))
    before, tries = production(world), []

    def commit(writes: Any) -> Any:
        tries.append(len(writes))
        raise error("no")

    world.ctx.store.commit = commit  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="could not be promoted in 8 tries"):
        promote_pack(world.ctx, batch, 0)
    assert tries == [7] * 8  # six changes, and the pack itself
    assert production(world) == before
    assert ledger_of(world) is None


def test_what_moves_while_it_is_tried_falls_out_one_after_the_other() -> None:
    world = decided(opened())
    batch = start(world.ctx, first(world))
    real, moving = world.ctx.store.commit, [f"planned-poles/{net.name(1)}", POLE]

    def commit(writes: Any) -> Any:
        if moving:
            path = moving.pop()
            real([Set(path, {"note": "somebody was here"})])
        return real(writes)

    world.ctx.store.commit = commit  # type: ignore[method-assign]
    ledger = promote_pack(world.ctx, batch, 0)
    assert ledger is not None
    assert (ledger.applied, ledger.drifted) == (4, (f"poles/{net.name(2)}", f"poles/{net.name(1)}"))
    assert production(world)[POLE] == {"note": "somebody was here"}
