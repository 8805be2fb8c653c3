"""YAML with the line of everything in it, so that a mistake can be shown where it stands."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

Place: TypeAlias = tuple[Hashable, ...]  # ("entities", "poles", "key")


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong, where, and what to do."""

    place: Place
    text: str


@dataclass(slots=True)
class Located:
    """The data of a YAML file. `lines` counts from 1; `mistakes` are keys that stand twice in one mapping."""

    data: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest thing around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read(text: str) -> Located:
    """Raises `yaml.YAMLError` for what is no YAML."""
    out = Located()
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        out.data = _value(loader, root, (), out) if root is not None else None
    finally:
        loader.dispose()
    return out


def _value(loader: yaml.SafeLoader, node: yaml.Node, place: Place, out: Located) -> Any:
    out.lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        found: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            here = (*place, key)
            if key in found:
                out.mistakes.append(Mistake(here, f"stands twice, first in line {out.lines[here]}. Keep one of the two."))
            out.lines.setdefault(here, key_node.start_mark.line + 1)
            found[key] = _value(loader, value_node, here, out)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, (*place, n), out) for n, item in enumerate(node.value)]
    return loader.construct_object(node, deep=True)
