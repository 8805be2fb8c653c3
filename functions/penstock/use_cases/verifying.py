"""Verify an export from its files alone: no database, no Storage, no network."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from penstock.core import chain, proof
from penstock.core.chain import Chain, Course, Fault, Step
from penstock.core.errors import InvalidInput, NotFound
from penstock.core.layout import STAMP
from penstock.core.proof import Edit, Mapped, Proved, Values
from penstock.core.tree import joined
from penstock.core.values import Data, Timestamp, dotted, get_in, loads
from penstock.ports import Blobs
from penstock.use_cases.exporting import LINES

PASS = 100_000  # documents whose values are held in memory at once


@dataclass(frozen=True, slots=True)
class Approval:
    """A batch, who approved it, in which entry of the audit chain, and how many live values it accounts for."""

    batch: str
    by: tuple[str, ...]
    at: Timestamp | None
    entry: int
    values: int


@dataclass(frozen=True, slots=True)
class Hub:
    """The chain of the hub that declares the target, and what of it is about this target or the stages of the rollout."""

    name: str
    entries: int
    anchored: int  # up to this entry an anchor vouches for it
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the files prove. `faults` is what cannot be so; `edited` what Penstock wrote and somebody else changed since; of
    `untouched` values it never wrote any. `unproved` values are of batches that have a fault. `steps` were taken with the target
    itself: it was paused, resumed, told to forget."""

    target: str
    at: Timestamp
    entries: int
    anchored: int  # up to this entry an anchor vouches for the chain
    documents: int
    approvals: tuple[Approval, ...]
    untouched: int
    unproved: int
    steps: tuple[Step, ...]
    hub: Hub | None  # None: a pipeline's file declares the target
    edited: tuple[Edit, ...]
    faults: tuple[Fault, ...]

    @property
    def approved(self) -> int:
        return sum(approval.values for approval in self.approvals)

    @property
    def holds(self) -> bool:
        return not self.faults and not self.edited


