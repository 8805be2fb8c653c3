from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from penstock.core.errors import Conflict, InvalidInput
from penstock.core.records import ABSENT, EXISTS, Delete, Precondition, Set, Snapshot, Update, as_seen, unchanged_since
from penstock.core.values import Data, Timestamp
from penstock.ports import Store


def one(store: Store, path: str) -> Snapshot:
    (snapshot,) = store.get([path])
    return snapshot


def data(store: Store, path: str) -> Data | None:
    return one(store, path).data


def test_a_set_replaces_the_whole_document(store: Store) -> None:
    store.commit([Set("c/a", {"x": 1, "y": 2})])
    store.commit([Set("c/a", {"z": 3})])
    assert data(store, "c/a") == {"z": 3}


def test_every_changed_document_carries_the_commit_time(store: Store) -> None:
    first = store.commit([Set("c/a", {"x": 1}), Set("c/b", {})])
    assert [s.update_time for s in store.get(["c/a", "c/b"])] == [first, first]
    second = store.commit([Update("c/b", {"x": 1}, (("x",),))])
    assert [s.update_time for s in store.get(["c/a", "c/b"])] == [first, second]


def test_commit_times_are_whole_microseconds_and_always_rise(store: Store) -> None:
    times = [store.commit([Set("c/a", {"n": n})]) for n in range(30)]
    assert all(t.nanos % 1_000 == 0 for t in times)
    assert all(early < late for early, late in pairwise(times))


@pytest.mark.parametrize(
    "again",
    [
        Set("c/a", {"x": 1.0, "m": {"a": 1, "b": [1]}}),
        Update("c/a", {"x": 1.0}, (("x",),)),
        Update("c/a", {}, (("nothing",),)),
        Update("c/a", {}, ()),
    ],
)
def test_a_write_that_changes_nothing_leaves_the_update_time(store: Store, again: Set | Update) -> None:
    first = store.commit([Set("c/a", {"m": {"b": [1], "a": 1}, "x": 1.0})])
    assert store.commit([again]) > first
    assert one(store, "c/a").update_time == first


@pytest.mark.parametrize(("before", "after"), [(1, 1.0), (0.0, -0.0), ("1", 1), (None, 0), ([], None), ({}, [])])
def test_values_that_differ_in_type_or_sign_alone_are_a_change(store: Store, before: object, after: object) -> None:
    first = store.commit([Set("c/a", {"x": before})])
    second = store.commit([Set("c/a", {"x": after})])
    assert first < second == one(store, "c/a").update_time


def test_an_update_writes_its_mask_alone(store: Store) -> None:
    store.commit([Set("c/a", {"keep": 1, "m": {"keep": 2, "old": 3}, "gone": 4})])
    store.commit([Update("c/a", {"m": {"old": 5, "unmasked": 6}, "also": 7}, (("m", "old"), ("gone",)))])
    assert data(store, "c/a") == {"keep": 1, "m": {"keep": 2, "old": 5}}


def test_an_update_makes_the_maps_on_the_way_and_leaves_emptied_ones(store: Store) -> None:
    store.commit([Set("c/a", {"scalar": 1, "m": {"only": 1}, "list": [1]})])
    store.commit(
        [
            Update(
                "c/a",
                {"new": {"deep": {"x": 1}}, "scalar": {"x": 2}},
                (("new", "deep", "x"), ("scalar", "x"), ("m", "only"), ("absent", "x"), ("list", "x")),
            )
        ]
    )
    assert data(store, "c/a") == {"new": {"deep": {"x": 1}}, "scalar": {"x": 2}, "m": {}, "list": [1]}


def test_an_update_creates_unless_forbidden(store: Store) -> None:
    store.commit([Update("c/a", {"x": 1, "y": 2}, (("x",),)), Update("c/b", {}, ())])
    assert [s.data for s in store.get(["c/a", "c/b"])] == [{"x": 1}, {}]
    with pytest.raises(Conflict):
        store.commit([Update("c/c", {"x": 1}, (("x",),), EXISTS)])
    assert not one(store, "c/c").exists


def test_field_names_may_hold_dots_spaces_backticks_and_more(store: Store) -> None:
    odd = {"a.b": 1, "c d": {"e.f": 2, "g`h": 3, "i\\j": 4}, "`": 5, "é-ü": 6, "0": 7, "Location Address": 8}
    store.commit([Set("c/a", odd)])
    assert data(store, "c/a") == odd
    mask = (("a.b",), ("c d", "e.f"), ("c d", "g`h"), ("c d", "i\\j"), ("`",), ("é-ü",), ("0",))
    (chosen,) = store.get(["c/a"], select=mask)
    assert chosen.data == {name: value for name, value in odd.items() if name != "Location Address"}
    store.commit([Update("c/a", {"a.b": 10, "`": 50}, mask)])
    assert data(store, "c/a") == {"a.b": 10, "`": 50, "c d": {}, "Location Address": 8}


