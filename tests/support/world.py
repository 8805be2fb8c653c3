"""A whole Penstock in one process, on the memory adapters: messages are delivered when asked for, mails lie in a list."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from penstock.adapters.confined import Grant, confined
from penstock.adapters.memory import MemoryStores
from penstock.adapters.memory_services import MemoryBlobs, MemoryMailer, MemoryPublisher
from penstock.core.codec import Mode
from penstock.core.declaration import Pipeline, Target
from penstock.core.errors import InvalidInput, NotFound, PenstockError, Refused
from penstock.core.plan import Batch
from penstock.core.records import Query, Set
from penstock.core.values import Data, Timestamp
from penstock.entrypoints import privileges
from penstock.pipelines.schema import FOLDER, load
from penstock.ports import Message, Pages, Ports, Store, Stores
from penstock.use_cases import check, effects, topics
from penstock.use_cases.capture import capture
from penstock.use_cases.context import Context, load_batch
from penstock.use_cases.decide import Said, decide_by_link, find_link
from penstock.use_cases.finish import finish_after
from penstock.use_cases.promote import promote_asked
from penstock.use_cases.proposing import Outcome
from penstock.use_cases.sweep import sweep
from penstock.web.pages import WebPages
from penstock.wiring import Contexts

KEYS = {"k1": bytes(range(32))}
APPROVER = "thandi@example.org"


class Clock:
    """Moves by a millisecond with each look, and by as much as it is told."""

    def __init__(self) -> None:
        self.time = Timestamp(1_790_000_000)

    def __call__(self) -> Timestamp:
        self.time = self.time.plus(0.001)
        return self.time

    def forward(self, seconds: float) -> None:
        self.time = self.time.plus(seconds)


@cache
def _loaded(pipeline: Path) -> Pipeline:
    return load(pipeline)


class World:
    """`pump` delivers every message there is; `approve` plays the approver with the mail's link and code."""

    def __init__(
        self,
        pipeline: Path = FOLDER / "fibre_network.yaml",
        *,
        stores: Stores | None = None,
        people: Mapping[str, tuple[str, ...]] | None = None,
        approvals: int | None = None,
        targets: tuple[Target, ...] = (),  # in the place of those that the file names, or the documents of a hub
        pages: Pages | None = None,
        wrap: Callable[[Ports], Ports] = lambda ports: ports,
    ) -> None:
        self.clock = Clock()
        ids = (f"{n:020x}" for n in itertools.count(1))
        self.blobs, self.publisher, self.mailer = MemoryBlobs(), MemoryPublisher(), MemoryMailer()
        loaded = _loaded(pipeline)
        if approvals:
            loaded = replace(loaded, gate=replace(loaded.gate, approvals=approvals))
        if targets:
            loaded = loaded.on(*targets) if len(targets) == 1 else replace(loaded, targets=targets)
        places = (*loaded.sources.values(), *loaded.targets, *filter(None, [loaded.hub]))
        projects = {place.project for place in places}
        self.ports = Ports(
            stores=stores or MemoryStores(self.clock),
            blobs=self.blobs,
            publisher=self.publisher,
            mailer=self.mailer,
            pages=pages or WebPages(),
            now=self.clock,
            new_id=lambda: next(ids),
            keys=KEYS,
            base_url="https://review.example.org",
            each=lambda do, items: [do(item) for item in items],
            project_ids={name: f"demo-{name}" for name in projects},
            people=people or {loaded.gate.approvers: (APPROVER,)},
        )
        self.contexts = Contexts(wrap(self.ports), {loaded.name: loaded})
        self.ctx: Context = self.contexts.all()[0]
        self.outside: Context = Contexts(self.ports, {loaded.name: loaded}).all()[0]  # for looking, past what `wrap` does
        self.patient = False  # effects that fail are left to the sweep; otherwise they fail the test
        self.delivered = 0
        self.refused: list[PenstockError] = []  # messages that were acknowledged and not followed

    def serving(self, grant: Grant, ctx: Context | None = None) -> Context:
        """The target (or that of `ctx`) as an entry point with this grant sees it."""
        ctx = ctx or self.ctx
        return replace(ctx, ports=confined(ctx.ports, [ctx.pipeline], grant))

    def sweep(self) -> list[str]:
        return sweep(self.serving(privileges.SWEEP))

    @property
    def production(self) -> Store:
        return self.outside.store

    @property
    def source(self) -> Store:
        return self.outside.source_store(next(iter(self.ctx.pipeline.sources.values())))

    def put(self, store: Store, collection: str, documents: Iterable[tuple[str, Data]]) -> None:
        todo = [Set(f"{collection}/{id}", data) for id, data in documents]
        for start in range(0, len(todo), 400):
            store.commit(todo[start : start + 400])

    def documents(self, collection: str) -> dict[str, Any]:
        return {s.id: s.data for s in self.production.scan(Query(collection))}

    def run(self, mode: Mode = "changes", started_by: str = "schedule") -> Outcome:
        outcome = capture(self.serving(privileges.CAPTURE), mode, started_by)
        self.pay(outcome.owed, privileges.CAPTURE)
        self.pump()
        return outcome

    def pay(self, owed: Iterable[Set], grant: Grant | None = None) -> None:
        failures = effects.pay(self.serving(grant) if grant else self.ctx, owed)
        assert self.patient or failures == []

    def pump(self) -> None:
        """Deliver messages until none is left. One whose handler fails comes again, behind the others; one that is refused, or
        names nothing, does not."""
        while self.delivered < len(self.publisher.messages):
            topic, message = self.publisher.messages[self.delivered]
            self.delivered += 1
            try:
                self.deliver(topic, message)
            except (Refused, NotFound, InvalidInput) as refused:
                self.refused.append(refused)
            except BaseException:
                self.publisher.messages.append((topic, message))
                raise

    def deliver(self, topic: str, message: Mapping[str, str]) -> None:
        if topic == topics.CAPTURE:
            ctx = self.serving(privileges.CAPTURE, self.contexts.target(message["target"]))
            outcome = capture(ctx, message["mode"], message.get("started_by", "schedule"))  # type: ignore[arg-type]
            effects.pay(ctx, outcome.owed)
            return
        grant = privileges.CHECK if topic == topics.CHECK else privileges.PROMOTE
        ctx, number = self.serving(grant, self.contexts.of_batch(message["batch"])), int(message["pack"])
        try:
            if topic == topics.CHECK:
                owed = check.check_pack(ctx, message["batch"], number)
            else:
                done = promote_asked(ctx, message["batch"], number)
                owed = finish_after(ctx, message["batch"], number) if done else ()
        except PenstockError as error:
            check.note_failure(ctx, message["batch"], number, str(error))
            raise
        effects.pay(ctx, owed)

    def batch(self, id: str) -> Batch:
        return load_batch(self.outside, id).batch

    def mail(self, to: str = APPROVER) -> Message:
        return [
            m for m in self.mailer.sent if (m.to == to and "/fibre" in m.text) or (m.to == to and "https://review" in m.text)
        ][-1]

    def link(self, to: str = APPROVER) -> tuple[str, str]:
        """(token, code) out of the last mail."""
        mail = self.mail(to)
        token = re.search(r"https://review\.example\.org/[^/\s]+/(\S+)", mail.text)
        code = re.search(r"\b[2-9A-HJ-NP-Z]{6}\b", mail.text.split("ode", 1)[1])
        assert token is not None, mail.text
        assert code is not None, mail.text
        return token[1], code[0]

    def decide(self, said: Said, to: str = APPROVER) -> Batch:
        token, code = self.link(to)
        batch, owed = decide_by_link(self.serving(privileges.REVIEW), token, code, said)
        self.pay(owed, privileges.REVIEW)
        self.pump()
        return self.batch(batch.id)

    def approve(self, blockers: str = "reject", to: str = APPROVER) -> Batch:
        token, _ = self.link(to)
        batch = self.batch(find_link(self.outside, token).grant.batch)
        blocking = {rule for rule, of in batch.findings.items() if "blocker" in of}
        words = {f"rule:{rule}": blockers for rule in blocking}
        words |= {f"mass:{f.field}": "approve" for f in batch.batch_findings if f.field}
        words |= {f"rule:{f.rule}": "approve" for f in batch.batch_findings if not f.field and not f.key}
        return self.decide(Said("approve", words), to)  # type: ignore[arg-type]
