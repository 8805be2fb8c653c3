"""What a target has dealt with: for each source record its group, change stamp and raw fingerprint, and for each projected key
the fingerprint of its normalised values and the groups that feed it, and under which id production has it where that is not the
key. One immutable object in Storage per run; the target's document points at the last."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from penstock.core.values import Value, dumps, loads

Fed: TypeAlias = tuple[str, ...]  # the fingerprint of a key's values, then the groups that feed it

# In the place of a fingerprint, of a key that nothing feeds any more; the groups are those that fed it last.
LOST = "lost"  # not proved: nothing was proposed
GONE = "gone"  # proved, and dealt with
HELD = "held"  # of a key that is fed, and has no place in its tree: it is planned again with every news


class Entry(NamedTuple):
    """`group` is the value of the grouping field, trimmed, `stamp` the raw value of the cursor field. `spelled` is the raw text
    of the grouping field where it is another: there the record stands in the database's order."""

    group: Value
    stamp: Value
    fingerprint: str
    spelled: str = ""

    def is_of(self, other: Entry) -> bool:
        """Whether it is the same content in the same group."""
        return self.fingerprint == other.fingerprint and self.group == other.group


@dataclass(slots=True)
class Manifest:
    records: dict[str, dict[str, Entry]] = field(default_factory=dict)  # source → document id → entry
    keys: dict[str, Fed] = field(default_factory=dict)  # of `drops/DR1234567`
    ids: dict[str, str] = field(default_factory=dict)  # of keys alike: the ids that production has them under, where others

    def of(self, source: str) -> dict[str, Entry]:
        return self.records.setdefault(source, {})

    def members(self, source: str, groups: Iterable[Value]) -> dict[Value, list[str]]:
        """The ids of the records of each of these groups."""
        wanted, found = set(groups), defaultdict(list)
        for id, entry in self.of(source).items():
            if entry.group in wanted:
                found[entry.group].append(id)
        return found

    def print_of(self, key: str) -> str:
        """The fingerprint of a key's values as dealt with, LOST, GONE, or "" for a key that is not known."""
        return self.keys.get(key, ("",))[0]

    def name(self, key: str, id: str) -> None:
        """Take note of the document id under which production has a key."""
        if key.partition("/")[2] == id:
            self.ids.pop(key, None)
        else:
            self.ids[key] = id

    def feed(self, fed: Mapping[str, Sequence[str]], prints: Mapping[str, str], touched: frozenset[str]) -> None:
        """Take over what a run saw: the groups that feed each key now, and the fingerprints of what it dealt with. Of the groups
        known before, those that the run did not touch still feed."""
        for key, groups in fed.items():
            print, *before = self.keys.get(key, ("",))
            ended = print in (LOST, GONE)
            still = () if ended else (g for g in before if g not in touched)
            self.keys[key] = (prints.get(key, "" if ended else print), *dict.fromkeys((*groups, *still)))


def encode(manifest: Manifest) -> bytes:
    """Compressed JSON; two equal manifests give equal bytes."""
    records = {
        source: {id: [e.group, e.stamp, e.fingerprint, *filter(None, [e.spelled])] for id, e in entries.items()}
        for source, entries in manifest.records.items()
    }
    keys = {key: list(fed) for key, fed in manifest.keys.items()}
    ids = {"ids": dict(manifest.ids)} if manifest.ids else {}
    return gzip.compress(dumps({"version": 1, "records": records, "keys": keys, **ids}).encode(), 1, mtime=0)


def decode(content: bytes) -> Manifest:
    text = gzip.decompress(content).decode()
    data = loads(text) if '"$' in text else json.loads(text)
    records = {source: {id: Entry(*parts) for id, parts in entries.items()} for source, entries in data["records"].items()}
    return Manifest(records, {key: tuple(fed) for key, fed in data["keys"].items()}, dict(data.get("ids", {})))
