"""A Penstock on the memory adapters, with faults at every port, judges below them, and a way to rest."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn, Self

from penstock.adapters.memory import MemoryStore, MemoryStores
from penstock.core import layout, packs
from penstock.core.batch import Status
from penstock.core.changes import Action, Change
from penstock.core.codec import TargetState, from_data
from penstock.core.declaration import Source, Target
from penstock.core.errors import InvalidInput, NotFound, PenstockError, Refused, Unavailable
from penstock.core.packs import decode_changes, expand
from penstock.core.plan import Batch
from penstock.core.records import Delete, Set
from penstock.core.values import Data, Timestamp, dumps
from penstock.entrypoints import privileges
from penstock.use_cases import check, effects, topics
from penstock.use_cases.decide import Said, decide_by_link
from penstock.use_cases.lease import LEASE_SECONDS
from support.faults import Faults, Killed, PlainPages
from support.world import World

from simulation import laws
from simulation.journal import Image, Journal, Landed, image, images
from simulation.laws import SECRET
from simulation.model import OVERLAP, expected, overlooked

PEOPLE = ("ama@example.org", "ben@example.org")
SETTLED = {Status.UNDER_REVIEW, Status.APPLIED, Status.PARTIALLY_APPLIED, Status.REJECTED, Status.SUPERSEDED, Status.EXPIRED,
           Status.ROLLED_BACK, Status.FAILED}  # fmt: skip
_WORKER = {topics.CHECK: privileges.CHECK, topics.PROMOTE: privileges.PROMOTE}
TRIES = 5  # deliveries of a message before it goes to the dead letters


class Broken(AssertionError):
    """A law was broken. The text begins with the law's name."""


@contextmanager
def small_packs(changes: int = 2, inline: int = 500) -> Iterator[None]:
    """Packs of so many changes; batches of more approved changes than `inline` are promoted by messages."""
    before = packs.MAX_CHANGES, effects.INLINE
    packs.MAX_CHANGES, effects.INLINE = changes, inline
    try:
        yield
    finally:
        packs.MAX_CHANGES, effects.INLINE = before


@lru_cache(maxsize=256)
def _decoded(payload: bytes) -> tuple[Change, ...]:
    return tuple(decode_changes(expand(payload)))


