"""Releases: a partition of a source as it stood at one moment, read once for every target that lists it. Each is an immutable
object in Storage; a document in the hub says which one is current, and how far the source was read."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from penstock.core.codec import SourceState
from penstock.core.errors import InvalidInput
from penstock.core.manifest import Entry
from penstock.core.values import Data, Timestamp, dumps, loads


@dataclass(frozen=True, slots=True)
class Release:
    """`name` tells it from every other of its partition; `at` is the moment that was read at; `digest` that of the object."""

    name: str
    at: Timestamp
    documents: int
    digest: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A release that no target gets. `since`: when the first of the faulty ones in a row was read; `faults` by kind."""

    release: Release
    since: Timestamp
    faults: dict[str, int]
    why: str
    reports: dict[str, str]  # `html`, `json` → where a person finds it


@dataclass(frozen=True, slots=True)
class ReleaseState:
    """`penstock_releases/{pipeline.source.PARTITION}`. `read` is what the source held when it was last read, sound or not, and
    what the next reading goes on from; `current` is the last sound one, which targets get."""

    id: str
    pipeline: str
    source: str
    partition: str
    asked: str = ""  # by each refresh, so that its commit tells the moment to read at
    concluded: Timestamp | None = None  # the moment that was read at, of the refresh that wrote this
    current: Release | None = None
    read: Release | None = None
    state: SourceState = field(default_factory=SourceState)
    fields: str = ""  # fingerprint of the source fields that were read: with others, all is read again
    quarantine: Quarantine | None = None
    incomplete: str = ""  # why nothing new could be taken from the last reading


class Document(NamedTuple):
    """One record of a release: the fields that the pipeline reads, and what the next reading compares it with."""

    fields: Data
    entry: Entry


def encode(documents: Mapping[str, Document]) -> bytes:
    """Compressed canonical JSON; equal releases give equal bytes."""
    rows = {id: [d.fields, [d.entry.group, d.entry.stamp, d.entry.fingerprint]] for id, d in documents.items()}
    return gzip.compress(dumps({"version": 1, "documents": rows}).encode(), 1, mtime=0)


def digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def decode(content: bytes, release: Release) -> dict[str, Document]:
    """The records of a release by document id, not to be changed; `InvalidInput` where this is another object."""
    found = _decode(content) if digest(content) == release.digest else None
    if found is None or len(found) != release.documents:
        remedy = "Nothing was taken from it. Run again with --full: the source is read anew."
        raise InvalidInput("is not the release that was stored", subject=release.name, remedy=remedy)
    return found


@lru_cache(maxsize=8)
def _decode(content: bytes) -> dict[str, Document]:
    """Remembered, for many targets take the same release one after the other."""
    rows = loads(gzip.decompress(content))["documents"]
    return {id: Document(fields, Entry(*entry)) for id, (fields, entry) in rows.items()}
