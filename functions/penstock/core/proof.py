"""Proof from exported files alone: that each live value which Penstock wrote was approved, by whom, and in which batch.

Audit chain → batch digest → pack digests → a pack's changes → the value in production. Nothing here trusts a stored status:
what was approved is resolved again from what people said, and their words are held to the chain."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from cattrs.errors import BaseValidationError

from penstock.core.chain import Course, Fault
from penstock.core.changes import Action, Change, Finding
from penstock.core.codec import from_data, to_data
from penstock.core.decisions import outcome, person, subject_of
from penstock.core.diff import result_of
from penstock.core.followers import Followed, decode_followed
from penstock.core.layout import STAMP
from penstock.core.packs import (
    Ledger,
    compress,
    decode_changes,
    decode_findings,
    digest_of,
    digest_of_batch,
    digest_of_ledgers,
    digest_of_pack,
    expand,
)  # fmt: skip
from penstock.core.plan import Batch
from penstock.core.promotion import stamp_of
from penstock.core.values import Data, FieldPath, Value, dotted, dumps, get_in, loads

Mapped: TypeAlias = Mapping[str, Sequence[FieldPath]]  # collection → mapped fields
_UNREADABLE = (BaseValidationError, ValueError, KeyError, TypeError, AttributeError, zlib.error, gzip.BadGzipFile, EOFError)
_STAMPED = ("batch", "appliedAt", "approvedBy", "approvedAt", "sourceFingerprint")


@dataclass(frozen=True, slots=True)
class Sheet:
    """The evidence of one pack: the digests of its payload (as stored), of its text, and of the writes that were made ready; its
    findings and the consents it brought along, as text; and its ledger as stored, None where it was not promoted."""

    number: int
    payload: str
    text: str
    ready: str
    findings: str
    carried: str
    ledger: Data | None


def encode_evidence(batch: Data, sheets: Iterable[Sheet]) -> bytes:
    """A line for the batch as it is stored, then one for each pack."""
    return compress("\n".join([dumps(batch), *(dumps(to_data(sheet)) for sheet in sheets)]))


def decode_evidence(content: bytes) -> tuple[Data, list[Sheet]]:
    """Raises ValueError for anything that is no evidence."""
    try:
        first, *rest = expand(content).split("\n")
        return loads(first), [from_data(loads(line), Sheet) for line in rest]
    except _UNREADABLE as error:
        raise ValueError("is no evidence of a batch") from error


@dataclass(frozen=True, slots=True)
class Applied:
    """A pack's changes as promotion applied them, the stamp that it left on each, and what it wrote beside them."""

    changes: Sequence[Change]
    stamp: Data
    beside: Sequence[Followed] = ()


@dataclass(frozen=True, slots=True)
class Proved:
    """A batch held to the chain."""

    batch: Batch
    approved_by: tuple[str, ...]
    faults: tuple[Fault, ...]  # any: nothing is proved by it


