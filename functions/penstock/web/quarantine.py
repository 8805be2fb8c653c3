"""The report on a release that no target gets: every fault, in words.

JSON, schema `penstock.quarantine.v1`: `title`, `pipeline`, `source`, `partition`, `release`, `read_at`, `since`, `documents`,
`current` (what stands instead: `release`, `read_at`, `documents`; or null), `counts` (kind → how many), `why`, and `faults`, each
with `kind`, `ids` and `text`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from penstock.core.release import Release, ReleaseState
from penstock.core.tree_checks import Fault
from penstock.core.values import Data, dumps
from penstock.web.environment import render

SCHEMA = "penstock.quarantine.v1"
LISTED = 500  # faults of a kind named on the page; the JSON names all


def quarantine_files(title: str, state: ReleaseState, faults: Sequence[Fault]) -> dict[str, bytes]:
    """The files `html` and `json` of a quarantined release."""
    held = state.quarantine
    assert held is not None
    by_kind = [(kind, list(of)) for kind, of in groupby(faults, key=lambda fault: fault.kind)]
    page = render("quarantine.html", title=title, state=state, held=held, by_kind=by_kind, listed=LISTED)
    told: Data = {
        "schema": SCHEMA,
        "title": title,
        "pipeline": state.pipeline,
        "source": state.source,
        "partition": state.partition,
        **_named(held.release),
        "since": str(held.since),
        "current": _named(state.current) if state.current else None,
        "counts": held.faults,
        "why": held.why,
        "faults": [{"kind": fault.kind, "ids": list(fault.ids), "text": fault.text} for fault in faults],
    }
    return {"html": page.encode(errors="replace"), "json": dumps(told).encode(errors="replace")}


def _named(release: Release) -> Data:
    return {"release": release.name, "read_at": str(release.at), "documents": release.documents}
