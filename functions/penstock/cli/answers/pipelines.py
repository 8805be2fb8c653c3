"""`penstock pipelines`."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.cli.answers.common import Steps


@dataclass(frozen=True, slots=True)
class Mistake:
    """`place` is dotted; `text` says what is wrong and what to do. `line` is 0 where the file as a whole is meant."""

    line: int
    place: str
    text: str


@dataclass(frozen=True, slots=True)
class CheckedFile:
    file: str
    pipeline: str  # "" where the file holds mistakes
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """`penstock pipelines check`; exit code 1 where a file holds mistakes."""

    files: tuple[CheckedFile, ...]
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class PipelineLine:
    name: str
    title: str
    schedule: str  # cron, five fields
    time_zone: str
    sources: tuple[str, ...]
    entities: tuple[str, ...]
    targets: tuple[str, ...]  # target ids
    rules: tuple[str, ...]
    approvers: str  # the name that settings turn into addresses
    approvals: int


@dataclass(frozen=True, slots=True)
class Pipelines:
    """`penstock pipelines list`"""

    pipelines: tuple[PipelineLine, ...]
    next_steps: Steps
