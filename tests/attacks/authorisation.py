"""Entry points beyond what they were granted, names that lead elsewhere, and what belongs to another batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attacks.lab import Lab
from attacks.registry import attack, both, replaced
from penstock.core import layout
from penstock.core.errors import PenstockError
from penstock.core.plan import Batch
from penstock.core.records import ABSENT, EXISTS, Delete, Query, Set, Update
from penstock.entrypoints.privileges import GRANTS
from penstock.use_cases import topics
from penstock.use_cases.context import Context
from penstock.use_cases.rollback import plan_rollback
from support import network as net
from support.faults import PlainPages
from support.world import World

SECTION = "authorisation"


def nothing(*_: Any, **__: Any) -> None:
    return None


def fed(*numbers: str) -> World:
    """A source of one good record with its drop, and one for each number, with a drop too."""
    world = World(pages=PlainPages())
    net.feed(world, [net.record("good", 1, drop=1)])
    for n, number in enumerate(numbers, 2):
        id, data = net.record(f"r{n}", n, drop=n)
        net.feed(world, [(id, {**data, "Pole Number": number})])
    return world


# beyond a grant -------------------------------------------------------------------------------------------------------------


def _source(ctx: Context) -> Any:
    return ctx.source_store(next(iter(ctx.pipeline.sources.values())))


POLE, PACK, ENTRY = "planned-poles/there", f"{layout.STAGING}/there", f"{layout.AUDIT}/there"
EVERYBODY = tuple(GRANTS)
BEYOND: dict[str, tuple[tuple[str, ...], Callable[[Context], Any]]] = {
    "production written": (("capture", "check", "dead_letter"), lambda c: c.store.commit([Set(POLE, {"a": 1})])),
    "production removed": (("capture", "check", "dead_letter"), lambda c: c.store.commit([Delete(POLE)])),
    "a source read": (("check", "promote", "review", "dead_letter"), lambda c: list(_source(c).scan(Query(net.SOURCE)))),
    "a source written": (EVERYBODY, lambda c: _source(c).commit([Set(f"{net.SOURCE}/x", {})])),
    "a pack's changes exchanged": (
        EVERYBODY,
        lambda c: c.store.commit([Update(PACK, {"payload": b"x"}, (("payload",),), EXISTS)]),
    ),
    "findings made": (
        ("capture", "promote", "review", "dead_letter", "sweep"),
        lambda c: c.store.commit([Update(PACK, {"findings": b""}, (("findings",),), EXISTS)]),
    ),
    "history written over": (EVERYBODY, lambda c: c.store.commit([Set(ENTRY, {"who": "nobody"})])),
    "history removed": (EVERYBODY, lambda c: c.store.commit([Delete(ENTRY)])),
    "a link made": (("promote", "dead_letter"), lambda c: c.store.commit([Set(f"{layout.TOKENS}/x", {}, ABSENT)])),
    "another collection read": (EVERYBODY, lambda c: c.store.get(["users/u1"])),
    "another collection written": (EVERYBODY, lambda c: c.store.commit([Set("users/u1", {})])),
    "another project read": (EVERYBODY, lambda c: c.ports.stores.open("demo-stranger", "(default)").get(["users/u1"])),
    "a prior image read": (tuple(name for name in EVERYBODY if name != "review"), lambda c: c.ports.blobs.read("backups/there")),
    "a prior image stored": (("check", "dead_letter"), lambda c: c.ports.blobs.write("backups/x", b"", "x/y")),
    "a promotion asked for": (
        ("capture", "check", "dead_letter"),
        lambda c: c.ports.publisher.publish(topics.PROMOTE, [{}]),
    ),
}


@attack(SECTION, guard="each entry point's grant", without=replaced("penstock.adapters.confined.Grant.demand", nothing))
def an_entry_point_reaches_beyond_its_grant(_: Lab) -> object:
    gained = []
    for what, (functions, reach) in BEYOND.items():
        for function in functions:
            world = World(pages=PlainPages())
            world.production.commit([Set(path, {"as": "it was"}) for path in (POLE, PACK, ENTRY, "users/u1")])
            world.blobs.write("backups/there", b"", "x/y")
            try:
                reach(world.serving(GRANTS[function]))
            except PenstockError:
                continue
            gained.append(f"{what} by {function}")
    return gained


# names ----------------------------------------------------------------------------------------------------------------------

NAMES = (
    *("A1/2", "1/../../users/u1", "/1", "1/", "//1", f"{layout.AUDIT}/x1", ".", "..", "__1__", "__x1__"),
    *("1" * 1_501, "é" * 750 + "1", "1\0", "1\n2", "1\r\n2", "\x1b[31m1", "1\x7f", "1\u200b2", "\u202e1", "1\u200f"),
    *("\u20661\u2069", "\ufeff1", "1\u20282", "1\U000e00412"),
)


@attack(SECTION, guard="what a document may be named", without=replaced("penstock.core.projection._may_be_id", lambda _: True))
def a_name_leads_elsewhere_or_stops_the_batch(_: Lab) -> object:
    """As the key of a record and as the parent that another names. The good record beside it must come through."""
    gained = []
    for name in NAMES:
        world = fed(name)
        try:
            world.run()
            world.approve("approve")
        except (PenstockError, IndexError) as error:
            gained.append(f"{name[:20]!r} stopped the batch: {error!r}"[:200])
            continue
        there = {*world.documents("planned-poles"), *world.documents("drops")}
        if odd := there - {net.name(1), net.drop_name(1)}:
            gained.append(f"{name[:20]!r} came through: {odd}"[:200])
        elif len(there) != 2:
            gained.append(f"{name[:20]!r} kept the good record out")
    return gained


# another batch's ------------------------------------------------------------------------------------------------------------


def _two_batches(world: World) -> tuple[Batch, Batch]:
    """Both applied; each of other poles."""
    found = []
    for n in (1, 2):
        net.feed(world, [net.record(f"r{n}", n, day=f"2026-06-0{n}")])
        batch = world.run().batch
        world.approve("approve")
        found.append(world.batch(batch))
    return found[0], found[1]


def _exchanged(world: World, of: str, into: str) -> None:
    """The pack of one batch, with its prior images, in the place of another's: as somebody could who restores the wrong file."""
    theirs = world.documents(layout.STAGING)[f"{of}.00000"]
    kept = {name: value for name, value in theirs.items() if name not in ("batch", "ledger", "state")}
    world.production.commit([Update(layout.pack(into, 0), kept, tuple((name,) for name in kept), EXISTS)])
    world.blobs.objects[layout.backup_blob(world.ctx.id, into, 0)] = world.blobs.objects.get(
        layout.backup_blob(world.ctx.id, of, 0), b""
    )


@attack(
    SECTION,
    guard="a pack is bound to its batch's digest",
    without=both(
        replaced("penstock.use_cases.promote.verify", nothing),
        replaced("penstock.use_cases.rollback.verify", nothing),
    ),
)
def one_batchs_prior_images_are_restored_into_another(_: Lab) -> object:
    """A rollback of the second batch, whose pack is the first one's now, would remove what the first brought."""
    world = World(pages=PlainPages())
    first, second = _two_batches(world)
    _exchanged(world, first.id, second.id)
    try:
        _, owed = plan_rollback(world.ctx, second.id, "operator@example.org")
        world.pay(owed)
        world.pump()
        world.approve("approve")
    except (PenstockError, IndexError):
        return None
    return {net.name(1), net.name(2)} - set(world.documents("planned-poles"))
