"""`penstock run`."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.cli.answers.batches import EntityTally
from penstock.cli.answers.common import Error, Steps


@dataclass(frozen=True, slots=True)
class TargetRun:
    """`batch` is "" where there was nothing to propose; `status` is that of the batch when the command ended."""

    target: str
    mode: str  # changes, reconcile, full
    read_time: str
    batch: str
    status: str
    superseded: str  # the open batch that this one replaced
    open: str  # the batch that is open on the target now, this one or one from before
    tallies: tuple[EntityTally, ...]
    notes: tuple[str, ...]
    failures: tuple[str, ...]  # effects that are owed and could not be paid; the sweep tries again
    error: Error | None  # why this target was not run
    held: str = ""  # why brakes stopped the run, and what there is to do: nothing was read then; `batch` asks about it, if new


@dataclass(frozen=True, slots=True)
class NotRun:
    """`why` in a word: paused, disabled, waits (its stage is not open), running, promoting, broken, no release (its partition has
    no sound one yet); `text` says it plainly."""

    target: str
    why: str
    text: str


@dataclass(frozen=True, slots=True)
class Ran:
    """`penstock run`; exit code 1 where a target refused, is held by a brake or is declared wrongly, where a release of the
    source is quarantined or could not be read (`troubles`), and where none was run; 3 where one failed. `at_rest` counts targets
    that have nothing new."""

    runs: tuple[TargetRun, ...]
    next_steps: Steps
    not_run: tuple[NotRun, ...] = ()
    at_rest: int = 0
    troubles: tuple[str, ...] = ()
