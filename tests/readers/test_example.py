"""The function that the README shows does what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from penstock.adapters.memory import MemoryStores
from penstock.core.records import Set
from penstock.readers import geography
from support.world import Clock

EXAMPLE = re.search(r"```python\n(.*?)```", (Path(__file__).parents[2] / "README.md").read_text(), re.S)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Any:
    stores = MemoryStores(Clock())
    units = [("p1", ""), ("d1", "p1"), ("m1", "d1")]
    fields = [(id, {"parentId": above, "country": "NP", "active": True}) for id, above in units]
    stores.open("my-tenant-project", "(default)").commit([Set(f"geography/{id}", data) for id, data in fields])
    opened = lambda project, **options: geography.Geography(stores.open(project, "(default)"), **options)  # noqa: E731
    monkeypatch.setattr(geography, "open_geography", opened)
    assert EXAMPLE is not None
    scope: dict[str, Any] = {}
    exec(EXAMPLE[1], scope)

    def ask(**form: Any) -> Any:
        with Flask("app").test_request_context(json=form):
            return scope["register"](request)

    return ask


def test_a_member_with_a_valid_chain_is_registered(asked: Any) -> None:
    assert asked(country="NP", units=["p1", "d1", "m1", None]) == ({"units": ["p1", "d1", "m1"]}, 201)
    assert asked(country="IN", units=[]) == ({"units": []}, 201)


def test_one_without_is_told_why(asked: Any) -> None:
    said, status = asked(country="NP", units=["p1", "m1"])
    assert status == 422
    assert said["problems"] == [
        "The unit 'm1' does not stand under 'p1'.",
        "2 units are given, and NP asks for 3 at least.",
    ]
    assert asked(country="NP", units=[])[0]["problems"] == ["A unit must be given."]


def test_the_library_brings_no_client_before_it_connects() -> None:
    clients = ("grpc", "google.cloud.firestore", "flask", "pydantic")
    code = f"import sys, penstock.readers.geography; print([m for m in {clients} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.emulator
def test_it_connects_to_a_database(firestore_emulator: str) -> None:
    connected = geography.open_geography("demo-readers-example", prefix="none/x/", emulator_host=firestore_emulator)
    assert connected.validate(["p1"], "NP").problems[0].kind == "not-installed"
