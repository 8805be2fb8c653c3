"""`penstock`: everything an operator or a developer does, one command each."""

from __future__ import annotations

import click

from penstock.cli import api, batches, deciding, declaring, keys, local, pipelines, proving, running, shared, targets
from penstock.cli.command import Group


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="penstock")
def cli() -> None:
    """Review-gated data sync for Firestore: capture, check, decide, promote, roll back.

    Exit codes: 0 done, 1 something was found or refused, 2 wrong usage, 3 failure."""


def main() -> None:
    cli()


PARTS = (pipelines, declaring, running, batches, deciding, targets, shared, proving, keys, api, local)
for command in (command for part in PARTS for command in part.COMMANDS):
    cli.add_command(command)
