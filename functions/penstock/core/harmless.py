"""Changes that need nobody's word, because a pipeline has named them so: a batch of nothing else is approved by that policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from penstock.core.changes import Action, Change, Finding
from penstock.core.declaration import Harmless
from penstock.core.plan import Decision
from penstock.core.values import Timestamp

POLICY = "policy"  # in the place of the address of whoever decided; no address is one


def classes_of(named: Mapping[str, Harmless], changes: Iterable[Change], findings: Iterable[Finding]) -> tuple[str, ...]:
    """The names of the classes that all of these changes fall into. () where one falls into none, where anything was found that
    is more than a notice, and where there is no change."""
    if any(found.severity != "notice" for found in findings):
        return ()
    met: dict[str, None] = {}
    for change in changes:
        name = next((name for name, of in named.items() if _falls_into(change, of)), None)
        if name is None:
            return ()
        met[name] = None
    return tuple(name for name in named if name in met)


def _falls_into(change: Change, of: Harmless) -> bool:
    same = change.entity == of.entity and change.action == of.action.upper()
    return same and (change.action is Action.CREATE or all(any(path[: len(f)] == f for f in of.fields) for path in change.mask))


def by_policy(classes: Sequence[str], at: Timestamp, digest: str) -> Decision:
    """The approval of what was shown with this digest."""
    return Decision(POLICY, at, digest, "approve", note=f"Harmless: {', '.join(classes)}.")
