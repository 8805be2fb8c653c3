"""Packs: how changes lie in the staging collection. A pack is one document of whole groups; its payload is the canonical text
of its changes, compressed, and its digest is over that text, so what was shown can be told from anything else."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.changes import Action, Change, FieldDiff, Finding
from penstock.core.values import Data, Timestamp, dumps, loads

MAX_CHANGES = 250
MAX_BYTES = 500 * 1024  # of text, before compression


def encode_change(change: Change) -> dict[str, Any]:
    data: dict[str, Any] = {
        "k": change.key,
        "e": change.entity,
        "g": change.group,
        "p": change.path,
        "a": change.action.value,
        "f": change.fingerprint,
    }
    if change.before is not None:
        data["b"], data["t"] = change.before, change.planned_against
    if change.after is not None:
        data["n"] = change.after
    if change.action is not Action.CREATE:
        data["d"] = [[list(d.path), d.before, d.after, d.passive] for d in change.diff]
    if change.facts:
        data["x"] = dict(change.facts)
    if change.replace:
        data["r"] = True
    return data


def _created(after: Data, at: tuple[str, ...] = ()) -> list[FieldDiff]:
    found: list[FieldDiff] = []
    for name, value in after.items():
        if isinstance(value, dict) and value:
            found += _created(value, (*at, name))
        else:
            found.append(FieldDiff((*at, name), None, value))
    return found


def decode_change(data: dict[str, Any]) -> Change:
    action = Action(data["a"])
    after = data.get("n")
    if action is Action.CREATE:
        diff = tuple(_created(after or {}))
    else:
        diff = tuple(FieldDiff(tuple(path), before, new, passive) for path, before, new, passive in data["d"])
    return Change(
        data["k"], data["e"], data["g"], data["p"], action, data.get("b"), data.get("t"), after, diff, data["f"],
        data.get("x", {}), data.get("r", False),
    )  # fmt: skip


def compress(text: str) -> bytes:
    return zlib.compress(text.encode(), 1)


def expand(payload: bytes) -> str:
    return zlib.decompress(payload).decode()


@dataclass(frozen=True, slots=True)
class Draft:
    """A pack about to be staged: whole groups, as text."""

    number: int
    keys: tuple[str, ...]
    counts: dict[str, int]  # `drops CREATE` → how many
    text: str

    @property
    def digest(self) -> str:
        return digest_of(self.text)


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def decode_changes(text: str, keys: Container[str] | None = None) -> list[Change]:
    """The changes of a pack's text, in order: all, or those with these keys, which costs a fraction where they are few."""
    return [decode_change(item) for item in loads(text) if keys is None or item["k"] in keys]


class Packer:
    """Takes groups in order and gives packs as they fill."""

    def __init__(self, first: int = 0) -> None:
        self.number = first
        self._texts: list[str] = []
        self._changes: list[Change] = []
        self._bytes = 0

    def add(self, group: Sequence[Change]) -> Iterator[Draft]:
        """Put one whole group in; yields the packs that it filled. A group too large for any pack is cut."""
        for start in range(0, len(group), MAX_CHANGES):
            yield from self._add(group[start : start + MAX_CHANGES])

    def _add(self, group: Sequence[Change]) -> Iterator[Draft]:
        texts = [dumps(encode_change(change)) for change in group]
        size = sum(len(text.encode()) + 1 for text in texts)
        if self._changes and (len(self._changes) + len(group) > MAX_CHANGES or self._bytes + size > MAX_BYTES):
            yield self._draft()
        self._texts += texts
        self._changes += group
        self._bytes += size

    def rest(self) -> Iterator[Draft]:
        if self._changes:
            yield self._draft()

    def _draft(self) -> Draft:
        counts: dict[str, int] = {}
        for change in self._changes:
            name = f"{change.entity} {change.action}"
            counts[name] = counts.get(name, 0) + 1
        draft = Draft(self.number, tuple(c.key for c in self._changes), counts, f"[{','.join(self._texts)}]")
        self.number += 1
        self._texts, self._changes, self._bytes = [], [], 0
        return draft


def encode_findings(findings: Iterable[Finding]) -> str:
    return dumps([[f.rule, f.severity, f.key, f.group, f.text, f.remedy, f.field, [list(t) for t in f.table]] for f in findings])


def decode_findings(text: str) -> list[Finding]:
    names = ("rule", "severity", "key", "group", "text", "remedy", "field")
    found = json.loads(text)
    return [Finding(**dict(zip(names, item, strict=False)), table=tuple(map(tuple, item[7]))) for item in found]


@dataclass(frozen=True, slots=True)
class Ledger:
    """What promotion did with a pack, written in the commit that did it. Every other key of the pack was applied."""

    at: Timestamp
    attempt: str
    applied: int
    rejected: tuple[str, ...]
    drifted: tuple[str, ...]
