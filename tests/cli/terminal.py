"""A terminal onto a world in memory: types commands, and holds every `--json` answer to its documented fields."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

import click
from click.testing import CliRunner
from penstock.cli.answers import batches, common, deciding, declaring, keys, local, pipelines, proving, running, shared, targets
from penstock.cli.app import App
from penstock.cli.main import cli
from pydantic import TypeAdapter
from support.world import World

OPERATOR, APPROVER = "ops@example.org", "thandi@example.org"
KINDS = {
    "pipelines check": pipelines.Checked, "pipelines list": pipelines.Pipelines, "run": running.Ran, "batches": batches.Batches,
    "rollback --preview": deciding.RollbackPreview,
    "show": batches.Shown, "decide": deciding.Decided, "promote": deciding.Moved, "retry": deciding.Moved,
    "rollback": deciding.Moved, "sweep": targets.Swept, "readback": deciding.ReadBack, "status": targets.StatusAnswer,
    "export": proving.ExportedTo, "verify": proving.Verified,
    "targets list": declaring.DeclaredTargets, "targets add": declaring.DeclaredTargets, "targets set": declaring.DeclaredTargets,
    "targets remove": declaring.DeclaredTargets, "targets rollout": declaring.Stages, "targets runs": declaring.TargetRuns,
    "targets state": declaring.Standings,
    "declined": targets.DeclinedList, "releases": shared.Releases, "forget": targets.Forgotten,
    "pause": targets.Paused, "resume": targets.Paused, "local load": local.Loaded,
    "local token": local.Token, "local status": local.LocalStack,
    "keys make": keys.Keys, "keys rotate": keys.Keys, "local down": local.LocalStack, "local logs": local.Logs,
}  # fmt: skip


@dataclass(frozen=True)
class Told:
    code: int
    out: str
    err: str
    answer: dict[str, Any]


class Terminal:
    def __init__(self, world: World | None) -> None:
        self.world = world

    def __call__(self, *words: str, user: str | None = OPERATOR, types: str | None = None, **env: str) -> Told:
        """Type a command, and what it then asks for."""
        app = App(self.world.contexts, self._pause) if self.world else App()
        given = {"PENSTOCK_USER": user, **env}
        result = CliRunner(env=given).invoke(cli, list(words), input=types, obj=app, prog_name="penstock")
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.stderr, result.stderr
        answer = json.loads(result.stdout) if "--json" in words and "--help" not in words else {}
        return Told(result.exit_code, result.stdout, result.stderr, answer)

    def json(self, *words: str, **more: Any) -> Told:
        """Type a command with `--json`; its answer has exactly the fields that are documented for it."""
        told = self(*words, "--json", **more)
        kind = (
            common.Failed
            if "error" in told.answer
            else KINDS[next(k for k in sorted(KINDS, reverse=True) if " ".join(words).startswith(k))]
        )
        adapter = TypeAdapter(kind)
        structured = adapter.validate_json(told.out, strict=True)
        assert adapter.dump_python(structured, mode="json") == told.answer
        for step in told.answer["next_steps"]:
            understood(step)
        return told

    def _pause(self, seconds: float) -> None:
        assert self.world is not None
        self.world.clock.forward(seconds)
        self.world.pump()


def understood(step: str) -> None:
    """A next step is a command that exists, with arguments that it takes."""
    program, *words = shlex.split(step)
    assert program == "penstock"
    command: click.Command = cli
    while isinstance(command, click.Group) and words[0] != "--help":
        command = command.commands[words.pop(0)]
    if words != ["--help"]:
        who = ["--as", OPERATOR] if any(parameter.name == "by" for parameter in command.params) else []
        with command.make_context("x", [*words, *who], obj=App()):
            pass
