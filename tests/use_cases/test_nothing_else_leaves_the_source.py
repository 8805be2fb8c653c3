"""A canary in every column that no pipeline names, and in every value that does not convert: it is found nowhere else."""

from __future__ import annotations

import base64
import logging
from typing import Any

import pytest
from penstock.adapters.memory import MemoryStore
from penstock.core.errors import PenstockError
from penstock.core.records import Update
from penstock.use_cases import effects
from penstock.use_cases.decide import Said, decide_by_link
from penstock.use_cases.reviewing import review_by_link
from penstock.use_cases.rollback import plan_rollback
from support import network as net
from support.canary import CANARY, UNNAMED, UNREADABLE, in_documents, in_objects
from support.world import World


def told(world: World) -> str:
    """Everything that Penstock wrote anywhere, unpacked."""
    store = world.production
    assert isinstance(store, MemoryStore)
    found = in_documents(store, list(store._paths)) + in_objects(world.blobs)
    found += [repr(mail) for mail in world.mailer.sent]
    found += [repr(message) for message in world.publisher.messages]
    return "\n".join(found)


def life(world: World) -> list[str]:
    """Capture, review, approval, drift, follow-up, refusal, rollback and sweep; and what errors said on the way."""
    errors: list[str] = []
    world.run()
    token, _ = world.link()
    errors.append(repr(review_by_link(world.ctx, token)))
    for said in (Said("approve"), Said("reject"), Said("approve", changes={"no/such": "approve"})):
        try:
            decide_by_link(world.ctx, token, world.link()[1] if said.changes else "x", said)
        except PenstockError as error:
            errors.append(repr(error) + str(error))
    world.production.commit([Update(f"planned-poles/{net.name(1)}", {"ponNumber": "77"}, (("ponNumber",),))])
    world.approve("approve")
    synced = min(world.documents("penstock_batches"))
    world.approve("approve")
    _, owed = plan_rollback(world.ctx, synced, "operator@example.org")
    effects.pay(world.ctx, owed)
    world.pump()
    world.approve("approve")
    world.clock.forward(10_000)
    errors += world.sweep()
    return errors


def source(**columns: Any) -> list[tuple[str, Any]]:
    records = [(id, data | UNNAMED) for id, data in net.network(range(1, 5))]
    return [*records, ("9-0", net.record("9-0", 9, drop=90)[1] | UNNAMED | columns)]


def test_no_column_that_is_not_named_and_no_value_that_does_not_convert_is_found_anywhere(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world = World()
    world.put(world.production, "planned-poles", [net.standing(1, ponNumber="9")])
    net.feed(world, source(**UNREADABLE))
    errors = life(world)
    everything = told(world) + "\n".join(errors) + "".join(capsys.readouterr()) + caplog.text
    assert CANARY.casefold() not in everything.casefold()
    assert base64.b64encode(CANARY.encode()).decode()[:-2] not in everything
    assert "Owner Name" not in everything
    assert "LAWLEY" in everything  # and so what is named was looked at


def test_the_search_would_find_what_leaks() -> None:
    world = World()
    net.feed(world, source(Site=CANARY))
    life(world)
    assert told(world).count(CANARY) > 10


def test_a_stream_that_fails_says_nothing_of_what_it_read(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    net.feed(world, source(**UNREADABLE))
    store = world.source
    real = store.count
    monkeypatch.setattr(store, "count", lambda query, at=None: real(query, at) + 1)
    notes = world.run().notes
    assert "NOT complete" in notes[0]
    assert "NOT complete" in told(world)
    assert CANARY not in " ".join(notes) + told(world)


def test_the_source_is_asked_for_the_named_columns_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    net.feed(world, source())
    asked: list[Any] = []
    store = world.source
    scan, get = store.scan, store.get
    monkeypatch.setattr(
        store, "scan", lambda query, at=None: asked.append(() if query.names_only else query.select) or scan(query, at)
    )
    monkeypatch.setattr(store, "get", lambda paths, at=None, select=None: asked.append(select) or get(paths, at, select))
    world.run()
    world.approve("approve")
    net.feed(world, [net.record("1-0", 1, drop=10, Status=net.INSTALLED, day="2026-06-05"), net.record("1-1", 1, drop=11)])
    world.run()
    named = {f.source for e in world.ctx.pipeline.entities for f in e.fields}
    assert asked
    assert all(select is not None and set(select) <= named for select in asked)
