"""A history once more, call by call, on other stores; every answer, every kind of error and all that is left must be the same.

Times differ and their order must not: the n-th commit of a database stands for its time, as an answer, as the `update_time` of
what it wrote, in preconditions and as the moment of a read. Where that needs more, it is done and counted, never left out:

    moments between commits   a read at a time at which none of our commits happened: at the latest commit before it
    moments before commits    a read before the first commit of its database: just before it, or at any time where there is none
    preconditions of no commit    an `update_time` that no commit has: one of long ago
    moments refused           refused in memory as too old or yet to come: only memory has a clock that can be set. The other is
                              asked at a moment as far away"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from penstock.adapters.memory import OLDEST, MemoryStore
from penstock.core.errors import PenstockError
from penstock.core.records import Delete, Prepared, Query, Snapshot, Write
from penstock.core.values import Timestamp, dumps
from penstock.ports import Store, Stores

from simulation.history import Call, History, Seen

INEXACT = ("moments between commits", "moments before commits", "moments refused", "preconditions of no commit")
NEVER = Timestamp(1)  # no commit of ours has this time
SHOWN = 600  # characters of an answer in a violation


class Differs(AssertionError):
    """The stores did not say the same."""


@dataclass
class Twin:
    """A database in memory and the one that has to say the same."""

    memory: MemoryStore
    other: Store

    def __post_init__(self) -> None:
        self.there: list[Timestamp] = []  # by number of the commit, in memory
        self.here: list[Timestamp] = []  # the same commits in the other
        self.paths: list[list[str]] = []  # what each of them named
        self.prepared: dict[Prepared, Prepared] = {}

    def number(self, time: Timestamp | None, times: list[Timestamp]) -> int | str | None:
        """Which commit a time stands for."""
        if time is None:
            return None
        at = bisect_right(times, time) - 1
        return at if at >= 0 and times[at] == time else f"no commit's time: {time}"


class Replay:
    """`run` raises `Differs`, and counts what it compared in `counted`."""

    def __init__(self, history: History, stores: Stores, name: str) -> None:
        self.counted: Counter[str] = Counter(dict.fromkeys(("calls", *INEXACT), 0))
        self._calls = history.calls
        self._twins = {
            id(store): Twin(store, stores.open(f"{project}-{name}", database))
            for store, (project, database) in zip(history.stores, history.places, strict=True)
        }

    def run(self) -> None:
        for at, call in enumerate(self._calls, 1):
            twin = self._twins[id(call.store)]
            there, here = self._there(twin, call), self._here(twin, call)
            self.counted.update(["calls", f"{call.kind}s"])
            if there != here:
                raise Differs(
                    f"call {at} of {len(self._calls)}, {_told(call)}: memory says {_cut(there)}, the other {_cut(here)}"
                )
            self.counted["refusals"] += call.error is not None
        for twin in self._twins.values():
            self._compare_bills(twin)
        for twin in self._twins.values():
            self._compare_ends(twin)
            self._compare_pasts(twin)

    # an answer, on either side, in words that can be compared ---------------------------------------------------------

    def _there(self, twin: Twin, call: Call) -> Any:
        if call.error is not None:
            return call.error.__name__
        match call.kind:
            case "get" | "scan":
                return [(seen.path, twin.number(seen.time, twin.there), seen.text) for seen in call.answer]
            case "commit":
                return f"commit {len(twin.there)}"
            case "prepare":
                return "prepared"
            case _:
                return call.answer

    def _here(self, twin: Twin, call: Call) -> Any:
        time = self._moment(twin, call)
        try:
            match call.kind:
                case "get":
                    paths, select = call.asked
                    return _numbered(twin, twin.other.get(paths, time, select))
                case "scan":
                    return _numbered(twin, self._stream(twin, call, time))
                case "count":
                    return twin.other.count(call.asked[0], time)
                case "prepare":
                    prepared = twin.other.prepare(*call.asked)
                    if call.error is None:
                        twin.prepared[call.answer] = prepared
                    return "prepared"
                case "commit":
                    return self._commit(twin, call)
        except PenstockError as error:
            return type(error).__name__

    def _stream(self, twin: Twin, call: Call, time: Timestamp | None) -> Iterator[Snapshot]:
        stream = twin.other.scan(call.asked[0], time)
        return stream if call.whole or call.error is not None else islice(stream, len(call.answer))

    def _commit(self, twin: Twin, call: Call) -> str:
        (writes,) = call.asked
        time = twin.other.commit([self._write(twin, write) for write in writes])
        if twin.here and time <= twin.here[-1]:
            return f"a commit at {time}, not later than the one before it"
        said = f"commit {len(twin.here)}"
        if call.error is None:
            twin.here.append(time)
            twin.there.append(call.answer)
            twin.paths.append([write.path for write in writes])
            self.counted["writes"] += len(writes)
        return said

    def _write(self, twin: Twin, write: Write) -> Write:
        needs = write.precondition
        if needs is not None:
            self.counted["preconditions"] += 1
            if needs.update_time is not None:
                at = twin.number(needs.update_time, twin.there)
                self.counted["preconditions of no commit"] += not isinstance(at, int)
                needs = replace(needs, update_time=twin.here[at] if isinstance(at, int) else NEVER)
        if isinstance(write, Delete):
            return replace(write, precondition=needs)
        prepared = write.prepared and twin.prepared[write.prepared]
        self.counted["prepared writes"] += prepared is not None
        return replace(write, precondition=needs, prepared=prepared)

    # moments ----------------------------------------------------------------------------------------------------------

    def _moment(self, twin: Twin, call: Call) -> Timestamp | None:
        """The moment in the other store at which exactly those of its commits are past that are past in memory."""
        time = call.read_time
        if time is None:
            return None
        self.counted["reads of the past"] += 1
        if call.error is not None:
            self.counted["moments refused"] += 1
            latest = max((t for other in self._twins.values() for t in other.here), default=Timestamp(2_000_000_000))
            return latest.plus(-OLDEST - 3_600) if call.error is PenstockError else latest.plus(3_600)
        past = bisect_right(twin.there, time)
        elsewhere = next((other.here[at] for other in self._twins.values() for at in _at(other, time)), None)
        if past and twin.there[past - 1] == time:
            return twin.here[past - 1]
        after = past == len(twin.here) or (elsewhere is not None and elsewhere < twin.here[past])
        if elsewhere is not None and after and (not past or twin.here[past - 1] <= elsewhere):
            return elsewhere  # a commit of the other database
        self.counted["moments between commits" if past else "moments before commits"] += 1
        if past:
            return twin.here[past - 1]
        return twin.here[0].plus(-0.001) if twin.here else None

    # what is left -----------------------------------------------------------------------------------------------------

    def _compare_bills(self, twin: Twin) -> None:
        there, here = twin.memory.bill, twin.other.bill
        if there != here:
            raise Differs(f"the bill: memory has {there}, the other {here}")
        self.counted["billed operations"] += there.operations

    def _compare_ends(self, twin: Twin) -> None:
        """All of every collection."""
        for collection, paths in sorted(twin.memory._paths.items()):
            there = [self._standing(twin, path, None) for path in paths]
            found = [seen for seen in there if seen[2] is not None]
            here = _numbered(twin, twin.other.scan(Query(collection)))
            if found != here:
                raise Differs(f"the end of {collection}: memory has {_cut(found)}, the other {_cut(here)}")
            self.counted["documents at the end"] += len(found)

    def _compare_pasts(self, twin: Twin) -> None:
        """What each commit named, as it stood right after it."""
        for at, paths in enumerate(twin.paths):
            there = [self._standing(twin, path, twin.there[at]) for path in paths]
            here = _numbered(twin, twin.other.get(paths, twin.here[at]))
            if there != here:
                raise Differs(f"right after commit {at}: memory had {_cut(there)}, the other {_cut(here)}")
            self.counted["documents in the past"] += len(paths)

    def _standing(self, twin: Twin, path: str, time: Timestamp | None) -> tuple[str, Any, str | None]:
        version = twin.memory._version(path, time)  # past its clock, by which all of this may be long ago
        if version is None or version.data is None:
            return path, None, None
        return path, twin.number(version.time, twin.there), dumps(version.data)


def _at(twin: Twin, time: Timestamp) -> Sequence[int]:
    at = twin.number(time, twin.there)
    return [at] if isinstance(at, int) else []


def _numbered(twin: Twin, found: Iterator[Snapshot] | list[Snapshot]) -> list[tuple[str, Any, str | None]]:
    return [(seen.path, twin.number(seen.time, twin.here), seen.text) for seen in map(Seen.of, found)]


def _cut(answer: Any) -> str:
    text = str(answer)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _told(call: Call) -> str:
    asked = [w.path for w in call.asked[0]] if call.kind == "commit" else call.asked
    return f"{call.kind} {_cut(asked)} of {call.store.full_name('')}" + (f" at {call.read_time}" if call.read_time else "")
