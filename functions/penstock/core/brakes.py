"""Brakes: bands that a run stays within, or a person decides knowingly to go beyond."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.changes import Finding
from penstock.core.declaration import Brakes


def over_budget(brakes: Brakes, taken: Mapping[str, int], production: Mapping[str, int]) -> tuple[Finding, ...]:
    """Entities of which this batch would take more out of production than it may. Both by entity: `taken`, records to be removed
    or deactivated; `production`, documents now."""
    return tuple(
        Finding(
            "brake",
            "blocker",
            "",
            "",
            f"{many} of {production.get(entity, 0)} {entity} in production would be removed or deactivated, because the source "
            f"no longer holds them; the band is {brakes.deleted_share:.0%}.",
            "Look whether the source was cut down or replaced. Approve the brake only if these records are really gone.",
        )
        for entity, many in taken.items()
        if many > brakes.deleted_share * production.get(entity, 0)
    )


def tripped(brakes: Brakes, counts: Mapping[str, int], production: Mapping[str, int]) -> tuple[Finding, ...]:
    """What this batch goes beyond. `counts`: `poles UPDATE` → changes; `production`: collection → documents now.

    Creates are no share of what is there: a first run fills an empty production without tripping anything."""
    held = sum(production.values())
    touched = sum(many for name, many in counts.items() if not name.endswith(" CREATE"))
    if not held or touched / held <= brakes.changed_share:
        return ()
    share = touched / held
    return (
        Finding(
            "brake",
            "blocker",
            "",
            "",
            f"{touched} of {held} production records ({share:.0%}) would change; the band is {brakes.changed_share:.0%}.",
            "Look whether the source was replaced or recoded. Approve the brake only if this is meant.",
        ),
    )
