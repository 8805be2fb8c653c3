"""Reading an audit chain from its exported lines: whether every entry is there, unaltered and in its place, as the anchors knew
it; and what it says of each batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from penstock.core.audit import Head, digest, head_of, must_be_anchored
from penstock.core.batch import MOVES, Status
from penstock.core.decisions import person
from penstock.core.values import Data, Timestamp, loads

_NEVER = "∅"  # the status of a batch before its first entry


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that cannot be so. `place` is `audit` or `hub`, of their chains, or the batch, document or file that it is about;
    in a chain it lies at positions `first` to `last`, counted from 1 (0: no position)."""

    place: str
    what: str
    first: int = 0
    last: int = 0


@dataclass(slots=True)
class Course:
    """What the chain says of one batch. Digests are those that its evidence is held to."""

    status: str = _NEVER
    started_by: set[str] = field(default_factory=set)  # persons
    texts: tuple[str, ...] = ()  # of each pack's changes
    digest: str = ""  # what was shown
    approvals: int = 0  # how many people must approve
    decisions: list[tuple[str, str]] = field(default_factory=list)  # (who, digest of what they said), in order
    approved_at: int = 0  # the number of the entry that made it APPROVED
    ledgers: str = ""  # "" until it ended


@dataclass(frozen=True, slots=True)
class Step:
    """An entry that belongs to no batch: a target was paused, declared, changed; a stage was opened. `target`: whom it is about;
    "" for the chain's own."""

    entry: int
    what: str
    who: str
    at: Timestamp
    target: str
    detail: Data


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain as read. `anchored`: the last entry that an anchor vouches for; what lies behind it could have been cut or written
    anew without a trace."""

    entries: int
    anchored: int
    courses: Mapping[str, Course]
    speakers: frozenset[str]  # everybody who decided anything
    steps: tuple[Step, ...]
    faults: tuple[Fault, ...]


def read(target: str, lines: Iterable[str], anchors: Mapping[int, str], place: str = "audit") -> Chain:
    """Go through the lines once, in order. `target`: whose chain it is, a target's or a hub's. `anchors`: the hash that was
    anchored for each entry's number."""
    reader = _Reader(target, anchors, place)
    for line in lines:
        reader.take(line)
    reader.end()
    speakers = frozenset(person(who) for course in reader.courses.values() for who, _ in course.decisions)
    return Chain(reader.position, reader.good, reader.courses, speakers, tuple(reader.steps), tuple(reader.faults))


def parse(line: str) -> tuple[Data, str]:
    """An entry, and the hash that its content has."""
    entry = loads(line)
    return entry, digest(entry)


class _Reader:
    def __init__(self, target: str, anchors: Mapping[int, str], place: str) -> None:
        self.target, self.anchors, self.place = target, anchors, place
        self.position = 0
        self.before = Head()
        self.good = 0  # the last entry that is the one its anchor knows
        self.courses: dict[str, Course] = {}
        self.steps: list[Step] = []
        self.faults: list[Fault] = []
        self.met: set[int] = set()

    def fault(self, what: str, first: int = 0, last: int = 0) -> None:
        first = first or self.position
        self.faults.append(Fault(self.place, what, first, max(first, last)))

    def take(self, line: str) -> None:
        self.position += 1
        try:
            entry, made = parse(line)
            if made != entry["hash"]:
                self.fault("was altered: its hash is not that of what it says")
            if entry["target"] != self.target:
                self.fault(f"belongs to {entry['target']}")
            self._link(entry)
            self._anchor(entry)
            self._follow(entry)
            self.before = head_of(entry)
        except (ValueError, KeyError, TypeError, AttributeError):
            self.fault("is no audit entry")

    def _link(self, entry: Data) -> None:
        """Whether it stands where it belongs."""
        number, expected = entry["sequence"], self.before.sequence + 1
        if number > expected:
            self.fault(f"entries {expected} to {number - 1} are missing", expected, number - 1)
        elif number < expected:
            self.fault(f"entry {number} stands behind entry {self.before.sequence}", min(number, self.position), self.position)
        elif entry["previous"] != self.before.hash:
            self.fault("does not follow the entry before it", max(self.position - 1, 1), self.position)

    def _anchor(self, entry: Data) -> None:
        number = entry["sequence"]
        known = self.anchors.get(number)
        self.met.add(number)
        if known == entry["hash"]:
            self.good = max(self.good, number)
        elif known is not None:
            what = f"entry {number} is not the one that was anchored: the chain was written anew behind entry {self.good}"
            self.fault(what, self.good + 1, number)
        elif must_be_anchored(entry):
            self.fault(f"entry {number} ended {entry['batch']} and has no anchor", number)
        named = entry["detail"].get("anchored", 0)
        if named and named not in self.anchors:
            self.fault(f"entry {number} names an anchor of entry {named}, which is not there", named, named)

    def _follow(self, entry: Data) -> None:
        """What it says of its batch, and whether that may come after what the chain said of it before."""
        batch, detail = entry["batch"], entry["detail"]
        if not batch:
            about = str(detail.get("target", ""))
            self.steps.append(Step(entry["sequence"], str(entry["what"]), str(entry["who"]), entry["at"], about, detail))
            return
        course = self.courses.setdefault(batch, Course())
        start, _, end = entry["what"].partition(" → ")
        if start != course.status or not (end == start or start == _NEVER or end in MOVES[Status(start)]):
            self.fault(f"moves {batch} from {start} to {end}, and it was {course.status}")
        course.status = end
        if end in ("CREATED", "STAGED"):
            course.started_by.add(person(entry["who"]))
            course.texts = tuple(detail.get("packs", ()))
        if "decision" in detail:
            course.decisions.append((entry["who"], detail["decision"]))
            if detail["digest"] != course.digest:
                self.fault(f"decides on another {batch} than was shown")
        elif end == "UNDER_REVIEW":
            course.digest, course.approvals = detail["digest"], detail["approvals"]
        if end == "APPROVED":
            course.approved_at = entry["sequence"]
        if "ledgers" in detail:
            course.ledgers = detail["ledgers"]

    def end(self) -> None:
        last = max(self.anchors, default=0)
        if last > self.before.sequence:
            what = f"the chain ends at entry {self.before.sequence}, and entry {last} was anchored: its tail was cut"
            self.fault(f"{what}, or it was written anew behind entry {self.good}", self.good + 1, last)
        for number in sorted(self.anchors):
            if number not in self.met and number <= self.before.sequence:
                self.fault(f"entry {number} was anchored and is not there", number, number)
