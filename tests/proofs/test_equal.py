"""Memory and the emulator say the same in histories of the simulation. Bounded; `scripts/prove equal 1000` replays many more."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
from penstock.adapters import memory
from penstock.adapters.firestore import FirestoreStores
from penstock.adapters.memory import MemoryStore
from penstock.core.errors import PenstockError
from penstock.core.records import ABSENT, EXISTS, Delete, Query, Set, Update, Where, unchanged_since
from penstock.core.values import Timestamp
from penstock.ports import Store
from simulation.history import History, recorded
from simulation.replay import Differs, Replay
from simulation.simulation import Simulation

from proofs import equal

pytestmark = pytest.mark.emulator
V = ("v",)


@pytest.fixture
def stores(firestore_emulator: str) -> Iterator[FirestoreStores]:
    stores = FirestoreStores(firestore_emulator)
    yield stores
    stores.close()


def test_the_emulator_answers_every_call_of_a_sample_of_histories_as_memory_did(firestore_emulator: str) -> None:
    proof = equal.compared(range(16), firestore_emulator)
    assert proof.violations == []
    assert proof.unreached == []
    assert proof.counted["calls"] > 1_500


class Watch:
    def __init__(self) -> None:
        self.time = Timestamp(1_790_000_000)

    def __call__(self) -> Timestamp:
        return self.time


def made(do: Callable[[Store, Store, Watch], None]) -> History:
    """The history of some calls to two databases, under a clock that can be set."""
    watch = Watch()
    with recorded() as histories:
        stores = Simulation.open_stores(watch)
        do(stores.open("demo-one", "(default)"), stores.open("demo-one", "tenant"), watch)
    return histories[0]


def refused(ask: Callable[[], Any]) -> None:
    with pytest.raises(PenstockError):
        ask()


def all_kinds(one: Store, other: Store, watch: Watch) -> None:
    begin = watch.time
    list(one.scan(Query("c"), begin))
    watch.time = begin.plus(10)
    first = one.commit([Set(f"c/{n}", {"v": n}) for n in range(4)])
    watch.time = begin.plus(20)
    elsewhere = other.commit([Set("c/0", {"v": "elsewhere"}, ABSENT)])
    watch.time = begin.plus(30)
    same = one.commit([Set("c/0", {"v": 0}, unchanged_since(first)), Update("c/1", {"w": 1}, (V, ("w",)), EXISTS)])
    shared = one.prepare(Update("c/2", {"w": 2}, (("w",),)), {"own": 1})
    one.commit([Update("c/2", {"stamp": {"by": "me"}}, (), EXISTS, shared), Delete("c/3")])
    for time in (begin, begin.plus(5), first, begin.plus(15), elsewhere, begin.plus(25), same, None):
        one.get([f"c/{n}" for n in range(5)], time, None)
        other.get(["c/0"], time)
        list(one.scan(Query("c", (Where(V, ">=", 0),), V, (V,)), time))
        one.count(Query("c"), time)
    list(islice(one.scan(Query("c")), 2))
    refused(lambda: one.scan(Query("c", limit=0)))
    refused(lambda: one.commit([Set("c/0", {}, unchanged_since(first.plus(1)))]))
    refused(lambda: one.commit([Set("c/0", {}, ABSENT)]))
    refused(lambda: one.prepare(Set("c/0", {"v": [[1]]})))
    refused(lambda: one.get(["c/0"], watch.time.plus(60)))
    watch.time = begin.plus(9 * 86_400)
    refused(lambda: one.count(Query("c"), first))


def test_what_cannot_be_asked_as_it_was_is_asked_as_near_as_can_be_and_counted(stores: FirestoreStores) -> None:
    replay = Replay(made(all_kinds), stores, uuid.uuid4().hex[:12])
    replay.run()
    counted = replay.counted
    assert (counted["refusals"], counted["moments refused"], counted["preconditions of no commit"]) == (6, 2, 1)
    # The first scan, then three reads of the one database and one of the other at each of two moments, and one of the other.
    assert counted["moments before commits"] == 1 + 4 + 4 + 1
    assert counted["moments between commits"] == 3 + 4
    assert counted["prepared writes"] == 1
    assert counted["documents at the end"] == 4


def _moves(store: MemoryStore, path: str, data: Any, time: Timestamp) -> None:
    """Every write is a change."""
    if data is not None and path in store._versions:
        store._versions[path].append(memory._Version(time, data))
    else:
        APPLY(store, path, data, time)


def _backwards(store: MemoryStore, *given: Any) -> Any:
    return PAGE(store, *given)[::-1]


APPLY, VERSION, PAGE, COUNT = MemoryStore._apply, MemoryStore._version, MemoryStore._page, MemoryStore.count
PLANTED: dict[str, tuple[str, Any]] = {
    "a write that changes nothing moves the update time": ("_apply", _moves),
    "no precondition is checked": ("_check", lambda *given: None),
    "a read of the past sees the present": ("_version", lambda store, path, time: VERSION(store, path, None)),
    "a page comes backwards": ("_page", _backwards),
    "a count is one too many": ("count", lambda *given: COUNT(*given) + 1),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_memory_that_strays_from_firestore_is_found(
    fault: str, monkeypatch: pytest.MonkeyPatch, stores: FirestoreStores
) -> None:
    name, wrong = PLANTED[fault]
    with monkeypatch.context() as planted:
        planted.setattr(MemoryStore, name, wrong)
        history = made(lambda one, other, watch: strays(one))
    with pytest.raises(Differs, match="memory says"):
        Replay(history, stores, uuid.uuid4().hex[:12]).run()


def strays(one: Store) -> None:
    first = one.commit([Set("c/a", {"v": 1}), Set("c/b", {"v": 2})])
    one.commit([Set("c/a", {"v": 1})])
    one.get(["c/a"])
    one.commit([Set("c/b", {"v": 3}, EXISTS), Set("c/new", {})])
    one.get(["c/b"], first)
    list(one.scan(Query("c")))
    one.count(Query("c"))
    try:
        one.commit([Set("c/a", {}, ABSENT)])
    except PenstockError:
        return
