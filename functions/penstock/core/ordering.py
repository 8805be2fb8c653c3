"""Firestore's one order over values of every type:
null < booleans < numbers (NaN first) < times < strings < bytes < references < places < arrays < vectors < maps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from penstock.core.limits import ByClass
from penstock.core.values import GeoPoint, Reference, Timestamp, Value, Vector

Key: TypeAlias = tuple[Any, ...]  # (rank of the type, something comparable within the type)

NULL, BOOLEAN, NUMBER, TIME, STRING, BYTES, REFERENCE, PLACE, ARRAY, VECTOR, MAP = range(11)


def _number(value: float) -> Key:
    return (NUMBER, 0, 0) if value != value else (NUMBER, 1, value)  # Python compares an int with a float exactly


def _signed(value: float) -> Key:
    """Within places and vectors -0.0 comes before 0.0; between numbers they are equal."""
    return (*_number(value), math.copysign(1, value) if value == value else 0)


_KEYS: dict[type, Callable[[Any], Key]] = ByClass(
    {
        type(None): lambda _: (NULL,),
        bool: lambda value: (BOOLEAN, value),
        int: _number,
        float: _number,
        Timestamp: lambda value: (TIME, value.seconds, value.nanos),
        str: lambda value: (STRING, str.__str__(value)),  # by code point, which is the order of the UTF-8 bytes
        bytes: lambda value: (BYTES, value),
        Reference: lambda value: (REFERENCE, value.name.split("/")),
        GeoPoint: lambda value: (PLACE, _signed(value.latitude), _signed(value.longitude)),
        list: lambda value: (ARRAY, [key(inner) for inner in value]),
        Vector: lambda value: (VECTOR, len(value.values), [_signed(inner) for inner in value.values]),
        dict: lambda value: (MAP, [(name, key(inner)) for name, inner in sorted(value.items())]),
    }
)


def key(value: Value) -> Key:
    """Sorts as Firestore sorts; equal keys are values that Firestore holds equal (1 and 1.0, 0.0 and -0.0, NaN and NaN)."""
    return _KEYS[value.__class__](value)
