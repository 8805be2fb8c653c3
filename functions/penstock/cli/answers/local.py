"""`penstock local`."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.cli.answers.common import Steps


@dataclass(frozen=True, slots=True)
class ServiceLine:
    name: str
    address: str
    healthy: bool
    log: str


@dataclass(frozen=True, slots=True)
class LocalStack:
    """`penstock local up`, `down` and `status`; exit code 1 where a part is down."""

    folder: str
    running: bool
    services: tuple[ServiceLine, ...]
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class Token:
    """`penstock local token`"""

    token: str
    address: str  # of the review service, which takes it for an hour
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class Loaded:
    """`penstock local load`"""

    file: str
    project: str  # the project id
    database: str
    collection: str
    documents: int
    seconds: float
    next_steps: Steps


@dataclass(frozen=True, slots=True)
class Log:
    name: str
    file: str
    lines: tuple[str, ...]  # the last ones


@dataclass(frozen=True, slots=True)
class Logs:
    """`penstock local logs`"""

    logs: tuple[Log, ...]
    next_steps: Steps
