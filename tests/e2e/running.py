"""A running stack as tests meet it: through the scheduler, the mailbox, the links and what lies in the databases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from networks import Case, Documents
from penstock.core import audit, layout
from penstock.core.batch import Status
from penstock.core.plan import Batch
from penstock.core.records import NAME, Query, Set, Where
from penstock.core.values import dumps
from penstock.local import approver, functions, scheduler
from penstock.local.stack import Stack
from penstock.pipelines.schema import load_all
from penstock.ports import Store
from penstock.settings import read
from penstock.use_cases.context import Context, load_batch, load_target
from penstock.wiring import Contexts, ports

T = TypeVar("T")
AT_REST = {Status.APPLIED, Status.PARTIALLY_APPLIED, Status.REJECTED, Status.FAILED, Status.ROLLED_BACK}
PATIENT = 100  # the emulator sends again every three seconds where the service waits longer each time: as many tries, as long


def eventually(look: Callable[[], T | None], what: str, seconds: float = 90, every: float = 0.1) -> T:
    """What `look` gives, as soon as it gives something true."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} did not come about in {seconds} seconds"
        time.sleep(every)
    return found


@dataclass
class Running:
    stack: Stack
    contexts: Contexts
    case: Case

    @property
    def targets(self) -> list[Context]:
        return self.contexts.of_pipeline(self.case.name)

    def fill(self) -> None:
        """Put source and production into the databases."""
        for name, documents in self.case.source.items():
            put(self.targets[0].source_store(self.targets[0].pipeline.sources[name]), documents)
        for ctx in self.targets:
            put(ctx.store, {ctx.target.prefix + path: data for path, data in self.case.production.items()})

    def tick(self, job: str) -> None:
        """What Cloud Scheduler does when a job is due, or is run by hand."""
        client = scheduler.client(self.stack.address("scheduler"))
        client.run_job(name=f"projects/{functions.PROJECT}/locations/europe-west1/jobs/{job}")
        client.transport.close()

    def batch(self, ctx: Context, kind: str = "sync") -> Batch:
        """The open batch, when its review is."""

        def reviewed() -> Batch | None:
            open_now = load_target(ctx).state.open
            found = load_batch(ctx, open_now).batch if open_now else None
            return found if found and found.status is Status.UNDER_REVIEW and found.kind == kind else None

        return eventually(reviewed, f"the review of {ctx.id}")

    def approve(self, ctx: Context, batch: Batch) -> list[str]:
        """Each approver that is needed opens the mail's link, keeps production for each blocker, and types the code. Gives the
        pages that answered."""
        return [approver.decide(*self.invitation(batch, person), "approve", note="seen") for person in ctx.approvers]

    def invitation(self, batch: Batch, person: str) -> tuple[str, str]:
        """(link, code) out of the newest mail to a person about a batch."""
        mails = eventually(lambda: [m for m in self.mails(batch.id) if m["to"] == person], f"mail to {person}")
        return approver.link_and_code(mails[0])

    def mails(self, about: str) -> list[dict[str, Any]]:
        return approver.mails(self.stack.facts["mailbox"], about)

    def rested(self, ctx: Context, batch: str, seconds: float = 120) -> Batch:
        """The batch when it has come to rest, its report is written, and its mails are out."""

        def done() -> Batch | None:
            found = load_batch(ctx, batch).batch
            told = found.status not in {Status.APPLIED, Status.PARTIALLY_APPLIED} or not unpaid(ctx)
            return found if found.status in AT_REST and told else None

        return eventually(done, f"the end of {batch}", seconds)

    def logs(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted((self.stack.folder / "logs").glob("*.log")))


@contextmanager
def running(folder: Path, case: Case, monkeypatch: pytest.MonkeyPatch, **env: str) -> Iterator[Running]:
    """A stack of its own for a case. This process sees what an operator's command line sees."""
    spec = functions.spec(folder, case.pipelines)
    topics = tuple(replace(topic, max_attempts=PATIENT) for topic in spec.topics)
    with Stack(folder, replace(spec, topics=topics, env={**spec.env, **env}, keep=())) as stack:
        for name, value in stack.env.items():
            monkeypatch.setenv(name, value)
        yield Running(stack, Contexts(ports(read(stack.env)), load_all(case.pipelines)), case)


def put(store: Store, documents: Documents) -> None:
    writes = [Set(path, data) for path, data in documents.items()]
    for start in range(0, len(writes), 400):
        store.commit(writes[start : start + 400])


def production(ctx: Context) -> dict[str, str]:
    """Every document of the target's collections, with its exact content."""
    collections = [ctx.collection(entity) for entity in ctx.pipeline.entities]
    return {found.path: dumps(found.fields) for name in collections for found in ctx.store.scan(Query(name))}


def without_prefix(ctx: Context, paths: Iterable[str]) -> set[str]:
    return {path.removeprefix(ctx.target.prefix) for path in paths}


def unpaid(ctx: Context) -> list[str]:
    query = Query(layout.OUTBOX, (Where(("target",), "==", ctx.id), Where(("state",), "==", "owed")))
    return [found.id for found in ctx.store.scan(query)]


def chain(ctx: Context) -> list[str]:
    """The transitions in the target's audit chain; fails where an entry is missing, doubled or altered."""
    first, last = layout.audit(ctx.id, 0), layout.audit(ctx.id, 9_999_999_999)
    before, told = audit.Head(), []
    for found in ctx.store.scan(Query(layout.AUDIT, (Where(NAME, ">=", first), Where(NAME, "<=", last)))):
        entry = found.fields
        assert (entry["sequence"], entry["previous"]) == (before.sequence + 1, before.hash)
        assert entry["hash"] == audit.digest(entry)
        before = audit.head_of(entry)
        told.append(f"{entry['batch']} {entry['what']}")
    return told
