"""Brakes on a source: what an emptied, shrunken, replaced, older or renamed source comes to, and how people let it pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from penstock.core.batch import Status
from penstock.core.errors import InvalidInput, Refused
from penstock.core.plan import Batch
from penstock.core.records import Delete, Query
from penstock.core.values import Data
from penstock.use_cases import effects
from penstock.use_cases.context import load_target
from penstock.use_cases.decide import Said
from penstock.use_cases.rollback import plan_rollback
from penstock.use_cases.verifying import verify
from support import logs
from support import network as net
from support.faults import FailingMailer, PlainPages
from support.rest import assert_sound, changes, entries, quiet, settle
from support.world import World

POLES = 60
Record = tuple[str, Data]


def network(poles: Iterable[int] = range(1, POLES + 1), **more: Any) -> list[Record]:
    return net.network(poles, **more)


def synced(records: Iterable[Record] = (), **more: Any) -> World:
    world = World(pages=PlainPages(), **more)
    net.feed(world, records or network())
    world.run()
    world.approve("approve")
    return world


def state(world: World) -> Any:
    return load_target(world.outside).state


def remove(world: World, ids: Iterable[str]) -> None:
    todo = [Delete(f"{net.SOURCE}/{id}") for id in ids]
    for start in range(0, len(todo), 400):
        world.source.commit(todo[start : start + 400])


def becomes(world: World, records: Iterable[Record]) -> None:
    """The source holds these records and no others: a new file was loaded under the usual name."""
    new = dict(records)
    remove(world, [s.id for s in world.source.scan(Query(net.SOURCE)) if s.id not in new])
    net.feed(world, new.items())


def held(world: World, mode: Any = "changes") -> Batch:
    outcome = world.run(mode)
    assert outcome.held
    batch = world.batch(outcome.batch)
    assert (batch.kind, batch.status, batch.packs, batch.total) == ("hold", Status.UNDER_REVIEW, 0, 0)
    assert state(world).open == batch.id
    assert outcome.held.startswith(batch.batch_findings[0].text)
    return batch


def staged(world: World) -> list[str]:
    return sorted(world.documents("penstock_staging"))


def emptied(world: World) -> None:
    becomes(world, [])


def shrunken(world: World) -> None:
    becomes(world, network(range(1, 27)))  # as once from 17,654 rows to 7,745


def other_layer(world: World) -> None:
    becomes(world, [(f"H{n}", {"home_id": f"H{n}", "owner": "x", "geometry": "POINT"}) for n in range(1, POLES + 1)])


def older(world: World) -> None:
    becomes(world, network(day="2026-04-01"))


def replaced(world: World) -> None:
    becomes(world, [(f"z{id}", data) for id, data in network()])


def renamed(world: World) -> None:
    becomes(world, [(id, {"PON" if name == "PONs" else name: v for name, v in data.items()}) for id, data in network()])


WAYS: dict[Callable[[World], None], tuple[str, ...]] = {
    emptied: ("onemap holds 0 documents, fewer than the 1 that it must; at the last complete read it held 60.",),
    shrunken: ("onemap holds 26 documents; at the last complete read it held 60 (57% fewer; the band is 30%).",),
    other_layer: (
        "of 30 documents of onemap that were there before are gone (the band is 30%).",
        'no longer has "Drop Number", ',
    ),
    older: ("Nothing in onemap was changed since 2026-05-24, and it was read up to 2026-06-01",),
    replaced: ("30 of 30 documents of onemap that were there before are gone",),
    renamed: ('onemap no longer has "PONs" and has 1 new field that the pipeline does not name',),
}
each_way = pytest.mark.parametrize(("way", "told"), WAYS.items(), ids=[way.__name__ for way in WAYS])


@each_way
def test_a_source_outside_its_bands_holds_the_run_before_anything_is_staged(
    way: Callable[[World], None], told: tuple[str, ...]
) -> None:
    world = synced()
    before, production = staged(world), world.documents("planned-poles")
    way(world)
    batch = held(world, "full")
    (fact,) = batch.batch_findings
    assert (fact.rule, fact.severity, fact.key) == ("brake", "blocker", "")
    for part in told:
        assert part in fact.text
    assert staged(world) == before
    assert world.documents("planned-poles") == production
    assert_sound(world)


@each_way
def test_an_open_hold_stays_one_batch_with_one_mail_however_often_the_schedule_fires(
    way: Callable[[World], None], told: tuple[str, ...]
) -> None:
    world = synced()
    way(world)
    batch, mails = held(world, "full"), len(world.mailer.sent)
    for mode in ("changes", "full", "recheck"):
        again = world.run(mode)  # type: ignore[arg-type]
        assert (again.batch, state(world).open) == ("", batch.id)
        assert batch.id in again.held
    assert len(world.mailer.sent) == mails
    assert world.batch(batch.id) == batch
    assert state(world).last_run["at"] == again.read_time


@each_way
def test_an_approved_hold_lets_the_next_run_pass_and_the_one_after_needs_no_word(
    way: Callable[[World], None], told: tuple[str, ...]
) -> None:
    world = synced()
    way(world)
    batch = held(world, "full")
    approved = world.approve()  # the approval asks for the run itself
    assert (approved.status, approved.decisions[0].groups) == (Status.APPLIED, {"rule:brake": "approve"})
    assert state(world).hold is None
    assert state(world).last_run["mode"] == "full"
    assert state(world).last_run["at"] > batch.read_time
    assert world.run("full").held == ""
    assert world.run().held == ""
    assert_sound(world)


@each_way
def test_a_rejected_hold_holds_silently_until_the_source_is_as_it_was(
    way: Callable[[World], None], told: tuple[str, ...]
) -> None:
    world = synced()
    was = [(s.id, s.fields) for s in world.source.scan(Query(net.SOURCE))]
    way(world)
    batch = held(world, "full")
    assert world.decide(Said("reject")).status is Status.REJECTED
    mails = len(world.mailer.sent)
    for mode in ("changes", "full", "recheck"):
        outcome = world.run(mode)  # type: ignore[arg-type]
        assert (outcome.batch, state(world).open, len(world.mailer.sent)) == ("", "", mails)
        assert f"rejected ({batch.id})" in outcome.held
    becomes(world, was)
    assert world.run("full").held == ""
    assert state(world).hold is None
    assert_sound(world)


def test_an_incremental_run_sees_that_its_window_was_emptied_and_looks_at_the_whole() -> None:
    for way in (emptied, other_layer, older):
        world = synced()
        way(world)
        assert held(world).kind == "hold"


def test_new_documents_under_a_new_header_hold_an_incremental_run_and_are_let_pass_once_for_all() -> None:
    world = synced()
    drifted = [
        (f"n{id}", {"PONs 2" if name == "PONs" else name: v for name, v in data.items()})
        for id, data in network(range(100, 110), day="2026-06-02")
    ]
    net.feed(world, drifted)
    batch = held(world)
    assert 'onemap no longer has "PONs" (header ' in batch.batch_findings[0].text
    assert world.run().batch == ""
    world.approve()
    open_ = world.batch(state(world).open)
    assert (open_.kind, open_.counts) == ("sync", {"poles CREATE": 10, "drops CREATE": 10})
    assert any(batch.id in note for note in open_.notes)
    world.approve("approve")
    net.feed(world, [(f"m{id}", data | {"lst_mod_dt": "2026-06-03"}) for id, data in drifted])
    assert world.run().held == ""


def test_a_name_that_was_cut_or_spelled_otherwise_is_told_and_no_name_that_is_not_mapped() -> None:
    long = "Home Sign Ups: Approved & Installation Scheduled, or else the reason why not"
    world = World(pages=PlainPages())
    entities = tuple(
        replace(e, fields=tuple(replace(f, source=(long,)) if f.source == ("Sections",) else f for f in e.fields))
        for e in world.ctx.pipeline.entities
    )
    for ctx in (world.ctx, world.outside):
        object.__setattr__(ctx, "pipeline", replace(ctx.pipeline, entities=entities))
    world.contexts.target = lambda _: world.ctx  # type: ignore[method-assign]
    world.contexts.of_batch = lambda _: world.ctx  # type: ignore[method-assign]
    renaming: dict[str, str] = {"Sections": long}

    def file() -> list[Record]:
        return [(id, {renaming.get(name, name): v for name, v in data.items()}) for id, data in network()]

    net.feed(world, file())
    world.run()
    world.approve("approve")
    renaming |= {"Sections": long[:63], "Pole Number": "pole_number", "Location Address": "Owner Address"}
    becomes(world, file())
    (fact,) = held(world, "full").batch_findings
    assert f'"{long[:63]}" instead of "{long}"' in fact.text
    assert '"pole_number" instead of "Pole Number"' in fact.text
    assert '"Location Address"' in fact.text
    assert "Owner Address" not in repr(world.documents("penstock_batches")) + repr(world.documents("penstock_targets"))


def test_fields_that_the_pipeline_does_not_name_are_counted_in_a_note_and_hold_nothing() -> None:
    world = synced()
    becomes(world, [(id, data | {"KANARIE": "x", "Site": "OTHER"}) for id, data in network()])
    batch = world.batch(world.run("full").batch)
    assert any("onemap has 1 new field that the pipeline does not name" in note for note in batch.notes)
    assert "KANARIE" not in repr(world.documents("penstock_targets")) + repr(batch)


def test_the_evidence_of_a_hold_that_gets_worse_is_a_new_hold_and_the_old_link_leads_to_it() -> None:
    world = synced()
    shrunken(world)
    first = held(world, "full")
    becomes(world, network(range(1, 16)))
    second = held(world, "full")
    assert world.batch(first.id).superseded_by == second.id
    assert "15 documents" in second.batch_findings[0].text
    world.approve()
    assert state(world).hold is None
    assert_sound(world)


def test_an_approval_is_for_what_was_seen_and_not_for_what_came_meanwhile() -> None:
    world = synced()
    shrunken(world)
    held(world, "full")
    emptied(world)
    world.approve()
    hold = world.batch(state(world).open)
    assert (hold.kind, hold.status) == ("hold", Status.UNDER_REVIEW)
    assert "onemap holds 0 documents" in hold.batch_findings[0].text


def test_another_replacement_than_the_one_that_was_approved_is_held_again() -> None:
    world = synced()
    replaced(world)
    held(world, "full")
    becomes(world, [(f"y{id}", data) for id, data in network()])
    world.approve()
    assert world.batch(state(world).open).kind == "hold"


def test_a_source_that_is_well_again_ends_an_open_hold_by_itself() -> None:
    world = synced()
    emptied(world)
    batch = held(world)
    becomes(world, network())
    outcome = world.run()
    assert (outcome.held, state(world).open, state(world).hold) == ("", "", None)
    assert world.batch(batch.id).status is Status.SUPERSEDED
    assert_sound(world)


def test_what_was_open_is_replaced_by_the_hold_and_proposed_again_after_it() -> None:
    world = synced()
    net.feed(world, network([70], day="2026-06-03"))
    first = world.run().batch
    emptied(world)
    hold = held(world)
    assert (world.batch(first).status, world.batch(first).superseded_by) == (Status.SUPERSEDED, hold.id)
    becomes(world, [*network(), *network([70], day="2026-06-03")])
    again = world.run()
    assert [c.key for c in changes(world, again.batch)] == [c.key for c in changes(world, first)]
    assert_sound(world)


def test_a_hold_takes_the_same_decision_as_any_batch_and_leaves_the_same_trail() -> None:
    world = synced()
    emptied(world)
    batch = held(world)
    with pytest.raises(InvalidInput, match="held by brake"):
        world.decide(Said("approve"))
    world.approve()
    trail = [(e["what"], e["who"]) for e in entries(world) if e["batch"] == batch.id]
    assert trail == [
        ("∅ → STAGED", "schedule"), ("STAGED → UNDER_REVIEW", "engine"), ("UNDER_REVIEW → APPROVED", "thandi@example.org"),
        ("APPROVED → APPLIED", "engine"),
    ]  # fmt: skip
    with pytest.raises(Refused, match="changed nothing in production"):
        plan_rollback(world.ctx, batch.id, "thandi@example.org")


def test_an_export_with_a_hold_is_proved_like_any_other() -> None:
    for said in (Said("approve", {"rule:brake": "approve"}), Said("reject")):
        world = synced()
        emptied(world)
        held(world)
        world.decide(said)
        assert verify(logs.exported(world)).holds


def test_a_hold_needs_as_many_people_as_any_batch() -> None:
    people = {"fibre_approvers": ("thandi@example.org", "sipho@example.org")}
    world = World(pages=PlainPages(), approvals=2, people=people)
    assert world.run().held.startswith("onemap holds 0 documents, fewer than the 1 that it must.")
    assert world.approve(to="thandi@example.org").status is Status.UNDER_REVIEW
    assert world.approve(to="sipho@example.org").status is Status.APPLIED
    assert world.run().held == ""


def test_an_undecided_hold_expires_and_the_next_run_asks_again() -> None:
    world = synced()
    emptied(world)
    batch = held(world)
    world.clock.forward(8 * 86_400)
    assert any("expired" in line for line in world.sweep())
    assert (state(world).open, state(world).hold) == ("", None)
    assert held(world).id != batch.id
    assert_sound(world)


def test_a_hold_whose_mail_or_run_was_lost_comes_to_rest() -> None:
    world = synced()
    mailer = FailingMailer(world.mailer)
    object.__setattr__(world.ctx, "ports", replace(world.ctx.ports, mailer=mailer))
    world.patient = True
    emptied(world)
    world.run()
    mailer.down = False
    settle(world)
    assert quiet(world)
    batch = world.approve()
    assert batch.status is Status.APPLIED
    assert_sound(world)


def test_the_sweep_plans_nothing_of_a_source_that_was_rejected() -> None:
    world = synced()
    net.feed(world, network([70], day="2026-06-03"))
    world.run()
    emptied(world)
    held(world)
    world.decide(Said("reject"))
    before = state(world).last_run
    world.clock.forward(10_000)
    world.sweep()
    assert state(world).last_run == before


def test_a_rollback_goes_on_while_its_source_is_held() -> None:
    world = synced()
    done = next(id for id, b in world.documents("penstock_batches").items() if b["status"] == "APPLIED")
    emptied(world)
    held(world)
    _, owed = plan_rollback(world.ctx, done, "op@example.org")
    effects.pay(world.ctx, owed)
    world.pump()
    assert world.approve("approve").status is Status.APPLIED
    assert world.documents("planned-poles") == {}
    assert held(world)
    assert_sound(world)


def test_an_idle_run_costs_the_same_with_brakes_as_without() -> None:
    costs = []
    for off in (False, True):
        world = synced()
        if off:
            brakes = replace(world.ctx.pipeline.brakes, shrunken=None, replaced=None, older=None, header="ignore")
            object.__setattr__(world.ctx, "pipeline", replace(world.ctx.pipeline, brakes=brakes))
        before = world.source.bill.reads, world.source.bill.rpcs
        world.run()
        costs.append((world.source.bill.reads - before[0], world.source.bill.rpcs - before[1]))
    assert costs[0] == costs[1]


def test_a_source_of_a_few_documents_is_not_judged_by_shares() -> None:
    world = synced(network(range(1, 8)))
    becomes(world, network(range(1, 3)))
    assert world.run("full").held == ""


def test_a_day_on_which_all_is_recoded_is_one_decision_with_its_table_beside_the_brake() -> None:
    world = synced(network(range(1, 301)))
    net.feed(
        world,
        [
            (id, data | {"PONs": f"P{int(id.split('-')[0]) % 7}", "lst_mod_dt": "2026-06-02"})
            for id, data in network(range(1, 301))
        ],
    )
    batch = world.batch(world.run().batch)
    assert [(f.rule, f.field) for f in batch.batch_findings] == [("brake", ""), *[("mass_change", "ponNumber")] * 2]
    assert all((len(f.table), sum(row[2] for row in f.table)) == (7, 300) for f in batch.batch_findings[1:])
    assert world.decide(Said("approve", {"rule:brake": "approve", "mass:ponNumber": "approve"})).status is Status.APPLIED
