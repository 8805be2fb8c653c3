"""Firestore's limits, checked before anything is sent, so that every store refuses the same things with the same words.

No value is ever quoted in an error: names of documents and fields are enough to find it, and values may be private."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from penstock.core.errors import InvalidInput
from penstock.core.records import NAME, Delete, Query, Set, Update, Write
from penstock.core.values import FieldPath, GeoPoint, Reference, Timestamp, Value, Vector

MAX_WRITES = 500
MAX_REQUEST = 10 * 2**20  # bytes
MAX_DOCUMENT = 2**20  # bytes, as Firestore counts a document's size
MAX_DEPTH = 20
MAX_NAME = 1500  # bytes of a document id, a field name or a field path
MAX_DIMENSIONS = 2048
MAX_DISJUNCTIONS = 30
MAX_PAGE = 10_000  # documents asked for at once by a scan: a page costs one round trip, and its documents stream

_RESERVED = re.compile(r"__.*__", re.DOTALL)
_FIRST, _LAST = -62_135_596_800, 253_402_300_799  # the years 1 to 9999


class _Broken(Exception):
    """What is wrong and what to do; becomes InvalidInput once the document is known."""


def _broken(what: str, remedy: str) -> NoReturn:
    raise _Broken(what, remedy)


def _bytes(text: str) -> int:
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        _broken("holds text with half a surrogate pair, which is not Unicode.", "Repair the text before it is stored.")


def _name(name: str) -> int:
    size = _bytes(name)
    if not 0 < size <= MAX_NAME or _RESERVED.fullmatch(name):
        _broken(f"has a field named {name[:60]!r}.", f"A field name is 1 to {MAX_NAME} bytes and not of the form __name__.")
    return size


def _integer(value: int, _depth: int) -> int:
    if not -(2**63) <= value < 2**63:
        _broken("holds an integer beyond 64 bits.", "Store it as text.")
    return 8


def _time(value: Timestamp, _depth: int) -> int:
    if not (_FIRST <= value.seconds <= _LAST and 0 <= value.nanos < 10**9):
        _broken("holds a time outside the years 1 to 9999.", "Correct the time.")
    return 8


def _place(value: GeoPoint, _depth: int) -> int:
    if not (-90 <= value.latitude <= 90 and -180 <= value.longitude <= 180):
        _broken("holds a place outside -90..90, -180..180 degrees.", "Correct the coordinates; perhaps they are swapped.")
    return 16


def _reference(value: Reference, _depth: int) -> int:
    parts = value.name.split("/")
    if len(parts) < 7 or len(parts) % 2 == 0 or parts[0::2][:2] != ["projects", "databases"] or parts[4] != "documents" or "" in parts:
        _broken(
            "holds a reference that names no document.", "A reference is projects/…/databases/…/documents/… down to a document."
        )
    return _bytes(value.name) + 1


def _vector(value: Vector, _depth: int) -> int:
    if not 0 < len(value.values) <= MAX_DIMENSIONS:
        _broken(f"holds a vector of {len(value.values)} dimensions.", f"A vector has 1 to {MAX_DIMENSIONS}.")
    return 8 * len(value.values) + 30  # the map that it is inside: __type__, __vector__, value


def _array(value: Sequence[Value], depth: int) -> int:
    if depth >= MAX_DEPTH:
        _broken(f"is nested more than {MAX_DEPTH} levels deep.", "Flatten it, or store it as text.")
    size = 0
    for inner in value:
        if isinstance(inner, list | tuple):
            _broken("holds an array directly in an array.", "Put a map in between.")
        size += SIZES[inner.__class__](inner, depth + 1)
    return size


def _map(value: Mapping[str, Value], depth: int) -> int:
    if depth >= MAX_DEPTH:
        _broken(f"is nested more than {MAX_DEPTH} levels deep.", "Flatten it, or store it as text.")
    size = 0
    for name, inner in value.items():
        size += _name(name) + 1 + SIZES[inner.__class__](inner, depth + 1)
    return size


class ByClass(dict[type, Callable[..., Any]]):
    """A function per Firestore value type, found by the value's class; a subclass finds its base's and keeps it."""

    def __missing__(self, cls: type) -> Callable[..., Any]:
        for base in (str, int, float, bytes, list, tuple, Mapping):
            if issubclass(cls, base):
                found = self[cls] = self[dict if base is Mapping else list if base is tuple else base]
                return found
        _broken(f"holds a {cls.__name__}, which is no Firestore value.", "Convert it first: a datetime by `Timestamp.of`.")


SIZES = ByClass(
    {
        type(None): lambda value, depth: 1,
        bool: lambda value, depth: 1,
        int: _integer,
        float: lambda value, depth: 8,
        str: lambda value, depth: _bytes(value) + 1,
        bytes: lambda value, depth: len(value),
        Timestamp: _time,
        Reference: _reference,
        GeoPoint: _place,
        Vector: _vector,
        list: _array,
        dict: _map,
    }
)


def _check_path(path: str) -> int:
    """The size of a document's name; raises _Broken where it cannot be one."""
    segments = path.split("/")
    if len(segments) % 2:
        _broken("is no document path.", "A document path is collection/id, perhaps several times over.")
    size = 16
    for segment in segments:
        length = _bytes(segment)
        if not 0 < length <= MAX_NAME or segment in (".", "..") or _RESERVED.fullmatch(segment):
            _broken("has an id that Firestore refuses.", f"An id is 1 to {MAX_NAME} bytes, and not `.`, `..` or of the form __id__.")
        size += length + 1
    return size


