"""Runs: what they find, what they cost when nothing happened, and what they leave alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from penstock.core.batch import Status
from penstock.core.changes import Action
from penstock.core.errors import InvalidInput, OutcomeUnknown, Refused, Unavailable
from penstock.core.records import Delete, Query, Snapshot
from penstock.core.values import Timestamp
from penstock.use_cases import effects
from penstock.use_cases.capture import capture
from penstock.use_cases.check import fail
from penstock.use_cases.context import load_target
from penstock.use_cases.lease import LEASE_SECONDS
from penstock.use_cases.pausing import pause
from penstock.use_cases.rollback import plan_rollback
from support import network as net
from support.faults import Faults, Killed, PlainPages
from support.rest import changes, content, entries, settle
from support.world import World


def world_of(*records: Any, faults: Faults | None = None) -> World:
    world = World(pages=PlainPages(), **({"wrap": faults.wrap} if faults else {}))
    net.feed(world, records)
    return world


def synced(*records: Any, faults: Faults | None = None) -> World:
    """Everything there is was approved and promoted."""
    world = world_of(*records, faults=faults)
    world.run()
    world.approve("approve")
    return world


def state(world: World) -> Any:
    return load_target(world.outside).state


def keys(world: World, batch: str) -> list[str]:
    return [change.key for change in changes(world, batch)]


NETWORK = tuple(net.network(range(1, 6)))


def test_the_first_run_is_full_whatever_was_asked_and_the_next_one_is_not() -> None:
    world = world_of(*NETWORK)
    first = world.run("changes")
    assert first.mode == "full"
    assert len(changes(world, first.batch)) == 10
    world.approve("approve")
    assert world.run("changes").mode == "changes"


def test_the_tallies_close_and_say_what_was_skipped_and_why() -> None:
    world = world_of(*NETWORK, net.record("x", 9, Pole_Number=""), net.record("y", 8, Drop_Number="DR12"))
    outcome = world.run()
    assert all(tally.closes for tally in outcome.tallies.values())
    assert outcome.tallies["poles"].read == 7
    assert outcome.tallies["poles"].skipped == {"no Pole Number": 1}
    assert sum(outcome.tallies["drops"].skipped.values()) == 2


def test_the_watermark_is_the_highest_textual_stamp() -> None:
    world = world_of(net.record("1", 1, day="2026-06-02 09:00:00+02"), net.record("2", 2, day="2026-06-01"))
    world.run()
    assert state(world).sources["onemap"].watermark == "2026-06-02 09:00:00+02"


def test_a_run_without_news_makes_no_batch_and_writes_the_lease_and_the_last_run_alone() -> None:
    faults = Faults()
    world = synced(*NETWORK, faults=faults)
    batches, reads, writes = len(world.documents("penstock_batches")), world.source.bill.reads, world.production.bill.writes
    faults.arm(0, "refused")
    outcome = world.run()
    assert outcome.batch == ""
    assert faults.calls == ["commit penstock_targets", "commit penstock_targets"]
    assert world.production.bill.writes == writes + 2
    assert world.source.bill.reads <= reads + 2
    assert len(world.documents("penstock_batches")) == batches
    assert state(world).last_run["batch"] == ""


def test_only_the_group_that_changed_is_read_and_proposed() -> None:
    world = synced(*net.network(range(1, 6), day="2026-05-01"), net.record("9", 9))
    net.feed(world, [net.record("2-0", 2, drop=20, status=net.INSTALLED, day="2026-06-05")])
    reads = world.source.bill.reads
    outcome = world.run()
    assert set(keys(world, outcome.batch)) == {f"poles/{net.name(2)}", f"drops/{net.drop_name(20)}"}
    assert world.source.bill.reads - reads <= 5  # the record, the one in the overlap window, and three counts


def test_a_newcomer_with_the_very_stamp_of_the_watermark_is_found() -> None:
    world = synced(*NETWORK)
    net.feed(world, [net.record("7-0", 7)])
    assert keys(world, world.run().batch) == [f"poles/{net.name(7)}"]


def test_a_late_commit_with_an_older_stamp_in_the_overlap_is_found_by_the_count() -> None:
    world = synced(*NETWORK, net.record("9-0", 9, day="2026-06-03"))
    net.feed(world, [net.record("7-0", 7, day="2026-06-02")])
    outcome = world.run()
    assert keys(world, outcome.batch) == [f"poles/{net.name(7)}"]
    world.approve("approve")
    assert world.run().batch == ""
    assert not world.run().notes


def test_a_record_that_moves_to_another_pole_changes_both() -> None:
    world = synced(
        net.record("1-0", 1, drop=10), net.record("1-1", 1, drop=11, status=net.INSTALLED, day="2026-06-02"), *net.network([2])
    )
    moved = net.record("1-1", 2, drop=11, status=net.INSTALLED, day="2026-06-04")
    net.feed(world, [moved])
    outcome = world.run()
    assert set(keys(world, outcome.batch)) == {f"drops/{net.drop_name(11)}", f"poles/{net.name(2)}"}
    assert outcome.tallies["poles"].read == 3  # what is left of the first pole, and both records of the second
    assert outcome.tallies["poles"].held == 1  # the first pole's newest record is gone: an older one takes nothing back


def test_a_deleted_sibling_counts_no_more_and_nothing_is_deleted() -> None:
    world = synced(
        net.record("1-0", 1, drop=10), net.record("1-1", 1, drop=11, status=net.INSTALLED, day="2026-06-02"), *net.network([2])
    )
    world.source.commit([Delete(f"{net.SOURCE}/1-1")])
    net.feed(world, [net.record("1-0", 1, drop=10, day="2026-06-03")])
    found = changes(world, world.run().batch)
    assert {c.action for c in found} == {Action.UPDATE}
    assert [c.after["importStatus"] for c in found if c.entity == "poles"] == [net.APPROVED]


def test_a_stamp_from_the_future_does_not_hide_what_follows() -> None:
    world = synced(*NETWORK, net.record("8-0", 8, day="2099-01-01"))
    assert state(world).sources["onemap"].watermark.startswith("2026-06-01")
    net.feed(world, [net.record("7-0", 7, day="2026-06-04")])
    assert keys(world, world.run().batch) == [f"poles/{net.name(7)}"]


def test_an_empty_source_after_a_full_one_proposes_no_delete() -> None:
    world = synced(*NETWORK)
    world.source.commit([Delete(f"{net.SOURCE}/{id}") for id, _ in NETWORK])
    held = world.run()
    assert (world.batch(held.batch).kind, changes(world, held.batch)) == ("hold", [])
    assert world.run("full").held.startswith("onemap holds 0 documents")
    assert len(world.documents("planned-poles")) == 5


class CutShort:
    """A source whose stream ends early, without an error."""

    def __init__(self, store: Any, keep: int) -> None:
        self._store, self._keep = store, keep

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def scan(self, query: Query, read_time: Timestamp | None = None) -> Iterator[Snapshot]:
        found = list(self._store.scan(query, read_time))
        return iter(found[: self._keep] if query.collection == net.SOURCE else found)


def cut(world: World, keep: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stores = world.ctx.ports.stores
    real = stores.open
    monkeypatch.setattr(stores, "open", lambda project, database: CutShort(real(project, database), keep))


def test_of_a_stream_that_ends_early_the_whole_groups_pass_no_watermark_moves_and_the_report_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = synced(*NETWORK)
    before = state(world)
    net.feed(world, net.network(range(6, 9), day="2026-06-05"))
    with monkeypatch.context() as patch:
        cut(world, 7, patch)
        outcome = world.run("full")
    after = state(world)
    assert (after.sources, after.manifest, after.lease, after.owes_full) == (before.sources, before.manifest, None, True)
    assert keys(world, outcome.batch) == [f"{kind}" for kind in (f"poles/{net.name(6)}", f"drops/{net.drop_name(60)}")]
    (certificate,) = world.batch(outcome.batch).certificates
    assert (certificate.counted, certificate.streamed, certificate.withheld) == (8, 7, 1)
    assert not certificate.proves_absence
    assert "7 of 8 documents" in world.batch(outcome.batch).notes[0]
    whole = world.run("changes")  # and yet everything is read
    assert whole.mode == "full"
    assert len(changes(world, whole.batch)) == 6
    assert not state(world).owes_full


def test_a_first_run_that_is_cut_short_leaves_the_next_one_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of(*NETWORK)
    with monkeypatch.context() as patch:
        cut(world, 3, patch)
        world.run()
        world.approve("approve")
    assert (state(world).manifest, state(world).sources["onemap"].watermark) == ("", None)
    assert len(changes(world, world.run().batch)) == 6


def test_what_the_open_batch_proposes_outlives_a_read_that_was_cut_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = synced(*NETWORK)
    net.feed(world, net.network(range(6, 9), day="2026-06-05"))
    first = world.run()
    with monkeypatch.context() as patch:
        cut(world, 1, patch)
        assert world.run("full").batch == ""
    assert state(world).open == first.batch
    with monkeypatch.context() as patch:
        cut(world, 7, patch)
        assert world.run("full").superseded == first.batch
    assert len(changes(world, world.run().batch)) == 6


def test_a_group_of_which_a_known_record_did_not_come_is_withheld_until_that_is_proved_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = synced(
        net.record("1-0", 1, drop=10), net.record("1-1", 1, drop=11, PONs="9", day="2026-06-02"), *net.network([2, 3], drops=0)
    )
    net.feed(world, [net.record("1-0", 1, drop=10, PONs="7", day="2026-06-03")])

    class Forgetful(CutShort):
        def scan(self, query: Query, read_time: Timestamp | None = None) -> Iterator[Snapshot]:
            return (found for found in self._store.scan(query, read_time) if found.path != f"{net.SOURCE}/1-1")

    stores, real = world.ctx.ports.stores, world.ctx.ports.stores.open
    with monkeypatch.context() as patch:
        patch.setattr(stores, "open", lambda project, database: Forgetful(real(project, database), 0))
        outcome = world.run("full")
    assert outcome.batch == ""
    assert "Of 2 groups not all may have come" in outcome.notes[0]  # and the last one
    world.source.commit([Delete(f"{net.SOURCE}/1-1")])
    assert keys(world, world.run("full").batch) == [f"poles/{net.name(1)}", f"drops/{net.drop_name(10)}"]


def test_changes_that_were_cut_short_are_read_again_by_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    world = synced(*NETWORK)
    before = state(world)
    net.feed(world, net.network(range(6, 9), day="2026-06-05"))  # all with one stamp, the watermark-to-be
    with monkeypatch.context() as patch:
        cut(world, 1, patch)
        first = world.run()
    assert keys(world, first.batch) == [f"poles/{net.name(6)}", f"drops/{net.drop_name(60)}"]
    assert "NOT complete" in world.batch(first.batch).notes[0]
    assert state(world).sources == before.sources
    with monkeypatch.context() as patch:
        cut(world, 0, patch)
        assert "NOT complete" in world.run().notes[0]
    second = world.run()
    assert second.mode == "changes"
    assert len(changes(world, second.batch)) == 6


def test_content_that_was_held_for_being_old_is_proposed_when_it_is_the_newest() -> None:
    old, new = net.record("1-0", 1, drop=10, PONs="4"), net.record("1-0", 1, drop=10, PONs="9", day="2026-06-03")
    world = synced(old)
    net.feed(world, [new])
    world.run()
    world.approve("approve")
    net.feed(world, [old, net.record("2-0", 2, day="2026-06-04")])
    assert keys(world, world.run().batch) == [f"poles/{net.name(2)}"]
    world.approve("approve")
    net.feed(world, [net.record("1-0", 1, drop=10, PONs="4", day="2026-06-05")])
    assert set(keys(world, world.run().batch)) == {f"poles/{net.name(1)}", f"drops/{net.drop_name(10)}"}


def test_an_older_snapshot_is_known_though_production_never_heard_of_the_newer_stamp() -> None:
    world = synced(net.record("1-0", 1, drop=10, PONs="4", day="2026-06-01"))
    net.feed(world, [net.record("1-0", 1, drop=10, PONs="4", day="2026-06-05")])  # nothing but the stamp is new
    assert world.run().batch == ""
    net.feed(world, [net.record("1-0", 1, drop=10, PONs="3", day="2026-06-03"), net.record("2-0", 2, day="2026-06-06")])
    assert keys(world, world.run().batch) == [f"poles/{net.name(2)}"]
    assert keys(world, world.run("full").batch or state(world).open) == [f"poles/{net.name(2)}"]


def test_a_clock_that_runs_ahead_hides_nothing_that_others_write() -> None:
    ahead, behind = "2026-09-22 10:00:00+02", "2026-09-21 17:00:00+02"  # it is the 21st, a quarter past four in the afternoon
    world = synced(*NETWORK, net.record("8-0", 8, day=ahead))
    assert state(world).sources["onemap"].watermark.startswith("2026-06-01")
    world.clock.forward(3_600)
    net.feed(world, [net.record("1-0", 1, drop=10, PONs="9", day=behind)])
    assert keys(world, world.run().batch) == [f"poles/{net.name(1)}", f"drops/{net.drop_name(10)}"]


def test_a_pole_spelled_with_blanks_around_is_one_pole_in_a_full_read_too() -> None:
    spelled = [net.record(f"1-{n}", 1, drop=10 + n, Pole_Number=text) for n, text in enumerate(["{}", " {}", "{} "])]
    records = [(id, data | {"Pole Number": data["Pole Number"].format(net.name(1))}) for id, data in spelled]
    world = world_of(*net.network([2]), *records)
    outcome = world.run()
    assert outcome.tallies["poles"].merged == 2
    assert keys(world, outcome.batch).count(f"poles/{net.name(1)}") == 1


def test_records_that_carry_no_date_are_told_of() -> None:
    world = world_of(*NETWORK, net.record("9-0", 9, lst_mod_dt="12/06/2026"))
    assert "onemap: 1 carry no date in lst_mod_dt; only a full run sees that they change." in world.run().notes


def test_a_run_reads_source_and_production_at_one_moment() -> None:
    faults = Faults()
    world = synced(*NETWORK, faults=faults)
    net.feed(world, [net.record("2-0", 2, drop=20, status=net.INSTALLED, day="2026-06-05")])
    stores, real = world.ctx.ports.stores, world.ctx.ports.stores.open
    edited = []

    class EditedMidway(CutShort):
        def scan(self, query: Query, read_time: Timestamp | None = None) -> Iterator[Snapshot]:
            if query.collection == net.SOURCE and not edited:
                edited.append(world.documents("planned-poles")[net.name(2)])
                world.put(world.production, "planned-poles", [(net.name(2), edited[0] | {"crew": "changed midway"})])
            yield from self._store.scan(query, read_time)

    stores.open = lambda project, database: EditedMidway(real(project, database), 0)  # type: ignore[method-assign]
    outcome = world.run()
    (change,) = [c for c in changes(world, outcome.batch) if c.entity == "poles"]
    assert "crew" not in (change.before or {})
    batch = world.approve("approve")
    assert batch.status is Status.PARTIALLY_APPLIED  # and so the edit stands
    assert world.documents("planned-poles")[net.name(2)]["crew"] == "changed midway"


# leases -----------------------------------------------------------------------------------------------------------------


def test_two_runs_at_once_are_one_run() -> None:
    faults = Faults()
    world = world_of(*NETWORK, faults=faults)
    faults.arm(1, "killed after")
    with pytest.raises(Killed):
        world.run()
    with pytest.raises(Refused, match="is being run already"):
        world.run()


def test_a_paused_target_is_not_read() -> None:
    world = synced(*NETWORK)
    pause(world.ctx, "operator@example.org")
    with pytest.raises(Refused, match="paused"):
        world.run()


def test_a_full_run_is_not_turned_into_the_smaller_one_that_died_before_it() -> None:
    faults = Faults()
    world = synced(*NETWORK, faults=faults)
    world.put(world.production, "planned-poles", [(net.name(1), {"poleNumber": net.name(1)})])
    faults.arm(1, "killed after")
    with pytest.raises(Killed):
        world.run("changes")
    world.clock.forward(LEASE_SECONDS + 1)
    outcome = world.run("full")
    assert outcome.mode == "full"
    assert keys(world, outcome.batch) == [f"poles/{net.name(1)}"]


@pytest.mark.parametrize("mode", ["request lost", "refused"])
def test_a_lease_that_could_not_be_taken_is_no_refusal_so_that_the_message_comes_again(mode: Any) -> None:
    faults = Faults()
    world = synced(*NETWORK, faults=faults)
    faults.arm(1, mode)
    with pytest.raises(Unavailable):
        world.run("recheck")
    assert state(world).lease is None


def _unreadable(query: Query, at: Any = None) -> Iterator[Snapshot]:
    raise InvalidInput("has no index", subject=query.collection, remedy="Deploy the indexes.")


def test_what_went_wrong_first_is_told_though_the_lease_cannot_be_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = Faults()
    world = synced(*NETWORK, faults=faults)
    monkeypatch.setattr(world.source, "scan", _unreadable)
    faults.arm(2, "request lost")
    with pytest.raises(InvalidInput, match="no index"):
        world.run("full")
    assert faults.struck
    world.clock.forward(LEASE_SECONDS + 1)
    monkeypatch.undo()
    assert world.run("full").batch == ""


def test_a_run_that_could_not_end_leaves_its_beginnings_to_be_dropped() -> None:
    faults = Faults()
    world = world_of(*NETWORK, faults=faults)
    faults.arm(4, "refused")  # the manifest
    with pytest.raises(Unavailable):
        world.run()
    settle(world)
    assert [d["status"] for d in world.documents("penstock_batches").values()] == ["SUPERSEDED"]
    assert world.run().batch
    assert len(entries(world)) == 2 + 4


def test_an_answer_that_never_comes_ends_in_words() -> None:
    world = world_of(*NETWORK)
    real = world.ctx.store.commit

    def silent(writes: Any) -> Timestamp:
        if writes[0].path.startswith("penstock_staging"):
            raise OutcomeUnknown("no answer", subject="commit", remedy="Read the marker.")
        return real(writes)

    world.ctx.store.commit = silent  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknown, match="five times"):
        world.run()
    world.ctx.store.commit = real  # type: ignore[method-assign]
    assert len(changes(world, world.run().batch)) == 10


# the one open batch ---------------------------------------------------------------------------------------------------


def test_the_same_plan_again_leaves_the_open_batch_and_its_mail_alone() -> None:
    world = world_of(*NETWORK)
    first = world.run()
    again = world.run("full")
    assert again.batch == ""
    assert state(world).open == first.batch
    assert world.batch(first.batch).status is Status.UNDER_REVIEW
    assert len(world.mailer.sent) == 1
    world.approve("approve")
    assert len(world.documents("planned-poles")) == 5


def test_undecided_changes_are_in_the_newer_batch() -> None:
    world = world_of(*NETWORK)
    first = world.run()
    net.feed(world, [net.record("7-0", 7, day="2026-06-04")])
    second = world.run()
    assert second.superseded == first.batch
    assert sorted(content(world, second.batch)) != sorted(content(world, first.batch))
    assert set(content(world, first.batch)) < set(content(world, second.batch))
    assert world.batch(first.batch).superseded_by == second.batch
    assert world.batch(second.batch).supersedes == first.batch


def test_a_batch_of_which_nothing_is_left_is_superseded_by_nothing() -> None:
    world = synced(*NETWORK)
    net.feed(world, [net.record("2-0", 2, drop=20, PONs="5", day="2026-06-04")])
    first = world.run()
    net.feed(world, [net.record("2-0", 2, drop=20, PONs="4", day="2026-06-05")])
    world.run()
    left = world.batch(first.batch)
    assert left.status in (Status.SUPERSEDED, Status.UNDER_REVIEW)
    assert left.superseded_by or state(world).open in ("", first.batch)


def test_a_failed_batch_is_proposed_anew_by_the_next_run() -> None:
    world = world_of(*NETWORK)
    outcome = capture(world.ctx)
    assert fail(world.ctx, outcome.batch, 0)
    again = world.run("full")
    assert again.superseded == outcome.batch
    assert world.batch(again.batch).status is Status.UNDER_REVIEW


def test_a_run_leaves_a_rollback_that_waits_alone() -> None:
    world = synced(*NETWORK)
    (done,) = world.documents("penstock_batches")
    _, owed = plan_rollback(world.ctx, done, "operator@example.org")
    effects.pay(world.ctx, owed)
    world.pump()
    net.feed(world, [net.record("7-0", 7, day="2026-06-04")])
    with pytest.raises(Refused, match="rollback that waits"):
        world.run()
    world.approve("approve")
    assert world.documents("planned-poles") == {}
    assert keys(world, world.run().batch) == [f"poles/{net.name(7)}"]


def test_a_record_changed_in_place_inside_the_overlap_is_found_with_the_next_news() -> None:
    world = synced(net.record("1", 1, day="2026-06-02"), net.record("2", 2, day="2026-06-03"))
    net.feed(world, [net.record("1", 1, status=net.INSTALLED, day="2026-06-02")])  # the count cannot tell
    assert world.run().batch == ""
    net.feed(world, [net.record("3", 3, day="2026-06-04")])
    assert set(keys(world, world.run().batch)) == {f"poles/{net.name(n)}" for n in (1, 3)}


def test_a_late_newcomer_in_the_place_of_one_that_was_deleted_is_found_with_the_next_news() -> None:
    world = synced(net.record("1", 1, day="2026-06-02"), net.record("2", 2, day="2026-06-03"))
    world.source.commit([Delete(f"{net.SOURCE}/1")])
    net.feed(world, [net.record("7", 7, day="2026-06-02"), net.record("3", 3, day="2026-06-04")])
    assert set(keys(world, world.run().batch)) == {f"poles/{net.name(n)}" for n in (3, 7)}


def test_a_batch_says_what_its_capture_was_billed() -> None:
    world = world_of(*NETWORK)
    batch = world.batch(world.run().batch)
    assert batch.costs["capture"].reads >= len(NETWORK)
    assert batch.costs["capture"].writes >= batch.packs
    assert batch.costs["capture"].deletes == 0
