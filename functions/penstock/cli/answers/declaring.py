"""`penstock targets`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.cli.answers.common import Counts, Steps
from penstock.core.values import Value


@dataclass(frozen=True, slots=True)
class DeclaredTarget:
    """`approvers` are its own, or those of the pipeline's gate where it has none (`central`). `auto_approve`: harmless classes
    of which nobody is asked. It `waits` for a stage that is not open. `broken` says what is wrong with its document, "" where
    nothing is; then the rest is empty. `changed_by` is "" for a target that the pipeline's file names."""

    target: str
    project: str
    database: str
    prefix: str
    partitions: tuple[str, ...]
    approvers: tuple[str, ...]
    central: bool
    approvals: int
    auto_approve: tuple[str, ...]
    stage: str
    waits: bool
    active: bool
    enabled: bool
    overrides: Mapping[str, Value]
    changed_by: str
    changed_at: str
    broken: str = ""


@dataclass(frozen=True, slots=True)
class DeclaredTargets:
    """`penstock targets list`, `add`, `set` and `remove` (the target as it was); exit code 1 where one is broken."""

    targets: tuple[DeclaredTarget, ...]
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class RunLine:
    """A schedule's run over the targets of a hub. `counts` are targets by what it had for them; `lines` tell of those that it
    left alone, and why."""

    run: str
    at: str
    by: str
    mode: str
    counts: Counts
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunOfTarget:
    """`outcome`: proposed, nothing, held, failed."""

    target: str
    at: str
    outcome: str
    batch: str
    text: str


@dataclass(frozen=True, slots=True)
class TargetRuns:
    """`penstock targets runs`, newest first; of one run with its `targets`. Exit code 1 where one of those failed."""

    runs: tuple[RunLine, ...]
    targets: tuple[RunOfTarget, ...]
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class StageLine:
    """`stage` is "" for targets that have none, and run always."""

    stage: str
    open: bool
    targets: int


@dataclass(frozen=True, slots=True)
class Stages:
    """`penstock targets rollout`"""

    pipeline: str
    stages: tuple[StageLine, ...]
    changed_by: str
    changed_at: str
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class DifferenceLine:
    """A record that production holds otherwise than its source says; `state` is pending, declined or unexplained."""

    key: str
    state: str
    why: str


@dataclass(frozen=True, slots=True)
class StandingLine:
    """How one partition of a target stands to its source ("" where it has none): equal, pending, declined or unexplained, the
    worst that any record is in. `differences` are at most as many as were asked for, the unexplained first; the hashes are
    over what the source says and what production holds of it."""

    target: str
    partition: str
    state: str
    counts: dict[str, int]
    source_hash: str
    production_hash: str
    differences: tuple[DifferenceLine, ...]


@dataclass(frozen=True, slots=True)
class Standings:
    """`penstock targets state`. `failed`: targets that could not be looked at, and why. Exit code 1 where anything is
    unexplained or failed."""

    standings: tuple[StandingLine, ...]
    failed: dict[str, str]
    next_steps: Steps
