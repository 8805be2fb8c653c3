"""What each entry point may read, write, store, publish and send. `wiring.contexts` gives it ports that refuse everything else;
infra/iam.tf grants the accounts what of it Google can tell apart. A test does the whole work of every entry point within its
grant, and finds nothing granted that is not used.

Capture never writes production. A pack is written once, and of it others change only what was judged and what came of it. Review
never reads a source. An audit entry that was written is written by nobody."""

from __future__ import annotations

from penstock.adapters.confined import DEPENDENTS, MAIL, PLACE, PRODUCTION, SOURCE, Grant
from penstock.core.layout import (
    ANCHORS,
    AUDIT,
    BATCHES,
    OUTBOX,
    REGISTRY,
    REJECTIONS,
    RELEASES,
    REQUESTS,
    ROLLOUT,
    RUNS,
    STAGING,
    TARGETS,
    TOKENS,
)
from penstock.use_cases import topics

MANIFESTS, BACKUPS, REPORTS = "manifests/", "backups/", "reports/"
OF_RELEASES, QUARANTINE = "releases/", "quarantine/"


def _new(*collections: str) -> frozenset[str]:
    """Documents that are not there yet."""
    return frozenset(f"new {collection}" for collection in collections)


def _fields(collection: str, *names: str) -> frozenset[str]:
    """These fields of documents that are there."""
    return frozenset(f"{collection}.{name}" for name in names)


_SHARED = frozenset({RELEASES})  # what was read of a source that targets share
_DECLARED = frozenset({REGISTRY})  # targets of a hub
_MOVED = frozenset({BATCHES}) | _new(AUDIT)  # a batch moves on
_OWED = _new(OUTBOX) | _fields(OUTBOX, "state", "attempts", "due", "error", "paid_at", "purge_at")
_JUDGED = _fields(STAGING, "state", "findings", "findings_digest", "gathered", "error", "costs")
_PROMOTED = _fields(STAGING, "state", "ledger", "purge_at", "costs")
_FOLLOWED = _fields(DEPENDENTS, PLACE)  # what hangs below a moved unit goes along, and no other field of it is touched
_CLOSED = _fields(STAGING, "state", "ledger")  # what did not land of a batch that is given up
_FAILED = _fields(STAGING, "error")

CAPTURE = Grant(  # it also asks people where a brake holds, and ends a batch that a newer one takes the place of
    "capture",
    read=_DECLARED
    | _SHARED
    | frozenset({SOURCE, PRODUCTION, DEPENDENTS, TARGETS, BATCHES, STAGING, REJECTIONS, AUDIT, TOKENS, ROLLOUT, RUNS}),
    write=_SHARED | frozenset({TARGETS, REJECTIONS, RUNS}) | _MOVED | _OWED | _CLOSED | _new(STAGING, TOKENS),
    fetch=frozenset({MANIFESTS, ANCHORS, OF_RELEASES}),
    store=frozenset({MANIFESTS, BACKUPS, REPORTS, ANCHORS, OF_RELEASES, QUARANTINE}),
    publish=frozenset({topics.CHECK, topics.CAPTURE}),
    send=frozenset({MAIL}),
)
CHECK = Grant(
    "check",
    read=_DECLARED | frozenset({PRODUCTION, DEPENDENTS, BATCHES, STAGING, AUDIT, TOKENS}),
    write=_MOVED | _OWED | _JUDGED | _new(TOKENS),
    store=frozenset({REPORTS}),
    send=frozenset({MAIL}),
)
PROMOTE = Grant(
    "promote",
    read=_DECLARED | frozenset({PRODUCTION, DEPENDENTS, TARGETS, BATCHES, STAGING, AUDIT}),
    write=frozenset({PRODUCTION, TARGETS, REJECTIONS}) | _FOLLOWED | _MOVED | _OWED | _PROMOTED | _FAILED,
    fetch=frozenset({ANCHORS}),
    store=frozenset({BACKUPS, REPORTS, ANCHORS}),
    publish=frozenset({topics.CAPTURE, topics.PROMOTE}),  # of a tree the next pack
    send=frozenset({MAIL}),
)
DEAD_LETTER = Grant("dead_letter", read=_DECLARED | frozenset({BATCHES, STAGING, AUDIT}), write=_MOVED)
REVIEW = Grant(  # by page, and by the API, which also proposes rollbacks
    "review",
    read=_DECLARED | frozenset({PRODUCTION, DEPENDENTS, TARGETS, BATCHES, STAGING, AUDIT, TOKENS, REQUESTS}),
    write=frozenset({PRODUCTION, TARGETS, REJECTIONS, TOKENS, REQUESTS}) | _FOLLOWED | _MOVED | _OWED | _PROMOTED | _new(STAGING),
    fetch=frozenset({BACKUPS, ANCHORS}),
    store=frozenset({BACKUPS, REPORTS, ANCHORS}),
    publish=frozenset({topics.CAPTURE, topics.CHECK, topics.PROMOTE}),
    send=frozenset({MAIL}),
)
SWEEP = Grant(  # brings to its end whatever another left behind, except what only messages ask for
    "sweep",
    read=_DECLARED
    | _SHARED
    | frozenset({SOURCE, PRODUCTION, DEPENDENTS, TARGETS, BATCHES, STAGING, REJECTIONS, AUDIT, TOKENS, OUTBOX, ROLLOUT}),
    write=frozenset({PRODUCTION, TARGETS, REJECTIONS})
    | _FOLLOWED
    | _MOVED
    | _OWED
    | _PROMOTED
    | _new(STAGING, TOKENS)
    | _fields(ROLLOUT, "anchored"),
    fetch=frozenset({MANIFESTS, ANCHORS, OF_RELEASES}),
    store=frozenset({MANIFESTS, BACKUPS, REPORTS, ANCHORS}),
    publish=frozenset({topics.CAPTURE, topics.CHECK, topics.PROMOTE}),
    send=frozenset({MAIL}),
)
GRANTS = {grant.name: grant for grant in (CAPTURE, CHECK, PROMOTE, DEAD_LETTER, REVIEW, SWEEP)}