def verify(files: Blobs, tell: Callable[[int], None] = lambda _: None, at_once: int = PASS) -> Verdict:
    """Judge an export. `tell` hears how many documents were judged; `at_once` bounds memory. `InvalidInput` for what is no
    export."""
    about = _about(files)
    mapped = {collection: tuple(tuple(path) for path in fields) for collection, fields in about["mapped"].items()}
    anchors, faults = _anchors(files, about["target"])
    hub, of_hub = _hub(files, about)
    told = chain.read(about["target"], (line for _, _, line in _lines(files, "audit/")), anchors)
    passes = max(1, -(-len(files.names("production/")) * LINES // at_once))
    turns = []
    for turn in range(passes):
        turns.append(_Turn(files, told, mapped, partial(_falls_to, turn, passes)))
        turns[-1].run()
        tell(sum(t.documents for t in turns))
    live = sum((t.values.approved for t in turns), Counter[str]())
    approvals = (
        Approval(batch, proved.approved_by, proved.batch.decided_at, told.courses[batch].approved_at, live[batch])
        for batch, proved in turns[0].proved.items()
    )
    return Verdict(
        target=about["target"],
        at=about["at"],
        entries=told.entries,
        anchored=told.anchored,
        documents=sum(t.documents for t in turns),
        approvals=tuple(approvals),
        untouched=sum(t.values.untouched for t in turns),
        unproved=sum(t.values.unproved for t in turns),
        steps=told.steps,
        hub=hub,
        edited=(*(edit for t in turns for edit in t.values.edited), *_astray(files, about.get("tree"))),
        faults=tuple(dict.fromkeys([*faults, *told.faults, *of_hub, *(f for t in turns for f in (*t.faults, *t.values.faults))])),
    )


def _astray(files: Blobs, tree: Data | None) -> Iterator[Edit]:
    """The promoted units of a tree whose path is not that of the unit that they hang under, and their own id. A path is worked
    out and approved by nobody, so this is all that can be asked of it. Memory grows with the tree."""
    if not tree:
        return
    parent, path = tuple(tree["parent"]), tuple(tree["path"])
    units: dict[str, tuple[Any, Any, str]] = {}
    for _, _, line in _lines(files, "production/"):
        try:
            document = loads(line)
            collection, _, id = document["path"].rpartition("/")
            if collection == tree["collection"]:
                fields = document["fields"]
                units[id] = get_in(fields, parent), get_in(fields, path), str(get_in(fields, (STAMP, "batch")) or "")
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # told where the line is judged
    for id, (above, held, batch) in units.items():
        upper = units[above][1] if above in units else "" if not above else None
        if batch and (not isinstance(upper, str) or held != joined(upper, id)):
            what = "is not the path of the unit that it hangs under, and its own id: one was changed outside Penstock"
            yield Edit(f"{tree['collection']}/{id}", dotted(path), batch, what)


def _falls_to(turn: int, of: int, path: str) -> bool:
    return zlib.crc32(path.encode()) % of == turn


class _Turn:
    """One pass over all batches and all of production, for the documents that fall to it."""

    def __init__(self, files: Blobs, told: Chain, mapped: Mapped, mine: Callable[[str], bool]) -> None:
        self.files, self.told, self.mine = files, told, mine
        self.values = Values(mapped, mine)
        self.faults: list[Fault] = []
        self.proved: dict[str, Proved] = {}
        self.failed: set[str] = set()  # batches of which something is not proved
        self.documents = 0

    def run(self) -> None:
        for batch in proof.in_order(self.told.courses):
            faults = list(self._batch(batch, self.told.courses[batch]))
            if faults:
                self.failed.add(batch)
                self.faults += faults
        for name, number, line in _lines(self.files, "production/"):
            try:
                document = loads(line)
                path, fields = document["path"], document["fields"]
            except (ValueError, KeyError, TypeError):
                self.faults.append(Fault(name, "is no document", number, number))
                continue
            if self.mine(path):
                self.documents += 1
                self.values.judge(path, fields, self.failed)
        self.values.rest()

    def _batch(self, batch: str, course: Course) -> Iterator[Fault]:
        """Prove one batch, and take note of what it wrote."""
        try:
            of_batch, sheets = proof.decode_evidence(self.files.read(f"batches/{batch}/evidence.jsonl.gz"))
            proved = self.proved[batch] = proof.prove(batch, course, of_batch, sheets, self.told.speakers)
        except NotFound:
            yield Fault(batch, "was approved, and its evidence is not in the export")
            return
        except ValueError:
            yield Fault(batch, "has evidence that cannot be read")
            return
        yield from proved.faults
        for sheet in sheets if not proved.faults else ():
            files = (self._file(batch, f"{sheet.number:05d}{kind}.jsonl.gz") for kind in ("", ".beside"))
            done = proof.applied(proved, course, sheet, *files)
            if isinstance(done, Fault):
                yield done
            else:
                self.values.write(proved.batch, done)

    def _file(self, batch: str, name: str) -> bytes | None:
        try:
            return self.files.read(f"batches/{batch}/{name}")
        except NotFound:
            return None


def _about(files: Blobs) -> Data:
    try:
        about: Data = loads(files.read("export.json"))
        if about["version"] == 1 and isinstance(about["target"], str) and isinstance(about["mapped"], dict):
            return about
    except (NotFound, ValueError, KeyError, TypeError):
        pass
    raise InvalidInput(
        "holds no whole export", subject="The folder", remedy="Make one: `penstock export TARGET FOLDER`, into an empty folder."
    )


def _hub(files: Blobs, about: Data) -> tuple[Hub | None, list[Fault]]:
    """The chain of the target's hub, and what is wrong with it."""
    target, name = about["target"], about.get("hub", "")  # exports from before hubs were exported name none
    if not name:
        stray = files.names("hub/")
        return None, [Fault(stray[0], "is of a hub, and export.json names none")] if stray else []
    anchors, faults = _anchors(files, name, "hub/")
    told = chain.read(name, (line for _, _, line in _lines(files, "hub/audit/")), anchors, "hub")
    steps = tuple(step for step in told.steps if step.target in ("", target))
    declared = [step.what for step in steps if step.target]
    if not declared or declared[-1] == "removed":
        what = f"does not say who declared {target}: that was done by hand, or its entries are gone"
        faults.append(Fault("hub", what))
    return Hub(name, told.entries, told.anchored, steps), [*faults, *told.faults]


def _anchors(files: Blobs, target: str, under: str = "") -> tuple[dict[int, str], list[Fault]]:
    """The hash that was anchored, by number of the entry."""
    found: dict[int, str] = {}
    faults = []
    for name in files.names(f"{under}anchors/"):
        try:
            told = loads(files.read(name))
            if told["target"] != target or name != f"{under}anchors/{told['sequence']:010d}.json":
                raise ValueError("another anchor under this name")
            found[told["sequence"]] = told["hash"]
        except (ValueError, KeyError, TypeError):
            faults.append(Fault(name, "is not the anchor that its name says"))
    return found, faults


def _lines(files: Blobs, prefix: str) -> Iterator[tuple[str, int, str]]:
    """Every line of the files that begin so: (file, number from 1, line)."""
    for name in files.names(prefix):
        for number, line in enumerate(files.read(name).decode(errors="replace").split("\n")[:-1], 1):
            yield name, number, line
