"""The staging collection: packs go in, and come back as changes, findings and ledgers."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from penstock.core import layout
from penstock.core.changes import Action, Change, Finding
from penstock.core.codec import from_data
from penstock.core.cost import Cost
from penstock.core.decisions import Carried, Subject, subject_of, voices
from penstock.core.declaration import Pipeline
from penstock.core.diff import result_of
from penstock.core.errors import Conflict, NotFound, OutcomeUnknown, PenstockError
from penstock.core.packs import (
    Draft,
    Ledger,
    Ready,
    compress,
    decode_changes,
    decode_findings,
    decode_ready,
    digest_of,
    digest_of_batch,
    digest_of_pack,
    encode_findings,
    encode_ready,
)
from penstock.core.plan import Batch, Verdict
from penstock.core.promotion import ready_of
from penstock.core.records import ABSENT, NAME, Query, Set, Snapshot, Where
from penstock.core.tree import place_of
from penstock.core.values import Data, FieldPath, Timestamp, dotted, dumps, get_in
from penstock.ports import Store
from penstock.use_cases.context import Context, load_batch

PackState = Literal["STAGED", "CHECKED", "PROMOTED"]
DeclinedMap = Mapping[str, Mapping[str, str]]  # change key → dotted field ("" for all) → fingerprint of what was declined
Voices = Mapping[str, Mapping[str, Verdict]]  # content of a change → person → verdict

_LIGHT = (
    "batch number keys counts digest payload_digest ready_digest findings_digest state findings gathered carried ledger error "
    "costs"
)
WITHOUT_PAYLOAD: tuple[FieldPath, ...] = tuple((name,) for name in _LIGHT.split())


class Word(NamedTuple):
    """What is remembered of a field: the fingerprint of the value that was refused, in which batch, and when."""

    said: str
    batch: str
    at: Timestamp


class Tampered(PenstockError):
    """A pack is not what was staged. It is neither shown nor promoted."""


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack as read. `changes` are decoded, and their digest verified, when asked for."""

    snapshot: Snapshot

    @property
    def fields(self) -> Data:
        return self.snapshot.fields

    @property
    def number(self) -> int:
        return int(self.fields["number"])

    @property
    def state(self) -> PackState:
        return self.fields["state"]  # type: ignore[no-any-return]

    @property
    def changes(self) -> list[Change]:
        return self.some(None)

    def some(self, keys: Container[str] | None) -> list[Change]:
        """The changes with these keys; None: all."""
        return decode_changes(self._intact("payload", "digest", "changes than were staged"), keys)

    @property
    def ready(self) -> list[Ready]:
        """What promotion needs of each change; far quicker than `changes`."""
        try:
            return decode_ready(gzip.decompress(self.fields["ready"]))
        except (zlib.error, gzip.BadGzipFile, EOFError, ValueError) as error:
            raise self._tampered("writes than were staged") from error

    @property
    def findings(self) -> list[Finding]:
        if not self.fields.get("findings"):
            return []
        return decode_findings(self._intact("findings", "findings_digest", "findings than were made"))

    def _intact(self, name: str, digest: str, what: str) -> str:
        try:
            content = gzip.decompress(self.fields[name])
            if digest_of(content) == self.fields.get(digest):
                return content.decode()
        except (zlib.error, gzip.BadGzipFile, EOFError, UnicodeDecodeError) as error:
            raise self._tampered(what) from error
        raise self._tampered(what)

    def _tampered(self, what: str) -> Tampered:
        return Tampered(
            f"holds other {what}",
            subject=self.snapshot.path,
            remedy="Nothing of it was promoted. Run the pipeline again: a new batch supersedes this one.",
        )

    @property
    def gathered(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.fields.get("gathered") or "{}")
        return found

    @property
    def carried(self) -> Carried:
        found: Carried = json.loads(self.fields.get("carried") or "{}")
        return found

    def cost(self, phase: str) -> Cost:
        """What this pack was billed in a phase, but for the look whether others wait."""
        found = self.fields.get("costs", {}).get(phase)
        return from_data(found, Cost) if found else Cost()

    @property
    def ledger(self) -> Ledger | None:
        """What promotion did. The commit that wrote it wrote production too, and it is the pack's last: so the pack's
        `update_time` is that of every record it wrote. Where a removed unit was put back since, it is that of this, and the
        ledger's `committed` is that of the records."""
        found = self.fields.get("ledger")
        return from_data(found, Ledger) if found else None


def shown_digest(pack: Pack) -> str:
    """A pack's digest, made anew. Over bytes: nothing need be unpacked to verify it."""
    of = pack.fields
    parts = digest_of(of["payload"]), digest_of(of["ready"]), of["findings_digest"], digest_of(of["carried"])
    return digest_of_pack(pack.number, *parts)


