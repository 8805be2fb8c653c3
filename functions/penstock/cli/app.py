"""What every command works with: the targets, who is asking, and how it answers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

import click

from penstock.cli import output
from penstock.core.errors import InvalidInput
from penstock.use_cases.context import Context
from penstock.wiring import Contexts

ALSO_WITH_A_STACK = frozenset(
    {"PENSTOCK_LOCAL", "PENSTOCK_USER", "PENSTOCK_FIRESTORE_EMULATOR", "PENSTOCK_PUBSUB_EMULATOR"}
)  # these name no deployment


class App:
    """One run of the command line. Tests give it a world of their own."""

    def __init__(self, contexts: Contexts | None = None, pause: Callable[[float], None] = time.sleep) -> None:
        self._given, self.pause = contexts, pause
        self.json = False

    @cached_property
    def contexts(self) -> Contexts:
        """Every target that the environment names, or that of the local stack which runs here."""
        if self._given is not None:
            return self._given
        self._settle_environment()
        from penstock import wiring

        return wiring.contexts()

    def _settle_environment(self) -> None:
        """Where nothing names a deployment, the local stack that runs here is meant."""
        if any(name.startswith("PENSTOCK_") and name not in ALSO_WITH_A_STACK for name in os.environ):
            return
        from penstock.local import supervisor

        folder = supervisor.default_folder()
        state = supervisor.read(folder)
        if state is None:
            raise InvalidInput(
                f"no deployment is named by the environment, and no local stack runs in {folder}",
                remedy="Start one: `penstock local up`. Or set the PENSTOCK_* variables of a deployment.",
            )
        os.environ.update(state.env)
        output.complain(f"Using the local stack in {folder}.")

    @property
    def emulated(self) -> bool:
        """Whether everything goes to emulators, and so can be filled at will."""
        if self._given is not None:
            return True
        self._settle_environment()
        return bool(os.environ.get("FIRESTORE_EMULATOR_HOST"))

    def find_target(self, text: str, pipeline: str = "") -> Context:
        return self.contexts.called(text, pipeline)

    def all_targets(self, pipeline: str = "") -> list[Context]:
        """Every target, or those of one pipeline, that can be worked on; a word on stderr about each that cannot."""
        if pipeline:
            contexts, wrong = self.contexts.declared(pipeline)
            broken = list(wrong.values())
        else:
            contexts, broken = self.contexts.survey()
        for line in broken:
            output.complain(line)
        return contexts

    def answer(self, answer: Any, people: Callable[[], None]) -> None:
        """Print the answer: as JSON where that was asked for, else as `people` does, with the next steps below."""
        if self.json:
            click.echo(output.as_json(answer))
            return
        people()
        output.steps(answer.next_steps)

    def say(self, text: str) -> None:
        """Something on the way to the answer; on stderr where stdout is a program's."""
        (output.complain if self.json else output.say)(text)


def who(ctx: click.Context, _: click.Parameter, value: str | None) -> str:
    """An address, as `--as` or PENSTOCK_USER gives it. Nobody approves what they started: so a name must be given."""
    if ctx.resilient_parsing:
        return ""
    if not value:
        raise click.UsageError("Who are you? Say `--as you@example.org`, or set PENSTOCK_USER.")
    name, _at, domain = value.strip().rpartition("@")
    if not name or not domain or any(c.isspace() for c in value.strip()):
        raise click.UsageError(f"`{value}` is no address. Say `--as you@example.org`, or set PENSTOCK_USER.")
    return value.strip()


as_option = click.option(
    "--as", "by", envvar="PENSTOCK_USER", callback=who, metavar="ADDRESS", help="Who you are; PENSTOCK_USER otherwise."
)
wait_option = click.option("--wait/--no-wait", default=True, help="Stay and watch until it is done (the default), or do not.")
pass_app = click.make_pass_decorator(App)
