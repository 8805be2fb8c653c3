"""People are told of units that have no place: by the review, or where there is none by a mail, once for what is new."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from penstock.core import layout
from penstock.core.records import Delete, Set
from penstock.core.values import Data
from penstock.ports import Message
from penstock.use_cases import effects
from penstock.use_cases.capture import capture
from penstock.use_cases.decide import Said
from penstock.web.pages import WebPages
from support.faults import FailingMailer
from support.world import World

FOREST = Path(__file__).parents[1] / "support" / "forest.yaml"


@pytest.fixture
def world() -> World:
    """A target that holds a country with a province."""
    world = World(FOREST, pages=WebPages())
    say(world, c=(1, ""), p=(2, "c"))
    world.run()
    world.approve()
    return world


def say(world: World, *gone: str, **units: tuple[Any, ...]) -> None:
    at = world.clock()
    writes = [Set(f"units/{id}", unit(id, *of) | {"at": at}) for id, of in units.items()]
    world.source.commit([*writes, *(Delete(f"units/{id}") for id in gone)])
    world.clock.forward(7_200)


def unit(id: str, level: int, parent: str, name: str = "") -> Data:
    return {"id": id, "level": level, "parent": parent, "names": {"en": name or id}, "active": True}


def told(world: World) -> list[Message]:
    return [mail for mail in world.mailer.sent if mail.subject.startswith("Held back")]


def test_what_is_held_back_alone_is_mailed_once_and_not_with_every_run(world: World) -> None:
    say(world, n=(3, "p9"))
    assert world.run().batch == ""
    (mail,) = told(world)
    assert "1 unit more (" in mail.subject
    assert "neither production nor this run has: n under p9" in mail.text
    assert "add what is missing there" in mail.text
    world.run()
    world.run("full")
    say(world, p=(2, "c", "renamed"))
    world.run()
    world.approve()
    world.sweep()
    assert told(world) == [mail]


def test_those_are_told_who_decide_and_those_who_may_mend_the_source_each_once(world: World) -> None:
    people = {"foresters": ("ann@example.org", "bo@example.org"), "rangers": ("bo@example.org", "cy@example.org")}
    pipeline = replace(world.ctx.pipeline, gate=replace(world.ctx.pipeline.gate, approvers="foresters", operators="rangers"))
    ctx = replace(world.ctx, pipeline=pipeline, ports=replace(world.ctx.ports, people=people))
    say(world, n=(3, "p9"))
    assert effects.pay(ctx, capture(ctx).owed) == []
    assert [mail.to for mail in told(world)] == ["ann@example.org", "bo@example.org", "cy@example.org"]
    assert len({mail.id for mail in told(world)}) == 3


def test_more_of_them_are_told_with_all_there_are(world: World) -> None:
    say(world, n=(3, "p9"))
    world.run()
    say(world, m=(3, "p8"), k=(4, "n"))
    world.run()
    _, mail = told(world)
    assert "2 units more" in mail.subject
    for part in ("n under p9", "m under p8", "k under n"):
        assert part in mail.text


def test_one_that_found_its_place_and_lost_it_again_is_told_again(world: World) -> None:
    say(world, n=(3, "p9"))
    world.run()
    say(world, n=(3, "p"))
    world.run()
    assert len(told(world)) == 1
    world.decide(Said("reject"))
    say(world, n=(3, "p9"))
    world.run()
    assert len(told(world)) == 2


def test_beside_other_changes_the_review_tells_and_nothing_else_does(world: World) -> None:
    say(world, n=(3, "p9"), p=(2, "c", "renamed"))
    assert world.run().batch
    assert told(world) == []
    assert "n under p9" in world.mail().text
    world.decide(Said("reject"))
    world.run("full")
    assert told(world) == []


def test_what_is_held_back_beside_the_batch_that_is_open_already_is_mailed(world: World) -> None:
    say(world, p=(2, "c", "renamed"))
    first = world.run().batch
    say(world, n=(3, "p9"))
    assert world.run().batch == ""
    assert world.batch(first).superseded_by == ""
    assert "n under p9" in told(world)[0].text


def test_what_only_a_batch_said_that_nobody_saw_is_mailed_when_that_goes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    say(world, n=(3, "p9"), p=(2, "c", "renamed"))
    with monkeypatch.context() as patch:
        patch.setattr(world, "pump", lambda: None)  # its checks are on the way
        first = world.run().batch
    say(world, p=(2, "c"))
    assert world.run().batch == ""
    assert world.batch(first).status == "SUPERSEDED"
    assert "n under p9" in told(world)[0].text


def test_it_is_owed_until_the_mail_server_takes_it(world: World) -> None:
    mailer = FailingMailer(world.mailer)
    object.__setattr__(world.ctx, "ports", replace(world.ctx.ports, mailer=mailer))
    world.patient = True
    say(world, n=(3, "p9"))
    world.run()
    assert told(world) == []
    mailer.down = False
    world.clock.forward(1_000)
    world.sweep()
    world.sweep()
    assert len(told(world)) == 1
    assert {f["state"] for f in world.documents(layout.OUTBOX).values() if f["kind"] == "held"} == {"paid"}


def test_who_cannot_be_told_for_the_run_was_not_recorded_is_told_by_the_next(world: World) -> None:
    """A run that dies before its commit owes nothing, and its manifest is not the target's."""
    say(world, n=(3, "p9"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penstock.use_cases.proposing.write_target", _die)
        with pytest.raises(RuntimeError):
            world.run()
    assert told(world) == []
    world.clock.forward(7_200)
    world.run()
    assert len(told(world)) == 1


def _die(*_: object) -> None:
    raise RuntimeError("killed")
