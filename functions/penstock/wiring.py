"""The only place that chooses adapters. Everything is built on first use, after the server's fork."""

from __future__ import annotations

import gc
import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from typing import TypeVar

from penstock.adapters.confined import Grant, confined
from penstock.core import layout
from penstock.core.declaration import Pipeline, Target
from penstock.core.errors import InvalidInput, NotFound, PenstockError
from penstock.core.values import Timestamp
from penstock.pipelines.schema import FOLDER, load_all
from penstock.ports import TAB, Ports, Tab, tab_of_this_thread
from penstock.settings import Settings, read
from penstock.use_cases import registry
from penstock.use_cases.context import Context
from penstock.use_cases.fan_out import Spread, Wanted, spread
from penstock.use_cases.registry import Registered

A = TypeVar("A")
B = TypeVar("B")


KEPT_SECONDS = 30.0  # so long an entry point may go on with a target's declaration as it was; a command never does
NAMED = 20  # targets that an error names


class Contexts:
    """Every target of every pipeline, by its id: those that files name, and those that hubs declare. With a grant, through ports
    that refuse all that it does not name: what an entry point does for a target of a hub reaches that target alone."""

    def __init__(self, ports: Ports, pipelines: dict[str, Pipeline], grant: Grant | None = None) -> None:
        self._given, self._grant = ports, grant
        self.ports = confined(ports, pipelines.values(), grant) if grant else ports
        self.pipelines = pipelines
        all_of_them = (Context(self.ports, p, target) for p in pipelines.values() for target in p.targets)
        self._by_id = {ctx.id: ctx for ctx in all_of_them}
        self._kept: dict[str, tuple[Timestamp, Registered]] = {}
        self._confined: dict[str, Contexts] = {}

    def confined(self, grant: Grant) -> Contexts:
        """The same within a grant."""
        if grant.name not in self._confined:
            self._confined[grant.name] = Contexts(self._given, self.pipelines, grant)
        return self._confined[grant.name]

    def all(self) -> list[Context]:
        """Those that can be worked on. `survey` tells of the others."""
        return self.survey()[0]

    def survey(self) -> tuple[list[Context], list[str]]:
        """Every target that can be worked on, and a line for each document or hub that cannot be read."""
        contexts, broken = list(self._by_id.values()), list[str]()
        for name in self._hubs():
            try:
                found = self.registered(name)
            except PenstockError as error:  # one hub that does not answer never stops the others
                broken.append(str(error))
                continue
            contexts += [self.of(name, entry.target) for entry in found if entry.target]
            broken += [str(entry.wrong) for entry in found if entry.wrong]
        return contexts, broken

    def registered(self, pipeline: str) -> list[Registered]:
        """What the hub of a pipeline declares, read now."""
        found = registry.every(self.ports, self.pipelines[pipeline])
        self._kept |= {entry.id: (self.ports.now(), entry) for entry in found}
        return found

    def of(self, pipeline: str, target: Target) -> Context:
        """A target that a hub declares."""
        on = self.pipelines[pipeline].on(target)
        return Context(confined(self._given, [on], self._grant) if self._grant else self._given, on, target)

    def spread(self, pipeline: str, wanted: Wanted) -> Spread:
        """Who is to be run of those that the hub of a pipeline declares."""
        return spread(self.ports, self.pipelines[pipeline], self.registered(pipeline), partial(self.of, pipeline), wanted)

    def target(self, id: str) -> Context:
        """`NotFound`, or `InvalidInput` where a hub declares it wrongly."""
        if id in self._by_id:
            return self._by_id[id]
        if layout.is_target(id) and (pipeline := id.partition(".")[0]) in self._hubs():
            entry = self._entry(pipeline, id)
            if entry.target is None:
                raise entry.wrong or unknown_target(id, [])
            return self.of(pipeline, entry.target)
        raise unknown_target(id, list(self._by_id.values()))

    def _entry(self, pipeline: str, id: str) -> Registered:
        now, kept = self.ports.now(), self._kept.get(id)
        if kept is None or not self._grant or kept[0].plus(KEPT_SECONDS) < now:
            kept = self._kept[id] = (now, registry.one(self.ports, self.pipelines[pipeline], id))
        return kept[1]

    def is_hub(self, name: str) -> bool:
        """Whether the targets of this pipeline are documents."""
        return name in self.pipelines and self.pipelines[name].hub is not None and not self.pipelines[name].targets

    def hubs(self) -> list[Pipeline]:
        """The pipelines whose targets a hub declares."""
        return [self.pipelines[name] for name in self._hubs()]

    def _hubs(self) -> list[str]:
        return [name for name in self.pipelines if self.is_hub(name)]

    def pipeline(self, name: str) -> Pipeline:
        """`NotFound` names those there are."""
        if name not in self.pipelines:
            raise NotFound(
                "there is no such pipeline", subject=repr(name[:80]), remedy=f"There are: {', '.join(self.pipelines)}."
            )
        return self.pipelines[name]

    def of_pipeline(self, name: str) -> list[Context]:
        """Its targets that can be worked on; raises `NotFound`."""
        return self.declared(name)[0]

    def declared(self, name: str) -> tuple[list[Context], dict[str, str]]:
        """Its targets that can be worked on, and why the others cannot, by id; raises `NotFound`."""
        pipeline = self.pipeline(name)
        if self.is_hub(name):
            found = self.registered(name)
            wrong = {entry.id: str(entry.wrong) for entry in found if entry.wrong}
            return [self.of(name, entry.target) for entry in found if entry.target], wrong
        return [ctx for ctx in self._by_id.values() if ctx.pipeline.name == pipeline.name], {}

    def called(self, text: str, pipeline: str = "") -> Context:
        """A target by its id, or by its own name where no other target is called so. `NotFound` names those there are."""
        names = [self.pipeline(pipeline).name] if pipeline else list(self.pipelines)
        found = [ctx for ctx in self._by_id.values() if ctx.pipeline.name in names and text in (ctx.id, ctx.target.name)]
        for name in (name for name in names if name in self._hubs()):
            id = text if text.startswith(f"{name}.") else layout.target_id(name, text)
            with suppress(NotFound):
                found += [self.target(id)] if layout.is_target(id) else []
        if len(found) == 1:
            return found[0]
        known = self.of_pipeline(pipeline) if pipeline else self.all()
        raise unknown_target(text, known, "is the name of several targets" if found else "there is no such target")

    def of_batch(self, batch: str) -> Context:
        """The target that a batch id names."""
        return self.target(layout.target_id(*layout.target_of(batch)))


def unknown_target(text: str, known: list[Context], what: str = "there is no such target") -> NotFound:
    names = ", ".join(ctx.id for ctx in known[:NAMED]) or "none"
    more = f" and {len(known) - NAMED} more" if len(known) > NAMED else ""
    return NotFound(what, subject=repr(text[:80]), remedy=f"There are: {names}{more}.")


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
    return Contexts(ports(settings()), load_all(settings().pipelines or FOLDER, settings().only))


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


def collect_rarely() -> None:
    """Have the garbage collector look less often, and not at what was imported. A run makes hundreds of thousands of objects that
    live until it ends, and looking through them time and again took a twelfth of it. The price: what refers to itself is freed
    later, which is a few megabytes."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


class Threads:
    """`map` in parallel; the order is kept, and the first error is raised."""

    def __init__(self, many: int) -> None:
        self._many = many

    def __call__(self, do: Callable[[A], B], items: Iterable[A]) -> list[B]:
        todo = list(items)
        if min(self._many, len(todo)) < 2:
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
