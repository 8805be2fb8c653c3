"""What leaves the command line: answers on stdout, for programs or for people; progress and complaints on stderr."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import click

from penstock.cli import answers
from penstock.core.errors import Unavailable
from penstock.core.values import dumps
from penstock.web.text import visible

Advance: TypeAlias = Callable[[int], None]  # told how many are done by now
WIDE = 100_000  # columns: what is piped is cut nowhere


def plain(answer: Any) -> Any:
    """An answer as maps and lists; values of documents are left as they are."""
    if type(answer).__module__.startswith(f"{answers.__name__}."):
        return {field.name: plain(getattr(answer, field.name)) for field in dataclasses.fields(answer)}
    if isinstance(answer, Mapping):
        return {name: plain(value) for name, value in answer.items()}
    return [plain(item) for item in answer] if isinstance(answer, list | tuple) else answer


def as_json(answer: Any) -> str:
    return json.dumps(json.loads(dumps(plain(answer))), indent=2, ensure_ascii=False)


def say(text: str) -> None:
    """A line for people. Whatever stands in it is shown and never acts on the terminal."""
    click.echo(visible(text, lines=True))


def complain(text: str) -> None:
    click.echo(visible(text, lines=True), err=True)


def can_ask() -> bool:
    """Whether somebody sits at stdin."""
    return sys.stdin.isatty()


def steps(commands: Sequence[str]) -> None:
    if commands:
        say("\nNext:\n" + "\n".join(f"  {command}" for command in commands))


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> None:
    """A table as wide as the terminal; piped, as wide as it needs to be, and without colour."""
    _need_rich()
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=WIDE)
    made = Table(box=None, pad_edge=False, header_style="bold")
    numeric = [bool(rows) and all(isinstance(row[n], int) for row in rows) for n in range(len(headings))]
    for heading, is_number in zip(headings, numeric, strict=True):
        made.add_column(heading, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(visible(f"{cell:,}" if isinstance(cell, int) else str(cell), lines=True)) for cell in row))
    if title:
        say(f"\n{title}")
    with console.capture() as captured:
        console.print(made)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Advance]:
    """A bar with rate and time left on stderr, while somebody looks at a terminal. Give it how many are done by now."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    _need_rich()
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f}/s" if task.speed else "")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def _need_rich() -> None:
    try:
        import rich  # noqa: F401
    except ModuleNotFoundError:
        remedy = "Use --json, or install the extra `local`: pip install 'penstock[local]'."
        raise Unavailable("needs the package rich, which is not installed", subject="This table", remedy=remedy) from None
