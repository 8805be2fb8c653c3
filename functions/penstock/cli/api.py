"""`penstock api`: the API as a document. Needs no deployment."""

from __future__ import annotations

import json

import click

from penstock.cli.command import Group
from penstock.cli.pipelines import folder
from penstock.entrypoints.api import openapi as document
from penstock.pipelines.schema import load_all
from penstock.settings import read


@click.group(cls=Group)
def api() -> None:
    """What people do by program: the review of a target over HTTP."""


@api.command()
@click.option("--server", default="/", metavar="URL", help="The address of the review service.")
def openapi(server: str) -> None:
    """Print the OpenAPI 3.1 document of the API, as the service has it at /openapi.json."""
    click.echo(json.dumps(document.document(load_all(folder(), read().only).values(), server), indent=2, ensure_ascii=False))


COMMANDS = (api,)
