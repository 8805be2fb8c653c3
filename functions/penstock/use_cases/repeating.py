"""A request that carries a key is answered once: whoever sends it again gets the answer that was given."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from penstock.core import layout
from penstock.core.errors import Conflict, InvalidInput, OutcomeUnknown, Refused, Unavailable
from penstock.core.records import Delete, Set, Write, as_seen
from penstock.use_cases.context import Context

KEPT_SECONDS = 24 * 3_600.0
LONGEST_KEY = 200


class Answer(NamedTuple):
    status: int
    body: str
    repeated: bool = False  # it was given before

    @property
    def stands(self) -> bool:
        """Whether asking again would get the same: not where it was our own fault, or may pass."""
        return self.status < 500


def once(ctx: Context, who: str, key: str, request: str, do: Callable[[], Answer]) -> Answer:
    """The answer to `request` (its digest) of this person under this key. The first one claims the key, does, and keeps its
    answer for a day; one who comes with it again gets that answer, and nothing is done. `InvalidInput` for a key that was used
    for another request, `Refused` while the first one is being answered.

    A process that dies in between leaves the claim; once it is taken for dead the request is done anew. What it does is guarded
    by itself (a batch is decided on once), so that this can repeat work, and never its effect."""
    if not 0 < len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        remedy = "Send a new random one, a UUID for example, with each request, and the same when you send it again."
        raise InvalidInput(f"is not 1 to {LONGEST_KEY} visible characters", subject="Idempotency-Key", remedy=remedy)
    path = layout.request(hashlib.sha256("\n".join((ctx.id, who, key)).encode()).hexdigest())
    found, now = ctx.store.get([path])[0], ctx.ports.now()
    if found.exists and found.fields["purge_at"] > now:
        if found.fields["request"] != request:
            what = "was used for another request"
            raise InvalidInput(what, subject="Idempotency-Key", remedy="Nothing was done. Send a new key with a new request.")
        if found.fields["status"]:
            return Answer(found.fields["status"], found.fields["body"], repeated=True)
        if found.fields["at"].plus(ctx.ports.stale_seconds) > now:
            raise _still_answered()
    claim = {"request": request, "status": 0, "body": "", "at": now, "purge_at": now.plus(KEPT_SECONDS)}
    try:
        ctx.store.commit([Set(path, claim, as_seen(found))])
    except Conflict:
        raise _still_answered() from None
    except OutcomeUnknown as lost:
        raise Unavailable("may not have been noted", subject="this request", remedy="Nothing was done. Send it again.") from lost
    answer = None
    try:
        answer = do()
        return answer
    finally:
        stands = answer is not None and answer.stands
        kept: Write = Set(path, {**claim, "status": answer.status, "body": answer.body}) if answer and stands else Delete(path)
        with suppress(Unavailable, OutcomeUnknown):  # what was done was done; without this note it is looked at anew
            ctx.store.commit([kept])


def _still_answered() -> Refused:
    remedy = "Send it again in a while: you get the answer."
    return Refused("is still being answered", subject="the request with this Idempotency-Key", remedy=remedy)
