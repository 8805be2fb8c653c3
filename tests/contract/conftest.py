"""Every test here runs twice: on the store in memory and on Firestore's emulator. What it expects is written once."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator

import pytest
from penstock.adapters.firestore import FirestoreStores
from penstock.adapters.memory import MemoryStores
from penstock.core.values import Timestamp
from penstock.ports import Store, Stores


def clock() -> Timestamp:
    return Timestamp.of(dt.datetime.now(dt.UTC))


@pytest.fixture(scope="session")
def firestore(firestore_emulator: str) -> Iterator[Stores]:
    stores = FirestoreStores(firestore_emulator)
    yield stores
    stores.close()


@pytest.fixture(params=["memory", pytest.param("emulator", marks=pytest.mark.emulator)])
def stores(request: pytest.FixtureRequest) -> Stores:
    return MemoryStores(clock) if request.param == "memory" else request.getfixturevalue("firestore")


@pytest.fixture
def project() -> str:
    return f"demo-{uuid.uuid4().hex[:20]}"


@pytest.fixture
def open_store(stores: Stores, project: str) -> Callable[[str], Store]:
    return lambda database: stores.open(project, database)


@pytest.fixture
def store(open_store: Callable[[str], Store]) -> Store:
    return open_store("(default)")


@pytest.fixture
def both(firestore: Stores, project: str) -> tuple[Store, Store]:
    """(memory, emulator), for questions put to both."""
    return MemoryStores(clock).open(project, "(default)"), firestore.open(project, "(default)")
