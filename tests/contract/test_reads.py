from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from penstock.core import limits
from penstock.core.errors import Conflict, InvalidInput, PenstockError
from penstock.core.records import ABSENT, NAME, Bill, Cursor, Delete, Query, Set, Update, Where
from penstock.core.values import Reference, Timestamp, Value, Vector
from penstock.ports import Store

V = ("v",)


def fill(store: Store, **values: Value) -> Timestamp:
    return store.commit([Set(f"c/{name}", {"v": value}) for name, value in values.items()])


def ids(store: Store, query: Query, read_time: Timestamp | None = None) -> str:
    return " ".join(s.id for s in store.scan(query, read_time))


def since(store: Store, before: Bill) -> tuple[int, int, int, int]:
    now = store.bill
    return (now.reads - before.reads, now.writes - before.writes, now.deletes - before.deletes, now.rpcs - before.rpcs)


# get


def test_get_keeps_the_order_and_the_repeats_of_what_was_asked_for(store: Store) -> None:
    fill(store, a=1, b=2)
    found = store.get(["c/b", "c/none", "c/a", "c/b", "other/sub/c/a"])
    assert [(s.path, s.exists, s.data) for s in found] == [
        ("c/b", True, {"v": 2}),
        ("c/none", False, None),
        ("c/a", True, {"v": 1}),
        ("c/b", True, {"v": 2}),
        ("other/sub/c/a", False, None),
    ]
    assert found[1].fields == {}
    assert store.get([]) == []


def test_get_takes_more_documents_than_one_request_holds(store: Store) -> None:
    for start in range(0, 1_200, 400):
        store.commit([Set(f"c/{n:04d}", {"n": n}) for n in range(start, start + 400)])
    before = store.bill
    found = store.get([f"c/{n:04d}" for n in range(1_201)])
    assert [s.fields.get("n") for s in found] == [*range(1_200), None]
    assert since(store, before) == (1_201, 0, 0, 2)


def test_names_alone_bring_the_names_of_the_top_level_and_no_value(store: Store) -> None:
    secret = {"m": {"secret": "secret"}, "s": "secret", "l": ["secret"], "n": None, "i": 7}
    time = store.commit([Set("c/a", secret), Set("c/b", {"s": 1}), Set("c/c", {})])
    found = list(store.scan(Query("c", names_only=True, limit=2), time))
    assert [(s.id, s.fields, s.update_time) for s in found] == [("a", dict.fromkeys(secret), time), ("b", {"s": None}, time)]
    assert list(store.scan(Query("c", names_only=True)))[2].fields == {}
    with pytest.raises(InvalidInput, match="asks for all of their names"):
        store.scan(Query("c", select=(V,), names_only=True))


def test_a_selection_brings_those_fields_alone(store: Store) -> None:
    store.commit([Set("c/a", {"m": {"x": 1, "y": 2}, "n": {"x": 1}, "s": "text", "e": {}})])
    for select, expected in [
        ((("m", "x"), ("s",)), {"m": {"x": 1}, "s": "text"}),
        ((("m",), ("absent",), ("s", "x")), {"m": {"x": 1, "y": 2}}),
        ((("e",),), {"e": {}}),
        ((), {}),
    ]:
        (got,) = store.get(["c/a"], select=select)
        (scanned,) = store.scan(Query("c", select=select))
        assert got.data == scanned.data == expected
        assert got.exists
        assert scanned.exists


# read times


