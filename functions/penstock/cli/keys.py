"""`penstock keys`: the token keys, which sign the links that are mailed. Needs no deployment, and no local stack."""

from __future__ import annotations

import secrets
import time
from typing import TextIO

import click

from penstock.cli import output
from penstock.cli.answers import keys as answers
from penstock.cli.app import App, pass_app
from penstock.cli.command import Group
from penstock.core import keyring
from penstock.core.errors import InvalidInput
from penstock.core.values import Timestamp

DAY_SECONDS = 86_400.0


@click.group(cls=Group)
def keys() -> None:
    """The token keys: what signs the links in mails."""


@keys.command()
@pass_app
def make(app: App) -> None:
    """Make the first key, as PENSTOCK_KEYS takes it."""
    _tell(app, keyring.Keyring(), keyring.rotate(keyring.Keyring(), secrets.token_bytes(32), _now(), 0))


@keys.command()
@click.option("--grace-days", type=click.FloatRange(0, 365), default=14.0, show_default=True, help="How long older links work.")
@click.argument("current", type=click.File(), default="-")
@pass_app
def rotate(app: App, grace_days: float, current: TextIO) -> None:
    """Put a new random key before the CURRENT ones (a file; stdin otherwise), as PENSTOCK_KEYS takes them.

    Links signed with the older keys go on working for the days of grace, then the keys are refused, and the next rotation leaves
    them out. Choose a grace longer than any review stays open."""
    ring = keyring.parse(current.read())
    if not ring.keys:
        remedy = "Give the keys that are in use; for the first one say `penstock keys make`."
        raise InvalidInput("holds no key", subject=current.name, remedy=remedy)
    _tell(app, ring, keyring.rotate(ring, secrets.token_bytes(32), _now(), grace_days * DAY_SECONDS))


def _tell(app: App, old: keyring.Keyring, new: keyring.Keyring) -> None:
    signs, *others = new.keys
    retired = {id: str(new.until[id]) for id in others}
    left_out = tuple(id for id in old.keys if id not in new.keys)

    def people() -> None:
        click.echo(str(new))  # and nothing else: it goes into the secret
        output.complain(f"`{signs}` signs from the next deployment on.")
        for id, moment in retired.items():
            output.complain(f"Links signed with `{id}` work until {moment}.")
        for id in left_out:
            output.complain(f"`{id}` was retired already and is left out.")

    app.answer(answers.Keys(str(new), signs, retired, left_out, ()), people)


def _now() -> Timestamp:
    return Timestamp(int(time.time()))


COMMANDS = (keys,)
