"""`penstock targets state`: how tenants stand to their landlord, seen as people and programs see it."""

from __future__ import annotations

from penstock.core.records import Update
from support.landlord import country
from support.mirror import Mirror
from terminal import Terminal

STATE = ("targets", "state", "tenant_geography")


def mirrored() -> Mirror:
    world = Mirror("XA", "one", "two")
    world.publish(country("XA"))
    world.refresh("XA")
    for name in ("one", "two"):
        world.sync(name)
    world.agree("one")
    return world


def test_each_tenant_and_country_stands_equal_or_waits_for_a_word() -> None:
    told = Terminal(mirrored()).json(*STATE)
    assert told.code == 0
    found = {line["target"]: line for line in told.answer["standings"]}
    one, two = found["tenant_geography.one"], found["tenant_geography.two"]
    assert (one["partition"], one["state"], one["counts"]["equal"], one["source_hash"] == one["production_hash"]) == (
        "XA",
        "equal",
        8,
        True,
    )
    assert (two["state"], two["counts"]["pending"], two["source_hash"] == two["production_hash"]) == ("pending", 8, False)


def test_an_edit_by_hand_and_a_broken_path_are_alarms_and_lead_to_a_full_run() -> None:
    world = mirrored()
    prefix, store = world.of("one").target.prefix, world.of("one").store
    store.commit([Update(f"{prefix}geography/XA-0", {"code": "by hand"}, (("code",),))])
    store.commit([Update(f"{prefix}geography/XA-1-0", {"path": "XA-0.XA-1-0"}, (("path",),))])
    told = Terminal(world).json(*STATE, "--target", "one")
    assert told.code == 1
    (line,) = told.answer["standings"]
    assert line["state"] == "unexplained"
    assert {d["key"]: d["why"] for d in line["differences"]} == {
        "units/XA-0": "production was changed by somebody else",
        "units/XA-1-0": "its path is not that of its parent and itself",
    }
    assert told.answer["next_steps"] == ["penstock run tenant_geography --target tenant_geography.one --full"]
    shown = Terminal(world)(*STATE)
    assert shown.code == 1
    assert "units/XA-0: unexplained, production was changed by somebody else" in shown.out


def test_one_tenant_that_cannot_be_looked_at_stops_no_other() -> None:
    world = Mirror("XA", "one")
    told = Terminal(world).json(*STATE)
    assert told.code == 1
    assert told.answer["standings"] == []
    assert "there is no release of XA yet" in told.answer["failed"]["tenant_geography.one"]
