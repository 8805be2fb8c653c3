"""The memory of a first run to the open review, over the sample network and over ten of them: each in a process of its own, with
the database in another and the bucket in a folder."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.measure import Ratio
from bench.whole import DROPS, POLES, SOURCE, Whole, new_project
from penstock.adapters.firestore import FirestoreStores
from penstock.adapters.memory_services import MemoryBlobs
from penstock.core.values import Data
from penstock.local.emulators import FIRESTORE, clear_firestore, started_or_reused
from penstock.local.sample import RECORDS, Sample
from penstock.use_cases.capture import capture
from penstock.wiring import Contexts

TIMES = 10
KNOWN = 9  # of these production knows: with one more it is asked key by key, and thousands of queries take the emulator an hour
_DROP = re.compile(r"DR(\d{7})")
_NUMBER = re.compile(r"(LAW\.)?[PS]\.|MOH\.", re.IGNORECASE)


def ratios() -> Iterator[Ratio]:
    with tempfile.TemporaryDirectory() as folder:
        emulator = started_or_reused(FIRESTORE, Path(folder))
        try:
            peaks = {times * RECORDS: _peaks(emulator.address, times, Path(folder)) for times in (1, TIMES)}
        finally:
            emulator.stop()
    for records, (start, captured, opened) in peaks.items():
        detail = f"{start:.0f} before, {captured:.0f} when staged"
        yield Ratio(f"peak memory of a first run over {records:,} records, MiB", opened, None, detail)


def _peaks(address: str, times: int, folder: Path) -> list[float]:
    """MiB at the start, when all was staged, and when the review was open."""
    source, target = new_project(), new_project()
    stores = FirestoreStores(address)
    world = Whole(stores, source, target)
    sample = Sample()
    for copy in range(times):
        world.put(world.source, SOURCE, (_copied(document, copy) for document in sample.records(blanks=False)))
        if copy < KNOWN:
            world.put(world.production, POLES, (_copied(document, copy) for document in sample.poles()))
            world.put(world.production, DROPS, (_copied(document, copy) for document in sample.drops()))
    command = [sys.executable, "-m", "bench.bench_memory", address, source, target, str(folder / target)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    for project in (source, target):
        clear_firestore(address, project)
    stores.close()
    return [int(kib) / 1024 for kib in answer.stdout.split()]


def _copied(document: tuple[str, Data], copy: int) -> tuple[str, Data]:
    """The document as one of another network: other ids, poles and drops."""
    id, data = document

    def renamed(text: str) -> str:
        if drop := _DROP.fullmatch(text):
            return f"DR{int(drop[1]) + 20_000 * copy}"
        return f"{text}-{copy}" if _NUMBER.match(text) else text

    named = {k: renamed(v) if k in ("Pole Number", "Drop Number", "poleNumber", "dropNumber") else v for k, v in data.items()}
    if "Property ID" in data:
        id = named["Property ID"] = f"{id}{copy}"
    return renamed(id), named


class FolderBlobs(MemoryBlobs):
    """A bucket that takes no memory."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def write(self, name: str, content: bytes, content_type: str, *, replace: bool = False) -> bool:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return True

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()


def main(address: str, source: str, target: str, folder: str) -> None:
    """One first run; prints the peaks of this process, KiB."""
    world = Whole(FirestoreStores(address), source, target)
    world.ports = replace(world.ports, blobs=FolderBlobs(Path(folder)))
    world.contexts = Contexts(world.ports, world.contexts.pipelines)
    world.ctx = world.outside = world.contexts.all()[0]

    start = _peak_kib()
    outcome = capture(world.ctx)
    captured = _peak_kib()
    world.pay(outcome.owed)
    world.pump()
    assert world.batch(outcome.batch).status == "UNDER_REVIEW"
    print(start, captured, _peak_kib())


def _peak_kib() -> int:
    """Of this process alone: what `getrusage` tells includes the process that started it."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
