"""Which indexes a query needs. Firestore refuses a query that no index serves, and the emulator does not, so this is known here.

Where Google's own pages disagree (`array-contains` beside an equality) the answer is the safe one: an index of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

from penstock.core.records import NAME, Query
from penstock.core.values import dotted

Mode = Literal["ASCENDING", "CONTAINS"]
Part: TypeAlias = tuple[str, Mode]  # a field's dotted path, and how it is indexed

_CONTAINS = ("array-contains", "array-contains-any")


def _parts(query: Query) -> tuple[set[Part], set[Part], set[Part]]:
    """(equalities, memberships, order) of a query; the document's name is part of every index and asks for none."""
    equal = {where.field for where in query.where if where.op in ("==", "in")} - {NAME, query.order_by}
    contains = {where.field for where in query.where if where.op in _CONTAINS}
    ordered = {query.order_by} - {NAME}
    return _all(equal, "ASCENDING"), _all(contains, "CONTAINS"), _all(ordered, "ASCENDING")


def _all(fields: Iterable[tuple[str, ...]], mode: Mode) -> set[Part]:
    return {(dotted(field), mode) for field in fields}


def needs_composite(query: Query) -> tuple[Part, ...] | None:
    """The fields of the composite index that the query needs, the ordering field last; None where single-field indexes serve
    it: any number of equalities, or one membership, or one field that is compared and ordered by."""
    equal, contains, ordered = _parts(query)
    beside = len(contains) + bool(ordered)
    if beside == 0 or (beside == 1 and not equal):
        return None
    return (*sorted(equal), *sorted(contains), *ordered)


def single_fields(query: Query) -> frozenset[Part]:
    """The single-field indexes that serve a query which needs no composite one."""
    return frozenset() if needs_composite(query) else frozenset(set().union(*_parts(query)))


def lacking(query: Query, declared: Mapping[str, Any]) -> tuple[Part, ...]:
    """The index that the query needs and does not find in `declared` (the content of firestore.indexes.json); () if none."""
    group = query.collection.rpartition("/")[2]
    wanted = needs_composite(query)
    if wanted is None:
        return tuple(sorted(part for part in single_fields(query) if not _is_indexed(group, part, declared)))
    ordered = query.order_by != NAME
    for index in declared["indexes"]:
        parts = [(field["fieldPath"], field.get("order") or field.get("arrayConfig")) for field in index["fields"]]
        fits = set(parts) == set(wanted) and (not ordered or parts[-1] == wanted[-1])
        if index["collectionGroup"] == group and index["queryScope"] == "COLLECTION" and fits:
            return ()
    return wanted


def _is_indexed(group: str, part: Part, declared: Mapping[str, Any]) -> bool:
    """Whether the field's automatic index is left standing: its own override counts, else that of its nearest map, else `*`."""
    overrides = {o["fieldPath"]: o for o in declared["fieldOverrides"] if o["collectionGroup"] == group}
    name, mode = part
    segments = name.split(".")
    for known in (*(".".join(segments[:end]) for end in range(len(segments), 0, -1)), "*"):
        if known in overrides:
            modes = [index.get("order") or index.get("arrayConfig") for index in overrides[known]["indexes"]]
            return mode in modes
    return True
