"""`penstock local`: the whole of Penstock on this machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli import loading, output
from penstock.cli.answers import local as answers
from penstock.cli.app import App, pass_app
from penstock.cli.command import DONE, FOUND, Group
from penstock.core.errors import NotFound, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock.local.stack import Service


@click.group(cls=Group)
def local() -> None:
    """The whole of Penstock on this machine: emulators, mailbox, scheduler and every function."""


@local.command()
@pass_app
def up(app: App) -> int:
    """Start the local stack, unless it runs already."""
    from penstock.local import functions, supervisor

    folder = supervisor.default_folder()
    app.say("Starting the local stack …")
    supervisor.up(folder, functions.spec(folder))
    return _stack(app, folder, supervisor.status(folder))


@local.command()
@pass_app
def down(app: App) -> None:
    """End the local stack; the data of its databases is kept."""
    from penstock.local import supervisor

    folder = supervisor.default_folder()
    ended = supervisor.down(folder)
    answer = answers.LocalStack(str(folder), False, (), ("penstock local up",))
    app.answer(answer, lambda: output.say("The local stack is down." if ended else f"No local stack ran in {folder}."))


@local.command()
@pass_app
def status(app: App) -> int:
    """Every part of the local stack, and whether it is up."""
    from penstock.local import supervisor

    folder = supervisor.default_folder()
    return _stack(app, folder, supervisor.status(folder))


@local.command()
@click.argument("email")
@pass_app
def token(app: App, email: str) -> None:
    """Print an ID token of EMAIL for the review's API, as if this person had signed in."""
    from penstock.local import supervisor

    folder = supervisor.default_folder()
    made = supervisor.token(folder, email)
    address = next(service.address for service in supervisor.status(folder) if service.name == "review")
    app.answer(answers.Token(made, address, ()), lambda: output.say(made))


def _stack(app: App, folder: Path, services: Sequence[Service]) -> int:
    lines = tuple(answers.ServiceLine(s.name, s.address, s.healthy, s.log) for s in services)
    steps = ("penstock status", "penstock local demo", "penstock local down") if lines else ("penstock local up",)

    def people() -> None:
        if not lines:
            output.say(f"No local stack runs in {folder}.")
            return
        output.table(
            ("part", "state", "where"),
            [(s.name, "up" if s.healthy else "down", s.address if s.healthy else f"{s.address}  {s.log}") for s in lines],
        )

    app.answer(answers.LocalStack(str(folder), bool(lines), lines, steps), people)
    return DONE if lines and all(s.healthy for s in lines) else FOUND


@local.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--collection", required=True, help="Where to put the documents.")
@click.option(
    "--id", "id_field", default=loading.ID, show_default=True, metavar="FIELD", help="The field that holds the document id."
)
@click.option("--project", metavar="NAME", help="source, production, or a project as pipelines name it.")
@click.option("--database", metavar="D", help="The database in that project.")
@pass_app
def load(app: App, file: Path, collection: str, id_field: str, project: str | None, database: str | None) -> None:
    """Load FILE, one JSON object on each line, into a collection of the local source or production. Loading it again changes
    nothing. Values that JSON lacks are written like {"$time": "2026-01-31T02:00:00Z"}."""
    if not app.emulated:
        raise Refused(
            "is not on emulators",
            subject="What the environment names",
            remedy="Nothing was written. Start a local stack: `penstock local up`.",
        )
    place = loading.place_of(app.contexts, collection, project, database)
    total = loading.read(file, collection, id_field)
    store = app.contexts.ports.stores.open(place.project, place.database)
    started = time.monotonic()
    with output.progress(f"Loading {collection}", total) as advance:
        done = loading.write(store, file, collection, id_field, advance)
    took = time.monotonic() - started
    pipelines = loading.places(app.contexts, collection).get(place, [])
    steps = tuple(f"penstock run {name} --full" for name in pipelines) or ("penstock status",)
    answer = answers.Loaded(str(file), place.project, place.database, collection, done, round(took, 3), steps)
    rate = f"{done / took:,.0f} a second" if took else ""
    app.answer(
        answer, lambda: output.say(f"{done:,} documents in {place.project} {place.database} {collection}, {took:.1f} s, {rate}")
    )


@local.command()
@click.option("--yes", is_flag=True, help="Play the approver, too.")
@pass_app
def demo(app: App, yes: bool) -> int:
    """Start everything, load sample data, and run the main job to the approval link."""
    if app.json:
        raise click.UsageError("The demo is for people. Programs: `penstock run`, `show`, `decide` take --json.")
    from penstock.local.demo import main

    return main(yes=yes)


@local.command()
@click.argument("name", required=False)
@click.option("--lines", type=click.IntRange(1, 10_000), default=20, show_default=True, help="So many of the last.")
@pass_app
def logs(app: App, name: str | None, lines: int) -> None:
    """The last lines of the logs of the local stack, or of the part called NAME."""
    from penstock.local import supervisor

    folder = supervisor.default_folder() / "logs"
    files = sorted(folder.glob("*.log"))
    chosen = [path for path in files if name in (None, path.stem)]
    if not chosen:
        known = ", ".join(path.stem for path in files) or "none"
        raise NotFound(
            "there is no such log", subject=name or str(folder), remedy=f"There are: {known}. `penstock local up` starts a stack."
        )
    found = tuple(answers.Log(path.stem, str(path), _tail(path, lines)) for path in chosen)

    def people() -> None:
        for log in found:
            output.say(f"== {log.name}  {log.file}")
            for line in log.lines:
                output.say(line)

    app.answer(answers.Logs(found, ("penstock local status",)), people)


def _tail(path: Path, lines: int) -> tuple[str, ...]:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 400 * lines))
        text = file.read().decode("utf-8", "replace")
    return tuple(text.splitlines()[-lines:])


COMMANDS = (local,)
