"""Values, documents and writes as the bytes of Firestore's protobuf messages (document.proto, write.proto, firestore.proto).

Written by hand because a promotion spends its time here: setting the same fields through the protobuf library takes twice as
long, and through the client library twenty times. The library reads these bytes back in the tests.

Encoding is optimistic: it stops at the first thing that looks wrong, and `limits` then says what it is."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache

from penstock.core import limits
from penstock.core.limits import ByClass
from penstock.core.records import Delete, Precondition, Prepared, Set, Write
from penstock.core.values import GeoPoint, Reference, Timestamp, Value, Vector

_LARGE = limits.MAX_DOCUMENT // 4  # Firestore counts at most four bytes for one of ours: less than this cannot be too large
_DOUBLE = struct.Struct("<d").pack
_SHORT = 125  # bytes; a shorter text needs one byte for each of its lengths


class _Suspect(Exception):
    """Something that `limits` would refuse."""


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the usual sizes without a loop."""
    if number < 2**14:
        return bytes((number & 127 | 128, number >> 7)) if number > 127 else bytes((number,))
    if number < 2**21:
        return bytes((number & 127 | 128, number >> 7 & 127 | 128, number >> 14))
    low = bytes((number & 127 | 128, number >> 7 & 127 | 128, number >> 14 & 127 | 128))
    return low + _varint(number >> 21)


_SMALL = [_varint(n) for n in range(2_048)]
_SHORT_TEXTS = [bytes((0x0A, n + 3, 0x8A, 0x01, n)) for n in range(_SHORT)]  # before a text in an array


def _length(size: int) -> bytes:
    return _SMALL[size] if size < 2_048 else _varint(size)


def _delimited(tag: bytes, body: bytes) -> bytes:
    return tag + _length(len(body)) + body


def _int(value: int, _depth: int) -> bytes:
    if 0 <= value < 2_048:
        return b"\x10" + _SMALL[value]
    if not -(2**63) <= value < 2**63:
        raise _Suspect
    return b"\x10" + _varint(value & (2**64 - 1))


def _str(value: str, _depth: int) -> bytes:
    body = value.encode()
    if len(body) > limits.MAX_VALUE:
        raise _Suspect
    return _delimited(b"\x8a\x01", body)


def _bytes(value: bytes, _depth: int) -> bytes:
    if len(value) > limits.MAX_VALUE:
        raise _Suspect
    return _delimited(b"\x92\x01", value)


def time(value: Timestamp) -> bytes:
    """The body of a google.protobuf.Timestamp."""
    seconds = value.seconds
    if 2**28 <= seconds < 2**35:  # 1978 to 3058: five bytes
        low, high = seconds & 127 | 128, seconds >> 28
        body = bytes((8, low, seconds >> 7 & 127 | 128, seconds >> 14 & 127 | 128, seconds >> 21 & 127 | 128, high))
    else:
        body = b"\x08" + _varint(seconds & (2**64 - 1))
    return body + b"\x10" + _varint(value.nanos) if value.nanos else body


def _time(value: Timestamp, _depth: int) -> bytes:
    if not (limits.FIRST_SECOND <= value.seconds <= limits.LAST_SECOND and 0 <= value.nanos < 10**9):
        raise _Suspect
    body = time(value)
    return b"\x52" + _SMALL[len(body)] + body


def _reference(value: Reference, depth: int) -> bytes:
    limits.SIZES[Reference](value, depth)
    return _delimited(b"\x2a", value.name.encode())


def _place(value: GeoPoint, depth: int) -> bytes:
    limits.SIZES[GeoPoint](value, depth)
    return _delimited(b"\x42", b"\x09" + _DOUBLE(value.latitude) + b"\x11" + _DOUBLE(value.longitude))


def _array_of(bodies: Sequence[bytes]) -> bytes:
    parts: list[bytes] = []
    for body in bodies:
        parts += (b"\x0a", _length(len(body)), body)
    return _delimited(b"\x4a", b"".join(parts))


