"""What was written to a record after its promotion, in words for whoever decides on taking that promotion back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from penstock.core.changes import Action, Change, Finding
from penstock.core.declaration import Entity
from penstock.core.diff import changed_by_hand
from penstock.core.findings import about, listed, show, title
from penstock.core.layout import STAMP
from penstock.core.records import Snapshot
from penstock.core.values import get_in

LOST, KEPT, RETURNS = "later_edit", "edit_kept", "returns"
SHOWN = 20
_UNKNOWN = "Firestore keeps no record of by whom"


def told(now: Snapshot, entity: Entity, *, later_batch: bool) -> str:
    """Who wrote to the record since, and when, as far as it is known: of a later batch all is, of anybody else only when the
    record was written last."""
    if not now.exists:
        return f"removed outside Penstock; {_UNKNOWN} or when"
    outside = f"outside Penstock, the last time at {now.update_time}; {_UNKNOWN}"
    if not later_batch or get_in(now.fields, (STAMP, "batch")) is None:
        return outside
    stamp = now.fields[STAMP]
    people = listed(map(str, stamp.get("approvedBy") or ())) or "nobody named"
    batch = f"by batch {stamp['batch']}, approved by {people}, applied at {stamp.get('appliedAt')}"
    return f"{batch}; and then {outside}" if changed_by_hand(entity, now) else batch


def findings(changes: Sequence[Change]) -> list[Finding]:
    """Of the changes of a rollback: each later edit by its field, with what stands now, what was promoted and what was before.
    One that would be lost is a blocker; one that is kept is told."""
    edits = [found for change in changes if "later" in change.facts for found in _findings(change)]
    return edits + [found for change in changes for found in (*_left(change), *_returning(change))]


def _left(change: Change) -> Iterator[Finding]:
    for entity, many in change.facts.get("left", {}).items():
        text = f"{title(change)} would be removed, and {many} {entity} in production would still name it."
        remedy = f"Keep it, or take back the {entity} too."
        yield about(change, "removal", "blocker", text, remedy)


def _returning(change: Change) -> Iterator[Finding]:
    """Of a unit of a tree: what it left behind when it went, and what of that is another by now."""
    if back := change.facts.get("back"):
        many = listed(f"{n:,} {kind}" for kind, n in Counter(line["kind"] for line in back).items())
        text = f"{title(change)} takes back what it left behind: {many} return to where they were."
        yield about(change, RETURNS, "notice", text, "What is changed before that is kept as it is then, and named.")
    if stays := change.facts.get("stays"):
        told = listed((f"{document} {why}" for document, why in stays.items()), SHOWN)
        text = f"Of what {title(change)} left behind, {len(stays):,} stay as they are by now: {told}."
        yield about(change, KEPT, "warning", text, "They are kept. Whoever changed them knows where they belong.")


def _findings(change: Change) -> Iterator[Finding]:
    facts, later = change.facts, change.facts["later"]
    again = f"`penstock rollback {facts['undoes']} --key {change.key} --overwrite-edits`"
    for field, *values in facts.get("lost", ()):
        remedy = "Take the record back and lose this edit, or keep production and the whole record with it."
        yield Finding(LOST, "blocker", change.key, change.group, _text(later, field, values), remedy, field)
    for field, *values in facts.get("kept", ()):
        remedy = f"It is kept. To take it back as well: {again}."
        yield Finding(KEPT, "warning", change.key, change.group, _text(later, field, values), remedy, field)
    if others := facts.get("others"):
        removed = change.action is Action.DELETE
        text = f"was written to after the promotion ({later}): {listed(others)}."
        if removed:
            remedy = "It would be removed with the record. Take that back and lose it, or keep production."
            yield Finding(LOST, "blocker", change.key, change.group, text, remedy)
        else:
            yield Finding(KEPT, "notice", change.key, change.group, text, "This stays: the promotion had not written it.")


def _text(later: str, field: str, values: Sequence[Any]) -> str:
    now, promoted, before = map(show, values)
    three = f"it is {now} now, was promoted as {promoted}, and was {before} before"
    return f"`{field}` was edited after the promotion ({later}): {three}."


def kept_whole(batch: str, keys: Sequence[str]) -> Finding:
    """Of a whole rollback: the records of which nothing is taken back, because of later edits."""
    return Finding(
        KEPT,
        "warning",
        "",
        "",
        f"Of {len(keys):,} records nothing is taken back, because all that was promoted was edited, removed or made again since: "
        f"{listed(keys)}.",
        f"They are kept. `penstock rollback {batch} --preview` names each edit; with --overwrite-edits they are taken back too.",
    )
