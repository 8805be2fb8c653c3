"""`penstock pipelines`: the declarations, and whether they hold water. Needs no deployment, and no local stack."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli import output
from penstock.cli.answers import pipelines as answers
from penstock.cli.app import App, pass_app
from penstock.cli.command import DONE, FOUND, Group
from penstock.core import layout
from penstock.core.declaration import Pipeline
from penstock.core.errors import InvalidInput
from penstock.pipelines.schema import FOLDER, Mistaken, load, load_all
from penstock.settings import read


@click.group(cls=Group)
def pipelines() -> None:
    """The pipelines: what they declare, and whether their files are right."""


@pipelines.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@pass_app
def check(app: App, files: tuple[Path, ...]) -> int:
    """Check pipeline FILES (all in the bundle when none is named): every mistake with its line, place and remedy."""
    checked = tuple(_check(path) for path in files or sorted(folder().glob("*.yaml")))
    wrong = any(file.mistakes for file in checked)

    def people() -> None:
        for file in checked:
            count = len(file.mistakes)
            output.say(f"{file.file}: {f'{count} mistake' + 's' * (count > 1) if count else f'{file.pipeline} is right'}")
            for m in file.mistakes:
                output.say(f"  line {m.line}, {m.place or 'the file'}: {m.text}" if m.line else f"  {m.text}")

    app.answer(answers.Checked(checked, () if wrong else ("penstock pipelines list",)), people)
    return FOUND if wrong else DONE


def folder() -> Path:
    return read().pipelines or FOLDER


def _check(path: Path) -> answers.CheckedFile:
    try:
        return answers.CheckedFile(str(path), load(path).name, ())
    except Mistaken as error:
        return answers.CheckedFile(str(path), "", tuple(answers.Mistake(*mistake) for mistake in error.mistakes))
    except InvalidInput as error:  # no YAML, or no file
        return answers.CheckedFile(str(path), "", (answers.Mistake(0, "", f"{error.what} {error.remedy}"),))


@pipelines.command("list")
@pass_app
def list_(app: App) -> None:
    """List the pipelines with their schedule, entities, targets and gate."""
    found = tuple(_line(pipeline) for pipeline in load_all(folder(), read().only).values())

    def people() -> None:
        rows = [
            (p.name, p.title, f"{p.schedule} {p.time_zone}", ", ".join(p.entities), ", ".join(p.targets),
             f"{p.approvals} of {p.approvers}") for p in found
        ]  # fmt: skip
        output.table(("pipeline", "title", "schedule", "entities", "targets", "approvals"), rows)

    app.answer(answers.Pipelines(found, ("penstock status", *(f"penstock run {p.name}" for p in found))), people)


def _line(p: Pipeline) -> answers.PipelineLine:
    return answers.PipelineLine(
        name=p.name,
        title=p.title,
        schedule=p.schedule,
        time_zone=p.time_zone,
        sources=tuple(p.sources),
        entities=tuple(entity.name for entity in p.entities),
        targets=tuple(layout.target_id(p.name, target.name) for target in p.targets),
        rules=tuple(name for name, _ in p.rules),
        approvers=p.gate.approvers,
        approvals=p.gate.approvals,
    )


COMMANDS = (pipelines,)
