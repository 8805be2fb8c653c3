"""Where everything of ours lies. In the target's database, under `penstock_*`, so that it can be atomic with production;
and in Cloud Storage. A target's id is `pipeline.target`, a batch's id begins with it, so an id alone leads to its database."""

from __future__ import annotations

import re

from penstock.core.errors import InvalidInput
from penstock.core.values import Timestamp

TARGETS = "penstock_targets"
BATCHES = "penstock_batches"
STAGING = "penstock_staging"
REJECTIONS = "penstock_rejections"
OUTBOX = "penstock_outbox"
AUDIT = "penstock_audit"
TOKENS = "penstock_tokens"
REQUESTS = "penstock_requests"
OURS = (TARGETS, BATCHES, STAGING, REJECTIONS, OUTBOX, AUDIT, TOKENS, REQUESTS)

RELEASES = "penstock_releases"
REGISTRY = "penstock_registry"
ROLLOUT = "penstock_rollout"
RUNS = "penstock_runs"
OF_HUBS = (RELEASES, REGISTRY, ROLLOUT, RUNS)  # in the database that the targets of a pipeline have in common

ANCHORS = "audit/"  # in Storage: in production a bucket of its own, in which nothing can be changed

STAMP = "penstock"  # the field of a production document that says where its content came from

KINDS = ("sync", "followup", "rollback", "hold")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_TARGET = r"([a-z][a-z0-9_]*)\.([a-z][a-z0-9_]*)"
_RUN_ID = re.compile(r"[a-z][a-z0-9_]*\.[0-9]{8}t[0-9]{6}-[0-9]{6}")
_TARGET_ID = re.compile(_TARGET)
_BATCH_ID = re.compile(_TARGET + r"\.[0-9]{8}t[0-9]{6}-[0-9a-z]{6}")
_PARTITION = re.compile(r"[A-Za-z0-9_-]{1,64}")


def target_id(pipeline: str, target: str) -> str:
    return f"{pipeline}.{target}"


def is_target(text: str) -> bool:
    return _TARGET_ID.fullmatch(text) is not None


def batch_id(target: str, moment: Timestamp, kind: str) -> str:
    """Readable, and the same for the same target, moment and kind: a repeated run finds its own batch."""
    number, tail = moment.nanos // 1_000 * len(KINDS) + KINDS.index(kind), ""
    for _ in range(6):
        number, rest = divmod(number, 36)
        tail = _DIGITS[rest] + tail
    return f"{target}.{moment.datetime():%Y%m%dt%H%M%S}-{tail}"


def kind_of(batch: str) -> str:
    """What a batch id says of the batch: sync, followup, rollback or hold."""
    return KINDS[int(batch.rpartition("-")[2], 36) % len(KINDS)]


def is_batch(text: str) -> bool:
    return _BATCH_ID.fullmatch(text) is not None


def target_of(batch: str) -> tuple[str, str]:
    """(pipeline, target) of a batch id; `InvalidInput` for anything that is none."""
    match = _BATCH_ID.fullmatch(batch)
    if match is None:
        raise InvalidInput("is not a batch id", subject=repr(batch[:80]), remedy="`penstock batches` lists them.")
    return match[1], match[2]


def target(id: str) -> str:
    return f"{TARGETS}/{id}"


def registered(target: str) -> str:
    return f"{REGISTRY}/{target}"


def rollout(pipeline: str) -> str:
    return f"{ROLLOUT}/{pipeline}"


def run(id: str) -> str:
    return f"{RUNS}/{id}"


def run_id(pipeline: str, moment: Timestamp) -> str:
    """Of a run over many targets; in the order of time."""
    return f"{pipeline}.{moment.datetime():%Y%m%dt%H%M%S}-{moment.nanos // 1_000:06d}"


def is_run(text: str) -> bool:
    return _RUN_ID.fullmatch(text) is not None


def run_line(run: str, target: str) -> str:
    """What a run over many targets came to on one of them. Behind all runs, so that whoever lists those reads no lines."""
    return f"{RUNS}/~{run}.{target}"


def batch(id: str) -> str:
    return f"{BATCHES}/{id}"


def pack(batch: str, number: int) -> str:
    return f"{STAGING}/{batch}.{number:05d}"


def rejections(batch: str, number: int) -> str:
    return f"{REJECTIONS}/{batch}.{number:05d}"


def audit(target: str, sequence: int) -> str:
    return f"{AUDIT}/{target}.{sequence:010d}"


def release_id(pipeline: str, source: str, partition: str) -> str:
    """`InvalidInput` for a partition that no name can hold."""
    if not _PARTITION.fullmatch(partition):
        remedy = "A partition is 1 to 64 letters, digits, `-` and `_`. Nothing was read."
        raise InvalidInput("cannot be the name of a partition", subject=repr(partition[:80]), remedy=remedy)
    return f"{pipeline}.{source}.{partition}"


def release(id: str) -> str:
    return f"{RELEASES}/{id}"


def release_blob(id: str, name: str) -> str:
    return f"releases/{id}/{name}.json.gz"


def quarantine_blob(id: str, name: str, extension: str) -> str:
    return f"quarantine/{id}/{name}.{extension}"


def token(hash: str) -> str:
    return f"{TOKENS}/{hash}"


def request(hash: str) -> str:
    return f"{REQUESTS}/{hash}"


def outbox(fact: str) -> str:
    return f"{OUTBOX}/{fact}"


def backup_blob(target: str, batch: str, number: int) -> str:
    return f"backups/{target}/{batch}/{number:05d}.jsonl.gz"


def followers_blob(target: str, batch: str, number: int, attempt: str) -> str:
    """Beside a pack's backup: what it wrote to documents that followed a move. `attempt` is its ledger's: of several instances
    that try, each found another state, and one lands."""
    return f"backups/{target}/{batch}/{number:05d}.followers.{attempt}.jsonl.gz"


def evidence_blob(target: str, batch: str) -> str:
    """Beside the backups, and kept as long: together they prove what a batch wrote."""
    return f"backups/{target}/{batch}/evidence.jsonl.gz"


def anchor_blob(target: str, sequence: int) -> str:
    return f"{ANCHORS}{target}/{sequence:010d}.json"


def manifest_blob(target: str, run: str) -> str:
    return f"manifests/{target}/{run}.json.gz"


def index_blob(target: str) -> str:
    return f"reports/{target}/index.html"


def report_blob(target: str, batch: str, kind: str, extension: str) -> str:
    return f"reports/{target}/{batch}/{kind}.{extension}"
