"""The bugs that the simulation's judges are tried with, for a process that has one for all its life."""

from __future__ import annotations

from simulation.planted import BUGS


def plant(name: str) -> None:
    """Take out this guard, in this process, for good."""
    for module, attribute, instead in BUGS[name].patches:
        setattr(module, attribute, instead)
