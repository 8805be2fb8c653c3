"""Firestore's limits, checked before anything is sent, so that every store refuses the same things with the same words.

No value is ever quoted in an error: names of documents and fields are enough to find it, and values may be private."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NoReturn

from penstock.core.errors import InvalidInput
from penstock.core.records import Delete, Set, Update, Write
from penstock.core.values import Data, FieldPath, GeoPoint, Reference, Timestamp, Value, Vector, dotted, get_in, set_in

MAX_WRITES = 5_000  # ours: of Firestore's own limits, since 2023, only the size of the request bounds a commit
MAX_REQUEST = 10 * 2**20  # bytes
MAX_DOCUMENT = 2**20  # bytes, as Firestore counts a document's size
MAX_DEPTH = 20
MAX_NAME = 1500  # bytes of a document id, a field name or a field path
MAX_VALUE = 1_048_487  # bytes of one text or byte string
MAX_DIMENSIONS = 2048
MAX_DISJUNCTIONS = 30  # values in one `in`
MAX_PAGE = 50_000  # documents that a scan asks for at once; they stream, so a page is a matter of time and not of memory

FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799  # the years 1 to 9999


class Broken(Exception):
    """What is wrong and what to do; becomes InvalidInput once the document is known."""


def _broken(what: str, remedy: str) -> NoReturn:
    raise Broken(what, remedy)


def _reserved(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and len(name) > 3


def _bytes(text: str) -> int:
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        _broken("holds text with half a surrogate pair, which is not Unicode.", "Repair the text before it is stored.")


@lru_cache(maxsize=4_096)
def check_name(name: str) -> int:
    """The bytes of a field's name; raises Broken where it cannot be one."""
    size = _bytes(name)
    if not 0 < size <= MAX_NAME or _reserved(name):
        _broken(f"has a field named {name[:60]!r}.", f"A field name is 1 to {MAX_NAME} bytes and not of the form __name__.")
    return size


def _fixed(size: int) -> Callable[[Value, int], int]:
    return lambda _value, _depth: size


def _text(value: str, _depth: int) -> int:
    size = _bytes(value)
    if size > MAX_VALUE:
        _broken(f"holds a text of {size:,} bytes; a text has at most {MAX_VALUE:,}.", "Shorten or split it.")
    return size + 1


def _octets(value: bytes, _depth: int) -> int:
    if len(value) > MAX_VALUE:
        _broken(f"holds {len(value):,} bytes in one field; it takes at most {MAX_VALUE:,}.", "Split them.")
    return len(value)


def _integer(value: int, _depth: int) -> int:
    if not -(2**63) <= value < 2**63:
        _broken("holds an integer beyond 64 bits.", "Store it as text.")
    return 8


def _time(value: Timestamp, _depth: int) -> int:
    if not (FIRST_SECOND <= value.seconds <= LAST_SECOND and 0 <= value.nanos < 10**9):
        _broken("holds a time outside the years 1 to 9999.", "Correct the time.")
    return 8


def _place(value: GeoPoint, _depth: int) -> int:
    if not (-90 <= value.latitude <= 90 and -180 <= value.longitude <= 180):
        _broken("holds a place outside -90..90, -180..180 degrees.", "Correct the coordinates; perhaps they are swapped.")
    return 16


def _reference(value: Reference, _depth: int) -> int:
    parts = value.name.split("/")
    fixed = (parts[0], parts[2], parts[4]) if len(parts) >= 7 else ()
    if fixed != ("projects", "databases", "documents") or len(parts) % 2 == 0 or "" in parts:
        _broken("holds a reference that names no document.", "It is projects/…/databases/…/documents/… down to a document.")
    return _bytes(value.name) + 1


def _vector(value: Vector, _depth: int) -> int:
    if not 0 < len(value.values) <= MAX_DIMENSIONS:
        _broken(f"holds a vector of {len(value.values)} dimensions.", f"A vector has 1 to {MAX_DIMENSIONS}.")
    if any(inner != inner for inner in value.values):
        _broken("holds a vector with NaN in it.", "Leave the vector out until it can be computed.")
    return 8 * len(value.values) + 30  # the map that it is inside: __type__, __vector__, value


def _array(value: Sequence[Value], depth: int) -> int:
    if depth >= MAX_DEPTH:
        _broken(f"is nested more than {MAX_DEPTH} levels deep.", "Flatten it, or store it as text.")
    size = 0
    for inner in value:
        if isinstance(inner, list | tuple | Vector):
            _broken("holds an array or a vector directly in an array.", "Put a map in between.")
        size += SIZES[inner.__class__](inner, depth + 1)
    return size


def _map(value: Mapping[str, Value], depth: int) -> int:
    if depth >= MAX_DEPTH:
        _broken(f"is nested more than {MAX_DEPTH} levels deep.", "Flatten it, or store it as text.")
    size = 0
    for name, inner in value.items():
        size += check_name(name) + 1 + SIZES[inner.__class__](inner, depth + 1)
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
        type(None): _fixed(1),
        bool: _fixed(1),
        int: _integer,
        float: _fixed(8),
        str: _text,
        bytes: _octets,
        Timestamp: _time,
        Reference: _reference,
        GeoPoint: _place,
        Vector: _vector,
        list: _array,
        dict: _map,
    }
)


def _check_path(path: str) -> int:
    """The size of a document's name; raises Broken where it cannot be one."""
    collection, slash, id = path.rpartition("/")
    if not slash or collection.count("/") % 2:
        _broken("is no document path.", "A document path is collection/id, perhaps several times over.")
    return 16 + _check_collection(collection) + _check_id(id)