def demand_shown(batch: Batch) -> None:
    """Raises `Tampered` where a batch is not what its digest was made of."""
    if digest_of_batch(batch.pack_digests, batch.batch_findings) != batch.digest:
        raise Tampered(
            "is not what was checked and shown",
            subject=batch.id,
            remedy="Nothing was decided or promoted. Run the pipeline again: a new batch supersedes this one.",
        )


def is_intact(batch: Batch, pack: Pack) -> bool:
    """Whether a pack is what was staged, and, once the batch was opened, what was shown."""
    try:
        _ = pack.changes, pack.ready, pack.findings
    except Tampered:
        return False
    return not batch.pack_digests or shown_digest(pack) == batch.pack_digests[pack.number]


def stage(ctx: Context, batch: str, draft: Draft, voices: Voices) -> None:
    """Make a pack durable. A pack that is there already, from an earlier attempt at the same run, must be the same one."""
    ready = encode_ready([ready_of(c, ctx.pipeline.entity(c.entity), ctx.store.prepare) for c in draft.changes])
    payload, ready = compress(draft.text), gzip.compress(ready, 1, mtime=0)
    carried: dict[str, dict[str, Verdict]] = {}
    if voices:
        for change in decode_changes(draft.text):  # as every reader of the pack sees them
            for who, verdict in voices.get(content_of(change), {}).items():
                carried.setdefault(who, {})[change.key] = verdict
    data: Data = {
        "batch": batch,
        "target": ctx.id,
        "number": draft.number,
        "keys": list(draft.keys),
        "counts": draft.counts,
        **({"levels": [place.level if (place := place_of(c)) else 0 for c in draft.changes]} if ctx.pipeline.tree else {}),
        "digest": draft.digest,
        "payload": payload,
        "payload_digest": digest_of(payload),
        "ready": ready,
        "ready_digest": digest_of(ready),
        "state": "STAGED",
        "carried": json.dumps(carried, sort_keys=True),
        "purge_at": ctx.ports.now().plus(ctx.pipeline.staging_retention.total_seconds()),
    }
    path = layout.pack(batch, draft.number)
    for _ in range(5):
        try:
            ctx.store.commit([Set(path, data, ABSENT)])
            return
        except (Conflict, OutcomeUnknown):
            there = ctx.store.get([path], select=(("digest",),))[0]
            if there.exists:
                if there.fields["digest"] == draft.digest:
                    return
                raise Conflict(
                    "is staged already with other content", subject=path, remedy="Run again: the next run makes a new batch."
                ) from None
    raise OutcomeUnknown("got no answer five times", subject=path, remedy="Run again; what was staged is found and kept.")


def content_of(change: Change) -> str:
    """What makes two changes of two batches the same proposal: target, action and values, but not when it was planned."""
    diff = [[list(d.path), d.before, d.after] for d in change.diff]
    return hashlib.sha256(dumps([change.key, change.path, change.action.value, change.after, diff]).encode()).hexdigest()


def load_pack(ctx: Context, batch: str, number: int) -> Pack:
    found = ctx.store.get([layout.pack(batch, number)])[0]
    if not found.exists:
        raise NotFound(
            "there is no such pack", subject=layout.pack(batch, number), remedy="`penstock show` lists a batch's packs."
        )
    return Pack(found)


def packs_of(ctx: Context, batch: str, *, payload: bool = True, at: Timestamp | None = None) -> Iterator[Pack]:
    """The packs of a batch in order; at a moment, or now. One billed read each, with or without their payload."""
    where = Where(NAME, ">=", layout.pack(batch, 0)), Where(NAME, "<=", layout.pack(batch, 99_999))
    for found in ctx.store.scan(Query(layout.STAGING, where, select=None if payload else WITHOUT_PAYLOAD), at):
        yield Pack(found)


def changes_of(ctx: Context, batch: str) -> Iterator[Change]:
    for pack in packs_of(ctx, batch):
        yield from pack.changes


def in_state(batch: str, state: PackState) -> Query:
    return Query(layout.STAGING, (Where(("batch",), "==", batch), Where(("state",), "==", state)), select=(("number",),))


def next_waits(ctx: Context, batch: str, number: int, state: PackState) -> bool:
    """Whether the pack behind this one (behind the last: the first) is still in a state. While it is, whoever moves it on will
    ask the same of the one behind it: so the last one to move on finds that none waits, and only few need to count."""
    following = ctx.store.get([layout.pack(batch, number + 1)], select=(("state",),))[0]
    if not following.exists and number > 0:
        following = ctx.store.get([layout.pack(batch, 0)], select=(("state",),))[0]
    return bool(following.fields.get("state") == state)


