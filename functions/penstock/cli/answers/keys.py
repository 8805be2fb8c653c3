"""`penstock keys`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.cli.answers.common import Steps


@dataclass(frozen=True, slots=True)
class Keys:
    """`penstock keys make`, `rotate`"""

    keys: str  # all of them, as PENSTOCK_KEYS takes them
    signs: str  # the id of the new one
    until: Mapping[str, str]  # when each older one is retired
    left_out: tuple[str, ...]  # ids of those retired before
    next_steps: Steps
