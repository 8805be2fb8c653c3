"""A target that a brake holds, or that a freeze keeps from promoting, as the command line tells it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from penstock.core.declaration import Freeze
from penstock.core.records import Delete, Query
from penstock.wiring import Contexts
from support.world import World
from terminal import Terminal


def empty(world: World) -> None:
    world.source.commit([Delete(s.path) for s in world.source.scan(Query("onemap-records"))])


def test_a_run_that_a_brake_stops_says_why_and_what_to_do_and_ends_with_one(world: World, type_: Terminal) -> None:
    empty(world)
    told = type_.json("run", "fibre_network")
    (run,) = told.answer["runs"]
    assert (told.code, run["status"], run["error"]) == (1, "UNDER_REVIEW", None)
    assert run["held"].startswith("onemap holds 0 documents, fewer than the 1 that it must. Decide on ")
    assert told.answer["next_steps"] == [
        f"penstock decide {run['batch']} approve --rule brake=approve", f"penstock decide {run['batch']} reject",
    ]  # fmt: skip
    again = type_("run", "fibre_network")
    assert again.code == 1
    assert "held. onemap holds 0 documents" in again.out


def test_the_status_tells_a_held_target_in_one_sentence_until_it_was_let_pass(world: World, type_: Terminal) -> None:
    empty(world)
    batch = type_.json("run", "fibre_network").answer["runs"][0]["batch"]
    told = type_.json("status")
    (target,) = told.answer["targets"]
    assert told.code == 1
    assert target["held"].endswith(
        f"Decide on {batch}: approve to go on with the source as it is, reject to hold until it changes."
    )
    assert "is held: onemap holds 0 documents" in " ".join(type_("status").out.split())
    shown = type_.json("show", batch).answer
    assert (shown["batch"]["kind"], shown["batch_findings"][0]["rule"]) == ("hold", "brake")
    approved = type_.json("decide", batch, "approve", "--rule", "brake=approve", "--yes", "--as", "thandi@example.org")
    assert (approved.code, approved.answer["status"]) == (0, "APPLIED")
    type_("run", "fibre_network")
    assert type_.json("status").answer["targets"][0]["held"] == ""


def test_a_rejected_hold_stays_in_the_status(world: World, type_: Terminal) -> None:
    empty(world)
    batch = type_.json("run", "fibre_network").answer["runs"][0]["batch"]
    told = type_("decide", batch, "reject", "--yes", "--as", "thandi@example.org")
    assert "rejected, runs are held until the source changes" in " ".join(told.out.split())
    assert f"rejected ({batch})" in type_.json("status").answer["targets"][0]["held"]
    assert type_.json("run", "fibre_network").answer["runs"][0]["batch"] == ""


def test_a_freeze_is_told_by_the_status_and_by_promote(world: World) -> None:
    (pipeline,) = world.contexts.pipelines.values()
    freeze = Freeze(dt.date(2026, 1, 1), dt.date(2027, 1, 1))
    frozen = replace(pipeline, brakes=replace(pipeline.brakes, freeze=(freeze,)))
    world.contexts = Contexts(world.ports, {pipeline.name: frozen})
    type_ = Terminal(world)
    told = type_.json("status")
    assert (told.code, told.answer["targets"][0]["frozen_until"]) == (0, "2027-01-02T00:00+02:00")
    assert "no promotion begins before 2027-01-02" in " ".join(type_("status").out.split())
