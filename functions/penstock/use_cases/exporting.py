"""Export: everything that a proof needs, as files. Looking changes nothing; all of it stands as of one moment.

| file | what it holds |
|---|---|
| `export.json` | target, its hub, moment, the mapped fields of each collection, and of a tree those that say where a unit hangs |
| `audit/00000.jsonl` … | the audit chain, an entry a line, in order |
| `anchors/0000000005.json` | what was anchored of entry 5 |
| `hub/audit/…`, `hub/anchors/…` | the same of the hub that declares the target: who declared and changed it, and opened stages |
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
from penstock.ports import Blobs, Store
from penstock.use_cases import archiving
from penstock.use_cases.context import Context, chain_of
from penstock.use_cases.production import chunks

LINES = 5_000  # in one file
BACK_SECONDS = 30.0  # so far behind the clock production is read where nothing happened since: a clock may be fast


@dataclass(frozen=True, slots=True)
class Exported:
    """How much was written. `lacking`: approved batches whose evidence or changes are in the database and in Storage no more."""

    at: Timestamp
    entries: int
    anchors: int
    hub_entries: int
    batches: int
    documents: int
    lacking: tuple[str, ...]


def export(ctx: Context, into: Blobs, tell: Callable[[int], None] = lambda _: None) -> Exported:
    """Write a target's proof into an empty place; `tell` hears how many documents of production are out. `Refused` where the
    place holds an export already."""
    if into.names(""):
        raise Refused("is not empty", subject="The folder", remedy="Nothing was written. Name a folder that is new or empty.")
    approved: list[str] = []
    entries, anchors, last = _export_chain(ctx, ctx.store, ctx.id, into, "", approved)
    hub = ctx.pipeline.name if ctx.pipeline.hub else ""
    hub_entries = _export_chain(ctx, ctx.hub_store, hub, into, "hub/", [])[0] if hub else 0
    at = max(last, ctx.ports.now().plus(-BACK_SECONDS))
    lacking = [batch for batch in approved if not _export_batch(ctx, into, batch, at)]
    documents = _export_production(ctx, into, at, tell)
    about = {"version": 1, "target": ctx.id, "hub": hub, "at": at, "mapped": _mapped(ctx), "tree": _tree(ctx)}
    _write(into, "export.json", [dumps(about)])  # last: a folder without it is no whole export
    return Exported(at, entries, anchors, hub_entries, len(approved), documents, tuple(lacking))


def _export_chain(
    ctx: Context, store: Store, name: str, into: Blobs, under: str, approved: list[str]
) -> tuple[int, int, Timestamp]:
    """A chain and its anchors: how many entries, how many anchors, and when the chain grew last. Batches that it says were
    approved are added to `approved`."""
    entries, last = 0, Timestamp(0)
    anchors = set(_anchors(ctx, name))  # listed first: an entry that is anchored now is in the chain that is read after
    for number, some in enumerate(chunks(store.scan(chain_of(name, 0)), LINES)):
        _write(into, f"{under}audit/{number:05d}.jsonl", (dumps(entry.fields) for entry in some))
        entries += len(some)
        last = max(last, *(entry.update_time or last for entry in some))
        approved += [batch for entry in some if (batch := _approved(entry))]
    anchors |= {blob for blob in _anchors(ctx, name) if blob <= layout.anchor_blob(name, entries)}
    for blob in sorted(anchors):
        into.write(f"{under}anchors/{blob.rpartition('/')[2]}", ctx.ports.blobs.read(blob), "application/json")
    return entries, len(anchors), last


def _approved(entry: Snapshot) -> str:
    """The batch of changes that an entry says was approved; "" for any other entry, however it was tampered with."""
    batch, what = str(entry.fields.get("batch")), str(entry.fields.get("what"))
    return batch if what.endswith(" → APPROVED") and layout.is_batch(batch) and layout.kind_of(batch) != "hold" else ""


def _anchors(ctx: Context, name: str) -> list[str]:
    return ctx.ports.blobs.names(layout.anchor_blob(name, 0).rpartition("/")[0] + "/")


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
