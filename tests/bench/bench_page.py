"""How long an approver waits: the page of a large batch through the real function and database, held against the same packs read
raw, and in milliseconds against what a person does not notice; and how long a large report takes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import functions_framework
from bench.measure import Ratio, alternate, faster
from bench.whole import new_project
from penstock import wiring
from penstock.adapters.firestore import FirestoreStores
from penstock.core.values import Data
from penstock.local.emulators import FIRESTORE, clear_firestore, started_or_reused
from penstock.use_cases import staging
from penstock.web.pages import WebPages
from support.world import World
from web import reviews

MAIN = str(Path(__file__).parents[2] / "functions" / "main.py")
CHANGES, ROWS, ROUNDS = 10_000, 28_000, 15


def records() -> Iterator[tuple[str, Data]]:
    for n in range(CHANGES // 2):
        yield (
            f"p{n}",
            {
                "Pole Number": f"LAW.P.{n:05d}",
                "Drop Number": f"DR{1_000_000 + n}",
                "Latitude": "" if n % 100 == 0 else f"{-26.3 - n % 97 * 0.0004:.6f}",
                "Longitude": "" if n % 100 == 0 else f"{27.8 + n // 97 * 0.0005:.6f}",
                "Location Address": f"{n} Long Street, Lawley",
                "PONs": str(n % 50),
                "Sections": "2",
                "Site": "LAWLEY",
                "Status": "Pole Permission: Approved",
                "lst_mod_dt": "2026-03-01 08:00:00",
                "date_status_changed": "2026-02-01 08:00:00",
            },
        )


def ratios() -> Iterator[Ratio]:
    with tempfile.TemporaryDirectory() as folder:
        emulator = started_or_reused(FIRESTORE, Path(folder))
        stores = FirestoreStores(emulator.address)
        world = World(stores=stores)
        projects = {name: new_project() for name in world.ports.project_ids}
        world.ports = replace(world.ports, project_ids=projects, now=wiring.clock)
        world.contexts = wiring.Contexts(world.ports, world.contexts.pipelines)
        (world.ctx,) = world.contexts.all()
        world.outside = world.ctx
        wiring.use(world.contexts)
        try:
            yield from _page(world)
        finally:
            wiring.use(None)
            for project in projects.values():
                clear_firestore(emulator.address, project)
            stores.close()
            emulator.stop()
    yield _report()


def _page(world: World) -> Iterator[Ratio]:
    world.put(world.source, "onemap-records", records())
    batch = world.run().batch
    assert world.batch(batch).total == CHANGES
    client = functions_framework.create_app("review", MAIN, "http").test_client()
    path, page = f"/{world.ctx.id}/{world.link()[0]}", iter(range(1, 200))
    size = 0

    def shown() -> None:
        nonlocal size
        answer = client.get(f"{path}?page={next(page)}")
        assert answer.status_code == 200
        size = len(answer.data)

    took = alternate(ROUNDS, {"page": shown, "raw": lambda: list(staging.packs_of(world.ctx, batch))})
    reads = world.production.bill.reads
    shown()
    detail = f"median {median(took['page']) * 1000:.0f} ms, {size / 1024:.0f} KiB"
    yield Ratio(f"page of {CHANGES:,} changes, quickest, ms", min(took["page"]) * 1000, 200, detail, at_most=True)
    yield Ratio("the same / its packs read raw", 1 / faster(took, "page", "raw"), None)
    yield Ratio("the same, billed reads", world.production.bill.reads - reads, 60, at_most=True)


def _report() -> Ratio:
    rows = list(reviews.rows(ROWS))
    start = time.perf_counter()
    WebPages().report("pre-sync", "t", reviews.batch(), rows)
    return Ratio(f"report of {ROWS:,} changes, in three formats, seconds", time.perf_counter() - start, None)
