"""The local stack as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from penstock.local.stack import Service


def table(services: Sequence[Service]) -> Table:
    """One row for each part: its name, whether it is up, where it is, and for one that is down its log."""
    made = Table("Part", "State", "Where", box=None, pad_edge=False)
    for service in services:
        state = Text("up", style="green") if service.healthy else Text("down", style="bold red")
        where = service.address if service.healthy else f"{service.address}  {service.log}".strip()
        made.add_row(service.name, state, where)
    return made