def test_a_past_moment_is_read_as_it_was(store: Store) -> None:
    first = fill(store, a=1, b=1, gone=1)
    second = store.commit([Set("c/a", {"v": 2}), Delete("c/gone"), Set("c/new", {"v": 2})])
    store.commit([Update("c/a", {"v": 3}, (V,)), Delete("c/b")])
    paths = ["c/a", "c/b", "c/gone", "c/new"]
    assert [s.fields.get("v") for s in store.get(paths, first)] == [1, 1, 1, None]
    assert [s.fields.get("v") for s in store.get(paths, second)] == [2, 1, None, 2]
    assert [s.fields.get("v") for s in store.get(paths)] == [3, None, None, 2]
    assert [s.update_time for s in store.get(paths, second)] == [second, first, None, second]
    assert (ids(store, Query("c"), first), ids(store, Query("c"), second), ids(store, Query("c"))) == (
        "a b gone",
        "a b new",
        "a new",
    )
    by_value = Query("c", order_by=V, where=(Where(V, ">=", 2),))
    assert (ids(store, by_value, first), ids(store, by_value, second), ids(store, by_value)) == ("", "a new", "new a")
    assert [store.count(Query("c"), t) for t in (first, second, None)] == [3, 3, 2]
    assert [store.count(by_value, t) for t in (first, second, None)] == [0, 2, 2]
    assert [s.exists for s in store.get(paths, first.plus(-0.001))] == [False] * 4
    for edge, values in ((second.plus(-1e-6), [1, 1, 1, None]), (second.plus(1e-6), [2, 1, None, 2])):
        assert [s.fields.get("v") for s in store.get(paths, edge, (V,))] == values
        assert store.count(Query("c"), edge) == 3