class Simulation(World):
    """`database` and `registry` are the target's store and the source's, for looking past everything."""

    FILE = Path(__file__).with_name("waterworks.yaml")
    SOURCE, DEAD = "registry-records", "dead-letters"
    SOURCES = ("registry",)  # projects that are read and never written
    COLLECTIONS: tuple[str, ...] = ("pipes", "taps")
    MAPPED = frozenset({"pipe", "tap", "colour", "changed"})
    ALWAYS: Mapping[str, Callable[[Any, object], Iterator[str]]] = laws.ALWAYS
    AT_REST: Sequence[tuple[str, Callable[[Any], Iterator[str]]]] = laws.AT_REST
    open_stores = MemoryStores  # a history is recorded here

    def __init__(self, people: int = 1, approvals: int = 1, targets: tuple[Target, ...] = ()) -> None:
        self.faults, self.journal = Faults(), Journal()
        self._latest = Timestamp(0)
        self.faults.stalled = self.others
        self.people = PEOPLE[:people]
        super().__init__(
            self.FILE,
            stores=self.open_stores(self._server_time),
            people={"board": self.people},
            approvals=approvals,
            targets=targets,
            pages=PlainPages(),
            wrap=lambda ports: self.faults.wrap(self.journal.wrap(ports, {ports.project_ids[name] for name in self.SOURCES})),
        )
        self.patient = True
        self.database = self._open(self.ctx.target)
        self.registry = self._open(next(iter(self.ctx.pipeline.sources.values())))
        self.views: list[Self] = [self]  # one for each target
        self.journal.judge = self.judge
        self.promoted: dict[tuple[str, str], Landed] = {}  # (batch, path) → the commit that wrote it
        self.decided: Counter[str] = Counter()
        self.said: set[tuple[str, str, str]] = set()  # (batch, who, verdict)
        self.promised: dict[str, bool] = {}  # tap → whether it came with a stamp that the overlap window still covers
        self.looked_at = Timestamp(0)  # the moment at which a run looked at the source last
        self.hiding = False
        self.highest = Timestamp(0)  # the youngest stamp that the source ever held
        self.errors: list[str] = []  # every error text that somebody met
        self.poison: set[tuple[str, int]] = set()  # (topic, pack) whose handler fails
        self.curse: set[tuple[str, int]] = set()  # the same, for the others while one sleeps
        self.later: Callable[[], None] = lambda: None  # what is still to come, for a zombie that sleeps through all of it
        self.tries: Counter[tuple[str, str, str]] = Counter()
        self.order: random.Random | None = None  # messages are delivered in any order
        self.astray = 0  # so many of the next messages are lost
        self.parked: list[tuple[str, dict[str, str]]] = []  # messages to a target whose database is down
        self._in_flight: list[tuple[str, dict[str, str]]] = []
        self._asleep = 0

    def _open(self, place: Target | Source) -> MemoryStore:
        return self.ports.stores.open(self.ports.project_ids[place.project], place.database)  # type: ignore[return-value]

    def view(self, target: str) -> Self:
        return next(view for view in self.views if view.ctx.target.name == target)

    def _server_time(self) -> Timestamp:
        """The databases' own clock never goes back, whatever an instance's does."""
        self._latest = max(self._latest, self.clock())
        return self._latest

    # the judges -----------------------------------------------------------------------------------------------------

    def judge(self, event: object) -> None:
        for view in self.views:
            if view.concerns(event):
                for name, law in self.ALWAYS.items():
                    self.journal.broken += [f"{name}: {what}" for what in law(view, event)]

    def concerns(self, event: object) -> bool:
        if isinstance(event, Landed):
            return event.store is self.database
        named = event[1].get("batch") or event[1].get("target", "") if isinstance(event, tuple) else event.id  # type: ignore[attr-defined]
        return named == self.ctx.id or self.owns(named)

    def owns(self, id: str) -> bool:
        """Whether a batch, or what is owed for one, is of this target."""
        return id.startswith(f"{self.ctx.id}.")

    def judge_rest(self) -> None:
        """Raises `Broken` with all that is wrong, now or before."""
        for view in self.views:
            for name, law in self.AT_REST:
                self.journal.broken += [f"{name}: {what}" for what in law(view)]
        if self.journal.broken:
            raise Broken("; ".join(dict.fromkeys(self.journal.broken)))

    # what is there --------------------------------------------------------------------------------------------------

    @property
    def state(self) -> TargetState:
        found = image(self.database, layout.target(self.ctx.id))
        return from_data(found.fields, TargetState) if found.data else TargetState(self.ctx.id)

    def batches(self) -> dict[str, Batch]:
        return {p.partition("/")[2]: from_data(i.fields, Batch) for p, i in images(self.database, layout.BATCHES).items()}

    def changes_in(self, batch: str) -> list[Change]:
        found = images(self.database, layout.STAGING, f"{batch}.")
        return [change for pack in found.values() for change in _decoded(pack.fields["payload"])]

    def declined(self) -> set[str]:
        """The keys of which anything was declined."""
        found = sorted(images(self.database, layout.REJECTIONS).values(), key=lambda i: i.fields["at"])
        said: dict[str, dict[str, str]] = {}
        for remembered in found:
            for key, fields in json.loads(remembered.fields["refused"]).items():
                said.setdefault(key, {}).update(fields)
        return {key for key, fields in said.items() if any(fields.values())}

    def records(self) -> dict[str, Data]:
        return {path.partition("/")[2]: there.fields for path, there in images(self.registry, self.SOURCE).items()}

    def production(self) -> dict[str, Data]:
        """All of production without our stamps, by path."""
        found = (there for name in self.COLLECTIONS for there in images(self.database, name).items())
        return {path: {k: v for k, v in i.fields.items() if k != layout.STAMP} for path, i in found}

    def fed(self, key: str, at: Timestamp) -> bool:
        """Whether the source held anything of a production record at a moment."""
        entity, _, number = key.partition("#")[0].partition("/")
        name = {"pipes": "pipe", "taps": "tap"}[entity]
        found = (self.registry._version(path, at) for path in self.registry._paths.get(self.SOURCE, ()))
        return any(version is not None and (version.data or {}).get(name) == number for version in found)

    # what the judges must know of this pipeline ------------------------------------------------------------------------

    def wanted(self, _: Landed, change: Change) -> Data | None:
        """The whole document that a change should have left in a commit."""
        return expected(change)

    def along(self, _: Landed, __: str) -> bool:
        """Whether a document may be written that nobody said yes to, because of what was written beside it."""
        return False

    def left_by(self, batch: str, path: str, first: Landed) -> Landed:
        """The last commit of a batch that wrote a document; `first`: that of its own change."""
        return first

    def unshown(self, event: Landed) -> Iterator[str]:
        """What is wrong with a commit that writes production and promotes no pack that was shown."""
        yield f"{event.production} were written outside of any batch that was shown"

    def moved(self, change: Change, was: Image) -> bool:
        """Whether production is another than a change was planned against."""
        return was.time != change.planned_against or dumps(was.data) != dumps(change.before)

    def may_fall(self, _: Landed, change: Change, fell_out: Collection[str], others: Iterable[Change]) -> bool:
        """Whether a change has to fall out although its record did not move: the removal of a pipe, where that of a tap did."""
        number = (change.before or {}).get("number")
        taps = (c for c in others if c.entity == "taps" and c.action is Action.DELETE and (c.before or {}).get("pipe") == number)
        return change.action is Action.DELETE and change.entity == "pipes" and any(tap.key in fell_out for tap in taps)

    def priors(self, _: Landed, lines: Mapping[str, Data]) -> dict[str, Data | None]:
        """By path: the prior images that Storage has of what a commit wrote; `lines` are those of the pack's backup."""
        return {path: line["before"] for path, line in lines.items()}

    def untouched(self, path: str, first: Landed, was: Image) -> bool:
        """Whether a record still is as a commit left it."""
        left = first.after[path]
        return was.time == left.time or (was.data is None and left.data is None)

    def bare(self, data: Data | None) -> Data | None:
        """A document without what is worked out of others."""
        return data

    def overlooked(self, state: TargetState, *, rest: bool = False) -> Iterator[str]:
        return overlooked(self, state, rest=rest)

    def gist(self, change: Change) -> str:
        """What is proposed, without the moments at which things happened."""
        return f"{change.key} {change.action} {(change.after or {}).get('colour')}"

    # what others do -------------------------------------------------------------------------------------------------

    def feed(self, tap: int, pipe: int, colour: str, changed: float = 0.0) -> None:
        """A source record as it is from now on, changed so many seconds from now by its own stamp."""
        data = {"pipe": f"P{pipe}", "tap": f"T{tap}", "colour": colour, "changed": self.clock.time.plus(changed), "owner": SECRET}
        records = self.records()
        late = data["changed"] <= self.highest
        if f"r{tap}" in records and (late or data["changed"] < records[f"r{tap}"]["changed"]):
            self._hide()
        self.promised[f"T{tap}"] = not late or (not self.hiding and data["changed"] >= self.highest.plus(-OVERLAP))
        self.highest = max(self.highest, data["changed"])
        self.registry.commit([Set(f"{self.SOURCE}/r{tap}", data)])

    def vanish(self, tap: int) -> None:
        """A record leaves the source."""
        self._hide()
        self.registry.commit([Delete(f"{self.SOURCE}/r{tap}")])

    def _hide(self) -> None:
        """A record left the overlap window, or changed within it: what comes there late, in equal number, is found only with the
        next news or by a full run."""
        self.hiding = True
        for record in self.records().values():
            self.promised[record["tap"]] &= record["changed"] == self.highest

    def edit(self, path: str, /, **fields: Any) -> None:
        """Somebody edits production by hand."""
        self.database.commit([Set(path, {**image(self.database, path).fields, **fields})])

    def unasked(self, batch: str) -> bool:
        """Whether nobody is to be asked about a batch. Here somebody always is."""
        return False

    def say(self, batch: str, said: Said, who: str) -> None:
        """One person decides, with the last link that was mailed to them for this batch."""
        mails = [m for m in self.mailer.sent if m.to == who and m.subject in ("review", "locked") and m.text.endswith(batch)]
        if not mails:
            return
        link, code, _ = mails[-1].text.splitlines()
        self.said.add((batch, who, said.verdict))
        _, owed = decide_by_link(self.serving(privileges.REVIEW), link.rpartition("/")[2], code.rpartition(" ")[2], said)
        self.pay(owed, privileges.REVIEW)

    def approve_as(
        self,
        batch: str,
        who: str,
        blockers: str = "approve",
        changes: Mapping[str, Any] | None = None,
        choices: Mapping[str, str] | None = None,
    ) -> None:
        there = self.batches()[batch]
        words = {f"rule:{rule}": blockers for rule, of in there.findings.items() if "blocker" in of}
        words |= {f"mass:{f.field}": "approve" for f in there.batch_findings if f.field}
        words |= {f"rule:{f.rule}": "approve" for f in there.batch_findings if not f.field and not f.key}
        self.say(batch, Said("approve", words, changes or {}, choices=choices or {}), who)  # type: ignore[arg-type]

    # messages -------------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Deliver until none is left. One whose handler fails comes again behind the others, and at last to the dead letters."""
        while self.delivered < len(self.publisher.messages):
            if self.order is not None:
                last = self.order.randrange(self.delivered, len(self.publisher.messages))
                self.publisher.messages.insert(self.delivered, self.publisher.messages.pop(last))
            topic, message = self.publisher.messages[self.delivered]
            self.delivered += 1
            if self.astray and topic != self.DEAD:
                self.astray -= 1
                continue
            self._in_flight.append((topic, message))
            try:
                self._deliver(topic, message)
            except BaseException:
                self._again(topic, message)
                raise
            finally:
                self._in_flight.pop()

    def _deliver(self, topic: str, message: Mapping[str, str]) -> None:
        if topic == self.DEAD:
            check.fail(self.serving(privileges.DEAD_LETTER), message["batch"], int(message["pack"]))
            return
        if (topic, int(message.get("pack", -1))) in self.poison | (self.curse if self._asleep else set()):
            check.note_failure(self.serving(_WORKER[topic]), message["batch"], int(message["pack"]), "it is poison")
            raise Unavailable("cannot be handled", subject=str(message), remedy="Mend what it meets.")
        try:
            self.deliver(topic, message)
        except (Refused, NotFound, InvalidInput) as refused:
            self.errors.append(str(refused))  # acknowledged and not followed

    def _again(self, topic: str, message: dict[str, str]) -> None:
        if any(view.is_down and view.concerns((topic, message)) for view in self.views):
            self.parked.append((topic, message))
            return
        name = (topic, message.get("batch", ""), message.get("pack", ""))
        self.tries[name] += topic != self.DEAD
        if self.tries[name] >= TRIES and "pack" in message:
            self.tries[name] = 0
            topic = self.DEAD
        self.publisher.messages.append((topic, message))

    # rest -----------------------------------------------------------------------------------------------------------

    def at_rest(self) -> bool:
        """Nothing waits but a person's word: no message, no effect, no lease, no promotion, no batch on its way."""
        return self.delivered >= len(self.publisher.messages) and all(view.rests() for view in self.views)

    @property
    def is_down(self) -> bool:
        """Whether its database answers nobody."""
        return self.journal.fuses.get(self.ports.project_ids[self.ctx.target.project]) == 0

    def rests(self) -> bool:
        if self.is_down:
            return True  # and nothing can go on
        state = image(self.database, layout.target(self.ctx.id)).fields
        if state.get("lease"):
            return False
        for there in images(self.database, layout.BATCHES).values():
            if there.fields["status"] not in SETTLED or self._overdue(there.fields):
                return False
        applying = state.get("applying")
        if applying and image(self.database, layout.batch(applying)).fields["status"] != Status.FAILED:
            return False
        for fact in images(self.database, layout.OUTBOX).values():
            of_mail = fact.fields["kind"] in ("review", "done", "held")
            if fact.fields["state"] != "paid" and not (self.journal.mail_is_down and of_mail):
                return False
        fell_out = any(recheck["keys"] for recheck in state.get("recheck", ()))
        return not fell_out or bool(state["open"] or applying or state["paused"])

    def _overdue(self, batch: Data) -> bool:
        return bool(batch["status"] == Status.UNDER_REVIEW and batch["expires_at"] <= self.clock.time)

    def settle(self) -> None:
        """Let time pass, sweep and deliver until nothing waits; `Broken` where that does not come to an end."""
        for _ in range(16):
            self.deliver_all()
            if self.at_rest():
                return
            self.clock.forward(1_000)
            try:
                self.sweep_all()
            except Killed:
                continue
        owed = [
            f"{p} {i.fields['error']}" for p, i in images(self.database, layout.OUTBOX).items() if i.fields["state"] != "paid"
        ]
        moving = {id: str(b.status) for id, b in self.batches().items() if b.status not in SETTLED}
        self._give_up(f"rest: none in sight; owed {owed}, on their way {moving}, {self.state}, {self.errors[-3:]}")

    def sweep_all(self) -> None:
        for view in self.views:
            self.errors += view.sweep()

    def deliver_all(self) -> None:
        for _ in range(300):
            try:
                self.pump()
                return
            except PenstockError as error:
                self.errors.append(str(error))
            except Killed:
                continue
        self._give_up("rest: a message fails for ever")

    def _give_up(self, why: str) -> NoReturn:
        raise Broken("; ".join(dict.fromkeys([*self.journal.broken, why])))

    def others(self, late: bool) -> None:
        """What happens while an instance stands still: its messages come again to others, its lease ends, and the others go on
        to rest; `late`: until all that is still to come has come."""
        if self._asleep:
            return  # one sleeper at a time, or all of them would
        self._asleep += 1
        try:
            self.publisher.messages += self._in_flight
            self.clock.forward(LEASE_SECONDS + 100)
            with suppress(Killed):
                self.sweep_all()
            self.settle()
            if late:
                self.later()
        finally:
            self._asleep -= 1
