"""A terminal onto a world in memory: types commands, and holds every `--json` answer to its documented fields."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

import click
from click.testing import CliRunner
from penstock.cli import answers
from penstock.cli.app import App
from penstock.cli.main import cli
from pydantic import TypeAdapter
from support.world import World

OPERATOR, APPROVER = "ops@example.org", "thandi@example.org"
KINDS = {
    "pipelines check": answers.Checked, "pipelines list": answers.Pipelines, "run": answers.Ran, "batches": answers.Batches,
    "rollback --preview": answers.RollbackPreview,
    "show": answers.Shown, "decide": answers.Decided, "promote": answers.Moved, "retry": answers.Moved,
    "rollback": answers.Moved, "sweep": answers.Swept, "readback": answers.ReadBack, "status": answers.StatusAnswer,
    "export": answers.ExportedTo, "verify": answers.Verified,
    "targets list": answers.DeclaredTargets, "targets add": answers.DeclaredTargets, "targets set": answers.DeclaredTargets,
    "targets remove": answers.DeclaredTargets, "targets rollout": answers.Stages, "targets runs": answers.TargetRuns,
    "targets state": answers.Standings,
    "declined": answers.DeclinedList, "releases": answers.Releases, "forget": answers.Forgotten,
    "pause": answers.Paused, "resume": answers.Paused, "local load": answers.Loaded,
    "local token": answers.Token, "local status": answers.LocalStack,
    "keys make": answers.Keys, "keys rotate": answers.Keys, "local down": answers.LocalStack, "local logs": answers.Logs,
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
            answers.Failed
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
