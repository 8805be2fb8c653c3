"""Penstock's own functions, topics and schedules, as a local stack: what infra/ deploys, on one machine."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from penstock.core.declaration import Hub, Pipeline, Source, Target
from penstock.local.stack_spec import FunctionSpec, ScheduleSpec, StackSpec, TopicSpec
from penstock.pipelines.schema import FOLDER, load_all
from penstock.use_cases.topics import CAPTURE, CHECK, PROMOTE

SOURCE = Path(__file__).resolve().parents[2] / "main.py"
NAMES = ("capture", "check", "promote", "dead_letter", "sweep", "review")
DEAD = "penstock-dead"
APPROVER = "approver@penstock.example"  # the first; a gate that needs more has approver-2@…, and so on
OPERATOR = "operator@penstock.example"
PROJECT = "demo-penstock"
SWEEP_CRON = "*/5 * * * *"


def project_of(name: str) -> str:
    """The local project id of a project that a pipeline names. `demo-` tells Google's tools that it is none of theirs."""
    return f"demo-{name.replace('_', '-')}"


def spec(folder: Path, pipelines: Path = FOLDER) -> StackSpec:
    """Every pipeline's schedule, and the functions with an environment like the deployed one's."""
    loaded = load_all(pipelines)
    return StackSpec(
        project=PROJECT,
        source=SOURCE,
        functions=tuple(FunctionSpec(name, name) for name in NAMES),
        topics=(
            TopicSpec(CHECK, "check", dead_letter=DEAD),
            TopicSpec(PROMOTE, "promote", dead_letter=DEAD),
            TopicSpec(CAPTURE, "capture", dead_letter=DEAD),
            TopicSpec(DEAD, "dead_letter"),
        ),
        schedules=(
            *(schedule for p in loaded.values() for schedule in _schedules(p)),
            ScheduleSpec("sweep", SWEEP_CRON, "Etc/UTC", "sweep"),
        ),
        env=_env(folder, loaded, pipelines),
        keep=tuple(sorted(_databases(loaded))),
    )


def _schedules(pipeline: Pipeline) -> Iterator[ScheduleSpec]:
    name, zone = pipeline.name, pipeline.time_zone
    yield ScheduleSpec(name, pipeline.schedule, zone, "capture", json.dumps({"pipeline": name}), retries=3)
    if pipeline.active_schedule:
        body = json.dumps({"pipeline": name, "active": True})
        yield ScheduleSpec(f"{name}-active", pipeline.active_schedule, zone, "capture", body, retries=3)


def _env(folder: Path, loaded: Mapping[str, Pipeline], pipelines: Path) -> dict[str, str]:
    return {
        **{f"PENSTOCK_PROJECT_{name.upper()}": id for name, id in project_ids(loaded).items()},
        **{f"PENSTOCK_PEOPLE_{p.gate.approvers.upper()}": people(p.gate.approvals) for p in loaded.values()},
        **{f"PENSTOCK_PEOPLE_{p.gate.operators.upper()}": OPERATOR for p in loaded.values() if p.gate.operators},
        "PENSTOCK_KEYS": f"local:{_key(folder)}",
        "PENSTOCK_BUCKET": "{bucket}",
        "PENSTOCK_BASE_URL": "{url_review}",
        "PENSTOCK_SMTP_HOST": "{smtp_host}",
        "PENSTOCK_SMTP_PORT": "{smtp_port}",
        "PENSTOCK_SMTP_SECURITY": "none",
        "PENSTOCK_MAIL_FROM": "penstock@penstock.example",
        "PENSTOCK_AUDIENCE": "{audience}",
        "PENSTOCK_ACCOUNTS": "{account}",
        "PENSTOCK_CERTS_URL": "{certs}",
        "PENSTOCK_PIPELINES": str(pipelines),
    }


def people(approvals: int) -> str:
    """As many approvers as the gate needs, or the local stack could never decide."""
    name, _, domain = APPROVER.partition("@")
    return ",".join([APPROVER, *(f"{name}-{n}@{domain}" for n in range(2, approvals + 1))])


def _key(folder: Path) -> str:
    """The token key of this stack: the same again, so that yesterday's links still work."""
    path = folder / "token.key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text().strip()


def project_ids(loaded: Mapping[str, Pipeline]) -> dict[str, str]:
    """Of every project that a pipeline names."""
    return {place.project: project_of(place.project) for place in _places(loaded)}


def _places(loaded: Mapping[str, Pipeline]) -> Iterator[Source | Target | Hub]:
    for pipeline in loaded.values():
        yield from pipeline.sources.values()
        yield from pipeline.targets
        if pipeline.hub:
            yield pipeline.hub


def _databases(loaded: Mapping[str, Pipeline]) -> set[tuple[str, str]]:
    return {(project_of(place.project), place.database) for place in _places(loaded)}
