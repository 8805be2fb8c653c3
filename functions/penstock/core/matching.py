"""Whether a document meets the conditions of a query, by Firestore's rules."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

from penstock.core.ordering import Key, key
from penstock.core.records import NAME, Where
from penstock.core.values import Data, Reference, Timestamp, Value, get_in

_ABSENT = object()
_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def _nothing(value: Value) -> bool:
    """null and NaN: only `==` and `!=` with themselves know them."""
    return value is None or value != value


def _compare(op: str, here: Key, there: Key) -> bool:
    if here[0] != there[0]:
        return False  # an order is asked within one type only
    if op[0] == "<":
        return here < there or (op == "<=" and here == there)
    return here > there or (op == ">=" and here == there)


def _test(where: Where) -> Callable[[Value], bool]:
    """Whether a value meets a condition. What is wanted is put in order once, and not for each document."""
    wanted, op = where.value, where.op
    if op in ("in", "array-contains", "array-contains-any"):
        keys = [key(one) for one in ([wanted] if op == "array-contains" else wanted) if not _nothing(one)]
        if op == "in":
            return lambda value: key(value) in keys
        return lambda value: isinstance(value, list) and any(key(inner) in keys for inner in value)
    there = key(wanted)
    match op:
        case "!=":
            return lambda value: value is not None and key(value) != there
        case "==":
            return lambda value: key(value) == there
        case _ if isinstance(wanted, Timestamp):  # what releases are asked most, of thousands of documents at a time
            in_order = _ORDERS[op]
            return lambda value: isinstance(value, Timestamp) and in_order(value, wanted)
        case _:
            nothing = _nothing(wanted)
            return lambda value: not nothing and not _nothing(value) and _compare(op, key(value), there)


def _by_reference(where: Where, documents: str) -> Where:
    many = where.op == "in"
    named = [Reference(f"{documents}/{path}") for path in where.value] if many else Reference(f"{documents}/{where.value}")
    return Where(where.field, where.op, named)


def matcher(conditions: Sequence[Where], documents: str) -> Callable[[Data, str], bool]:
    """Tells of a document and its path whether all conditions hold; a document without the field meets none, `!=` included.
    `documents` is the resource name that paths are under."""
    tests = [(w.field, _test(_by_reference(w, documents) if w.field == NAME else w)) for w in conditions]

    def matches(data: Data, path: str) -> bool:
        for field, holds in tests:
            value = Reference(f"{documents}/{path}") if field == NAME else get_in(data, field, _ABSENT)
            if value is _ABSENT or not holds(value):
                return False
        return True

    return matches
