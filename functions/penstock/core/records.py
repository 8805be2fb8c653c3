"""What crosses the store port: snapshots come in, queries ask for them, writes go out. Paths are relative to
one database: `planned-poles/LAW.P.A001`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from penstock.core.values import Data, FieldPath, Timestamp, Value, dumps

NAME: FieldPath = ("__name__",)  # the document's own path, as Firestore's queries spell it

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "array-contains", "array-contains-any"]


class Snapshot:
    """A document as it stood at one moment, or its absence (`update_time` is None and `data` is None)."""

    __slots__ = ("_data", "path", "update_time")

    def __init__(self, path: str, data: Data | None, update_time: Timestamp | None) -> None:
        self.path = path
        self.update_time = update_time
        self._data = data

    @property
    def exists(self) -> bool:
        return self.update_time is not None

    @property
    def id(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def data(self) -> Data | None:
        """The fields; with a `select`, those asked for. Not to be changed in place."""
        return self._data

    @property
    def fields(self) -> Data:
        """The fields, and {} where there is no document."""
        return self.data or {}

    @property
    def fingerprint(self) -> str:
        """16 hex digits of the fields as read. Equal fields, equal fingerprint; never compare across adapters."""
        return hashlib.blake2b(dumps(self.fields).encode(), digest_size=8).hexdigest()

    def __repr__(self) -> str:
        return f"Snapshot({self.path!r}, {self.update_time})"


@dataclass(frozen=True, slots=True)
class Where:
    field: FieldPath
    op: Operator
    value: Value  # for "in" and "array-contains-any": a list of at most 30; for NAME: a path relative to the database


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a keyset page ended: the value of the ordering field (None when ordered by name) and the document's path."""

    value: Value
    path: str


@dataclass(frozen=True, slots=True)
class Query:
    """A query over one collection, in the order of `order_by` and then of the document name, always ascending.

    As in Firestore, a document that lacks the `order_by` field is not found. `names_only`: the names of the top-level fields
    with None for every value; no value leaves the store's adapter."""

    collection: str
    where: tuple[Where, ...] = ()
    order_by: FieldPath = NAME
    select: tuple[FieldPath, ...] | None = None  # None: the whole document; (): the name alone
    limit: int | None = None
    after: Cursor | None = None
    names_only: bool = False


@dataclass(frozen=True, slots=True)
class Precondition:
    """What must be true of a document for its write, and so for the whole commit, to be applied."""

    exists: bool | None = None
    update_time: Timestamp | None = None


ABSENT = Precondition(exists=False)
EXISTS = Precondition(exists=True)


def unchanged_since(update_time: Timestamp) -> Precondition:
    return Precondition(update_time=update_time)


def as_seen(snapshot: Snapshot) -> Precondition:
    """The document is still what the snapshot shows, absence included."""
    return ABSENT if snapshot.update_time is None else unchanged_since(snapshot.update_time)


class Prepared(NamedTuple):
    """The fields of a write, and of an Update its mask, as a store encoded them before: opaque to everybody but that store.
    `entries` complete the one map that the write's own data hold: what many writes have in common is then encoded once."""

    fields: bytes
    mask: bytes = b""
    entries: bytes = b""


@dataclass(frozen=True, slots=True)
class Set:
    """Replace the whole document. `prepared` fields are written beside those of `data`, which are others."""

    path: str
    data: Mapping[str, Value]
    precondition: Precondition | None = None
    prepared: Prepared | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """Write the masked fields alone; a masked path that `data` lacks is removed. Creates the document unless a
    precondition forbids it."""

    path: str
    data: Mapping[str, Value]
    mask: tuple[FieldPath, ...]
    precondition: Precondition | None = None
    prepared: Prepared | None = None  # as of Set; its mask adds to `mask`


@dataclass(frozen=True, slots=True)
class Delete:
    path: str
    precondition: Precondition | None = None


Write: TypeAlias = Set | Update | Delete


@dataclass(slots=True)
class Bill:
    """Firestore operations as Firestore bills them; messages and Storage calls beside them."""

    reads: int = 0
    writes: int = 0
    deletes: int = 0
    rpcs: int = 0
    by_collection: dict[str, int] = field(default_factory=dict)  # billed reads by collection, for explanations

    @property
    def operations(self) -> int:
        return self.reads + self.writes + self.deletes