def moved_last(packs: Sequence[Pack], number: int) -> bool:
    """Whether this pack was written after all the others. Of several who find that no pack waits, that one's goes on."""
    return max((pack.snapshot.update_time or Timestamp(0), pack.number) for pack in packs)[1] == number


def findings_by_key(pack: Pack, of_batch: tuple[Finding, ...]) -> dict[str, list[Finding]]:
    """The findings of a pack's changes, those of the batch that name one of them included."""
    keys = set(pack.fields["keys"])
    found: dict[str, list[Finding]] = {}
    for finding in (*pack.findings, *(f for f in of_batch if f.key in keys)):
        found.setdefault(finding.key, []).append(finding)
    return found


def subject(change: Change, findings: dict[str, list[Finding]], pipeline: Pipeline | None = None) -> Subject:
    """What a verdict looks at. With a pipeline, the record that the change would make it belong to is named too; of one that
    goes, the one that it belongs to; and in a tree the one that it hangs under, unless it only keeps its place."""
    fields = (dotted(d.path) for d in change.diff if d.before is not None)
    found, place = findings.get(change.key, ()), place_of(change)
    link = pipeline.entity(change.entity).parent if pipeline else None
    step = place.step if place else ""
    data = change.before if change.action is Action.DELETE else change.after
    if step in ("restore", "move", "deactivate"):
        data = result_of(change, None)
    named = get_in(data or {}, link.field) if link else None
    parent = f"{link.entity}/{named}" if link and named is not None else ""
    return subject_of(change.key, change.entity, change.group, change.action.value, change.path, fields, found, parent, step)


def subject_of_ready(change: Ready, findings: dict[str, list[Finding]]) -> Subject:
    found, step = findings.get(change.key, ()), change.place.step if change.place else ""
    fields = change.replaced
    return subject_of(change.key, change.entity, change.group, change.action.value, change.path, fields, found, step=step)


def findings_fields(findings: list[Finding], gathered: dict[str, Any]) -> Data:
    text = encode_findings(findings)
    return {"findings": compress(text), "findings_digest": digest_of(text), "gathered": json.dumps(gathered, sort_keys=True)}


def voices_on(ctx: Context, batch: str, but: str) -> Voices:
    """What people have said of the changes of an open batch, by content: it holds for the same content in the next batch too.
    Not so the consent of `but`, who starts that one: nobody approves what they started."""
    held = load_batch(ctx, batch).batch
    found: dict[str, dict[str, Verdict]] = {}
    for pack in packs_of(ctx, batch):
        if not (held.decisions or pack.carried) or not is_intact(held, pack):
            continue
        findings = findings_by_key(pack, held.batch_findings)
        for change in pack.changes:
            said = voices(subject(change, findings), held.decisions, pack.carried)
            found[content_of(change)] = {
                who: word for who, word in said.items() if word == "reject" or (word == "approve" and who != but)
            }
    return found


def remember(ctx: Context, batch: str, number: int, refused: Mapping[str, Mapping[str, str]]) -> Set:
    """What people said no to, so that the same content is not proposed again until its source changes."""
    at = ctx.ports.now()
    data: Data = {"target": ctx.id, "batch": batch, "keys": list(refused), "at": at, "refused": dumps(refused)}
    return Set(layout.rejections(batch, number), data)


def words(ctx: Context) -> dict[str, dict[str, Word]]:
    return words_on(ctx.store, ctx.id)


def words_on(store: Store, target: str) -> dict[str, dict[str, Word]]:
    """Everything refused on this target, by change key and dotted field ("" for the whole record): the latest word on each, where
    that is not that it lapsed or was lifted."""
    found: dict[str, dict[str, Word]] = {}
    query = Query(layout.REJECTIONS, (Where(("target",), "==", target),))
    for remembered in sorted(store.scan(query), key=_said_at):
        batch, at = remembered.fields["batch"], _said_at(remembered)
        for key, fields in json.loads(remembered.fields["refused"]).items():
            found.setdefault(key, {}).update({name: Word(said, batch, at) for name, said in fields.items()})
    return {key: left for key, fields in found.items() if (left := {name: word for name, word in fields.items() if word.said})}


def declined(ctx: Context) -> DeclinedMap:
    """`words`, without where they come from."""
    return {key: {name: word.said for name, word in fields.items()} for key, fields in words(ctx).items()}


def _said_at(snapshot: Snapshot) -> Timestamp:
    at: Timestamp = snapshot.fields["at"]
    return at
