"""What Firestore cannot be asked, refused before anything is sent, so that every store refuses the same queries."""

from __future__ import annotations

import math

from penstock.core.limits import MAX_DISJUNCTIONS, SIZES, Broken, check_document_path, check_field_path, refuse
from penstock.core.records import NAME, Query, Where
from penstock.core.values import Timestamp, Value, dotted

MAX_WANTED = 1_500  # bytes of a value that is compared with: what an index entry holds of one
_LISTS = ("in", "array-contains-any")
_ARRAYS = ("array-contains", "array-contains-any")
_EQUALITIES = ("==", "in")


def check_query(query: Query) -> None:
    """`InvalidInput` for a query that Firestore, or keyset paging, cannot answer."""
    subject = f"query over {query.collection[:200]}"
    if query.collection.count("/") % 2:
        refuse(subject, "names a document, not a collection.", "A collection path has an odd number of parts.")
    check_document_path(f"{query.collection}/id")
    if query.limit is not None and query.limit < 1:
        refuse(subject, f"has a limit of {query.limit}.", "A limit is 1 or more.")
    if query.names_only and query.select is not None:
        refuse(subject, "selects fields and asks for all of their names.", "Ask for one of the two.")
    named = [query.order_by, *(query.select or ()), *(where.field for where in query.where)]
    for path in named:
        if path != NAME:
            check_field_path(path)
    depth = len(query.order_by)
    if any(len(path) > depth and path[:depth] == query.order_by for path in query.select or ()):
        refuse(subject, "selects a part of the field it is ordered by.", "Select the whole field.")
    if query.after is not None:
        check_document_path(query.after.path)
        _check_value(subject, query.after.value)
    for where in query.where:
        _check_condition(subject, query, where)
    _check_together(subject, query)


def _check_condition(subject: str, query: Query, where: Where) -> None:
    if where.op in _LISTS:
        if not (isinstance(where.value, list | tuple) and 0 < len(where.value) <= MAX_DISJUNCTIONS):
            refuse(subject, f"asks `{where.op}` of no list of 1 to {MAX_DISJUNCTIONS}.", "Ask in several queries.")
    elif where.op not in ("==", "array-contains") and where.field not in (NAME, query.order_by):
        refuse(subject, f"compares {dotted(where.field)!r} by `{where.op}` unordered.", "Order by that field.")
    if where.field == NAME and where.op in _ARRAYS:
        refuse(subject, f"asks `{where.op}` of the document's name, which is no array.", "Use `==` or `in`.")
    for value in where.value if where.op in _LISTS else (where.value,):
        if where.field != NAME:
            size = _check_value(subject, value)
            if size > MAX_WANTED:
                refuse(
                    subject, f"compares with a value of {size:,} bytes; at most {MAX_WANTED:,} are indexed.", "Compare in code."
                )
        elif isinstance(value, str):
            check_document_path(value)
        else:
            refuse(subject, "compares a document's name with something else.", "Give a document path.")


def _check_value(subject: str, value: Value) -> int:
    """The bytes of a value."""
    try:
        size = int(SIZES[value.__class__](value, 0))
    except Broken as broken:
        refuse(subject, broken.args[0], broken.args[1])
    if _finer(value):
        refuse(subject, "compares with a time finer than a microsecond, as none is stored.", "Cut it to microseconds.")
    return size


def _finer(value: Value) -> bool:
    if isinstance(value, Timestamp):
        return value.nanos % 1_000 > 0
    if isinstance(value, list | tuple):
        return any(map(_finer, value))
    return isinstance(value, dict) and any(map(_finer, value.values()))


def _check_together(subject: str, query: Query) -> None:
    """What each condition may ask, and all of them may not."""
    ops = [where.op for where in query.where]
    if sum(op in _ARRAYS for op in ops) > 1:
        refuse(subject, "asks twice what an array contains.", "Ask once, and look at the rest in code.")
    if ops.count("!=") > 1:
        refuse(subject, "asks `!=` twice.", "Ask once, and look at the rest in code.")
    if math.prod(len(where.value) for where in query.where if where.op in _LISTS) > MAX_DISJUNCTIONS:
        refuse(subject, f"comes to more than {MAX_DISJUNCTIONS} alternatives.", "Ask in several queries.")
    named = any(where.field == NAME and where.op in _EQUALITIES for where in query.where)
    ranges = {where.field for where in query.where if where.op not in (*_EQUALITIES, *_ARRAYS)}
    if named and ranges and NAME not in ranges:
        refuse(subject, "names documents and asks for a range of another field.", "Get the documents, and compare in code.")
