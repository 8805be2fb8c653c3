"""How targets stand, pausing and sweeping."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from penstock.adapters.memory_services import MemoryMailer
from penstock.core import audit
from penstock.core.errors import Unavailable
from penstock.core.records import Query
from penstock.ports import Message
from penstock.wiring import Contexts
from support.world import World
from terminal import OPERATOR, Terminal


def test_a_target_that_never_ran_is_at_rest(type_: Terminal) -> None:
    told = type_.json("status")
    (target,) = told.answer["targets"]
    assert told.code == 0
    assert (target["last_run_at"], target["open"], target["owed"]) == ("", None, 0)
    assert told.answer["next_steps"] == ["penstock run fibre_network --target fibre_network.fibreflow"]
    assert "at rest" in type_("status").out


def test_the_status_tells_the_open_batch_and_how_far_the_source_was_read(type_: Terminal) -> None:
    batch = type_.json("run", "fibre_network").answer["runs"][0]["batch"]
    (target,) = type_.json("status", "fibre_network").answer["targets"]
    assert (target["open"]["batch"], target["open"]["status"]) == (batch, "UNDER_REVIEW")
    assert target["sources"] == [{"source": "onemap", "watermark": "2025-06-01 10:00:00.5+02", "in_window": 60}]
    assert (target["last_run_batch"], target["last_run_mode"]) == (batch, "full")
    assert batch in type_("status").out


def test_packs_that_are_still_to_be_checked_are_counted(type_: Terminal) -> None:
    type_("run", "fibre_network", "--no-wait")
    (target,) = type_.json("status").answer["targets"]
    assert (target["open"]["status"], target["packs_left"]) == ("CHECKING", 1)


def test_an_unknown_pipeline_or_target_is_a_usage_error_that_names_those_there_are(type_: Terminal) -> None:
    for words in (["status", "none"], ["run", "none"], ["pause", "none"], ["batches", "--target", "none"]):
        told = type_.json(*words)
        assert told.code == 2
        assert "There are: fibre_network" in told.answer["error"]["remedy"]


def test_what_is_owed_and_cannot_be_paid_is_told_with_its_reason(world: World) -> None:
    class Dead(MemoryMailer):
        def send(self, message: Message) -> None:
            raise Unavailable("does not answer", subject="mail server", remedy="It is tried again.")

    world.ports = replace(world.ports, mailer=Dead())
    world.contexts = Contexts(world.ports, world.contexts.pipelines)
    terminal = Terminal(world)
    terminal("run", "fibre_network")
    told = terminal.json("status")
    (target,) = told.answer["targets"]
    assert told.code == 1
    assert (target["owed"], [(o["kind"], o["attempts"]) for o in target["owed_failing"]]) == (1, [("review", 1)])
    assert "mail server: does not answer" in target["owed_failing"][0]["error"]
    assert "penstock sweep" in told.answer["next_steps"]
    assert "could not be paid in 1 tries" in terminal("status").out
    world.clock.forward(3_600)
    swept = terminal.json("sweep")
    assert (swept.code, swept.answer["targets"][0]["owed_failing"]) == (1, 1)
    world.contexts = Contexts(replace(world.ports, mailer=world.mailer), world.contexts.pipelines)
    world.clock.forward(3_600)
    assert Terminal(world).json("sweep").code == 0
    assert len(world.mailer.sent) == 1


def test_a_sweep_resumes_what_a_lost_message_left_behind(type_: Terminal, world: World) -> None:
    batch = type_.json("run", "fibre_network", "--no-wait").answer["runs"][0]["batch"]
    world.delivered = len(world.publisher.messages)  # all lost
    world.clock.forward(1_800)
    told = type_.json("sweep", "--target", "fibreflow")
    assert "sent to be checked again" in told.answer["targets"][0]["done"][0]
    world.pump()
    assert world.batch(batch).status == "UNDER_REVIEW"
    assert "everything is at rest" in type_("sweep").out


def test_pausing_leaves_one_audit_entry_and_pausing_again_leaves_none(type_: Terminal, world: World) -> None:
    assert type_.json("pause", "fibreflow").answer["changed"] is True
    assert type_.json("pause", "fibre_network.fibreflow").answer["changed"] is False
    assert "paused already" in type_("pause", "fibreflow").out
    told = type_.json("resume", "fibreflow")
    assert (told.answer["paused"], told.answer["changed"]) == (False, True)
    entries = [s.fields for s in world.production.scan(Query("penstock_audit"))]
    assert [(e["what"], e["who"], e["sequence"]) for e in entries] == [("paused", OPERATOR, 1), ("resumed", OPERATOR, 2)]
    assert entries[1]["previous"] == entries[0]["hash"] == audit.digest(entries[0])
    assert type_("run", "fibre_network").code == 0


def test_a_paused_target_says_so_and_how_to_go_on(type_: Terminal) -> None:
    type_("pause", "fibreflow")
    told = type_.json("status")
    assert told.answer["targets"][0]["paused"] is True
    assert told.answer["next_steps"] == ["penstock resume fibre_network.fibreflow"]
    assert "paused" in type_("status").out


def test_the_audit_chain_goes_on_across_a_pause(type_: Terminal, world: World) -> None:
    type_("run", "fibre_network")
    type_("pause", "fibreflow")
    type_("resume", "fibreflow")
    type_("run", "fibre_network", "--full")
    entries = [s.fields for s in world.production.scan(Query("penstock_audit"))]
    assert [e["sequence"] for e in entries] == list(range(1, len(entries) + 1))
    assert all(later["previous"] == earlier["hash"] for earlier, later in itertools.pairwise(entries))


@pytest.mark.parametrize("lost", [False, True], ids=["refused", "answer lost"])
def test_a_pause_whose_commit_fails_once_still_pauses_once(world: World, monkeypatch: pytest.MonkeyPatch, lost: bool) -> None:
    from penstock.core.errors import Conflict, OutcomeUnknown

    store, tries = world.production, []
    commit = store.commit

    def once(writes: object) -> object:
        tries.append(1)
        if len(tries) > 1:
            return commit(writes)  # type: ignore[arg-type]
        if lost:
            commit(writes)  # type: ignore[arg-type]
        raise OutcomeUnknown("lost") if lost else Conflict("moved")

    monkeypatch.setattr(store, "commit", once)
    told = Terminal(world).json("pause", "fibreflow")
    assert (told.code, told.answer["changed"]) == (0, True)
    assert len(list(store.scan(Query("penstock_audit")))) == 1