def test_a_scan_at_a_pinned_moment_does_not_see_what_is_written_between_its_pages(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_PAGE", 2)
    pinned = fill(store, a=1, b=1, c=1, d=1, e=1)
    seen = []
    for snapshot in store.scan(Query("c"), pinned):
        seen.append((snapshot.id, snapshot.fields["v"]))
        store.commit([Set(f"c/{snapshot.id}", {"v": 2}), Set(f"c/{snapshot.id}x", {"v": 2}), Delete("c/e2")])
        store.commit([Delete("c/e"), Delete("c/c")])
    assert seen == [("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1)]


@pytest.mark.parametrize("how", ["get", "scan", "count"])
def test_a_read_time_of_the_future_or_the_far_past_or_finer_than_a_microsecond_is_refused(store: Store, how: str) -> None:
    now = fill(store, a=1)

    def read(time: Timestamp) -> object:
        if how == "get":
            return store.get(["c/a"], time)
        return list(store.scan(Query("c"), time)) if how == "scan" else store.count(Query("c"), time)

    with pytest.raises(InvalidInput):
        read(now.plus(3_600))
    for never in (Timestamp(now.seconds, now.nanos + 1), Timestamp(0), Timestamp(-5), Timestamp(5, 10**9), Timestamp(2**40)):
        with pytest.raises(InvalidInput):
            read(never)
    for old in (now.plus(-8 * 86_400), Timestamp(1)):
        with pytest.raises(PenstockError) as refused:
            read(old)
        assert type(refused.value) is PenstockError


# keyset pages


@pytest.mark.parametrize("page", [1, 2, 3, 4, 5, 7, 100])
@pytest.mark.parametrize("order", [NAME, V])
def test_pages_lose_and_repeat_nothing_though_values_are_equal_at_their_edges(
    store: Store, monkeypatch: pytest.MonkeyPatch, page: int, order: tuple[str, ...]
) -> None:
    fill(store, a=2, b=1, c=1, d=1.0, e=1, f=0, g=2)
    monkeypatch.setattr(limits, "MAX_PAGE", page)
    everything = "a b c d e f g" if order == NAME else "f b c d e a g"
    assert ids(store, Query("c", order_by=order)) == everything
    assert ids(store, Query("c", order_by=order, limit=5)) == everything[:9]
    assert ids(store, Query("c", order_by=order, select=())) == everything


@pytest.mark.parametrize("order", [NAME, V])
def test_a_scan_resumes_behind_any_cursor_even_of_a_document_that_is_gone(store: Store, order: tuple[str, ...]) -> None:
    fill(store, a=2, b=1, c=1, d=1, e=0)
    everything = list(store.scan(Query("c", order_by=order)))
    for at, snapshot in enumerate(everything):
        after = Cursor(None if order == NAME else snapshot.fields["v"], snapshot.path)
        rest = " ".join(s.id for s in everything[at + 1 :])
        assert ids(store, Query("c", order_by=order, after=after)) == rest
        store.commit([Delete(snapshot.path)])
        assert ids(store, Query("c", order_by=order, after=after)) == rest


def test_a_page_of_the_present_sees_what_was_written_before_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PAGE", 2)
    fill(store, a=1, b=1, e=1)
    scan = store.scan(Query("c"))
    assert [next(scan).id, next(scan).id] == ["a", "b"]
    fill(store, d=1)
    assert [s.id for s in scan] == ["d", "e"]


def test_the_field_of_the_order_is_hidden_unless_selected(store: Store) -> None:
    store.commit(
        [Set("c/a", {"m": {"x": 2, "y": 1}, "z": 1}), Set("c/b", {"m": {"x": 1}, "z": 2}), Set("c/c", {"m": {}, "z": 3})]
    )
    hidden = Query("c", order_by=("m", "x"), select=(("z",),))
    assert [(s.id, s.data) for s in store.scan(hidden)] == [("b", {"z": 2}), ("a", {"z": 1})]
    shown = Query("c", order_by=("m", "x"), select=(("m",),))
    assert [(s.id, s.data) for s in store.scan(shown)] == [("b", {"m": {"x": 1}}), ("a", {"m": {"x": 2, "y": 1}})]


def test_collections_under_documents_are_apart(store: Store) -> None:
    store.commit([Set("c/a", {}), Set("c/a/c/b", {}), Set("c/b/c/c", {}), Set("tenants/nepal/c/d", {})])
    found = [ids(store, Query(name)) for name in ("c", "c/a/c", "c/b/c", "tenants/nepal/c", "tenants")]
    assert found == ["a", "b", "c", "d", ""]
    assert [s.path for s in store.scan(Query("tenants/nepal/c"))] == ["tenants/nepal/c/d"]


def test_names_sort_by_their_utf8_bytes(store: Store) -> None:
    names = ["!", "LAW.P.A001", "LAW.P.A01", "a", "a b", "b", "é", "\uffff", "🙂"]
    store.commit([Set(f"c/{name}", {}) for name in reversed(names)])
    assert [s.id for s in store.scan(Query("c"))] == names


def test_many_threads_read_at_once(store: Store) -> None:
    store.commit([Set(f"c/{n:03d}", {"v": n}) for n in range(300)])

    def read(_n: int) -> list[int]:
        return [s.fields["v"] for s in store.scan(Query("c"))] + [len(store.get([f"c/{n:03d}" for n in range(300)]))]

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(read, range(24))) == [[*range(300), 300]] * 24


# conditions


def test_names_can_be_asked_for_by_range_and_by_list(store: Store) -> None:
    fill(store, a=1, b=2, c=3, d=4)
    assert ids(store, Query("c", (Where(NAME, ">=", "c/b"), Where(NAME, "<", "c/d")))) == "b c"
    assert ids(store, Query("c", (Where(NAME, "in", ["c/d", "c/x", "c/a"]),))) == "a d"
    assert ids(store, Query("c", (Where(NAME, "==", "c/c"),))) == "c"
    assert ids(store, Query("c", (Where(NAME, "!=", "c/c"),))) == "a b d"
    assert store.count(Query("c", (Where(NAME, ">", "c/b"), Where(NAME, "<=", "c/zzz")))) == 2


def test_thirty_values_can_be_asked_for_at_once(store: Store) -> None:
    store.commit([Set(f"c/{n:02d}", {"v": n, "l": [n, "x"]}) for n in range(40)])
    wanted = [*range(0, 40, 2), *range(100, 110)]
    assert len(wanted) == 30
    expected = " ".join(f"{n:02d}" for n in range(0, 40, 2))
    assert ids(store, Query("c", (Where(V, "in", wanted),))) == expected
    assert ids(store, Query("c", (Where(("l",), "array-contains-any", wanted),))) == expected
    assert store.count(Query("c", (Where(V, "in", wanted),))) == 20


def test_conditions_combine(store: Store) -> None:
    store.commit([Set(f"c/{n}", {"v": n, "even": n % 2 == 0, "l": ["x"] if n > 5 else []}) for n in range(10)])
    where = (Where(("even",), "==", True), Where(V, ">", 2), Where(V, "<=", 8), Where(("l",), "array-contains", "x"))
    assert ids(store, Query("c", where, order_by=V)) == "6 8"
    assert store.count(Query("c", where, order_by=V)) == 2


def test_not_equal_finds_neither_the_value_nor_null_nor_documents_without_the_field(store: Store) -> None:
    fill(store, a=1, b=2, c=None, d="1", e=1.0)
    store.commit([Set("c/f", {"w": 1})])
    assert ids(store, Query("c", (Where(V, "!=", 1),), order_by=V)) == "b d"
    assert ids(store, Query("c", (Where(V, "!=", None),), order_by=V)) == "a e b d"
    assert ids(store, Query("c", (Where(V, "==", None),))) == "c"


@pytest.mark.parametrize(
    "query",
    [
        Query("c", (Where(V, ">", 1),)),
        Query("c", (Where(V, "!=", 1),), order_by=("w",)),
        Query("c", (Where(V, "in", []),)),
        Query("c", (Where(V, "in", list(range(31))),)),
        Query("c", (Where(V, "array-contains-any", 1),)),
        Query("c/a"),
        Query("c", limit=0),
        Query("c", order_by=("a",), select=(("a", "b"),)),
        Query("c", select=(("x" * 1501,),)),
        Query("c", order_by=("",)),
        Query("c", after=Cursor(None, "c")),
        Query("c", order_by=V, after=Cursor({1}, "c/a")),
        Query("c", (Where(NAME, "array-contains", "c/a"),)),
        Query("c", (Where(NAME, "array-contains-any", ["c/a"]),)),
        *(Query("c", (Where(NAME, "==", value),)) for value in ("a", "", None, 5)),
        Query("c", (Where(NAME, "in", ["c/a", "c"]),)),
        Query("c", (Where(NAME, "==", "c/a"), Where(V, "<=", 3)), order_by=V),
        Query("c", (Where(NAME, "in", ["c/a"]), Where(V, "!=", 3)), order_by=V),
        Query("c", (Where(NAME, "!=", "c/a"), Where(NAME, "!=", "c/b"))),
        Query("c", (Where(V, "!=", 1), Where(V, "!=", 2)), order_by=V),
        Query("c", (Where(V, "array-contains", 1), Where(("w",), "array-contains-any", [2]))),
        Query("c", (Where(V, "in", list(range(6))), Where(("w",), "in", list(range(6))))),
        Query("c", (Where(V, "in", list(range(16))), Where(("w",), "array-contains-any", [1, 2]))),
        *(Query("c", (Where(V, "==", value),)) for value in (2**63, {1}, Vector(()), Reference("bad"), "\ud800")),
        *(Query("c", (Where(V, "in", [value]),)) for value in ("x" * 1_500, "é" * 750, b"x" * 1_501, {"a": "x" * 1_499})),
        *(
            Query("c", (Where(V, ">=", value),), order_by=V)
            for value in (["x" * 1_500], Timestamp(5, 1), [{"a": Timestamp(5, 1)}])
        ),
    ],
)
def test_a_query_that_cannot_be_answered_is_refused_before_anything_is_sent(store: Store, query: Query) -> None:
    with pytest.raises(InvalidInput):
        store.scan(query)
    with pytest.raises(InvalidInput):
        store.count(query)
    assert store.bill == Bill()


def test_a_value_that_an_index_just_holds_can_be_compared_with(store: Store) -> None:
    values: list[Value] = ["x" * 1_499, b"x" * 1_500, ["x" * 1_499], {"a": "x" * 1_497}]
    fill(store, **{f"d{n}": value for n, value in enumerate(values)})
    for n, value in enumerate(values):
        assert ids(store, Query("c", (Where(V, "==", value),))) == f"d{n}"
    assert store.count(Query("c", (Where(V, "in", values),))) == 4


def test_one_of_the_conditions_that_may_stand_once_stands_beside_all_others(store: Store) -> None:
    store.commit([Set(f"c/{n:02d}", {"v": n, "w": n % 3, "l": [n, n + 1]}) for n in range(12)])
    where = (Where(V, "!=", 4), Where(V, ">", 2), Where(("w",), "in", [0, 1]), Where(("l",), "array-contains-any", [4, 5, 7, 99]))
    assert ids(store, Query("c", where, order_by=V)) == "03 06 07"
    assert ids(store, Query("c", (Where(NAME, "in", ["c/03", "c/07"]), Where(NAME, ">", "c/03"), Where(("w",), "==", 1)))) == "07"
    thirty = (Where(V, "in", [*range(6)]), Where(("w",), "in", [0, 1, 7, 8, 9]))
    assert ids(store, Query("c", thirty)) == "00 01 03 04"


def test_a_count_is_of_all_that_the_conditions_find(store: Store) -> None:
    fill(store, a=1, b=2, c=3, d=4)
    query = Query("c", (Where(V, ">", 1),), V, (), 1, Cursor(3, "c/c"))
    assert ids(store, query) == "d"
    assert store.count(query) == 3


# the bill


def test_the_bill_follows_firestores_rules(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def cost(act: object) -> tuple[int, int, int, int]:
        before = store.bill
        act()  # type: ignore[operator]
        return since(store, before)

    for start in range(0, 1_001, 500):
        store.commit([Set(f"c/{n:04d}", {"v": n}) for n in range(start, min(start + 500, 1_001))])
    assert (store.bill.writes, store.bill.rpcs) == (1_001, 3)
    assert cost(lambda: list(store.scan(Query("nothing")))) == (1, 0, 0, 1)
    assert cost(lambda: list(store.scan(Query("c", limit=7)))) == (7, 0, 0, 1)
    assert cost(lambda: store.get(["c/0001", "c/none", "c/0001"])) == (2, 0, 0, 1)
    assert cost(lambda: store.count(Query("nothing"))) == (1, 0, 0, 1)
    assert cost(lambda: store.count(Query("c"))) == (2, 0, 0, 1)
    assert cost(lambda: store.count(Query("c", (Where(V, "<", 1_000),), order_by=V))) == (1, 0, 0, 1)
    assert cost(lambda: store.commit([Delete("c/0001"), Delete("c/none"), Set("c/0002", {"v": 2})])) == (0, 1, 2, 1)
    monkeypatch.setattr(limits, "MAX_PAGE", 100)
    assert cost(lambda: list(store.scan(Query("c")))) == (1_001, 0, 0, 11)  # the eleventh page is empty
    assert store.bill.by_collection == {"nothing": 2, "c": 7 + 2 + 2 + 1 + 1_001}


def test_a_bill_once_read_does_not_change(store: Store) -> None:
    fill(store, a=1)
    before = store.bill
    before.by_collection["c"] = 99
    fill(store, a=2)
    assert (before.writes, store.bill.writes, store.bill.by_collection) == (1, 2, {})


def test_a_write_that_changes_nothing_is_billed_and_a_refused_commit_is_not(store: Store) -> None:
    fill(store, a=1)
    before = store.bill
    fill(store, a=1)
    assert since(store, before)[:3] == (0, 1, 0)
    before = store.bill
    with pytest.raises(Conflict):
        store.commit([Set("c/z", {}), Set("c/a", {"v": 2}, ABSENT), Delete("c/b")])
    assert since(store, before)[:3] == (0, 0, 0)
