"""Packs: how changes lie in the staging collection. A pack is one document of whole groups.

Its payload is JSON lines, one canonical line per change, compressed; beside it lies what promotion needs of each change, with the
write's fields ready-made. Both have a digest, so what was shown and approved can be told from anything else. The payload is
also the backup: every line holds what stood at its path before."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from penstock.core.changes import Action, Change, FieldDiff, Finding
from penstock.core.limits import MAX_WRITES
from penstock.core.records import Prepared
from penstock.core.tree import Place
from penstock.core.values import Data, Timestamp, dumps, loads

MAX_CHANGES = 350
PACK_WRITES = MAX_WRITES - 2  # of production; beside them stand the pack's own ledger, and what is remembered of it
MAX_BYTES = 400 * 1024  # of text; with what is ready-made beside it, a pack stays below one mebibyte however badly it compresses

_ACTIONS = {action.value: action for action in Action}


def encode_change(change: Change) -> dict[str, Any]:
    """`before` and `update_time` are null where there was no document; `diff` of a CREATE is not written: it is `after`."""
    data: dict[str, Any] = {
        "key": change.key,
        "entity": change.entity,
        "group": change.group,
        "path": change.path,
        "action": change.action.value,
        "fingerprint": change.fingerprint,
        "before": change.before,
        "update_time": change.planned_against,
    }
    if change.after is not None:
        data["after"] = change.after
    if change.action is not Action.CREATE:
        data["diff"] = [[list(d.path), d.before, d.after, d.passive] for d in change.diff]
    if change.facts:
        data["facts"] = dict(change.facts)
    return data


class _New(Sequence[FieldDiff]):
    """The diff of a new record, worked out when it is first looked at: rules seldom do."""

    def __init__(self, after: Data) -> None:
        self._after = after

    @cached_property
    def _diff(self) -> tuple[FieldDiff, ...]:
        return tuple(_created(self._after))

    def __iter__(self) -> Iterator[FieldDiff]:
        return iter(self._diff)

    def __len__(self) -> int:
        return len(self._diff)

    def __getitem__(self, at: Any) -> Any:
        return self._diff[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._diff == tuple(other)


def _created(after: Data, at: tuple[str, ...] = ()) -> list[FieldDiff]:
    found: list[FieldDiff] = []
    for name, value in after.items():
        if isinstance(value, dict) and value:
            found += _created(value, (*at, name))
        else:
            found.append(FieldDiff((*at, name), None, value))
    return found


def decode_change(data: dict[str, Any]) -> Change:
    action = _ACTIONS[data["action"]]
    after = data.get("after")
    diff: Sequence[FieldDiff]
    if action is Action.CREATE:
        diff = _New(after or {})
    else:
        diff = tuple(FieldDiff(tuple(path), before, new, passive) for path, before, new, passive in data["diff"])
    facts = data.get("facts", {})
    if "place" in facts:
        facts["place"] = Place(*facts["place"])
    return Change(
        data["key"], data["entity"], data["group"], data["path"], action, data.get("before"), data.get("update_time"), after,
        diff, data["fingerprint"], facts,
    )  # fmt: skip


def compress(text: str) -> bytes:
    """As gzip, so that what is stored elsewhere opens with any tool; equal texts give equal bytes."""
    return gzip.compress(text.encode(), 1, mtime=0)


def expand(payload: bytes) -> str:
    return gzip.decompress(payload).decode()


class Ready(NamedTuple):
    """What promotion needs of a change. `replaced` are the dotted fields that would lose another value; a DELETE has nothing
    prepared; of a record in a tree, `place` is where the change puts it."""

    key: str
    entity: str
    group: str
    path: str
    action: Action
    replaced: tuple[str, ...]
    planned_against: Timestamp | None
    prepared: Prepared | None
    place: Place | None = None


_UNPREPARED = Prepared(b"")


def encode_ready(changes: Sequence[Ready]) -> bytes:
    """A line of JSON with one column for each thing that is known of the changes, and behind it their prepared bytes, one after
    the other. Columns are read back twice as fast as rows."""
    bodies = [c.prepared or _UNPREPARED for c in changes]
    columns = [
        [c.key for c in changes],
        [c.entity for c in changes],
        [c.group for c in changes],
        [c.path for c in changes],
        [c.action.value for c in changes],
        [c.replaced for c in changes],
        [c.planned_against and c.planned_against.seconds for c in changes],
        [c.planned_against and c.planned_against.nanos for c in changes],
        [c.prepared is not None for c in changes],
        [len(body.fields) for body in bodies],
        [len(body.mask) for body in bodies],
        [len(body.entries) for body in bodies],
        [c.place for c in changes],
    ]
    line = json.dumps(columns, ensure_ascii=False, separators=(",", ":")).encode()
    return b"".join([line, b"\n", *(part for body in bodies for part in (body.fields, body.mask, body.entries))])


def decode_ready(content: bytes) -> list[Ready]:
    line, _, rest = content.partition(b"\n")
    found, here = [], 0
    for row in zip(*json.loads(line), strict=True):
        key, entity, group, path, action, replaced, seconds, nanos, prepared, fields, mask, entries, place = row
        middle = here + fields
        last = middle + mask
        end = last + entries
        body = Prepared(rest[here:middle], rest[middle:last], rest[last:end]) if prepared else None
        at = None if seconds is None else Timestamp(seconds, nanos)
        of = Place(*place) if place else None
        found.append(Ready(key, entity, group, path, _ACTIONS[action], tuple(replaced), at, body, of))
        here = end
    return found


@dataclass(frozen=True, slots=True)
class Draft:
    """A pack about to be staged: whole groups, as text."""

    number: int
    keys: tuple[str, ...]
    counts: dict[str, int]  # `drops CREATE` → how many
    text: str
    changes: tuple[Change, ...]
    digest: str  # of the text


def digest_of(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def decode_changes(text: str, keys: Container[str] | None = None) -> list[Change]:
    """The changes of a pack's text, in order: all, or those with these keys, which costs a fraction where they are few."""
    rows = loads(f"[{text.replace(chr(10), ',')}]")  # JSON has no line feed inside a line
    return [decode_change(row) for row in rows if keys is None or row["key"] in keys]


