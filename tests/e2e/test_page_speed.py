"""How long an approver waits for the page of a large batch."""

from __future__ import annotations

import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path
from statistics import median

import functions_framework
import pytest
from penstock import wiring
from penstock.adapters.firestore import FirestoreStores

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.world import World

pytestmark = pytest.mark.emulator
MAIN = str(Path(__file__).parents[2] / "functions" / "main.py")
CHANGES, SECONDS, READS = 10_000, 0.2, 60


def test_the_page_of_ten_thousand_changes_is_there_in_a_fifth_of_a_second(
    firestore_emulator: str, request: pytest.FixtureRequest
) -> None:
    stores = FirestoreStores(firestore_emulator)
    request.addfinalizer(stores.close)
    world = World(stores=stores)
    projects = {name: f"demo-{uuid.uuid4().hex[:20]}" for name in world.ports.project_ids}
    world.ports = replace(world.ports, project_ids=projects, now=wiring.clock)
    world.contexts = wiring.Contexts(world.ports, world.contexts.pipelines)
    (world.ctx,) = world.contexts.all()
    world.outside = world.ctx
    wiring.use(world.contexts)
    request.addfinalizer(lambda: wiring.use(None))
    rows = (
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
        }
        for n in range(CHANGES // 2)
    )
    world.put(world.source, "onemap-records", ((f"p{n}", row) for n, row in enumerate(rows)))
    assert world.batch(world.run().batch).total == CHANGES

    client = functions_framework.create_app("review", MAIN, "http").test_client()
    path = f"/{world.ctx.id}/{world.link()[0]}"
    page = client.get(path)
    assert page.status_code == 200
    assert "LAW.P.00000" in page.text
    reads, took = world.production.bill.reads, []
    for n in range(15):
        started = time.perf_counter()
        assert client.get(f"{path}?page={1 + n * 10}").status_code == 200
        took.append(time.perf_counter() - started)
    print(f"median {median(took) * 1000:.0f} ms, quickest {min(took) * 1000:.0f} ms, {len(page.data) / 1024:.0f} KiB")
    assert (world.production.bill.reads - reads) / 15 <= READS
    assert min(took) < SECONDS  # the quickest: on a busy machine the others measure the neighbours
