"""Services on a world in memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from penstock import wiring
from penstock.local.identity import Issuer
from penstock.settings import Settings
from serving import ACCOUNT, AUDIENCE, Visitor, served

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.world import KEYS, World


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.stop()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, issuer: Issuer) -> Iterator[World]:
    """Twelve poles are new in the source; what the environment would say, the test says."""
    made = World()
    settings = Settings(
        projects={}, people={}, keys=KEYS, audience=AUDIENCE, accounts=frozenset({ACCOUNT}), certs_url=issuer.certs_url
    )
    wiring.use(made.contexts)
    monkeypatch.setattr(wiring, "settings", lambda: settings)
    made.put(made.source, "onemap-records", [(f"p{n}", record(n)) for n in range(12)])
    yield made
    wiring.use(None)


def record(n: int) -> dict[str, Any]:
    return {
        "Pole Number": f"LAW.P.A{n:03d}",
        "Latitude": "-26.38",
        "Longitude": f"27.8{n:02d}",
        "Location Address": f"{n} Canary Street",
        "Status": "Pole Permission: Approved",
        "Contact Name": "Somebody Private",
        "lst_mod_dt": "2026-03-01 08:00:00",
    }


@pytest.fixture
def visit(world: World) -> Any:
    def at(token: str = "", target: str = "") -> Visitor:
        return Visitor(served("review"), f"/{target or world.ctx.id}/{token or world.link()[0]}")

    return at
