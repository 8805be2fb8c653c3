"""What answers have in common, and the answer of a command that was refused or failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Steps: TypeAlias = tuple[str, ...]
Counts: TypeAlias = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Error:
    """`kind` is the class of the error: InvalidInput, Refused, NotFound, Conflict, OutcomeUnknown, Unavailable, …"""

    kind: str
    what: str
    subject: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Any command that was refused or failed; no other answer has `error` at its top."""

    error: Error
    next_steps: Steps
