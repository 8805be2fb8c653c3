"""What the README tells people to type is there to be typed."""

import re
import shlex
from pathlib import Path

import click
import pytest
from penstock.cli.app import App
from penstock.cli.main import cli
from penstock.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = [line for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines()]
COMMANDS = sorted(
    {line.partition("#")[0].strip() for line in BLOCKS if line.startswith("penstock ")}
    | set(re.findall(r"`(penstock [^`]+)`", README))
)


def test_there_are_commands_to_test():
    assert len(COMMANDS) >= 12


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_readme_is_understood(line):
    command, words = cli, shlex.split(line)[1:]
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    files = {word for word in words if word.endswith((".jsonl", ".yaml"))}
    with command.make_context("x", [__file__ if word in files else word for word in words], obj=App()):
        pass


@pytest.mark.parametrize("name", sorted(set(re.findall(r"scripts/[a-z]+", README))))
def test_every_script_of_the_readme_is_there_and_runs(name):
    assert (ROOT / name).stat().st_mode & 0o111


def test_every_setting_of_the_readme_is_read():
    known = {
        *(f"PENSTOCK_{name.upper()}" for name in Settings.model_fields),
        "PENSTOCK_PROJECT_",
        "PENSTOCK_PEOPLE_",
        "PENSTOCK_USER",
    }
    for name in re.findall(r"`(PENSTOCK_[A-Z_]+)", README):
        assert any(k.startswith(name) for k in known), name
