"""Fixtures for tests that need a real Firestore or Pub/Sub: an emulator started once per run (or the running one that
FIRESTORE_EMULATOR_HOST or PUBSUB_EMULATOR_HOST names), and a project of its own for every test, emptied behind it.

    def test_it_stores(firestore_client):
        firestore_client.document("poles/A1").set({"height": 7})

Where an emulator is missing these fixtures fail and say how to install it: a skipped test would look like a passed one.
Nothing of Google's is imported, and nothing started, before a test asks for a fixture."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from google.cloud.firestore import Client

    from penstock.local.emulators import Kind


def _address(kind: Kind, factory: pytest.TempPathFactory) -> Iterator[str]:
    from penstock.core.errors import PenstockError
    from penstock.local.emulators import started_or_reused

    try:
        emulator = started_or_reused(kind, factory.mktemp(kind.slug))
    except PenstockError as error:
        pytest.fail(str(error), pytrace=False)
    yield emulator.address
    emulator.stop()


@pytest.fixture(scope="session")
def firestore_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of a Firestore emulator, one for the whole run."""
    from penstock.local.emulators import FIRESTORE

    yield from _address(FIRESTORE, tmp_path_factory)


@pytest.fixture(scope="session")
def pubsub_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of a Pub/Sub emulator, one for the whole run."""
    from penstock.local.emulators import PUBSUB

    yield from _address(PUBSUB, tmp_path_factory)


@pytest.fixture
def firestore_databases() -> tuple[str, ...]:
    """The databases that `firestore_project` empties. Override it where your tests use named ones."""
    return ("(default)",)


@pytest.fixture
def firestore_project(
    firestore_emulator: str, firestore_databases: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The id of a project that no other test uses, on the emulator; its databases are emptied after the test.

    FIRESTORE_EMULATOR_HOST and GOOGLE_CLOUD_PROJECT are set meanwhile, so that code which makes its own client lands there."""
    from penstock.local.emulators import clear_firestore

    project = f"demo-{uuid.uuid4().hex[:20]}"
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", project)
    yield project
    for database in firestore_databases:
        clear_firestore(firestore_emulator, project, database)


@pytest.fixture
def firestore_client(firestore_project: str) -> Iterator[Client]:
    """Google's own client on `firestore_project`'s default database."""
    from google.cloud.firestore import Client

    client: Any = Client(project=firestore_project)
    yield client
    client.close()
