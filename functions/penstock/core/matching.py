"""Whether a document meets the conditions of a query, by Firestore's rules."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core.ordering import Key, key
from penstock.core.records import NAME, Where
from penstock.core.values import Data, Reference, Value, get_in

_ABSENT = object()


def _nothing(value: Value) -> bool:
    """null and NaN: only `==` and `!=` with themselves know them."""
    return value is None or value != value


def _compare(op: str, here: Key, there: Key) -> bool:
    if here[0] != there[0]:
        return False  # an order is asked within one type only
    if op[0] == "<":
        return here < there or (op == "<=" and here == there)
    return here > there or (op == ">=" and here == there)


def _meets(where: Where, value: Value) -> bool:
    wanted = where.value
    match where.op:
        case "!=":
            return value is not None and key(value) != key(wanted)
        case "==":
            return key(value) == key(wanted)
        case "in":
            return any(not _nothing(one) and key(value) == key(one) for one in wanted)
        case "array-contains":
            return _holds(value, [wanted])
        case "array-contains-any":
            return _holds(value, wanted)
        case _:
            return not _nothing(wanted) and not _nothing(value) and _compare(where.op, key(value), key(wanted))


def _holds(value: Value, wanted: Sequence[Value]) -> bool:
    keys = [key(one) for one in wanted if not _nothing(one)]
    return isinstance(value, list) and any(key(inner) in keys for inner in value)


def _by_reference(where: Where, documents: str) -> Where:
    many = where.op == "in"
    named = [Reference(f"{documents}/{path}") for path in where.value] if many else Reference(f"{documents}/{where.value}")
    return Where(where.field, where.op, named)


def matches(conditions: Sequence[Where], data: Data, path: str, documents: str) -> bool:
    """True if all conditions hold; a document without the field meets none, `!=` included. `documents` is the resource name
    that `path` is under."""
    for condition in conditions:
        where = condition
        if where.field == NAME:
            where, value = _by_reference(condition, documents), Reference(f"{documents}/{path}")
        else:
            value = get_in(data, where.field, _ABSENT)
        if value is _ABSENT or not _meets(where, value):
            return False
    return True