def check_field_path(path: FieldPath) -> None:
    """`InvalidInput` unless Firestore can address the field."""
    try:
        if not path or sum(_name(segment) + 1 for segment in path) - 1 > MAX_NAME:
            _broken(f"is longer than {MAX_NAME} bytes, or empty.", "Use shorter field names.")
    except _Broken as broken:
        raise InvalidInput(broken.args[0], subject=f"field path {'.'.join(path)[:80]!r}", remedy=broken.args[1]) from None


def document_size(path: str, data: Mapping[str, Value]) -> int:
    """The bytes that Firestore counts for a document; `InvalidInput` if it could not be stored."""
    try:
        size = _check_path(path) + 32 + _map(data, -1)
        if size > MAX_DOCUMENT:
            _broken(f"is {size:,} bytes; a document has at most {MAX_DOCUMENT:,}.", "Split it or leave fields out.")
        return size
    except _Broken as broken:
        raise InvalidInput(broken.args[0], subject=path[:200], remedy=broken.args[1]) from None


def check_document_path(path: str) -> None:
    """`InvalidInput` unless the path can be a document's."""
    document_size(path, {})


def check_request_size(size: int) -> None:
    """`InvalidInput` for a commit of more bytes than Firestore takes at once."""
    if size > MAX_REQUEST:
        raise InvalidInput(
            f"is {size:,} bytes; Firestore takes at most {MAX_REQUEST:,}.", subject="the commit", remedy="Commit fewer documents at once."
        )


def check_commit(writes: Sequence[Write]) -> int:
    """The bytes of the documents to be written; `InvalidInput`, naming the document, if Firestore would refuse them."""
    if len(writes) > MAX_WRITES:
        raise InvalidInput(
            f"has {len(writes)} writes; Firestore takes at most {MAX_WRITES}.", subject="the commit", remedy="Commit fewer at once."
        )
    size = 0
    for write in writes:
        given = write.precondition
        if given is not None and given.update_time is not None and given.exists is False:
            raise InvalidInput(
                "is to be absent and to have an update time.", subject=write.path, remedy="Give one precondition or the other."
            )
        match write:
            case Set():
                size += document_size(write.path, write.data)
            case Update():
                for path in write.mask:
                    check_field_path(path)
                size += document_size(write.path, write.data)
            case Delete():
                check_document_path(write.path)
                size += len(write.path)
    check_request_size(size)
    return size


def check_query(query: Query) -> None:
    """`InvalidInput` for a query that Firestore, or keyset paging, cannot answer."""

    def refuse(what: str, remedy: str) -> NoReturn:
        raise InvalidInput(what, subject=f"query over {query.collection}", remedy=remedy)

    if query.collection.count("/") % 2:
        refuse("names a document, not a collection.", "A collection path has an odd number of parts.")
    check_document_path(f"{query.collection}/id")
    if query.limit is not None and query.limit < 1:
        refuse(f"has a limit of {query.limit}.", "A limit is 1 or more.")
    if query.order_by != NAME:
        check_field_path(query.order_by)
        longer = [p for p in query.select or () if len(p) > len(query.order_by) and p[: len(query.order_by)] == query.order_by]
        if longer:
            refuse("selects a part of the field it is ordered by.", "Select the whole field.")
    for path in query.select or ():
        check_field_path(path)
    for where in query.where:
        if where.field != NAME:
            check_field_path(where.field)
        if where.op in ("in", "array-contains-any") and not (
            isinstance(where.value, list | tuple) and 0 < len(where.value) <= MAX_DISJUNCTIONS
        ):
            refuse(f"asks `{where.op}` of a list that is not 1 to {MAX_DISJUNCTIONS} long.", "Ask in several queries.")
