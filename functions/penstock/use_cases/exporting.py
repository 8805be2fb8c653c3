"""Export: everything that a proof needs, as files. Looking changes nothing; all of it stands as of one moment.

| file | what it holds |
|---|---|
| `export.json` | target, moment, the mapped fields of each collection, and of a tree those that say where a unit hangs |
| `audit/00000.jsonl` … | the audit chain, an entry a line, in order |
| `anchors/0000000005.json` | what was anchored of entry 5 |
| `batches/{batch}/evidence.jsonl.gz` | of each batch that was approved: its record, and a sheet of each pack |
| `batches/{batch}/00000.jsonl.gz` … | its packs' changes, as they were backed up |
| `production/00000.jsonl` … | path, update time, mapped fields and stamp of each document of the pipeline's collections |

Lines and objects are canonical JSON (`core/values.py`). Fields that no pipeline names are not exported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from penstock.core import layout, proof
from penstock.core.errors import Incomplete, NotFound, Refused
from penstock.core.layout import STAMP
from penstock.core.records import Query, Snapshot
from penstock.core.values import FieldPath, Timestamp, dumps
from penstock.ports import Blobs
from penstock.use_cases import archiving
from penstock.use_cases.context import Context, chain_behind
from penstock.use_cases.production import chunks

LINES = 5_000  # in one file
BACK_SECONDS = 30.0  # so far behind the clock production is read where nothing happened since: a clock may be fast


@dataclass(frozen=True, slots=True)
class Exported:
    """How much was written. `lacking`: approved batches whose evidence or changes are in the database and in Storage no more."""

    at: Timestamp
    entries: int
    anchors: int
    batches: int
    documents: int
    lacking: tuple[str, ...]


def export(ctx: Context, into: Blobs, tell: Callable[[int], None] = lambda _: None) -> Exported:
    """Write a target's proof into an empty place; `tell` hears how many documents of production are out. `Refused` where the
    place holds an export already."""
    if into.names(""):
        raise Refused("is not empty", subject="The folder", remedy="Nothing was written. Name a folder that is new or empty.")
    anchors = set(_anchors(ctx))  # listed first: an entry that is anchored now is in the chain that is read after
    approved: list[str] = []
    last = Timestamp(0)
    entries = 0
    for number, some in enumerate(chunks(ctx.store.scan(chain_behind(ctx, 0)), LINES)):
        _write(into, f"audit/{number:05d}.jsonl", (dumps(entry.fields) for entry in some))
        entries += len(some)
        last = max(last, *(entry.update_time or last for entry in some))
        approved += [batch for entry in some if (batch := _approved(entry))]
    newer = {name for name in _anchors(ctx) if name <= layout.anchor_blob(ctx.id, entries)}
    for name in sorted(anchors | newer):
        into.write(f"anchors/{name.rpartition('/')[2]}", ctx.ports.blobs.read(name), "application/json")
    at = max(last, ctx.ports.now().plus(-BACK_SECONDS))
    lacking = [batch for batch in approved if not _export_batch(ctx, into, batch, at)]
    documents = _export_production(ctx, into, at, tell)
    about = {"version": 1, "target": ctx.id, "at": at, "mapped": _mapped(ctx), "tree": _tree(ctx)}
    _write(into, "export.json", [dumps(about)])  # last: a folder without it is no whole export
    return Exported(at, entries, len(anchors | newer), len(approved), documents, tuple(lacking))


def _approved(entry: Snapshot) -> str:
    """The batch of changes that an entry says was approved; "" for any other entry, however it was tampered with."""
    batch, what = str(entry.fields.get("batch")), str(entry.fields.get("what"))
    return batch if what.endswith(" → APPROVED") and layout.is_batch(batch) and layout.kind_of(batch) != "hold" else ""


def _anchors(ctx: Context) -> list[str]:
    return ctx.ports.blobs.names(layout.anchor_blob(ctx.id, 0).rpartition("/")[0] + "/")


def _export_batch(ctx: Context, into: Blobs, batch: str, at: Timestamp) -> bool:
    """False where something of it is gone."""
    try:
        content = ctx.ports.blobs.read(layout.evidence_blob(ctx.id, batch))
    except NotFound:  # it has not ended yet, or its evidence is owed
        try:
            content = proof.encode_evidence(*archiving.evidence(ctx, batch, at))
        except Incomplete:
            return False
    into.write(f"batches/{batch}/evidence.jsonl.gz", content, "application/gzip")
    whole = True
    for sheet in proof.decode_evidence(content)[1]:
        if sheet.ledger is None or not sheet.ledger["applied"]:
            continue
        names = {f"{sheet.number:05d}.jsonl.gz": layout.backup_blob(ctx.id, batch, sheet.number)}
        if sheet.ledger.get("beside"):
            name = layout.followers_blob(ctx.id, batch, sheet.number, sheet.ledger["attempt"])
            names[f"{sheet.number:05d}.beside.jsonl.gz"] = name
        for file, name in names.items():
            try:
                into.write(f"batches/{batch}/{file}", ctx.ports.blobs.read(name), "application/gzip")
            except NotFound:
                whole = False
    return whole


def _export_production(ctx: Context, into: Blobs, at: Timestamp, tell: Callable[[int], None]) -> int:
    done = 0
    for number, some in enumerate(chunks(_production(ctx, at), LINES)):
        lines = ({"path": s.path, "update_time": s.update_time, "fields": s.fields} for s in some)
        _write(into, f"production/{number:05d}.jsonl", map(dumps, lines))
        done += len(some)
        tell(done)
    return done


def _production(ctx: Context, at: Timestamp) -> Iterator[Snapshot]:
    for collection, mapped in _mapped(ctx).items():
        tree = _tree(ctx)
        places = (tree["parent"], tree["path"]) if tree and tree["collection"] == collection else ()
        yield from ctx.store.scan(Query(collection, select=(*mapped, *places, (STAMP,))), at)


def _tree(ctx: Context) -> dict[str, Any] | None:
    """Where the units of a tree lie, and their fields that are worked out from where they hang."""
    entity = ctx.pipeline.tree
    if entity is None or entity.tree is None:
        return None
    return {"collection": ctx.collection(entity), "parent": entity.tree.parent, "path": entity.tree.path}


def _mapped(ctx: Context) -> dict[str, tuple[FieldPath, ...]]:
    """By collection, the fields that any entity maps."""
    found: dict[str, dict[FieldPath, None]] = {}
    for entity in ctx.pipeline.entities:
        found.setdefault(ctx.collection(entity), {}).update(dict.fromkeys(f.target for f in entity.fields))
    return {collection: tuple(fields) for collection, fields in found.items()}


def _write(into: Blobs, name: str, lines: Iterable[str]) -> None:
    into.write(name, "".join(f"{line}\n" for line in lines).encode(), "application/jsonl")
