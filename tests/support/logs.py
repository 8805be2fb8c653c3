"""Exports to verify, made by real runs: of a few batches with all that can happen to them, and of long audit chains."""

from __future__ import annotations

from penstock.adapters.memory_services import MemoryBlobs
from penstock.core import layout
from penstock.core.records import Query, Update
from penstock.core.reversal import Choice
from penstock.use_cases import effects, registry
from penstock.use_cases.decide import Said
from penstock.use_cases.exporting import export
from penstock.use_cases.pausing import pause, resume
from penstock.use_cases.rollback import plan_rollback
from penstock.use_cases.sweep import sweep_hub

from support import network as net
from support.faults import PlainPages
from support.tenants import Tenants
from support.world import World

OPERATOR = "operator@example.org"
DAY = 86_400
_CHAIN = Query(layout.AUDIT)


def exported(world: World) -> MemoryBlobs:
    world.clock.forward(100)
    files = MemoryBlobs()
    export(world.outside, files)
    return files


def lived() -> World:
    """Poles that stood there before and new ones; a second batch that changes some, a third that is refused, a fourth of which
    two changes were rolled back, a record that drifted, and one that production alone has."""
    world = World(pages=PlainPages())
    world.put(world.production, "planned-poles", [net.standing(2), net.standing(50)])
    net.feed(world, net.network(range(1, 5)))
    world.run()
    world.approve("approve")
    _next(world)
    net.feed(world, net.network(range(1, 3), day="2026-06-02", Location_Address="1 Aloe Street", Sections="7"))
    world.run()
    world.production.commit([Update(f"planned-poles/{net.name(1)}", {"crew": "b"}, (("crew",),))])  # drifts, and comes again
    world.approve("approve")
    world.approve("approve")
    _next(world)
    net.feed(world, net.network(range(3, 4), day="2026-06-03", Sections="8"))
    world.run()
    world.decide(Said("reject"))
    _next(world)
    net.feed(world, net.network(range(4, 7), day="2026-06-04", Sections="9"))
    last = world.run().batch
    world.approve("approve")
    _, owed = plan_rollback(world.ctx, last, OPERATOR, Choice(frozenset({f"poles/{net.name(4)}", f"poles/{net.name(5)}"})))
    effects.pay(world.ctx, owed)
    world.pump()
    world.approve("approve")
    return world


def long(entries: int) -> World:
    """A chain of at least so many entries: a batch a day, approved or refused, a pause now and then, the sweep in between. It
    ends with a batch, and so is anchored to its end."""
    world, day = World(pages=PlainPages()), 0
    net.feed(world, net.network([1], drops=0))
    while True:
        day += 1
        _next(world)
        net.feed(
            world,
            net.network([1], drops=0, day=f"{2026 + day // 300}-{day // 28 % 10 + 1:02d}-{day % 28 + 1:02d}", Sections=str(day)),
        )
        world.run()
        if day % 5 == 0:
            pause(world.ctx, OPERATOR)
            resume(world.ctx, OPERATOR)
        if day % 3 == 0:
            world.clock.forward(DAY)
            world.sweep()
        world.approve("approve")
        done = world.production.count(_CHAIN)
        if done >= entries:
            return world


def hub(edits: int) -> Tenants:
    """A hub's chain of so many edits, anchored by the sweep behind each second one and to its end."""
    world = Tenants()
    world.declare("alpha", stage="pilot")
    alpha = layout.target_id(world.pipeline.name, "alpha")
    for number in range(2, edits + 1):
        if number % 2:
            stages = ((), ("pilot",)) if number % 4 == 1 else (("pilot",), ())
            registry.set_stages(world.ports, world.pipeline, *stages, OPERATOR)
        else:
            registry.change(world.ports, world.pipeline, alpha, {"enabled": number % 4 == 0}, OPERATOR)
            sweep_hub(world.ports, world.pipeline)
        world.clock.forward(60)
    sweep_hub(world.ports, world.pipeline)
    return world


def exported_tenant(world: Tenants, name: str = "alpha") -> MemoryBlobs:
    world.clock.forward(100)
    files = MemoryBlobs()
    export(world.contexts.called(name), files)
    return files


def _next(world: World) -> None:
    world.clock.forward(DAY)
    world.sweep()
    world.pump()
