"""How a command takes `--json`, tells its errors, and ends."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from penstock.cli import output
from penstock.cli.answers import common as answers
from penstock.cli.app import App
from penstock.core.errors import InvalidInput, NotFound, PenstockError, Refused

DONE, FOUND, USAGE, FAILURE = 0, 1, 2, 3
_COMMAND = re.compile(r"`(penstock [^`]+)`")


def exit_code(error: Exception) -> int:
    """1 for a refusal, 2 for what was given wrongly, 3 for what failed."""
    if isinstance(error, Refused):
        return FOUND
    return USAGE if isinstance(error, InvalidInput | NotFound | click.UsageError) else FAILURE


def _wanted(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and isinstance(ctx.obj, App):
        ctx.obj.json = True


def _json_option() -> click.Option:
    return click.Option(["--json"], is_flag=True, expose_value=False, callback=_wanted, help="Answer with one JSON object.")


class Command(click.Command):
    """A command that takes `--json`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params.append(_json_option())


class Group(click.Group):
    """Commands that take `--json` before or after their name, and end with one of the four exit codes."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params.append(_json_option())

    def main(self, args: Sequence[str] | None = None, *more: Any, **options: Any) -> NoReturn:
        """Run a command and end the process. A command gives its exit code, or nothing when it is done."""
        given = list(sys.argv[1:] if args is None else args)
        options.setdefault("obj", App())
        try:
            code = super().main(given, *more, **{**options, "standalone_mode": False})
        except click.ClickException as error:
            code = exit_code(error)
            _tell_usage(error, as_json="--json" in given)
        except click.Abort:
            code = FOUND
            output.complain("Stopped. What was begun goes on by itself: `penstock status` tells how it stands.")
        except PenstockError as error:
            code = exit_code(error)
            _tell(failed(error), as_json="--json" in given)
        except Exception as error:  # noqa: BLE001 - a bug, told whole; without this it would end with the code for findings
            code = FAILURE
            traceback.print_exc()
            if "--json" in given:
                _tell(answers.Failed(answers.Error(type(error).__name__, str(error), "", ""), ()), as_json=True)
        sys.exit(code if isinstance(code, int) else DONE)


def error_of(error: PenstockError) -> answers.Error:
    return answers.Error(type(error).__name__, error.what, error.subject, error.remedy)


def failed(error: PenstockError) -> answers.Failed:
    """The answer to what was refused or failed; the commands that its remedy names are the next steps."""
    return answers.Failed(error_of(error), tuple(_COMMAND.findall(error.remedy)))


def _tell(answer: answers.Failed, *, as_json: bool) -> None:
    if as_json:
        click.echo(output.as_json(answer))
        return
    error = answer.error
    output.complain(f"{error.subject}: {error.what}" if error.subject else error.what)
    if error.remedy:
        output.complain(error.remedy)


def _tell_usage(error: click.ClickException, *, as_json: bool) -> None:
    if not as_json:
        error.show()
        return
    path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "penstock"
    told = answers.Error("Usage", error.format_message(), "", "")
    click.echo(output.as_json(answers.Failed(told, (f"{path} --help",))))
