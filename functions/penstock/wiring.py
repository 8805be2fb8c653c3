"""The only place that chooses adapters. Everything is built on first use, after the server's fork."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from penstock.adapters.confined import Grant, confined
from penstock.core import layout
from penstock.core.declaration import Pipeline
from penstock.core.errors import InvalidInput, NotFound
from penstock.core.values import Timestamp
from penstock.pipelines.schema import FOLDER, load_all
from penstock.ports import TAB, Ports, Tab, tab_of_this_thread
from penstock.settings import Settings, read
from penstock.use_cases.context import Context

A = TypeVar("A")
B = TypeVar("B")


class Contexts:
    """Every target of every pipeline, by its id."""

    def __init__(self, ports: Ports, pipelines: dict[str, Pipeline]) -> None:
        self.ports, self.pipelines = ports, pipelines
        all_of_them = (Context(ports, p, target) for p in pipelines.values() for target in p.targets)
        self._by_id = {ctx.id: ctx for ctx in all_of_them}
        self._confined: dict[str, Contexts] = {}

    def confined(self, grant: Grant) -> Contexts:
        """The same, through ports that refuse all that the grant does not name."""
        if grant.name not in self._confined:
            self._confined[grant.name] = Contexts(confined(self.ports, self.pipelines.values(), grant), self.pipelines)
        return self._confined[grant.name]

    def all(self) -> list[Context]:
        return list(self._by_id.values())

    def target(self, id: str) -> Context:
        try:
            return self._by_id[id]
        except KeyError:
            known = ", ".join(self._by_id) or "none"
            raise NotFound("there is no such target", subject=repr(id[:80]), remedy=f"There are: {known}.") from None

    def of_pipeline(self, name: str) -> list[Context]:
        if name not in self.pipelines:
            raise NotFound(
                "there is no such pipeline", subject=repr(name[:80]), remedy=f"There are: {', '.join(self.pipelines)}."
            )
        return [ctx for ctx in self.all() if ctx.pipeline.name == name]

    def of_batch(self, batch: str) -> Context:
        """The target that a batch id names."""
        return self.target(layout.target_id(*layout.target_of(batch)))


_given: list[Contexts] = []


def use(known: Contexts | None) -> None:
    """Work on these from now on; None: on what the environment says. For tests, and for the demo without emulators."""
    _given[:] = [known] if known else []


def contexts(grant: Grant | None = None) -> Contexts:
    """What this process works on, as far as an entry point's grant goes. None: an operator's command, with their rights."""
    known = _given[0] if _given else _from_environment()
    return known.confined(grant) if grant else known


@cache
def _from_environment() -> Contexts:
    return Contexts(ports(settings()), load_all(settings().pipelines or FOLDER))


@cache
def settings() -> Settings:
    return read()


def ports(settings: Settings) -> Ports:
    from penstock.adapters.blobs import CloudBlobs
    from penstock.adapters.firestore import FirestoreStores
    from penstock.adapters.pubsub import PubSubPublisher
    from penstock.adapters.smtp import SmtpMailer
    from penstock.web.pages import WebPages

    needed = ("bucket", "base_url", "smtp_host", "mail_from", "google_project", "keys")
    if missing := [name for name in needed if not getattr(settings, name)]:
        names = ", ".join("GOOGLE_CLOUD_PROJECT" if n == "google_project" else f"PENSTOCK_{n.upper()}" for n in missing)
        raise InvalidInput(f"{names} is not set", subject="settings", remedy="Set it; nothing was started.")
    return Ports(
        stores=FirestoreStores(settings.firestore_emulator),
        blobs=CloudBlobs(settings.bucket, settings.google_project, {layout.ANCHORS: settings.audit_bucket}),
        publisher=PubSubPublisher(settings.google_project),
        mailer=SmtpMailer(
            settings.smtp_host,
            settings.smtp_port,
            settings.mail_from,
            settings.smtp_security,
            settings.smtp_user,
            settings.smtp_password,
        ),
        pages=WebPages(),
        now=clock,
        new_id=new_id,
        keys=settings.keys,
        keys_until=settings.keys_until,
        base_url=settings.base_url.rstrip("/"),
        each=Threads(settings.threads),
        project_ids=settings.projects,
        people=settings.people,
        stale_seconds=settings.stale_seconds,
    )


def clock() -> Timestamp:
    """Now, to the microsecond: what Firestore keeps of a timestamp."""
    return Timestamp(*divmod(time.time_ns() // 1_000 * 1_000, 10**9))


def new_id() -> str:
    return secrets.token_hex(10)


class Threads:
    """`map` in parallel; the order is kept, and the first error is raised."""

    def __init__(self, many: int) -> None:
        self._many = many

    def __call__(self, do: Callable[[A], B], items: Iterable[A]) -> list[B]:
        todo = list(items)
        if len(todo) < 2:
            return [do(item) for item in todo]
        with ThreadPoolExecutor(min(self._many, len(todo))) as pool:
            mine, theirs = tab_of_this_thread(), list[Tab]()

            def on_a_tab(item: A) -> B:
                tab = Tab()
                TAB.set(tab)
                theirs.append(tab)
                return do(item)

            try:
                return list(pool.map(on_a_tab, todo))
            finally:
                pool.shutdown()
                for tab in theirs:
                    mine.add(*tab.billed)
