"""What each entry point may do: enough for its whole work, nothing that this work does not use, and nothing beyond it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from penstock import wiring
from penstock.adapters.confined import Grant
from penstock.core import layout
from penstock.core.batch import Status
from penstock.core.errors import Denied
from penstock.core.records import ABSENT, EXISTS, Delete, Query, Set, Update
from penstock.entrypoints import privileges
from penstock.entrypoints.api import models, operations
from penstock.entrypoints.api.operations import Call
from penstock.entrypoints.privileges import GRANTS
from penstock.local.identity import Issuer
from penstock.ports import Message
from penstock.use_cases import check, effects, fan_out, lease, pausing, registry, repeating, sweep, topics
from penstock.use_cases.context import Context, load_target
from penstock.use_cases.decide import Said, decide
from penstock.use_cases.promote import promote_pack
from penstock.use_cases.repeating import Answer
from serving import ACCOUNT, AUDIENCE, served
from simulation.lives import live, pipe_life
from simulation.simulation import small_packs
from support import forest, tenancy
from support import network as net
from support.faults import FailingMailer, PlainPages
from support.landlord import Landlord, country, unit
from support.tenants import Tenants
from support.world import APPROVER, World

VERBS = ("read", "write", "fetch", "store", "publish", "send")
LIVES = 40


class Watched:
    """What was asked of every grant: used, or denied."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.used: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self.denied: set[str] = set()
        allows, demand = Grant.allows, Grant.demand

        def watched_allows(grant: Grant, verb: str, what: str) -> bool:
            allowed = allows(grant, verb, what)
            if allowed:
                self.used[grant.name].add((verb, what))
            return allowed

        def watched_demand(grant: Grant, verb: str, what: str) -> None:
            try:
                demand(grant, verb, what)
            except Denied as denied:
                self.denied.add(str(denied))
                raise

        patch.setattr(Grant, "allows", watched_allows)
        patch.setattr(Grant, "demand", watched_demand)


def synced(poles: int = 6) -> World:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, poles)))
    world.run()
    world.approve("approve")
    return world


def unpaid(world: World) -> str:
    """A batch that somebody approved and whose promotion nobody began."""
    batch = world.batch(world.run().batch)
    decide(world.ctx, batch.id, batch.digest, APPROVER, Said("approve"))
    return batch.id


def a_refusal_lapses() -> None:
    world = synced()
    for day, zone in (("2026-06-02", "2"), ("2026-06-03", "3")):
        net.feed(world, net.network([1], day=day, Sections=zone))
        world.run()
        world.decide(Said("reject"))


def a_batch_is_given_up_for_a_newer_one_half_promoted() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 6)))
    with small_packs(4):
        batch = unpaid(world)
        promotion = world.serving(privileges.PROMOTE)
        promote_pack(promotion, effects.start(promotion, batch), 0)
        other = {"carried": '{"mallory@example.org": {}}'}
        world.production.commit([Update(layout.pack(batch, 1), other, (("carried",),), EXISTS)])
        assert check.fail(world.serving(privileges.DEAD_LETTER), batch, 1)
        assert world.run().batch
    assert world.batch(batch).status is Status.PARTIALLY_APPLIED


def a_brake_holds_while_the_mail_server_is_away() -> None:
    world = synced()
    mailer = FailingMailer(world.mailer)
    object.__setattr__(world.ctx, "ports", replace(world.ctx.ports, mailer=mailer))
    world.patient = True
    world.source.commit([Delete(s.path) for s in world.source.scan(Query(net.SOURCE))])
    assert world.run().held
    mailer.down = False
    world.clock.forward(1_000)
    world.sweep()
    world.approve()
    mailed = world.documents(layout.TOKENS)
    assert {link["state"] for link in mailed.values()} == {"used"}


def nothing_fails_when_a_brake_holds() -> None:
    world = synced()
    world.source.commit([Delete(s.path) for s in world.source.scan(Query(net.SOURCE))])
    assert world.run().held


def the_sweep_promotes_what_nobody_promoted() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 6)))
    batch = unpaid(world)
    world.put(world.production, "planned-poles", [net.standing(1)])  # it falls out
    world.clock.forward(1_000)
    world.sweep()
    world.clock.forward(1_000)
    world.sweep()
    assert world.batch(batch).applied
    assert world.batch(batch).drifted


