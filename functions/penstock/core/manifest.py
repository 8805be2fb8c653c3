"""What a target has dealt with: for each source record its group, change stamp and raw fingerprint, and for each projected key
the fingerprint of its normalised values. One immutable object in Storage per run; the target's document points at the last."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from penstock.core.values import Value, dumps, loads


@dataclass(frozen=True, slots=True)
class Entry:
    """`group` is the raw value of the grouping field, `stamp` the raw value of the cursor field."""

    group: Value
    stamp: Value
    fingerprint: str


@dataclass(slots=True)
class Manifest:
    records: dict[str, dict[str, Entry]] = field(default_factory=dict)  # source → document id → entry
    keys: dict[str, str] = field(default_factory=dict)  # `drops/DR1234567` → fingerprint

    def of(self, source: str) -> dict[str, Entry]:
        return self.records.setdefault(source, {})

    def members(self, source: str, groups: Iterable[Value]) -> dict[Value, list[str]]:
        """The ids of the records of each of these groups."""
        wanted, found = set(groups), defaultdict(list)
        for id, entry in self.of(source).items():
            if entry.group in wanted:
                found[entry.group].append(id)
        return found


def encode(manifest: Manifest) -> bytes:
    """Compressed JSON; two equal manifests give equal bytes."""
    records = {
        source: {id: [entry.group, entry.stamp, entry.fingerprint] for id, entry in entries.items()}
        for source, entries in manifest.records.items()
    }
    return gzip.compress(dumps({"version": 1, "records": records, "keys": manifest.keys}).encode(), 1, mtime=0)


def decode(content: bytes) -> Manifest:
    text = gzip.decompress(content).decode()
    data = loads(text) if '"$' in text else json.loads(text)
    records = {source: {id: Entry(*parts) for id, parts in entries.items()} for source, entries in data["records"].items()}
    return Manifest(records, data["keys"])
