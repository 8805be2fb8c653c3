"""`penstock releases`."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.cli.answers.common import Steps


@dataclass(frozen=True, slots=True)
class ReleaseLine:
    """A partition of a source that targets share. `current` is the release that they get, "" where there is none; `read_at` when
    it was read. `held` says why they do not get what the source holds now, "" where they do; of a quarantine also since when, how
    many faults of each kind, and where the reports are."""

    pipeline: str
    source: str
    partition: str
    current: str
    read_at: str
    documents: int
    quarantined_since: str
    faults: dict[str, int]
    reports: dict[str, str]
    held: str


@dataclass(frozen=True, slots=True)
class Releases:
    """`penstock releases`: every partition that was read. Exit code 1 while one of them is held back."""

    releases: tuple[ReleaseLine, ...]
    next_steps: Steps
