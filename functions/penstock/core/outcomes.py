"""What came of a change when it was promoted, beside itself, in words."""

from __future__ import annotations

from penstock.core.changes import Change
from penstock.core.choices import other_of
from penstock.core.findings import listed
from penstock.core.packs import Ledger


def note(change: Change, ledger: Ledger | None, choice: str) -> str:
    """`choice`: what its approvers chose for what hangs below it; "" where nothing was. "" where there is nothing to say."""
    if ledger is None or change.key in ledger.rejected:
        return ""
    if why := ledger.why.get(change.key):
        return f"It fell out when it was promoted: {why}."
    if change.key in ledger.drifted:
        return ""
    told = []
    if choice:
        to = other_of(choice)
        told.append(f"What hung below it moved to {to}." if to else "What hung below it went along.")
    if back := [line["path"] for line in change.facts.get("back", ())]:
        kept = [f"{path} {ledger.kept[path]}" for path in back if path in ledger.kept]
        told.append(f"{len(back) - len(kept):,} documents that it had left behind returned with it.")
        told += [f"{len(kept):,} stayed: {listed(kept)}."] if kept else []
    return " ".join(told)