def _array(value: Sequence[Value], depth: int) -> bytes:
    if depth >= limits.MAX_DEPTH:
        raise _Suspect
    parts: list[bytes] = []
    for inner in value:
        if inner.__class__ is str and len(body := inner.encode()) < _SHORT:
            parts += (_SHORT_TEXTS[len(body)], body)
        else:
            body = _IN_ARRAY[inner.__class__](inner, depth + 1)
            parts += (b"\x0a", _length(len(body)), body)
    return _delimited(b"\x4a", b"".join(parts))


def _refused(_value: Value, _depth: int) -> bytes:
    raise _Suspect


def _map(value: Mapping[str, Value], depth: int) -> bytes:
    if depth >= limits.MAX_DEPTH:
        raise _Suspect
    return _delimited(b"\x32", _fields(_OF_MAPS, value, depth))


def _vector(value: Vector, depth: int) -> bytes:
    """A map {"__type__": "__vector__", "value": [doubles]}."""
    limits.SIZES[Vector](value, depth)
    kind = _delimited(b"\x0a", b"__type__") + _delimited(b"\x12", _str("__vector__", 0))
    doubles = _delimited(b"\x0a", b"value") + _delimited(b"\x12", _array_of([b"\x19" + _DOUBLE(inner) for inner in value.values]))
    return _delimited(b"\x32", _delimited(b"\x0a", kind) + _delimited(b"\x0a", doubles))


_ENCODE = ByClass(
    {
        type(None): lambda _value, _depth: b"\x58\x00",
        bool: lambda value, _depth: b"\x08\x01" if value else b"\x08\x00",
        int: _int,
        float: lambda value, _depth: b"\x19" + _DOUBLE(value),
        str: _str,
        bytes: _bytes,
        Timestamp: _time,
        Reference: _reference,
        GeoPoint: _place,
        Vector: _vector,
        list: _array,
        dict: _map,
    }
)


_IN_ARRAY = ByClass({**_ENCODE, list: _refused, Vector: _refused})


class _Field:
    """What stands before the value of one field, by the value's size: made once, for it is the same in every document."""

    __slots__ = ("_key", "_tag", "texts", "values")

    def __init__(self, tag: bytes, name: str) -> None:
        limits.check_name(name)
        self._tag = tag
        self._key = _delimited(b"\x0a", name.encode())
        self.texts: list[bytes | None] = [None] * _SHORT  # by the length of a text
        self.values: list[bytes | None] = [None] * _SHORT  # by the length of an encoded value

    def before(self, size: int) -> bytes:
        """Before an encoded value of so many bytes."""
        key = self._key + b"\x12" + _length(size)
        return self._tag + _length(len(key) + size) + key

    def before_value(self, size: int) -> bytes:
        self.values[size] = found = self.before(size)
        return found

    def before_text(self, size: int) -> bytes:
        self.texts[size] = found = self.before(size + 3) + b"\x8a\x01" + _length(size)
        return found


class _Fields(dict[str, _Field]):
    """The fields met so far, by name, of documents or of maps."""

    def __init__(self, tag: bytes) -> None:
        self._tag = tag

    def __missing__(self, name: str) -> _Field:
        if len(self) >= 2_000:  # maps with ever new names must not fill the memory
            self.clear()
        found = self[name] = _Field(self._tag, name)
        return found


_OF_DOCUMENTS, _OF_MAPS = _Fields(b"\x12"), _Fields(b"\x0a")


def _fields(known: _Fields, data: Mapping[str, Value], depth: int) -> bytes:
    parts: list[bytes] = []
    for name, value in data.items():
        field = known[name]
        cls = value.__class__
        if cls is str and len(body := value.encode()) < _SHORT:  # the usual field, without a call
            size = len(body)
            parts += (field.texts[size] or field.before_text(size), body)
            continue
        if cls is float:
            parts += (field.values[9] or field.before_value(9), b"\x19" + _DOUBLE(value))
            continue
        body = _ENCODE[cls](value, depth + 1)
        size = len(body)
        parts += ((field.values[size] or field.before_value(size)) if size < _SHORT else field.before(size), body)
    return b"".join(parts)