def writes_of(change: Change) -> int:
    """What a change writes in production: its record, and what follows it."""
    below: dict[str, int] = change.facts.get("below", {})
    return 1 + sum(below.values())


class Packer:
    """Takes groups in order and gives packs as they fill: with changes, bytes, or writes."""

    def __init__(self, first: int = 0) -> None:
        self.number = first
        self._texts: list[str] = []
        self._changes: list[Change] = []
        self._bytes = self._writes = 0

    def add(self, group: Sequence[Change]) -> Iterator[Draft]:
        """Put one whole group in; yields the packs that it filled. A group too large for any pack is cut."""
        for start in range(0, len(group), MAX_CHANGES):
            yield from self._add(group[start : start + MAX_CHANGES])

    def _add(self, group: Sequence[Change]) -> Iterator[Draft]:
        texts = [dumps(encode_change(change)) for change in group]
        size = sum(len(text.encode()) + 1 for text in texts)
        writes = sum(map(writes_of, group))
        full = len(self._changes) + len(group) > MAX_CHANGES or self._bytes + size > MAX_BYTES
        if self._changes and (full or self._writes + writes > PACK_WRITES):
            yield self._draft()
        self._texts += texts
        self._changes += group
        self._bytes += size
        self._writes += writes

    def rest(self) -> Iterator[Draft]:
        if self._changes:
            yield self._draft()

    def _draft(self) -> Draft:
        counts: dict[str, int] = {}
        for change in self._changes:
            name = f"{change.entity} {change.action}"
            counts[name] = counts.get(name, 0) + 1
        keys, text = tuple(c.key for c in self._changes), "\n".join(self._texts)
        draft = Draft(self.number, keys, counts, text, tuple(self._changes), digest_of(text))
        self.number += 1
        self._texts, self._changes, self._bytes, self._writes = [], [], 0, 0
        return draft


def encode_findings(findings: Iterable[Finding]) -> str:
    return dumps([[f.rule, f.severity, f.key, f.group, f.text, f.remedy, f.field, [list(t) for t in f.table]] for f in findings])


def decode_findings(text: str) -> list[Finding]:
    names = ("rule", "severity", "key", "group", "text", "remedy", "field")
    found = json.loads(text)
    return [Finding(**dict(zip(names, item, strict=False)), table=tuple(map(tuple, item[7]))) for item in found]


def digest_of_pack(number: int, payload: str, ready: str, findings: str, carried: str) -> str:
    """Over a pack's changes and findings, what an approver sees of it, over what will be written for them, and over the consents
    that it brought along; each given as its own digest."""
    return digest_of(" ".join([str(number), payload, ready, findings, carried]))


def digest_of_batch(packs: Sequence[str], of_batch: Sequence[Finding]) -> str:
    """What a decision is bound to: every change and every finding, in order."""
    return digest_of("\n".join([*packs, digest_of(encode_findings(of_batch))]))


def digest_of_ledgers(ledgers: Iterable[Data | None]) -> str:
    """Over the ledgers of a batch's packs as they are stored, in order; None for a pack that has none."""
    return digest_of(dumps(list(ledgers)))


@dataclass(frozen=True, slots=True)
class Ledger:
    """What promotion did with a pack, written in the commit that did it. Every other key of the pack was applied.

    In a tree: where its units were `moved`, from path to path; how many documents `followed` these moves, by entity or
    dependents; where units were `placed` that got another path than was planned; `why` a change fell out that nobody edited;
    which documents that were to return with a unit are `kept`, and why; the digest of the list of what was written `beside`
    the changes, "" where nothing was; where the units lay that were `removed`, by key; and when its commit was applied
    (`committed`) where the ledger was corrected since: otherwise the pack's own `update_time` tells."""

    at: Timestamp
    attempt: str
    applied: int
    rejected: tuple[str, ...]
    drifted: tuple[str, ...]
    followed: Mapping[str, int] = field(default_factory=dict)
    placed: Mapping[str, str] = field(default_factory=dict)
    why: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    beside: str = ""
    moved: Mapping[str, str] = field(default_factory=dict)
    removed: Mapping[str, str] = field(default_factory=dict)
    committed: Timestamp | None = None
