"""The same questions to memory and to the emulator, many and mixed; whatever the answers are, they must be equal."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from penstock.core import limits
from penstock.core.errors import Incomplete, PenstockError
from penstock.core.ordering import key
from penstock.core.records import ABSENT, EXISTS, NAME, Cursor, Delete, Query, Set, Update, Where, Write, as_seen
from penstock.core.values import Data, FieldPath, GeoPoint, Reference, Timestamp, Value, Vector, dumps
from penstock.ports import Store

pytestmark = pytest.mark.emulator
V: FieldPath = ("v",)
BASE = "projects/p/databases/d/documents/"
VALUES: list[Value] = [
    None, False, True,
    math.nan, -math.inf, -(2**63), -1.5, -1, -0.0, 0, 0.0, 1, 1.0, 1.5,
    2**53, 2**53 + 1, float(2**53), 2**63 - 1, 9.3e18, math.inf,
    Timestamp(-1), Timestamp(0), Timestamp(0, 1_000), Timestamp(1),
    "", "A", "a", "aa", "b", "é", "\uffff", "🙂", b"", b"\x00", b"a", b"\xff",
    Reference(BASE + "a/b"), Reference(BASE + "a/b/c/d"), Reference(BASE + "a/c"), Reference(BASE + "a!/b"),
    Reference("projects/o/databases/d/documents/a/b"),
    GeoPoint(-1.0, 5.0), GeoPoint(-0.0, 6.0), GeoPoint(0.0, -5.0), GeoPoint(0.0, -0.0), GeoPoint(0.0, 0.0), GeoPoint(0.0, 5.0),
    [], [None], [math.nan], [1], [1, 2], [1.0, 3], [2], ["a"], [{}], [{"a": 1}],
    Vector((2.0,)), Vector((1.0,)), Vector((-0.0, 5.0)), Vector((0.0, 5.0)), Vector((0.0, -5.0)),
    {}, {"A": 1}, {"a": 1}, {"a": 1, "b": 2}, {"a": 1, "\uffff": 1}, {"a": 1, "🙂": 1}, {"a": 2}, {"a": {"x": 1}}, {"b": 0},
]  # fmt: skip


def answer(store: Store, query: Query) -> Any:
    """What the store says: names and values in order and the count, or the kind of error."""
    try:
        found = [(s.id, dumps(s.data)) for s in store.scan(query)]
    except PenstockError as error:
        return type(error)
    return found, store.count(query)


@pytest.fixture
def filled(both: tuple[Store, Store]) -> tuple[Store, Store]:
    shuffled = VALUES.copy()
    random.Random(7).shuffle(shuffled)
    writes = [Set(f"c/{n:03d}", {"v": value, "n": n % 3}) for n, value in enumerate(shuffled)]
    for store in both:
        store.commit([*writes, Set("c/lacks", {"n": 1})])
    return both


def test_values_of_all_types_stand_in_one_order(filled: tuple[Store, Store]) -> None:
    memory, emulator = (answer(store, Query("c", order_by=V)) for store in filled)
    assert memory == emulator
    assert memory[1] == len(VALUES)


@pytest.mark.parametrize("op", ["==", "!=", "<", "<=", ">", ">=", "array-contains"])
def test_every_operator_finds_the_same_for_every_value(filled: tuple[Store, Store], op: Any) -> None:
    found = 0
    for value in VALUES:
        order = NAME if op in ("==", "array-contains") else V
        memory, emulator = (answer(store, Query("c", (Where(V, op, value),), order_by=order)) for store in filled)
        assert memory == emulator, f"{op} {value!r}"
        found += len(memory[0])
    assert found > 3


@pytest.mark.parametrize("op", ["in", "array-contains-any"])
def test_lists_of_values_find_the_same(filled: tuple[Store, Store], op: Any) -> None:
    chance = random.Random(11)
    for _ in range(30):
        values = chance.sample(VALUES, chance.randint(1, 30))
        memory, emulator = (answer(store, Query("c", (Where(V, op, values),))) for store in filled)
        assert memory == emulator, f"{op} {values!r}"


def test_ranges_within_a_type_find_the_same(filled: tuple[Store, Store]) -> None:
    chance = random.Random(13)
    for _ in range(60):
        low, high = sorted(chance.sample(VALUES, 2), key=key)
        where = (Where(V, ">=", low), Where(V, "<", high), Where(("n",), "==", chance.randint(0, 2)))
        memory, emulator = (answer(store, Query("c", where, order_by=V)) for store in filled)
        assert memory == emulator, f"{low!r} … {high!r}"


def streamed(store: Store, query: Query) -> Any:
    return [(s.id, s.update_time is not None, dumps(s.data)) for s in store.scan(query)]


@pytest.mark.parametrize("path", ["c/000", "c/030", "c/zzz"])
def test_a_scan_goes_on_behind_any_value_of_any_type(filled: tuple[Store, Store], path: str) -> None:
    for value in VALUES:
        query = Query("c", order_by=V, after=Cursor(value, path), limit=4, select=(("n",),))
        memory, emulator = (streamed(store, query) for store in filled)
        assert memory == emulator, repr(value)


@pytest.mark.parametrize("page", [1, 3, 10])
def test_pages_through_all_types_are_the_same(filled: tuple[Store, Store], page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PAGE", page)
    for query in (Query("c", order_by=V), Query("c", order_by=V, select=(("n",),)), Query("c", order_by=V, names_only=True)):
        memory, emulator = (streamed(store, query) for store in filled)
        assert memory == emulator
        assert len(memory) == len(VALUES)


def test_texts_that_differ_behind_what_an_index_holds_stand_in_no_order_that_can_be_trusted(both: tuple[Store, Store]) -> None:
    """The one thing known that memory orders and Firestore does not. What is just short enough stands in one order on both."""
    memory, emulator = both
    for store in both:
        store.commit([Set("c/a", {"v": "x" * 1_499 + "b"}), Set("c/b", {"v": "x" * 1_499 + "a"}), Set("c/c", {"v": "x" * 1_498})])
        store.commit([Set("d/a", {"v": "x" * 1_498 + "b"}), Set("d/b", {"v": "x" * 1_498 + "a"}), Set("d/c", {"v": "x" * 1_498})])
    assert [s.id for s in memory.scan(Query("c", order_by=V))] == ["c", "b", "a"]
    with pytest.raises(Incomplete, match="out of order"):
        list(emulator.scan(Query("c", order_by=V)))
    assert [[s.id for s in store.scan(Query("d", order_by=V))] for store in both] == [["c", "b", "a"]] * 2


def drawn(chance: random.Random) -> Where:
    field: FieldPath = chance.choice([V, ("n",), NAME, ("x",), ("x", "y")])
    op = chance.choice(["==", "!=", "<", "<=", ">", ">=", "in", "array-contains", "array-contains-any"])

    def value() -> Value:
        if field == NAME:
            return f"c/{chance.randrange(80):03d}"
        return chance.randrange(3) if field == ("n",) else chance.choice(VALUES)

    return Where(field, op, [value() for _ in range(chance.randint(1, 6))] if op in ("in", "array-contains-any") else value())


@pytest.mark.parametrize("seed", range(3))
def test_random_queries_of_some_conditions_are_answered_or_refused_alike(both: tuple[Store, Store], seed: int) -> None:
    chance = random.Random(seed)
    documents = [Set(f"c/{n:03d}", {"v": v, "n": n % 3, "x": {"y": v}}) for n, v in enumerate(VALUES)]
    for store in both:
        store.commit([*documents, Set("c/lacks", {"n": 1})])
    found = refused = 0
    for _ in range(120):
        where = tuple(drawn(chance) for _ in range(chance.choice([1, 1, 2, 2, 3])))
        order = next((w.field for w in where if w.op in ("!=", "<", "<=", ">", ">=") and w.field != NAME), NAME)
        query = Query("c", where, order, limit=chance.choice([None, 3]), select=chance.choice([None, (), (("x", "y"), ("n",))]))
        memory, emulator = (answer(store, query) for store in both)
        assert memory == emulator, query
        refused += isinstance(memory, type)
        found += not isinstance(memory, type) and memory[1] > 0
    assert found > 20
    assert refused > 5


SHAPES: Data = {
    "s": 1, "none": None, "list": [1, {"a": 1}], "vector": Vector((1.0, 2.0)), "place": GeoPoint(1.0, 2.0), "empty": {},
    "m": {"a": {"b": 1}, "none": None}, "reference": Reference(BASE + "a/b"),
}  # fmt: skip
MASKS: list[tuple[FieldPath, ...]] = [
    (("vector", "value"),), (("vector", "__type"),), (("list", "0"),), (("list",),), (("m", "a", "b"),), (("m", "a"),), (("m",),),
    (("m", "none", "x"),), (("none", "x"),), (("place", "latitude"),), (("s", "x", "y"),), (("empty", "x"),), (("empty",),),
    (("new", "y"),), (("m", "a", "b"), ("m", "none")), (("m", "q", "r"), ("s",)), (),
]  # fmt: skip
GIVEN: list[Data] = [
    {}, {"vector": Vector((3.0,))}, {"vector": {"value": 1}}, {"m": {"a": {"b": 2}}}, {"m": {}}, {"m": {"a": 5}}, {"empty": {}},
    {"m": {"none": {"x": {}}}}, {"none": {"x": None}}, {"place": {"latitude": 1}}, {"s": {"x": {"y": []}}}, {"empty": {"x": {}}},
    {"new": {"y": {}}}, {"new": {}}, {"list": []}, {"list": {"0": 7}}, {"s": {"x": 3}}, dict(SHAPES),
    {"m": {"q": {"r": Vector((1.0,))}}, "s": [{}]},
]  # fmt: skip


@pytest.mark.parametrize("there", [True, False])
def test_every_mask_writes_and_removes_the_same_in_every_shape_of_document(both: tuple[Store, Store], there: bool) -> None:
    updates = [Update(f"c/{m}-{g}", given, mask) for m, mask in enumerate(MASKS) for g, given in enumerate(GIVEN)]
    seen = []
    for store in both:
        if there:
            store.commit([Set(update.path, SHAPES) for update in updates])
        time = store.commit(updates)
        seen.append([(s.path, s.update_time == time, dumps(s.data)) for s in store.get([update.path for update in updates])])
    for update, memory, emulator in zip(updates, *seen, strict=True):
        assert memory == emulator, (update.mask, update.data)
    assert any(changed for _, changed, _ in seen[0])
    assert not there or not all(changed for _, changed, _ in seen[0])


TWINS: list[tuple[Value, Value]] = [
    (Timestamp(5, 123_456_000), Timestamp(5, 123_456_789)), (math.nan, math.nan), (0.0, -0.0), (1, 1.0), ([1], [1.0]),
    ((1, 2), [1, 2]),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}), (Vector((0.0,)), Vector((-0.0,))), (GeoPoint(0.0, 0.0), GeoPoint(-0.0, 0.0)), ({}, {}),
    (Vector((1.0,)), [1.0]), (b"", ""), (True, 1), (None, False),
]  # fmt: skip


def test_what_is_nearly_equal_is_a_change_on_both_or_on_neither(both: tuple[Store, Store]) -> None:
    seen = []
    for store in both:
        store.commit([Set(f"{c}/{n}", {"v": was}) for n, (was, _) in enumerate(TWINS) for c in "su"])
        sets = [Set(f"s/{n}", {"v": now}) for n, (_, now) in enumerate(TWINS)]
        time = store.commit([*sets, *(Update(f"u/{n}", {"v": now}, (V,)) for n, (_, now) in enumerate(TWINS))])
        found = store.get([f"{c}/{n}" for n in range(len(TWINS)) for c in "su"])
        seen.append([(s.path, s.update_time == time, dumps(s.data)) for s in found])
    assert seen[0] == seen[1]
    assert {changed for _, changed, _ in seen[0]} == {True, False}


def state(store: Store) -> list[tuple[str, str]]:
    return [(s.path, dumps(s.data)) for s in store.scan(Query("c"))]


@pytest.mark.parametrize("seed", range(4))
def test_random_commits_succeed_and_fail_alike_and_leave_the_same_documents(both: tuple[Store, Store], seed: int) -> None:
    chance = random.Random(seed)
    fields: list[FieldPath] = [("a",), ("b",), ("m", "x"), ("m", "y"), ("m", "n", "z")]
    outcomes = []
    for _ in range(60):
        plan = [
            (
                f"c/{document}",
                chance.choice("ssuuud"),
                chance.choice([None, None, None, "absent", "exists", "seen"]),
                chance.choice(VALUES),
                tuple(chance.sample(fields, chance.randint(0, 3))),
            )
            for document in chance.sample("abcdef", chance.randint(1, 4))
        ]
        for store in both:
            seen = {s.path: s for s in store.get([path for path, *_ in plan])}
            writes: list[Write] = []
            for path, kind, given, value, mask in plan:
                needs = {None: None, "absent": ABSENT, "exists": EXISTS, "seen": as_seen(seen[path])}[given]
                data = {"a": value, "m": {"x": 1, "n": {"z": value}}}
                kinds = {"s": Set(path, data, needs), "u": Update(path, data, mask, needs), "d": Delete(path, needs)}
                writes.append(kinds[kind])
            try:
                time = store.commit(writes)
            except PenstockError as error:
                outcomes.append((type(error), None))
            else:
                changed = [s.update_time == time for s in store.get([path for path, *_ in plan])]
                outcomes.append((None, tuple(changed)))
        assert outcomes[-2] == outcomes[-1], plan
        assert state(both[0]) == state(both[1]), plan
    assert len({kind for kind, _ in outcomes}) == 2