def value(given: Value) -> bytes:
    """The bytes of a Value, for a query; a list may hold lists there. `InvalidInput` if Firestore could not hold it."""
    if isinstance(given, list | tuple):
        return _array_of([value(inner) for inner in given])
    try:
        encoded: bytes = _ENCODE[given.__class__](given, 0)
        if len(encoded) > _LARGE:
            raise _Suspect
    except (_Suspect, UnicodeEncodeError, limits.Broken):
        limits.document_size("a/value", {"of": given})  # raises, unless the value is just large
        encoded = _ENCODE[given.__class__](given, 0)
    return encoded


def fields_of(path: str, data: Mapping[str, Value]) -> bytes:
    """The fields of a Document. `InvalidInput` if Firestore could not hold it."""
    return _encoded(_OF_DOCUMENTS, data, -1, path, data)


def entries_of(path: str, data: Mapping[str, Value]) -> bytes:
    """The entries of a map that stands in a Document's field. `InvalidInput` if Firestore could not hold them."""
    return _encoded(_OF_MAPS, data, 0, path, {"entries": data})


def _encoded(known: _Fields, data: Mapping[str, Value], depth: int, path: str, document: Mapping[str, Value]) -> bytes:
    """The fields at a depth, once it is sure that Firestore could hold the document that they stand in."""
    try:
        fields = _fields(known, data, depth)
        if len(fields) > _LARGE:
            raise _Suspect
    except (_Suspect, UnicodeEncodeError, limits.Broken):
        limits.document_size(path, document)  # raises, unless the document is just large
        fields = _fields(known, data, depth)
    return fields


_shared: dict[tuple[str, int, int], tuple[Value, bytes]] = {}


def _completed(path: str, data: Mapping[str, Value], entries: bytes) -> bytes:
    """The one field of these data, a map, with more entries in it. A promotion gives all of a pack's records the same map."""
    ((name, shared),) = data.items()
    known = _shared.get((name, id(shared), len(entries)))
    if known is None:
        common = entries_of(path, shared)
        inner = b"\x32" + _length(len(common) + len(entries))
        head = _OF_DOCUMENTS[name].before(len(inner) + len(common) + len(entries)) + inner + common
        if len(_shared) >= 64:
            _shared.clear()
        known = _shared[name, id(shared), len(entries)] = shared, head  # holding the map keeps its id from being another's
    return known[1] + entries


def mask_of(field_paths: Sequence[str]) -> bytes:
    """The body of a DocumentMask, of paths in Firestore's spelling."""
    return b"".join([_delimited(b"\x0a", path.encode()) for path in field_paths])


def _document(path: str, name: bytes, data: Mapping[str, Value], prepared: Prepared | None) -> bytes:
    fields = _completed(path, data, prepared.entries) if prepared and prepared.entries else fields_of(path, data)
    return b"\x0a%b%b%b%b" % (_length(len(name)), name, prepared.fields if prepared else b"", fields)


def _needs(given: Precondition | None) -> bytes:
    if given is None or (given.update_time is None and given.exists is None):
        return b""
    if given.update_time is not None:
        return _unchanged_since(given.update_time)
    return b"\x22\x02\x08\x01" if given.exists else b"\x22\x02\x08\x00"


@lru_cache(maxsize=1_024)  # what one commit wrote is often written again together
def _unchanged_since(update_time: Timestamp) -> bytes:
    return _delimited(b"\x22", _delimited(b"\x12", time(update_time)))


def write(given: Write, name: bytes, mask: bytes = b"") -> bytes:
    """The bytes of a Write to the document of that resource name; of an Update, with the body of its mask (`mask_of`)."""
    needs = _needs(given.precondition)
    if isinstance(given, Delete):
        return _delimited(b"\x12", name) + needs
    if isinstance(given, Set):
        return _delimited(b"\x0a", _document(given.path, name, given.data, given.prepared)) + needs
    if given.prepared:
        mask = given.prepared.mask + mask
    data = given.data if given.prepared and given.prepared.entries else limits.masked(given)
    document = _document(given.path, name, data, given.prepared)
    return b"\x0a%b%b\x1a%b%b%b" % (_length(len(document)), document, _length(len(mask)), mask, needs)


def commit(database: str, writes: Sequence[bytes]) -> bytes:
    """The bytes of a CommitRequest."""
    parts = [_delimited(b"\x0a", database.encode())]
    for body in writes:
        parts += (b"\x12", _length(len(body)), body)
    return b"".join(parts)