def prove(id: str, course: Course, of_batch: Data, sheets: Sequence[Sheet], speakers: Collection[str]) -> Proved:
    """Hold a batch's record and its packs' sheets to what the chain says of it. `speakers`: who decided anything in the chain.
    ValueError where it is no such record."""
    try:
        batch = from_data(of_batch, Batch)
        said = [(d["by"], digest_of(dumps(d))) for d in of_batch["decisions"]]
        made = digest_of_batch(batch.pack_digests, batch.batch_findings)
        brought = {who for sheet in sheets for who in loads(sheet.carried)}  # consents from the batches that this one replaced
        for sheet in sheets:
            _ = _findings(sheet), sheet.ledger and from_data(sheet.ledger, Ledger)
    except _UNREADABLE as error:
        raise ValueError("is no record of a batch") from error
    people = tuple(sorted({person(d.by) for d in batch.decisions if d.verdict == "approve"} | brought))
    packs = [sheet.number for sheet in sheets] == list(range(len(batch.pack_digests))) and len(sheets) == len(course.texts)
    demands = [
        (batch.id == id, f"has the evidence of {batch.id}"),
        (said == course.decisions, "holds other decisions than the audit chain tells of"),
        (batch.digest == course.digest, "is not what was shown: the audit chain has another digest of it"),
        (made == batch.digest, "holds other packs or findings than its digest was made of"),
        (batch.approvals == course.approvals, f"needed {course.approvals} approvals, and says {batch.approvals}"),
        (not course.started_by & set(people), "was approved by who started it"),
        (brought <= set(speakers), "counts a consent of somebody who never decided anything"),
        (packs, f"has evidence of {len(sheets)} packs, and {len(course.texts)} were staged"),
        (course.ledgers in ("", digest_of_ledgers(sheet.ledger for sheet in sheets)), "has other ledgers than when it ended"),
    ]
    for sheet, digest, text in zip(sheets, batch.pack_digests, course.texts, strict=False):
        parts = sheet.payload, sheet.ready, digest_of(sheet.findings), digest_of(sheet.carried)
        demands.append((digest_of_pack(sheet.number, *parts) == digest, f"pack {sheet.number} is not the one that was shown"))
        demands.append((sheet.text == text, f"pack {sheet.number} is not the one that was staged"))
    return Proved(batch, people, tuple(Fault(id, what) for true, what in demands if not true))


def applied(proved: Proved, course: Course, sheet: Sheet, payload: bytes | None, beside: bytes | None = None) -> Applied | Fault:
    """What promotion did with one pack, from its payload and its list of what it wrote beside; or why that cannot be said. Its
    ledger must be what the decisions come to: nothing else was approved."""
    batch, name = proved.batch, f"pack {sheet.number}"
    ledger = from_data(sheet.ledger, Ledger) if sheet.ledger else None
    if ledger is None or not ledger.applied:
        return Applied((), {})
    if payload is None:
        return Fault(batch.id, f"{name}: its changes are not in the export")
    if digest_of(payload) != sheet.payload or digest_of(text := expand(payload)) != sheet.text:
        return Fault(batch.id, f"{name}: its changes are not those that were approved")
    changes = decode_changes(text)
    refused = [c.key for c in changes if not _approved(c, batch, sheet, course)]
    left_out = {*refused, *ledger.drifted}
    done = [c for c in changes if c.key not in left_out]
    if sorted(refused) != sorted(ledger.rejected) or len(done) != ledger.applied:
        return Fault(batch.id, f"{name}: its ledger says that other changes were applied than were approved")
    if (digest_of(beside) if beside is not None else "") != ledger.beside:
        return Fault(batch.id, f"{name}: what it wrote beside its changes is not what its ledger says")
    return Applied(done, stamp_of(batch, ledger.at), decode_followed(beside) if beside is not None else ())


def _approved(change: Change, batch: Batch, sheet: Sheet, course: Course) -> bool:
    found = [f for f in (*_findings(sheet), *batch.batch_findings) if f.key == change.key]
    fields = (dotted(d.path) for d in change.diff if d.before is not None)
    subject = subject_of(change.key, change.entity, change.group, change.action.value, change.path, fields, found)
    return outcome(subject, batch.decisions, loads(sheet.carried), course.approvals) == "approve"


def _findings(sheet: Sheet) -> list[Finding]:
    return decode_findings(sheet.findings) if sheet.findings else []


@dataclass(frozen=True, slots=True)
class Edit:
    """A value that Penstock wrote, in the named batch, and that is another one now, or gone."""

    path: str
    field: str  # dotted; "" for the whole document
    batch: str
    what: str


