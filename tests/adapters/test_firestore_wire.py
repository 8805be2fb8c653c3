"""The hand-written encoding, read back by the protobuf library."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.adapters import firestore_proto as proto
from penstock.adapters import firestore_wire as wire
from penstock.core.errors import InvalidInput
from penstock.core.limits import document_size
from penstock.core.records import ABSENT, EXISTS, Delete, Precondition, Set, Update, Write, unchanged_since
from penstock.core.values import GeoPoint, Reference, Timestamp, Vector, dumps

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200).filter(lambda name: not name.startswith("__"))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.sampled_from([2**n + d for n in (7, 11, 14, 21, 28, 35, 42, 49, 56, 62) for d in (-1, 0, 1)])
    | st.floats()
    | text
    | st.sampled_from([124, 125, 126, 127, 128, 2_047, 2_048, 16_383, 16_384]).map(lambda size: "x" * size)
    | st.binary(max_size=300)
    | st.builds(Timestamp, st.integers(-62_135_596_800, 253_402_300_799), st.integers(0, 999_999_999))
    | st.builds(Reference, st.sampled_from(["projects/p/databases/(default)/documents/c/ü"]))
    | st.builds(GeoPoint, st.floats(-90, 90), st.floats(-180, 180))
)
vectors = st.builds(Vector, st.lists(st.floats(allow_nan=False), min_size=1, max_size=20).map(tuple))
values = st.recursive(
    scalars | vectors,
    lambda inner: (
        st.lists(inner.filter(lambda v: not isinstance(v, list | Vector)), max_size=5) | st.dictionaries(names, inner, max_size=5)
    ),
    max_leaves=15,
)
documents = st.dictionaries(names, values, max_size=8)
ROOT = "projects/p/databases/d/documents/"


def mask(write: Write) -> bytes:
    return wire.mask_of([".".join(path) for path in write.mask]) if isinstance(write, Update) else b""


def parsed(*writes: Write) -> Any:
    request = proto.CommitRequest.FromString(
        wire.commit(
            "projects/p/databases/d",
            [wire.write(w, f"{ROOT}{w.path}".encode(), mask(w)) for w in writes],
        )
    )
    assert request.database == "projects/p/databases/d"
    assert len(request.writes) == len(writes)
    return request.writes


@given(documents)
def test_the_protobuf_library_reads_a_document_as_it_was(data: dict[str, Any]) -> None:
    (write,) = parsed(Set("c/ü", data))
    assert write.update.name == ROOT + "c/ü"
    assert dumps(proto.take_fields(write.update.fields)) == dumps(data)
    assert not write.HasField("current_document")
    assert not write.HasField("update_mask")


@given(documents)
def test_nothing_is_encoded_that_the_protobuf_library_does_not_know(data: dict[str, Any]) -> None:
    (write,) = parsed(Set("c/a", data))
    size = write.ByteSize()
    write.DiscardUnknownFields()
    assert write.ByteSize() == size


@given(values)
def test_a_value_of_a_query_is_read_as_it_was(value: Any) -> None:
    assert dumps(proto.take(proto.PbValue.FromString(wire.value(value)))) == dumps(value)


def test_a_list_in_a_query_may_hold_lists() -> None:
    assert proto.take(proto.PbValue.FromString(wire.value([[1], [Vector((1.0,))]]))) == [[1], [Vector((1.0,))]]


@pytest.mark.parametrize(
    ("given", "exists", "seconds"),
    [
        (None, None, None),
        (Precondition(), None, None),
        (ABSENT, False, None),
        (EXISTS, True, None),
        (unchanged_since(Timestamp(7)), None, 7),
    ],
)
def test_preconditions_masks_and_deletes_are_read_as_they_were(
    given: Precondition | None, exists: bool | None, seconds: int | None
) -> None:
    data = {"x": {"y": 1, "z": 2}}
    for write in parsed(Set("c/a", data, given), Update("c/b", data, (("x", "y"), ("n",)), given), Delete("c/d", given)):
        kind = write.current_document.WhichOneof("condition_type")
        assert kind == ("exists" if exists is not None else "update_time" if seconds else None)
        assert write.current_document.exists is bool(exists)
        assert write.current_document.update_time.seconds == (seconds or 0)
    set_, update, delete = parsed(Set("c/a", data, given), Update("c/b", data, (("x", "y"), ("n",)), given), Delete("c/d", given))
    assert not set_.HasField("update_mask")
    assert list(update.update_mask.field_paths) == ["x.y", "n"]
    assert proto.take_fields(update.update.fields) == {"x": {"y": 1}}
    assert (delete.delete, delete.WhichOneof("operation")) == (ROOT + "c/d", "delete")


def test_an_empty_mask_is_a_mask() -> None:
    (write,) = parsed(Update("c/a", {"x": 1}, ()))
    assert write.HasField("update_mask")
    assert len(write.update.fields) == 0


def test_ever_new_field_names_do_not_fill_the_memory() -> None:
    for n in range(5_000):
        parsed(Set("c/a", {f"field {n}": n, "same": {f"inner {n}": "x"}}))
    assert len(wire._OF_DOCUMENTS) <= 2_000
    assert len(wire._OF_MAPS) <= 2_000


def refused(check: Any) -> str:
    try:
        check()
    except InvalidInput as error:
        return str(error)
    return ""


STRANGE = st.sampled_from([2**63, {"__x__": 1}, Vector(()), "\ud800", {"a": "\udfff"}, "x" * 1_048_490, Timestamp(2**40)])


@given(st.dictionaries(names, values | STRANGE | st.just([[1]]), max_size=4))
def test_the_encoder_refuses_exactly_what_the_limits_refuse(data: dict[str, Any]) -> None:
    assert refused(lambda: wire.write(Set("c/a", data), b"x")) == refused(lambda: document_size("c/a", data))
    assert refused(lambda: wire.entries_of("c/a", data)) == refused(lambda: document_size("c/a", {"entries": data}))


@given(values.filter(lambda v: not isinstance(v, list)) | STRANGE)
def test_of_a_query_no_value_is_encoded_that_the_limits_refuse(value: Any) -> None:
    assert refused(lambda: wire.value(value)) == refused(lambda: document_size("a/value", {"of": value}))