@lru_cache(maxsize=1_024)
def _check_collection(collection: str) -> int:
    return sum(map(_check_id, collection.split("/")))


def _check_id(id: str) -> int:
    length = _bytes(id)
    if not 0 < length <= MAX_NAME or id in (".", "..") or _reserved(id):
        _broken("has an id that Firestore refuses.", f"An id is 1 to {MAX_NAME} bytes, not `.`, `..` or __id__.")
    return length + 1


def check_field_path(path: FieldPath) -> None:
    """`InvalidInput` unless Firestore can address the field."""
    try:
        if not path or sum(check_name(segment) + 1 for segment in path) - 1 > MAX_NAME:
            _broken(f"is longer than {MAX_NAME} bytes, or empty.", "Use shorter field names.")
    except Broken as broken:
        raise InvalidInput(broken.args[0], subject=f"field path {'.'.join(path)[:80]!r}", remedy=broken.args[1]) from None


def document_size(path: str, data: Mapping[str, Value]) -> int:
    """The bytes that Firestore counts for a document; `InvalidInput` if it could not be stored."""
    try:
        size = _check_path(path) + 32 + _map(data, -1)  # -1: a document is no level of its own
        if size > MAX_DOCUMENT:
            _broken(f"is {size:,} bytes; a document has at most {MAX_DOCUMENT:,}.", "Split it or leave fields out.")
        return size
    except Broken as broken:
        raise InvalidInput(broken.args[0], subject=path[:200], remedy=broken.args[1]) from None


def check_document_path(path: str) -> None:
    """`InvalidInput` unless the path can be a document's."""
    try:
        _check_path(path)
    except Broken as broken:
        raise InvalidInput(broken.args[0], subject=path[:200], remedy=broken.args[1]) from None


def masked(write: Update) -> Data:
    """The part of an update's data that its mask names. Shares values with `write`."""
    absent = object()
    part: Data = {}
    for path in write.mask:
        value = get_in(write.data, path, absent)
        if value is not absent:
            set_in(part, path, value)
    return part


def refuse(subject: str, what: str, remedy: str) -> NoReturn:
    """Raises `InvalidInput`."""
    raise InvalidInput(what, subject=subject, remedy=remedy)


def check_request_size(size: int) -> None:
    """`InvalidInput` for a commit of more bytes than Firestore takes at once."""
    if size > MAX_REQUEST:
        refuse("the commit", f"is {size:,} bytes; Firestore takes at most {MAX_REQUEST:,}.", "Commit fewer documents at once.")


def _check_mask(write: Update) -> None:
    ordered = sorted(write.mask)
    for path in ordered:
        check_field_path(path)
    for shorter, longer in pairwise(ordered):
        if longer[: len(shorter)] == shorter:
            refuse(write.path, f"has the field {dotted(longer)[:80]!r} twice in its mask.", "Name it once, whole or in parts.")


def check_writes(writes: Sequence[Write]) -> None:
    """Everything about a commit but the content of its documents. `InvalidInput`, naming the document, if Firestore would refuse
    it, or if two writes meet one document: what a precondition means then is not the same everywhere."""
    if not 0 < len(writes) <= MAX_WRITES:
        refuse("the commit", f"has {len(writes)} writes; a commit takes 1 to {MAX_WRITES:,}.", "Commit fewer at once.")
    seen: set[str] = set()
    masks: set[tuple[FieldPath, ...]] = set()
    for write in writes:
        if isinstance(write, Delete) or write.prepared is None:  # else it was looked at when the write was prepared
            check_document_path(write.path)
        given = write.precondition
        if given is not None and given.update_time is not None and given.exists is False:
            refuse(write.path, "is to be absent and to have an update time.", "Give one precondition or the other.")
        if given is not None and given.update_time is not None:
            _check_moment(write.path, given.update_time)
        if write.path in seen:
            refuse(write.path, "is written twice in one commit.", "Merge the two writes.")
        seen.add(write.path)
        if isinstance(write, Update) and write.mask not in masks:  # most of a commit write the same fields
            _check_mask(write)
            masks.add(write.mask)


def check_commit(writes: Sequence[Write]) -> int:
    """The bytes of the documents to be written; `InvalidInput`, naming the document, if Firestore would refuse them."""
    check_writes(writes)
    size = 0
    for write in writes:
        if isinstance(write, Update):
            size += document_size(write.path, masked(write))
        else:
            size += document_size(write.path, write.data if isinstance(write, Set) else {})
    check_request_size(size)
    return size


def _check_moment(subject: str, moment: Timestamp) -> None:
    """A moment at which a commit can have been: after 1970 has begun, in whole microseconds."""
    seconds, nanos = moment.seconds, moment.nanos
    if not ((seconds, nanos) > (0, 0) and seconds <= LAST_SECOND and 0 <= nanos < 10**9) or nanos % 1_000:
        what = f"names a moment, {seconds} s and {nanos} ns since 1970, at which nothing can be committed."
        refuse(subject, what, "Take the time that a commit or a read gave; it is in whole microseconds.")


def check_read_time(read_time: Timestamp | None) -> None:
    """`InvalidInput` for a time that Firestore cannot be asked for."""
    if read_time is not None:
        _check_moment("a read", read_time)


def check_get(paths: Sequence[str], read_time: Timestamp | None, select: Sequence[FieldPath] | None) -> None:
    """`InvalidInput` for a path, a field or a time that Firestore cannot be asked for."""
    check_read_time(read_time)
    for path in paths:
        check_document_path(path)
    for field in select or ():
        check_field_path(field)