@dataclass(slots=True)
class Values:
    """What Penstock wrote last to each mapped field, and what production holds now. `mapped`: the fields by collection; only
    documents for which `mine` is true are looked at, so that memory is bounded by how many one pass takes."""

    mapped: Mapped
    mine: Callable[[str], bool] = lambda _: True
    written: dict[str, dict[FieldPath, tuple[bytes, str]]] = field(default_factory=dict)  # b"" for absence
    approved: Counter[str] = field(default_factory=Counter)  # live values by batch
    untouched: int = 0
    unproved: int = 0  # of batches that could not be proved
    edited: list[Edit] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def write(self, batch: Batch, done: Applied) -> None:
        """Take note of what a pack wrote. Batches come in the order in which they were promoted."""
        for change in done.changes:
            if self.mine(change.path):
                self._write(batch, change, done.stamp)
        for line in done.beside:  # of what Penstock never wrote as a change the values are the target's own
            of_path = self.written.get(line.document, {})
            of_path |= {path: (_print(get_in(line.after, path)), batch.id) for path in line.fields if path in of_path}

    def _write(self, batch: Batch, change: Change, stamp: Data) -> None:
        result, of_path = result_of(change, None), self.written.setdefault(change.path, {})
        whole = change.action is not Action.UPDATE  # an UPDATE leaves what it does not name as it found it, whoever wrote that
        for path in self.mapped.get(_collection(change.path), ()):
            if whole or any(_overlap(path, d.path) for d in change.diff):
                of_path[path] = _print(get_in(result, path)), batch.id
        if change.action is Action.DELETE:
            of_path[(STAMP,)] = b"", batch.id
        elif "undoes" not in change.facts:
            told = {**stamp[STAMP], "sourceFingerprint": change.fingerprint}
            of_path[(STAMP,)] = _print(_stamp(told)), batch.id
        else:
            of_path[(STAMP,)] = _print(_stamp(result.get(STAMP))), batch.id

    def judge(self, path: str, live: Data, failed: Collection[str]) -> None:
        """Hold one live document to what was written. `failed`: batches that could not be proved whole."""
        written, stamp = self.written.pop(path, {}), _stamp(live.get(STAMP))
        claimed = str(stamp.get("batch", "")) if stamp else ""
        for field_path in self.mapped.get(_collection(path), ()):
            value = get_in(live, field_path)
            then, batch = written.get(field_path, (None, ""))
            if then == _print(value):
                self.approved[batch] += value is not None
            elif claimed in failed:
                self.unproved += value is not None
            elif then is None:
                self.untouched += value is not None
            else:
                what = "was removed since" if value is None else "was edited since" if then else "was added since"
                self.edited.append(Edit(path, dotted(field_path), batch, f"{what}, outside Penstock"))
        then, batch = written.get((STAMP,), (b"", ""))
        if then != _print(stamp) and claimed not in failed:
            what = f"bears the stamp of {claimed or 'no batch'}, and {batch or 'no batch'} wrote it"
            if claimed == batch:
                what = f"bears a stamp that says other than {batch} left there"
            self.faults.append(Fault(path, what))

    def rest(self) -> None:
        """What was written and is not in production any more."""
        for path, fields in self.written.items():
            last = next(((print, batch) for print, batch in fields.values() if print), None)
            if last is not None:
                self.edited.append(Edit(path, "", last[1], "was deleted since, outside Penstock"))
        self.written.clear()


def _collection(path: str) -> str:
    return path.rpartition("/")[0]


def _overlap(one: FieldPath, other: FieldPath) -> bool:
    return all(a == b for a, b in zip(one, other, strict=False))


def _print(value: Value) -> bytes:
    return b"" if value is None else hashlib.blake2b(dumps(value).encode(), digest_size=16).digest()


def _stamp(stamp: Any) -> Data | None:
    """What a stamp claims of who approved what; None where there is none."""
    return {name: stamp.get(name) for name in _STAMPED} if isinstance(stamp, dict) else None


def in_order(courses: Mapping[str, Course]) -> Iterator[str]:
    """The batches of changes that were approved, as they were promoted: one after the other."""
    approved = ((course.approved_at, batch) for batch, course in courses.items() if course.approved_at and course.texts)
    return (batch for _, batch in sorted(approved))