def messages_promote_while_some_are_lost_something_is_refused_and_something_falls_out() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 6), drops=0))
    batch = world.run().batch
    world.put(world.production, "planned-poles", [net.standing(1)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(effects, "INLINE", 0)
        patch.setattr(world, "pump", lambda: None)
        world.decide(Said("approve", changes={f"poles/{net.name(2)}": "reject"}))
    world.delivered = len(world.publisher.messages)
    world.clock.forward(1_000)
    world.sweep()
    world.pump()
    assert world.batch(batch).drifted


def a_pack_cannot_be_promoted() -> None:
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 6)))
    batch = world.run().batch
    check.note_failure(world.serving(privileges.PROMOTE), batch, 0, "a cause")
    assert world.documents(layout.STAGING)[f"{batch}.00000"]["error"] == "a cause"


def a_pack_ends_in_the_dead_letters_after_the_chain_has_grown() -> None:
    """Found by random lives: who could not read the chain failed for ever, and the batch never told its cause."""
    world = World(pages=PlainPages())
    net.feed(world, net.network(range(1, 6)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world, "pump", lambda: None)
        batch = world.run().batch
    pausing.pause(world.ctx, APPROVER)
    assert check.fail(world.serving(privileges.DEAD_LETTER), batch, 0)
    assert world.batch(batch).status is Status.FAILED


def every_entry_point_asks_a_hub_for_the_target_of_its_message() -> None:
    world = Tenants()
    world.declare("alpha")
    for grant in GRANTS.values():
        assert world.contexts.confined(grant).target("library_loans.alpha").target.name == "alpha"


def a_tree_is_read_and_promoted_by_everybody_who_may() -> None:
    """By the approver, by messages, and by the sweep."""
    world = forest.grown()
    forest.fed(world, d1="p2")
    first = world.run()
    assert world.approve("approve").status is Status.APPLIED
    world.clock.forward(7_200)
    forest.fed(world, d1="p1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(effects, "INLINE", 0)
        second = forest.Plan(world).create("d3", "p2").create("w3", "d3").move("d1", "p1").stage(per_pack=1)
        world.approve("approve")
    third = forest.Plan(world).move("d1", "p2").stage()
    decide(world.ctx, third.id, third.digest, APPROVER, Said("approve"))
    world.clock.forward(1_000)
    world.sweep()
    assert {world.batch(id).status for id in (first.batch, second.id, third.id)} == {Status.APPLIED}
    assert forest.faults(world) == []


def a_program_proposes_a_rollback() -> None:
    world = tenancy.tenancy()
    tenancy.feed(world, *tenancy.country())
    batch = world.run().batch
    world.approve("approve")
    tenancy.feed(world, tenancy.of_landlord("d1", "p2", 2, day=2), tenancy.of_landlord("d3", "p2", 2, day=2))
    batch = world.run().batch
    world.approve("approve")
    ctx = world.serving(privileges.REVIEW)
    call = Call(ctx, tenancy.OPERATOR, {"batch": batch, "externalId": "d1"}, body=models.RollbackRequest())
    assert operations.change(call).impact
    for outcome in (Answer(201, "said"), Answer(503, "not now")):
        repeating.once(ctx, tenancy.OPERATOR, f"key {outcome.status}", "request", lambda of=outcome: of)
    assert operations.rollback(call).rolls_back == batch
    world.pump()


def a_run_over_many_targets_whose_message_comes_twice() -> None:
    world = Tenants()
    world.declare("alpha", stage="pilot")
    registry.set_stages(world.ports, world.pipeline, ("pilot",), (), APPROVER)
    known = world.contexts.confined(privileges.CAPTURE)
    found = known.spread("library_loans", fan_out.Wanted())
    run = fan_out.ask(known.ports, world.pipeline, found, "changes", APPROVER)
    for _ in range(2):
        fan_out.note(known.target("library_loans.alpha"), run.id, Denied("a cause"))


def a_shared_source_is_read_held_back_and_mended_and_the_sweep_goes_on_with_a_run_that_died() -> None:
    world = Landlord(pages=PlainPages())
    world.publish(country())
    world.refresh()
    world.run()
    world.publish([unit("XA-9-1", 2, "XA-9")])
    assert world.refresh().quarantine
    world.withdraw("XA-9-1")
    world.amend("XA-1", version=2)
    assert world.refresh().quarantine is None
    lease.take(world.serving(privileges.CAPTURE), load_target(world.ctx), "changes", "schedule")
    world.clock.forward(lease.LEASE_SECONDS + 1)
    assert world.sweep()


def the_sweep_anchors_what_operators_did_in_a_hub() -> None:
    world = Tenants()
    world.declare("alpha")
    known = world.contexts.confined(privileges.SWEEP)
    for _ in range(2):
        for hub in known.hubs():
            sweep.sweep_hub(known.ports, hub)
    assert world.blobs.names(layout.ANCHORS) == [layout.anchor_blob("library_loans", 1)]


RARE = (
    the_sweep_anchors_what_operators_did_in_a_hub,
    a_program_proposes_a_rollback,
    a_tree_is_read_and_promoted_by_everybody_who_may,
    a_run_over_many_targets_whose_message_comes_twice,
    a_pack_ends_in_the_dead_letters_after_the_chain_has_grown,
    every_entry_point_asks_a_hub_for_the_target_of_its_message,
    a_refusal_lapses,
    a_batch_is_given_up_for_a_newer_one_half_promoted,
    a_brake_holds_while_the_mail_server_is_away,
    nothing_fails_when_a_brake_holds,
    the_sweep_promotes_what_nobody_promoted,
    messages_promote_while_some_are_lost_something_is_refused_and_something_falls_out,
    a_pack_cannot_be_promoted,
    a_shared_source_is_read_held_back_and_mended_and_the_sweep_goes_on_with_a_run_that_died,
)


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    with pytest.MonkeyPatch.context() as patch:
        seen = Watched(patch)
        for seed in range(LIVES):
            live(pipe_life(seed))
        for rare in RARE:
            rare()
        yield seen


def test_every_entry_point_does_its_whole_work_within_its_grant(watched: Watched) -> None:
    assert set(watched.used) == set(GRANTS)
    assert watched.denied == set()


@pytest.mark.parametrize("grant", GRANTS.values(), ids=lambda grant: grant.name)
def test_nothing_is_granted_that_is_not_used(watched: Watched, grant: Grant) -> None:
    granted = {(verb, what) for verb in VERBS for what in getattr(grant, verb)}
    assert granted - watched.used[grant.name] == set()


@pytest.mark.parametrize("name", GRANTS)
def test_every_entry_point_is_held_by_its_own_grant(
    world: World, issuer: Issuer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    given, contexts = [], wiring.contexts
    monkeypatch.setattr(wiring, "contexts", lambda *grants: given.append(grants) or contexts(*grants))
    batch = world.run().batch
    if name == "review":
        assert served(name).get(f"/{world.ctx.id}/{world.link()[0]}").status_code == 200
    else:
        token = {"Authorization": f"Bearer {issuer.mint(AUDIENCE, ACCOUNT)}"}
        body = {"batch": batch, "pack": "0", "pipeline": world.ctx.pipeline.name}
        assert served(name).post("/", json=body, headers=token).status_code == 200
    assert given == [(GRANTS[name],)]


def _write(path: str) -> Any:
    return lambda ctx: ctx.store.commit([Set(path, {"a": 1})])


def _change(path: str, field: str) -> Any:
    return lambda ctx: ctx.store.commit([Update(path, {field: 1}, ((field,),), EXISTS)])


POLE, PACK, ENTRY = "planned-poles/LAW.P.A001", "penstock_staging/there", "penstock_audit/there"
REACHES: dict[str, tuple[set[str], Any]] = {  # who may, out of all
    "production is written": ({"promote", "review", "sweep"}, _write(POLE)),
    "production is removed": ({"promote", "review", "sweep"}, lambda ctx: ctx.store.commit([Delete(POLE)])),
    "a source is read": ({"capture", "sweep"}, lambda ctx: list(_source(ctx).scan(Query(net.SOURCE)))),
    "a source is counted": ({"capture", "sweep"}, lambda ctx: _source(ctx).count(Query(net.SOURCE))),
    "a source is written": (set(), lambda ctx: _source(ctx).commit([Set(f"{net.SOURCE}/x", {})])),
    "a pack is written over": (set(), _write(PACK)),
    "a pack's changes are changed": (set(), _change(PACK, "payload")),
    "a pack is judged": ({"check"}, _change(PACK, "findings")),
    "a pack's changes ride along with its findings": (
        set(),
        lambda ctx: ctx.store.commit([Update(PACK, {"findings": 1, "payload": 1}, (("findings",), ("payload",)), EXISTS)]),
    ),
    "a pack is made up as its own findings": (
        set(),
        lambda ctx: ctx.store.commit([Update("penstock_staging/new", {"findings": 1}, (("findings",),))]),
    ),
    "an audit entry is written over": (set(), _write(ENTRY)),
    "an audit entry is changed": (set(), _change(ENTRY, "who")),
    "an audit entry is removed": (set(), lambda ctx: ctx.store.commit([Delete(ENTRY)])),
    "an audit entry is added": (
        {"capture", "check", "promote", "dead_letter", "review", "sweep"},
        lambda ctx: ctx.store.commit([Set("penstock_audit/new", {}, ABSENT)]),
    ),
    "a link is made": (
        {"capture", "check", "review", "sweep"},
        lambda ctx: ctx.store.commit([Set("penstock_tokens/new", {}, ABSENT)]),
    ),
    "a collection of the application is read": (set(), lambda ctx: ctx.store.get(["users/u1"])),
    "a collection of the application is queried": (set(), lambda ctx: ctx.store.scan(Query("users"))),
    "a collection of the application is written": (set(), _write("users/u1")),
    "a subcollection of production is written": (set(), _write(f"{POLE}/photos/1")),
    "a forbidden write hides among others": (
        set(),
        lambda ctx: ctx.store.commit([Set("penstock_audit/new", {}, ABSENT), Set("users/u1", {})]),
    ),
    "another database is read": (set(), lambda ctx: ctx.ports.stores.open("demo-fibreflow", "other").get([POLE])),
    "another project is read": (set(), lambda ctx: ctx.ports.stores.open("demo-stranger", "(default)").get([POLE])),
    "a prior image is stored": (
        {"capture", "promote", "review", "sweep"},
        lambda ctx: ctx.ports.blobs.write("backups/x", b"", "x/y"),
    ),
    "a prior image is read": ({"review"}, lambda ctx: ctx.ports.blobs.read("backups/there")),
    "all objects are listed": (set(), lambda ctx: ctx.ports.blobs.names("")),
    "an object lies nowhere": (set(), lambda ctx: ctx.ports.blobs.write("x", b"", "x/y")),
    "checks are asked for": ({"capture", "review", "sweep"}, lambda ctx: ctx.ports.publisher.publish(topics.CHECK, [{}])),
    "a promotion is asked for": ({"promote", "review", "sweep"}, lambda ctx: ctx.ports.publisher.publish(topics.PROMOTE, [{}])),
    "another topic is published to": (set(), lambda ctx: ctx.ports.publisher.publish("projects/x/topics/y", [{}])),
    "a mail is sent": (
        {"capture", "check", "promote", "review", "sweep"},
        lambda ctx: ctx.ports.mailer.send(Message("id", "a@example.org", "", "", "")),
    ),
}


def _source(ctx: Context) -> Any:
    return ctx.source_store(next(iter(ctx.pipeline.sources.values())))


@pytest.mark.parametrize("reach", REACHES)
def test_nobody_reaches_beyond_their_grant(reach: str) -> None:
    may, do = REACHES[reach]
    there = [Set(path, {"as": "it was"}) for path in (PACK, ENTRY, POLE, "users/u1")]
    for name, grant in GRANTS.items():
        world = World(pages=PlainPages())
        world.production.commit(there)
        world.blobs.write("backups/there", b"", "x/y")
        before = _state(world)
        if name in may:
            do(world.serving(grant))
            continue
        with pytest.raises(Denied, match=f"`{name}`: may not"):
            do(world.serving(grant))
        assert _state(world) == before


def _state(world: World) -> Any:
    bills = [(store.bill.reads, store.bill.writes, store.bill.deletes) for store in (world.production, world.source)]
    return bills, dict(world.blobs.objects), list(world.publisher.messages), list(world.mailer.sent)


MEMBER, CHAIN = "members/m1", {"unitPath": "x", "unit2": "y"}
TOUCHED: dict[str, tuple[set[str], Any]] = {
    "its place": ({"promote", "review", "sweep"}, Update(MEMBER, CHAIN, (("unitPath",), ("unit2",)), EXISTS)),
    "another field": (set(), Update(MEMBER, {"unitPath": "x", "name": "Mallory"}, (("unitPath",), ("name",)), EXISTS)),
    "one that is not there": (set(), Update("members/new", {"unitPath": "x"}, (("unitPath",),))),
    "the whole": (set(), Set(MEMBER, {"unitPath": "x"}, EXISTS)),
    "its end": (set(), Delete(MEMBER)),
}  # fmt: skip


@pytest.mark.parametrize("name", GRANTS)
@pytest.mark.parametrize("what", TOUCHED)
def test_of_what_hangs_under_a_tree_only_the_place_is_written(name: str, what: str) -> None:
    allowed, write = TOUCHED[what]
    store = forest.grown().serving(GRANTS[name]).store
    if name in allowed:
        store.commit([write])
    else:
        with pytest.raises(Denied):
            store.commit([write])
