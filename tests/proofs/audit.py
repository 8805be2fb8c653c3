"""Tampering with what was exported is found: with the audit chain of a target, and that of its hub, at every position, and named
there; with anchors, decisions, packs and production's values, each one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any
from unittest import mock

from penstock.adapters.memory_services import MemoryBlobs
from penstock.core import audit, chain, packs, proof
from penstock.core.audit import Head
from penstock.core.values import Data, Timestamp, dumps, get_in, loads, set_in
from penstock.use_cases.verifying import Verdict, verify
from support import logs

from proofs.proof import Proof

ENTRIES = 1_000
HUB = 200  # of these a hub's chain
ALTERED = ("who", "what", "batch", "at", "detail", "target", "sequence", "previous", "hash")


def prove(count: int = ENTRIES) -> Proof:
    tried: Counter[str] = Counter()
    violations: list[str] = []
    entries = 0
    for found in (of_chain(count), of_hub(min(count, HUB)), of_export()):
        entries += found.entries
        tried += found.tried
        violations += found.violations
    kinds = {*CHAIN, *LIVED}
    return Proof({"tamperings": tried.total(), "kinds": len(+tried), "entries": entries}, violations, sorted(kinds - set(+tried)))


class Found:
    def __init__(self, entries: int) -> None:
        self.entries = entries
        self.tried: Counter[str] = Counter()
        self.violations: list[str] = []

    def hold(self, kind: str, where: object, seen: bool) -> None:
        self.tried[kind] += 1
        if not seen:
            self.violations.append(f"{kind} at {where} was not found there")


def of_chain(count: int, kinds: Collection[str] = ()) -> Found:
    """Every tampering (or these kinds alone) of a long chain, at every position."""
    files = logs.exported(logs.long(count))
    honest = verify(files)
    lines = _lines(files, "audit/")
    anchored = honest.anchored == len(lines)
    return _of_lines(honest, honest.target, anchored, lines, _anchors(files, "anchors/"), "audit", kinds)


def of_hub(count: int, kinds: Collection[str] = ()) -> Found:
    """The same with the chain of a hub, as a target's export holds it. Its last anchor is named by the entry that comes next."""
    files = logs.exported_tenant(logs.hub(count))
    honest = verify(files)
    lines = _lines(files, "hub/audit/")
    anchored = honest.hub is not None and honest.hub.anchored == len(lines)
    name = honest.hub.name if honest.hub else ""
    return _of_lines(honest, name, anchored, lines, _anchors(files, "hub/anchors/"), "hub", kinds)


def _of_lines(
    honest: Verdict, name: str, anchored: bool, lines: list[str], anchors: dict[int, str], place: str, kinds: Collection[str]
) -> Found:
    found = Found(len(lines))
    if not honest.holds or not anchored:
        found.violations.append(f"an honest log of {len(lines)} entries does not hold: {honest.faults[:3]}")
    with mock.patch.object(chain, "parse", lru_cache(4 * len(lines))(chain.parse)):  # the same line says the same each time

        def named(lines: list[str], anchors: dict[int, str], position: int) -> bool:
            told = chain.read(name, lines, anchors, place)
            return any(f.place == place and f.first <= position <= f.last for f in told.faults)

        for kind, tamper in CHAIN.items():
            if kinds and kind not in kinds:
                continue
            for position in range(1, len(lines) + 1):
                tampered = tamper(lines, position)
                if tampered != lines:
                    found.hold(kind, f"entry {position} of {len(lines)} of the {place}", named(tampered, anchors, position))
        for number in anchors:
            if place == "audit" or number < len(lines):
                rest = {n: hash for n, hash in anchors.items() if n != number}
                found.hold("an anchor missing", number, named(lines, rest, number))
            found.hold("an anchor altered", number, named(lines, anchors | {number: "0" * 64}, number))
    return found


def _anchors(files: MemoryBlobs, prefix: str) -> dict[int, str]:
    return {e["sequence"]: e["hash"] for e in (loads(files.read(name)) for name in files.names(prefix))}


def _lines(files: MemoryBlobs, prefix: str) -> list[str]:
    return [line for name in files.names(prefix) for line in files.read(name).decode().splitlines()]


def _altered(line: str, position: int, *, rehash: bool) -> str:
    entry, name = loads(line), ALTERED[position % (6 if rehash else len(ALTERED))]
    other: Any = {
        "at": Timestamp(1), "detail": {**entry["detail"], "approved": 7_777}, "sequence": entry["sequence"] + 5_000
    }.get(name, "f" * 64)  # fmt: skip
    entry[name] = other
    return dumps(entry | {"hash": audit.digest(entry)} if rehash else entry)


def _forged(lines: list[str], position: int) -> str:
    """An entry that could stand at a position: its number, what it follows, and its hash are right."""
    before = audit.head_of(loads(lines[position - 2])) if position > 1 else Head()
    told = loads(lines[position - 1])
    return dumps(
        audit.entry(before, target=told["target"], batch="", what="paused", who="m@example.org", at=told["at"], detail={})
    )


