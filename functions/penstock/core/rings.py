"""Rings where each leads to one other at most."""

from __future__ import annotations

from collections.abc import Mapping


def rings(leads_to: Mapping[str, str]) -> list[list[str]]:
    """Every ring, from its least member on, each before the one that it leads to; of one alone, which leads to itself, too."""
    found: list[list[str]] = []
    seen: set[str] = set()
    for start in sorted(leads_to):
        way, here = dict[str, int](), start
        while here in leads_to and here not in seen:
            seen.add(here)
            way[here] = len(way)
            here = leads_to[here]
        if here in way:
            ring = list(way)[way[here] :]
            least = ring.index(min(ring))
            found.append(ring[least:] + ring[:least])
    return found
