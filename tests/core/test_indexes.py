from __future__ import annotations

from typing import Any

import pytest
from penstock.core.indexes import lacking, needs_composite, single_fields
from penstock.core.records import NAME, Query, Where

A, B, LIST = ("a",), ("b",), ("tags",)
EQUAL_A, EQUAL_B = Where(A, "==", 1), Where(B, "==", 2)
HAS = Where(LIST, "array-contains", "x")

SERVED = {
    "all": Query("c"),
    "names": Query("c", (Where(NAME, ">=", "c/1"), Where(NAME, "<=", "c/9"))),
    "two equalities": Query("c", (EQUAL_A, EQUAL_B)),
    "an equality and names": Query("c", (EQUAL_A, Where(NAME, ">", "c/1"))),
    "one of a list": Query("c", (Where(A, "in", [1, 2]),)),
    "a member": Query("c", (HAS,)),
    "a range": Query("c", (Where(A, ">", 1), Where(A, "<", 9)), A),
    "the equality it is ordered by": Query("c", (EQUAL_A,), A),
}
COMPOSITE = {
    "an equality and a range": (Query("c", (EQUAL_A, Where(B, ">", 1)), B), (("a", "ASCENDING"), ("b", "ASCENDING"))),
    "an equality and an order": (Query("c", (EQUAL_B,), A), (("b", "ASCENDING"), ("a", "ASCENDING"))),
    "an equality and a member": (Query("c", (EQUAL_A, HAS)), (("a", "ASCENDING"), ("tags", "CONTAINS"))),
    "a member and an order": (Query("c", (HAS,), A), (("tags", "CONTAINS"), ("a", "ASCENDING"))),
}


def declared(*fields: tuple[str, str], overrides: tuple[dict[str, Any], ...] = (), scope: str = "COLLECTION") -> dict[str, Any]:
    parts = [{"fieldPath": f, "arrayConfig" if mode == "CONTAINS" else "order": mode} for f, mode in fields]
    index = {"collectionGroup": "c", "queryScope": scope, "fields": parts}
    return {"indexes": [index] if fields else [], "fieldOverrides": list(overrides)}


def override(path: str, *orders: str) -> dict[str, Any]:
    return {"collectionGroup": "c", "fieldPath": path, "indexes": [{"order": order} for order in orders]}


@pytest.mark.parametrize("query", SERVED.values(), ids=SERVED)
def test_single_field_indexes_serve_equalities_or_one_field_in_order(query: Query) -> None:
    assert needs_composite(query) is None
    assert lacking(query, declared()) == ()


@pytest.mark.parametrize(("query", "wanted"), COMPOSITE.values(), ids=COMPOSITE)
def test_a_query_over_several_fields_names_the_index_it_needs(query: Query, wanted: tuple[tuple[str, str], ...]) -> None:
    assert needs_composite(query) == wanted
    assert lacking(query, declared()) == wanted
    assert lacking(query, declared(*wanted)) == ()
    assert lacking(query, declared(*wanted, scope="COLLECTION_GROUP")) == wanted


def test_an_index_that_ends_with_another_field_does_not_serve_an_order() -> None:
    query, wanted = COMPOSITE["an equality and a range"]
    assert lacking(query, declared(*reversed(wanted))) == wanted


def test_the_equalities_of_an_index_may_stand_in_any_order() -> None:
    query = Query("c", (EQUAL_A, EQUAL_B), ("d",))
    assert lacking(query, declared(("b", "ASCENDING"), ("a", "ASCENDING"), ("d", "ASCENDING"))) == ()


def test_an_index_of_another_collection_does_not_serve() -> None:
    query, wanted = COMPOSITE["an equality and a range"]
    assert lacking(Query("other", query.where, query.order_by), declared(*wanted)) == wanted


def test_a_collection_is_known_by_its_last_name() -> None:
    query, wanted = COMPOSITE["an equality and a range"]
    assert lacking(Query("tenants/nepal/c", query.where, query.order_by), declared(*wanted)) == ()


def test_a_field_exempt_from_indexing_cannot_be_asked_for() -> None:
    exempt = declared(overrides=(override("a"),))
    assert lacking(Query("c", (EQUAL_A, EQUAL_B)), exempt) == (("a", "ASCENDING"),)
    assert lacking(Query("c", (EQUAL_B,)), exempt) == ()


def test_a_field_that_is_named_counts_before_the_wildcard() -> None:
    exempt = declared(overrides=(override("*"), override("a", "ASCENDING")))
    assert lacking(Query("c", (EQUAL_A,)), exempt) == ()
    assert lacking(Query("c", (EQUAL_B,)), exempt) == (("b", "ASCENDING"),)
    assert lacking(Query("c"), exempt) == ()


def test_a_field_within_an_exempt_map_is_exempt() -> None:
    exempt = declared(overrides=(override("map"), override("map.open", "ASCENDING")))
    assert lacking(Query("c", (Where(("map", "closed"), "==", 1),)), exempt) == (("map.closed", "ASCENDING"),)
    assert lacking(Query("c", (Where(("map", "open"), "==", 1),)), exempt) == ()


def test_an_index_in_order_does_not_serve_a_membership() -> None:
    assert lacking(Query("c", (HAS,)), declared(overrides=(override("tags", "ASCENDING"),))) == (("tags", "CONTAINS"),)


def test_a_query_by_composite_index_leans_on_no_single_field() -> None:
    assert single_fields(COMPOSITE["an equality and a member"][0]) == frozenset()
    assert single_fields(SERVED["two equalities"]) == {("a", "ASCENDING"), ("b", "ASCENDING")}