def _chained(lines: list[str], start: int) -> list[str]:
    """The same entries with numbers and hashes made anew from one on, as somebody would who may write all of them."""
    made = lines[: start - 1]
    head = audit.head_of(loads(made[-1])) if made else Head()
    for line in lines[start - 1 :]:
        entry = loads(line) | {"sequence": head.sequence + 1, "previous": head.hash}
        entry["hash"] = audit.digest(entry)
        head = audit.head_of(entry)
        made.append(dumps(entry))
    return made


def _swapped(lines: list[str], one: int, other: int) -> list[str]:
    made = list(lines)
    made[one - 1], made[other - 1] = made[other - 1], made[one - 1]
    return made


def _with(lines: list[str], position: int, *instead: str) -> list[str]:
    return [*lines[: position - 1], *instead, *lines[position:]]


CHAIN = {
    "an entry altered": lambda lines, p: _with(lines, p, _altered(lines[p - 1], p, rehash=False)),
    "an entry altered with its own hash made anew": lambda lines, p: _with(lines, p, _altered(lines[p - 1], p, rehash=True)),
    "an entry unreadable": lambda lines, p: _with(lines, p, lines[p - 1][:-2]),
    "an entry dropped": lambda lines, p: _with(lines, p),
    "the tail cut": lambda lines, p: lines[: p - 1],
    "an entry inserted": lambda lines, p: _with(lines, p, _forged(lines, p), lines[p - 1]),
    "an entry doubled": lambda lines, p: _with(lines, p, lines[p - 1], lines[p - 1]),
    "neighbours swapped": lambda lines, p: _swapped(lines, p, p % len(lines) + 1),
    "entries far apart swapped": lambda lines, p: _swapped(lines, p, (p + len(lines) // 2 - 1) % len(lines) + 1),
    "a fork": lambda lines, p: _with(lines, p, lines[p - 1], _forged(lines, p)),
    "rewritten from an altered entry": lambda lines, p: _chained(_with(lines, p, _altered(lines[p - 1], 0, rehash=True)), p),
    "rewritten without an entry": lambda lines, p: _chained(_with(lines, p), p),
    "rewritten with an entry more": lambda lines, p: _chained(_with(lines, p, _forged(lines, p), lines[p - 1]), p),
}


def of_export(kinds: Collection[str] = ()) -> Found:
    """Everything else that an export holds (or these kinds alone), each thing for itself."""
    files = logs.exported(logs.lived())
    honest = verify(files)
    found = Found(honest.entries)
    if not honest.holds or honest.unproved or not honest.approved:
        found.violations.append(f"an honest export does not hold: {honest}")
    for kind, tamper in LIVED.items():
        if kinds and kind not in kinds:
            continue
        for where, name, content in tamper(files):
            tampered = MemoryBlobs({n: c for n, c in files.objects.items() if n != name} | ({name: content} if content else {}))
            found.hold(kind, where, _named(verify(tampered), where))
    return found


def _named(told: Verdict, where: str) -> bool:
    """Whether the batch, the file, or the document and its field is named."""
    edits = {f"{e.path} {e.field}".rstrip() for e in told.edited}
    return where in edits or any(where == f.place for f in told.faults)


Tampered = Iterator[tuple[str, str, bytes]]  # what must be named, the file, and its content; b"": the file is gone


def _values(files: MemoryBlobs) -> Tampered:
    """Every live value that an approved change named, changed and taken away."""
    mapped = loads(files.read("export.json"))["mapped"]
    named = set(_named_by_changes(files))
    for name, lines, at, document in _documents(files):
        for path in map(tuple, mapped[document["path"].rpartition("/")[0]]):
            if (document["path"], path) not in named or get_in(document["fields"], path) is None:
                continue
            for other in ("tampered", None):
                changed = loads(lines[at])
                set_in(changed["fields"], path, other)
                yield f"{document['path']} {'.'.join(path)}", name, _joined(lines, at, dumps(changed))


def _named_by_changes(files: MemoryBlobs) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(path, field), read from the backups by themselves."""
    for name in files.names("batches/"):
        if not name.endswith("evidence.jsonl.gz"):
            for change in packs.decode_changes(packs.expand(files.read(name))):
                yield from ((change.path, d.path) for d in change.diff)


def _documents(files: MemoryBlobs) -> Iterator[tuple[str, list[str], int, Data]]:
    for name in files.names("production/"):
        lines = files.read(name).decode().splitlines()
        for at, line in enumerate(lines):
            yield name, lines, at, loads(line)


def _joined(lines: list[str], at: int, *instead: str) -> bytes:
    return "".join(f"{line}\n" for line in [*lines[:at], *instead, *lines[at + 1 :]]).encode()


def _gone(files: MemoryBlobs) -> Tampered:
    for name, lines, at, document in _documents(files):
        if "penstock" in document["fields"]:
            yield document["path"], name, _joined(lines, at)


def _stamps(files: MemoryBlobs) -> Tampered:
    """Every claim in a production document of who approved what."""
    claims = {
        "approvedBy": ["m@example.org"],
        "batch": "p.t.20260101t000000-000000",
        "approvedAt": Timestamp(1),
        "appliedAt": Timestamp(1),
    }
    for name, lines, at, document in _documents(files):
        if "penstock" in document["fields"]:
            for claim, other in claims.items():
                changed = document["fields"] | {"penstock": document["fields"]["penstock"] | {claim: other}}
                yield document["path"], name, _joined(lines, at, dumps(document | {"fields": changed}))
        else:
            forged = document["fields"] | {"penstock": claims}
            yield document["path"], name, _joined(lines, at, dumps(document | {"fields": forged}))


def _evidence(files: MemoryBlobs) -> Iterator[tuple[str, str, Data, list[proof.Sheet]]]:
    for name in files.names("batches/"):
        if name.endswith("evidence.jsonl.gz"):
            yield name.split("/")[1], name, *proof.decode_evidence(files.read(name))


def _approvals(files: MemoryBlobs) -> Tampered:
    """Every part of every decision, one decision more, one less, and the number that was needed."""
    for batch, name, record, sheets in _evidence(files):
        said = record["decisions"]
        forged = [[*said, {**said[0], "by": "m@example.org"}], said[1:]]
        others = {
            "by": "m@example.org", "at": Timestamp(1), "digest": "0" * 64, "verdict": "reject", "groups": {"rule:x": "approve"},
            "changes": {"poles/x": "approve"}, "note": "forged",
        }  # fmt: skip
        forged += [[{**said[0], part: other}, *said[1:]] for part, other in others.items()]
        for decisions in forged:
            yield batch, name, proof.encode_evidence(record | {"decisions": decisions}, sheets)
        yield batch, name, proof.encode_evidence(record | {"approvals": record["approvals"] - 1}, sheets)


def _payloads(files: MemoryBlobs) -> Tampered:
    """Every line of every pack altered, dropped, and one more."""
    for name in files.names("batches/"):
        if name.endswith("evidence.jsonl.gz"):
            continue
        lines = packs.expand(files.read(name)).split("\n")
        for at, line in enumerate(lines):
            change = loads(line)
            other = {"after": {"zoneNumber": "666"}} if "after" in change else {"before": None}
            for instead in ([dumps(change | other)], [], [line, line]):
                text = "\n".join([*lines[:at], *instead, *lines[at + 1 :]])
                yield name.split("/")[1], name, packs.compress(text)


def _sheets(files: MemoryBlobs) -> Tampered:
    """Every part of every pack's sheet; a sheet less."""
    for batch, name, record, sheets in _evidence(files):
        for at, sheet in enumerate(sheets):
            ledger = sheet.ledger or {}
            finding = packs.encode_findings([])
            for other in (
                replace(sheet, payload="0" * 64), replace(sheet, text="0" * 64), replace(sheet, ready="0" * 64),
                replace(sheet, findings=finding if sheet.findings != finding else '[["r","blocker","k","g","t","r","",[]]]'),
                replace(sheet, carried='{"m@example.org":{"poles/x":"approve"}}'), replace(sheet, number=7),
                replace(sheet, ledger=ledger | {"drifted": ["poles/x"]}), replace(sheet, ledger=ledger | {"at": Timestamp(1)}),
                replace(sheet, ledger=None),
            ):  # fmt: skip
                yield batch, name, proof.encode_evidence(record, [*sheets[:at], other, *sheets[at + 1 :]])
            yield batch, name, proof.encode_evidence(record, [*sheets[:at], *sheets[at + 1 :]])


def _records(files: MemoryBlobs) -> Tampered:
    for batch, name, record, sheets in _evidence(files):
        for part, other in {
            "digest": "0" * 64,
            "pack_digests": ["0" * 64],
            "batch_findings": packs.compress("[]"),
            "id": "x",
        }.items():
            if record[part] != other:
                yield batch, name, proof.encode_evidence(record | {part: other}, sheets)


def _files_gone(files: MemoryBlobs) -> Tampered:
    for name in files.names("batches/"):
        yield name.split("/")[1], name, b""


def _files_unreadable(files: MemoryBlobs) -> Tampered:
    for name in files.names("batches/"):
        yield name.split("/")[1], name, files.read(name)[:-9]
    for name in files.names("anchors/"):
        yield name, name, b"{}"


LIVED = {
    "a production value changed": _values,
    "a production document gone": _gone,
    "a stamp forged": _stamps,
    "an approval forged": _approvals,
    "a pack's payload altered": _payloads,
    "a pack's evidence altered": _sheets,
    "a batch's record altered": _records,
    "a file gone": _files_gone,
    "a file unreadable": _files_unreadable,
}