def test_a_delete_removes_and_is_harmless_where_nothing_is(store: Store) -> None:
    store.commit([Set("c/a", {"x": 1})])
    store.commit([Delete("c/a"), Delete("c/never")])
    assert [s.exists for s in store.get(["c/a", "c/never"])] == [False, False]


def test_a_document_made_again_with_the_same_content_has_a_new_update_time(store: Store) -> None:
    store.commit([Set("c/a", {"x": 1})])
    store.commit([Delete("c/a")])
    assert store.commit([Set("c/a", {"x": 1})]) == one(store, "c/a").update_time


@pytest.mark.parametrize("kind", ["set", "update", "delete"])
@pytest.mark.parametrize("given", ["absent", "exists", "seen", "older", "newer", "exists and seen"])
@pytest.mark.parametrize("there", [True, False])
def test_a_precondition_decides_and_a_failed_one_stops_the_whole_commit(store: Store, kind: str, given: str, there: bool) -> None:
    older = store.commit([Set("c/a", {"x": 0})])
    seen = store.commit([Set("c/a", {"x": 1})])
    if not there:
        store.commit([Delete("c/a")])
    precondition = {
        "absent": ABSENT,
        "exists": EXISTS,
        "seen": unchanged_since(seen),
        "older": unchanged_since(older),
        "newer": unchanged_since(seen.plus(3_600)),
        "exists and seen": Precondition(exists=True, update_time=seen),
    }[given]
    write = {
        "set": Set("c/a", {"x": 2}, precondition),
        "update": Update("c/a", {"x": 2}, (("x",),), precondition),
        "delete": Delete("c/a", precondition),
    }[kind]
    holds = given == "absent" if not there else given in ("exists", "seen", "exists and seen")
    commit = [Set("c/first", {}), write, Delete("c/last")]
    before = data(store, "c/a")
    if holds:
        store.commit(commit)
        assert one(store, "c/first").exists
        assert data(store, "c/a") == (None if kind == "delete" else {"x": 2})
    else:
        with pytest.raises(Conflict):
            store.commit(commit)
        assert not one(store, "c/first").exists
        assert data(store, "c/a") == before


def test_a_precondition_is_checked_even_where_nothing_would_change(store: Store) -> None:
    older = store.commit([Set("c/a", {"x": 0})])
    store.commit([Set("c/a", {"x": 1})])
    with pytest.raises(Conflict):
        store.commit([Set("c/a", {"x": 1}, unchanged_since(older))])


def test_the_time_of_a_commit_that_changed_nothing_is_no_update_time(store: Store) -> None:
    store.commit([Set("c/a", {"x": 1})])
    nothing_new = store.commit([Set("c/a", {"x": 1}), Set("c/b", {})])
    with pytest.raises(Conflict):
        store.commit([Set("c/a", {"x": 2}, unchanged_since(nothing_new))])
    store.commit([Delete("c/b", unchanged_since(nothing_new))])
    assert data(store, "c/a") == {"x": 1}


def test_what_is_absent_can_be_deleted_as_absent_and_not_as_existing(store: Store) -> None:
    store.commit([Delete("c/a", ABSENT)])
    with pytest.raises(Conflict):
        store.commit([Delete("c/a", EXISTS)])
    store.commit([Set("c/a", {})])
    with pytest.raises(Conflict):
        store.commit([Delete("c/a", ABSENT)])


def test_a_precondition_of_a_moment_at_which_nothing_can_be_committed_is_refused(store: Store) -> None:
    now = store.commit([Set("c/a", {"x": 1})])
    for moment in (
        Timestamp(0),
        Timestamp(-5),
        Timestamp(1, 1),
        Timestamp(5, 10**9),
        Timestamp(5, -1_000),
        Timestamp(253_402_300_800),
        Timestamp(-62_135_596_801),
        Timestamp(now.seconds, now.nanos + 1),
    ):
        for path in ("c/a", "c/none"):
            with pytest.raises(InvalidInput):
                store.commit([Set(path, {}, unchanged_since(moment))])
    assert [s.data for s in store.get(["c/a", "c/none"])] == [{"x": 1}, None]


def test_what_can_never_be_stored_is_refused_before_a_precondition_is_looked_at(store: Store) -> None:
    store.commit([Set("c/a", {})])
    with pytest.raises(InvalidInput):
        store.commit([Set("c/a", {}, ABSENT), Set("c/b", {"v": [[1]]})])


