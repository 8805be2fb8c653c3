"""Firestore's protobuf messages as our snapshots, and our queries as messages, without the client library's wrappers: those
decode a fifth as fast. What is written is encoded in firestore_wire."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from typing import Any

from google.cloud.firestore_v1.types import document, firestore, query

from penstock.adapters import firestore_wire as wire
from penstock.core.records import NAME, Cursor, Query, Snapshot, Where
from penstock.core.values import Data, FieldPath, GeoPoint, Reference, Timestamp, Value, Vector

Pb = Any  # protobuf classes are made at run time

RunQueryRequest: Pb = firestore.RunQueryRequest.pb()
RunQueryResponse: Pb = firestore.RunQueryResponse.pb()
RunAggregationQueryRequest: Pb = firestore.RunAggregationQueryRequest.pb()
RunAggregationQueryResponse: Pb = firestore.RunAggregationQueryResponse.pb()
BatchGetDocumentsRequest: Pb = firestore.BatchGetDocumentsRequest.pb()
BatchGetDocumentsResponse: Pb = firestore.BatchGetDocumentsResponse.pb()
CommitRequest: Pb = firestore.CommitRequest.pb()
CommitResponse: Pb = firestore.CommitResponse.pb()
PbValue: Pb = document.Value.pb()

_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_FIELD_OPS = {
    "==": "EQUAL",
    "!=": "NOT_EQUAL",
    "<": "LESS_THAN",
    "<=": "LESS_THAN_OR_EQUAL",
    ">": "GREATER_THAN",
    ">=": "GREATER_THAN_OR_EQUAL",
    "in": "IN",
    "array-contains": "ARRAY_CONTAINS",
    "array-contains-any": "ARRAY_CONTAINS_ANY",
}
_OPERATORS: Pb = query.StructuredQuery.FieldFilter.Operator
_UNARY: Pb = query.StructuredQuery.UnaryFilter.Operator
_ASCENDING = int(query.StructuredQuery.Direction.ASCENDING)
_AND = int(query.StructuredQuery.CompositeFilter.Operator.AND)


# values -------------------------------------------------------------------------------------------------------------


def _take_map(value: Pb) -> Value:
    fields = value.map_value.fields
    if "__type__" in fields and fields["__type__"].string_value == "__vector__":
        return Vector(tuple(inner.double_value for inner in fields["value"].array_value.values))
    return take_fields(fields)


_TAKE = {
    "null_value": lambda _: None,
    "boolean_value": lambda value: value.boolean_value,
    "integer_value": lambda value: value.integer_value,
    "double_value": lambda value: value.double_value,
    "string_value": lambda value: value.string_value,
    "bytes_value": lambda value: value.bytes_value,
    "timestamp_value": lambda value: time_of(value.timestamp_value),
    "reference_value": lambda value: Reference(value.reference_value),
    "geo_point_value": lambda value: GeoPoint(value.geo_point_value.latitude, value.geo_point_value.longitude),
    "array_value": lambda value: [take(inner) for inner in value.array_value.values],
    "map_value": _take_map,
}


def take(value: Pb) -> Value:
    """The Python value of a protobuf value."""
    return _TAKE[value.WhichOneof("value_type")](value)


def take_fields(fields: Pb) -> Data:
    return {name: _TAKE[value.WhichOneof("value_type")](value) for name, value in fields.items()}


def take_at(fields: Pb, path: FieldPath) -> Value:
    """The value at a path that is known to be there."""
    for segment in path[:-1]:
        fields = fields[segment].map_value.fields
    return take(fields[path[-1]])


def drop_at(fields: Pb, path: FieldPath) -> None:
    """Remove a field, and the maps around it that are empty then: they were only there to hold it."""
    if len(path) > 1:
        inner = fields[path[0]].map_value.fields
        drop_at(inner, path[1:])
        if inner:
            return
    del fields[path[0]]


def time_of(time: Pb) -> Timestamp:
    return Timestamp(time.seconds, time.nanos)


class ProtoSnapshot(Snapshot):
    """A snapshot that decodes its document when it is first looked at, and fingerprints it without decoding."""

    __slots__ = ("_document",)

    def __init__(self, path: str, document: Pb) -> None:
        self.path = path
        self.update_time = time_of(document.update_time)
        self._data = None
        self._document = document

    @property
    def data(self) -> Data:
        if self._data is None:
            self._data = take_fields(self._document.fields)
        return self._data

    @property
    def fingerprint(self) -> str:
        document = self._document
        document.ClearField("name")  # path and update_time were taken; the fields alone remain
        document.ClearField("create_time")
        document.ClearField("update_time")
        return hashlib.blake2b(document.SerializeToString(deterministic=True), digest_size=8).hexdigest()


def names_of(path: str, document: Pb) -> Snapshot:
    """A document as the names of its fields; its values are dropped here."""
    return Snapshot(path, dict.fromkeys(document.fields), time_of(document.update_time))


def field_path(path: FieldPath) -> str:
    """A path in Firestore's own spelling: segments that are no plain words stand in backticks."""
    if path == NAME:
        return "__name__"
    return ".".join(s if _SIMPLE.fullmatch(s) else "`" + s.replace("\\", "\\\\").replace("`", "\\`") + "`" for s in path)


# queries ------------------------------------------------------------------------------------------------------------


def _put_filter(to: Pb, where: Where, documents: str) -> None:
    value: Value = where.value
    if where.field == NAME:
        many = where.op == "in"
        value = [Reference(f"{documents}/{path}") for path in value] if many else Reference(f"{documents}/{value}")
    if where.op in ("==", "!=") and (value is None or (isinstance(value, float) and math.isnan(value))):
        unary = to.unary_filter
        unary.field.field_path = field_path(where.field)
        unary.op = int(_UNARY[f"IS_{'NOT_' if where.op == '!=' else ''}{'NULL' if value is None else 'NAN'}"])
        return
    to.field_filter.field.field_path = field_path(where.field)
    to.field_filter.op = int(_OPERATORS[_FIELD_OPS[where.op]])
    to.field_filter.value.MergeFromString(wire.value(value))


def structured_query(to: Pb, asked: Query, documents: str) -> None:
    """Everything of a query but its page. The field that orders it is selected too: paging needs it."""
    to.from_.add().collection_id = asked.collection.rpartition("/")[2]
    if len(asked.where) == 1:
        _put_filter(to.where, asked.where[0], documents)
    elif asked.where:
        to.where.composite_filter.op = _AND
        for where in asked.where:
            _put_filter(to.where.composite_filter.filters.add(), where, documents)
    for path in (asked.order_by,) if asked.order_by == NAME else (asked.order_by, NAME):
        order = to.order_by.add()
        order.field.field_path = field_path(path)
        order.direction = _ASCENDING
    if asked.select is not None:
        added = () if asked.order_by == NAME or selects(asked.select, asked.order_by) else (asked.order_by,)
        for path in (*asked.select, *added) or (NAME,):
            to.select.fields.add().field_path = field_path(path)


def selects(select: Sequence[FieldPath], path: FieldPath) -> bool:
    return any(path[: len(chosen)] == chosen for chosen in select)


def put_cursor(to: Pb, cursor: Cursor, order_by: FieldPath, documents: str) -> None:
    """Start behind the cursor."""
    to.ClearField("start_at")
    to.start_at.SetInParent()
    if order_by != NAME:
        to.start_at.values.add().MergeFromString(wire.value(cursor.value))
    to.start_at.values.add().reference_value = f"{documents}/{cursor.path}"
    to.start_at.before = False
