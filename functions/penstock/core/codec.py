"""Our own records to Firestore data and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeVar

from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from penstock.core.audit import Head
from penstock.core.brakes import Seen
from penstock.core.changes import Finding
from penstock.core.cost import Cost
from penstock.core.packs import compress, decode_findings, encode_findings, expand
from penstock.core.plan import Batch
from penstock.core.values import Data, Timestamp, Value

T = TypeVar("T")
Mode = Literal["changes", "reconcile", "full", "recheck"]

_converter = Converter(prefer_attrib_converters=True)
_converter.register_unstructure_hook(Timestamp, lambda moment: moment)
_converter.register_structure_hook(Timestamp, lambda moment, _: moment)


def _squeeze(findings: tuple[Finding, ...]) -> bytes:
    """Findings about a batch may be thousands, and its document holds one mebibyte."""
    return compress(encode_findings(findings))


@lru_cache(maxsize=4)
def _unsqueeze(data: bytes) -> tuple[Finding, ...]:
    """Remembered, for a promotion reads its batch anew with every pack."""
    return tuple(decode_findings(expand(data)))


_BATCH_FINDINGS = override(unstruct_hook=_squeeze, struct_hook=lambda data, _: _unsqueeze(data))
_converter.register_unstructure_hook(Batch, make_dict_unstructure_fn(Batch, _converter, batch_findings=_BATCH_FINDINGS))
_converter.register_structure_hook(Batch, make_dict_structure_fn(Batch, _converter, batch_findings=_BATCH_FINDINGS))


def to_data(record: Any) -> Data:
    """A frozen dataclass of ours as Firestore data."""
    data: Data = _converter.unstructure(record)
    return data


def from_data(data: Data, kind: type[T]) -> T:
    """Firestore data as a dataclass of ours; fields that a newer version left are passed over."""
    return _converter.structure(data, kind)


@dataclass(frozen=True, slots=True)
class Lease:
    """Saves work, guards nothing: correctness rests on the preconditions of each commit. `read_time` is the moment a
    resumed run reads at; None: the moment at which the lease was taken, the target's `update_time`."""

    holder: str
    until: Timestamp
    mode: Mode
    started_by: str
    read_time: Timestamp | None = None


@dataclass(frozen=True, slots=True)
class SourceState:
    """How far a source has been read: the highest change stamp that is durably staged, and how many documents stood in the
    overlap window behind it then. `reconciled`: when all of it was last held against what is known. `seen`: what it was like at
    its last complete read."""

    watermark: Value = None
    window: int = 0
    reconciled: Timestamp | None = None
    seen: Seen | None = None


@dataclass(frozen=True, slots=True)
class Recheck:
    """Groups of a batch that must be planned again although their source did not change. `keys` None: all of its groups; else
    what fell out of its promotion, or what a person `asked` for."""

    batch: str
    keys: tuple[str, ...] | None = None
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """Brakes stopped a run. `batch` asks people about it, `text` says why, `seen` is what was found of each source: an approval
    lets that pass, a refusal holds it without asking again, until the source is another. Gone with the next run not held.

    Of a run that would cost too much, `cost` is what was foreseen, or metered where it was `stopped` on the way; `mode` is what
    an approval runs."""

    batch: str
    text: str
    seen: dict[str, Seen]
    verdict: Literal["", "approve", "reject"] = ""
    cost: Cost = Cost()  # noqa: RUF009 - a constant
    stopped: bool = False
    mode: Mode = "full"  # what a brake on a source let pass is compared with all of production
    passed: dict[str, str] = field(default_factory=dict)  # what had been approved when this one came: batch → text


@dataclass(frozen=True, slots=True)
class TargetState:
    """`penstock_targets/{pipeline.target}`: what operators set, and where the engine stands."""

    id: str
    paused: bool = False
    lease: Lease | None = None
    sources: dict[str, SourceState] = field(default_factory=dict)
    manifest: str = ""  # the object in Storage that knows what was dealt with
    dealt: dict[str, str] = field(default_factory=dict)  # by partition of a shared source: the release that was dealt with
    owes_full: bool = False  # the last read of everything was not proved complete: the next run reads everything again
    open: str = ""  # the one open batch
    applying: str = ""  # the batch that is being promoted
    recheck: tuple[Recheck, ...] = ()
    hold: Hold | None = None
    audit: Head = field(default_factory=Head)
    anchored: int = 0  # the entry of the audit chain that the sweep anchored last
    anchored_at: Timestamp | None = None  # when it did, or the first run
    last_run: Data = field(default_factory=dict)
