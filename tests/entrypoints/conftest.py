"""Services as the functions framework serves them, on a world in memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import functions_framework
import pytest
from flask.testing import FlaskClient
from penstock import wiring
from penstock.local.identity import Issuer
from penstock.settings import Settings

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.world import KEYS, World

MAIN = str(Path(__file__).parents[2] / "functions" / "main.py")
AUDIENCE, ACCOUNT = "https://worker.example.org", "invoker@example.iam.gserviceaccount.com"


def served(name: str) -> FlaskClient:
    """A client of one function, loaded as in production. What it cannot handle reaches the test as an answer."""
    app = functions_framework.create_app(name, MAIN, "http")
    return app.test_client()


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


@dataclass
class Visitor:
    """A browser at the review service, with a cookie jar of its own."""

    client: FlaskClient
    path: str

    def open(self, **options: Any) -> Any:
        return self.client.get(self.path, **options)

    def nonce(self) -> str:
        page = self.open().text
        return page.partition('name="nonce" value="')[2].partition('"')[0]

    def send(self, code: str, verdict: str = "approve", **form: Any) -> Any:
        filled = {"nonce": self.nonce(), "verdict": verdict, "code": code, "note": "", "except": "", **form}
        return self.client.post(self.path, data=filled)


@pytest.fixture
def visit(world: World) -> Any:
    def at(token: str = "", target: str = "") -> Visitor:
        return Visitor(served("review"), f"/{target or world.ctx.id}/{token or world.link()[0]}")

    return at