def test_what_is_written_or_read_shares_nothing_with_the_store(store: Store) -> None:
    mine = {"m": {"list": [1]}}
    store.commit([Set("c/a", mine), Update("c/b", mine, (("m",),))])
    mine["m"]["list"].append(2)
    read = data(store, "c/a")
    assert read is not None
    read["m"]["list"].append(3)
    assert [s.data for s in store.get(["c/a", "c/b"])] == [{"m": {"list": [1]}}] * 2


def test_of_twenty_threads_that_increment_one_document_none_is_lost(store: Store) -> None:
    store.commit([Set("c/n", {"n": 0})])
    together = threading.Barrier(20)

    def increment(seed: int) -> int:
        chance, lost = random.Random(seed), 0
        together.wait()
        while True:
            seen = one(store, "c/n")
            try:
                store.commit([Set("c/n", {"n": seen.fields["n"] + 1}, as_seen(seen))])
                return lost
            except Conflict:
                lost += 1
                time.sleep(chance.uniform(0, 0.02))

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(increment, range(20)))
    assert data(store, "c/n") == {"n": 20}


def test_one_of_many_creators_wins(store: Store) -> None:
    together = threading.Barrier(8)

    def create(who: int) -> int | None:
        together.wait()
        try:
            store.commit([Set("c/lock", {"who": who}, ABSENT)])
            return who
        except Conflict:
            return None

    with ThreadPoolExecutor(8) as pool:
        winners = [who for who in pool.map(create, range(8)) if who is not None]
    assert [data(store, "c/lock")] == [{"who": who} for who in winners]


def test_databases_of_one_project_are_apart(stores, project: str) -> None:  # type: ignore[no-untyped-def]
    default, named = stores.open(project, "(default)"), stores.open(project, "tenant-nepal")
    default.commit([Set("c/a", {"here": "default"})])
    named.commit([Set("c/a", {"here": "named"}, ABSENT)])
    assert (data(default, "c/a"), data(named, "c/a")) == ({"here": "default"}, {"here": "named"})
    assert named.full_name("c/a") == f"projects/{project}/databases/tenant-nepal/documents/c/a"
    assert stores.open(project, "tenant-nepal") is named


def test_prepared_fields_are_written_beside_those_given_with_the_commit(store: Store) -> None:
    body = {"x": 1, "m": {"a b": [1.0, None]}}
    store.commit([Set("c/a", {"stamp": {"by": "me"}}, ABSENT, store.prepare(Set("c/a", body)))])
    assert data(store, "c/a") == {**body, "stamp": {"by": "me"}}


def test_a_prepared_update_writes_and_removes_what_its_mask_names(store: Store) -> None:
    store.commit([Set("c/a", {"x": 1, "gone": 2, "m": {"kept": 3, "a.b": 4}})])
    update = Update("c/a", {"x": 5, "m": {"a.b": 6}}, (("x",), ("gone",), ("m", "a.b")))
    prepared = store.prepare(update)
    store.commit([Update("c/a", {"stamp": 7}, (("stamp",),), EXISTS, prepared)])
    assert data(store, "c/a") == {"x": 5, "m": {"kept": 3, "a.b": 6}, "stamp": 7}
    store.commit([Set("c/b", {"x": 1, "gone": 2})])
    store.commit([Update("c/b", {}, (), EXISTS, prepared)])
    assert data(store, "c/b") == {"x": 5, "m": {"a.b": 6}}


def test_prepared_entries_complete_the_map_that_many_writes_share(store: Store) -> None:
    shared = {"batch": "b", "by": ["me"], "at": Timestamp(1, 2_000)}
    for size in (1, 60, 200):  # one, two and three bytes before the map
        own = {"content": "c" * size, "of": {"x": size}}
        store.commit([Set("c/a", {"stamp": shared}, None, store.prepare(Set("c/a", {"x": size}), own))])
        assert data(store, "c/a") == {"x": size, "stamp": {**shared, **own}}
        update = store.prepare(Update("c/a", {"x": -size}, (("x",), ("stamp",))), own)
        store.commit([Update("c/a", {"stamp": {"batch": "c"}}, (), EXISTS, update)])
        assert data(store, "c/a") == {"x": -size, "stamp": {"batch": "c", **own}}


def test_what_cannot_be_held_is_refused_when_it_is_prepared(store: Store) -> None:
    with pytest.raises(InvalidInput):
        store.prepare(Set("c/a", {"x": [[1]]}))
    with pytest.raises(InvalidInput):
        store.prepare(Set("c/a", {"x": 1}), {"y": [[1]]})
    with pytest.raises(InvalidInput):
        store.prepare(Update("c/a", {"x": {"y": 1}}, (("x",), ("x", "y"))))
