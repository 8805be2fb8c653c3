"""What a local stack consists of, as data.

Values of `env` may name facts in braces (a brace itself is written twice); they are known before anything starts:

| fact | what it is |
|---|---|
| `{url_NAME}` | the address of the function NAME, no slash at the end; also its OIDC audience |
| `{audience}` | the same of the function whose environment this is |
| `{account}` | the service account that schedules and pushes call on behalf of |
| `{certs}` | where the token issuer's certificates are |
| `{smtp_host}` `{smtp_port}` `{mailbox}` | the mailbox: SMTP, and its pages' address |
| `{storage}` `{bucket}` | the storage emulator's address and the bucket |
| `{scheduler}` | host:port of the scheduler |
| `{project}` | the project that owns topics and schedules |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from penstock.core.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A function: `target` is its name in the source file."""

    name: str
    target: str
    signature: Literal["http", "event", "cloudevent"] = "http"
    port: int | None = None  # None: any that is free, the same again at the next start
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic and the function it is pushed to (None: nobody). After `max_attempts` (5..100) a message goes to `dead_letter`.

    The emulator waits about 1, 3, 3, … seconds between attempts, whatever a retry policy says."""

    name: str
    push_to: str | None = None
    path: str = "/"
    dead_letter: str | None = None
    max_attempts: int = 5
    ack_deadline: int = 600  # seconds, 10..600


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """A schedule: cron with five fields, in an IANA time zone; `body` is POSTed as JSON."""

    name: str
    cron: str
    time_zone: str
    function: str
    body: str = "{}"
    path: str = "/"
    retries: int = 0


@dataclass(frozen=True, slots=True)
class StackSpec:
    """The whole. `source` is the functions' file. `keep` names (project, database) pairs that survive `down` and `up`."""

    project: str
    source: Path
    functions: tuple[FunctionSpec, ...]
    topics: tuple[TopicSpec, ...] = ()
    schedules: tuple[ScheduleSpec, ...] = ()
    bucket: str = "penstock-local"
    env: Mapping[str, str] = field(default_factory=dict)  # of every function
    keep: tuple[tuple[str, str], ...] = ()
    location: str = "europe-west1"
    account: str = "invoker@penstock.local"

    def __post_init__(self) -> None:
        known = {function.name for function in self.functions}
        called = {f"topic {t.name}": t.push_to for t in self.topics if t.push_to}
        called |= {f"schedule {s.name}": s.function for s in self.schedules}
        for subject, function in called.items():
            if function not in known:
                remedy = f"There are: {', '.join(sorted(known))}."
                raise InvalidInput(f"calls the function {function!r}, which is not there", subject=subject, remedy=remedy)


def filled(values: Mapping[str, str], facts: Mapping[str, str]) -> dict[str, str]:
    """The values with their facts put in; `InvalidInput` for a fact that is none."""
    result = {}
    for name, value in values.items():
        try:
            result[name] = value.format_map(facts)
        except (KeyError, ValueError, IndexError) as error:
            remedy = f"The facts are: {', '.join(sorted(facts))}."
            raise InvalidInput(f"names no fact of this stack: {value!r}", subject=f"variable {name}", remedy=remedy) from error
    return result
