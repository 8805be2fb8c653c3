"""Functions as the functions framework serves them, and a browser at the review service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import functions_framework
from flask.testing import FlaskClient

MAIN = str(Path(__file__).parents[2] / "functions" / "main.py")
AUDIENCE, ACCOUNT = "https://worker.example.org", "invoker@example.iam.gserviceaccount.com"


def served(name: str) -> FlaskClient:
    """A client of one function."""
    app = functions_framework.create_app(name, MAIN, "http")
    return app.test_client()


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
