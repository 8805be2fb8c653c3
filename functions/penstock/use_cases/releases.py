"""Sources that targets share: each partition is read once, judged whole, and dealt to every target that lists it.

Two refreshes at once both read, and the one that read later is right: what is written is the whole state at a moment, and never
gives way to an earlier one. One that is killed leaves an object that nobody points at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

from penstock.core import layout
from penstock.core import release as releases
from penstock.core.certificate import Certificate
from penstock.core.codec import SourceState, from_data, to_data
from penstock.core.declaration import Pipeline, Source
from penstock.core.errors import Conflict, InvalidInput, NotFound, OutcomeUnknown, PenstockError, Refused, Unavailable
from penstock.core.manifest import Manifest
from penstock.core.records import ABSENT, NAME, Query, Set, Snapshot, Update, Where, unchanged_since
from penstock.core.release import Document, Quarantine, Release, ReleaseState
from penstock.core.tree_checks import Fault, empty, judge, strange_parents, summary, units
from penstock.core.values import Data, Timestamp, dotted, get_in
from penstock.ports import Ports
from penstock.use_cases.context import TRIES, Context, hub_store, open_store
from penstock.use_cases.looking import Look, Plan, Reading, Shared, look_at, plans
from penstock.use_cases.reading import changes, everything
from penstock.use_cases.reconcile import recount
from penstock.use_cases.release_store import ReleaseStore

CONTENT_TYPES = {"html": "text/html; charset=utf-8", "json": "application/json"}
LOOKED_UP = 300  # parents that a faulty release does not have, asked for in the other partitions


class Refreshed(NamedTuple):
    """What came of one partition: how it stands, or why it could not be read."""

    partition: str
    state: ReleaseState | None
    error: PenstockError | None = None


def refresh_all(ports: Ports, pipeline: Pipeline, partitions: Iterable[str], *, full: bool = False) -> list[Refreshed]:
    """Refresh each of these partitions once; one that cannot be read never stops the others. Nothing for a pipeline whose targets
    share no source."""
    source = pipeline.shared

    def one(partition: str) -> Refreshed:
        assert source is not None
        try:
            return Refreshed(partition, refresh(ports, pipeline, source.name, partition, full=full))
        except PenstockError as error:
            return Refreshed(partition, None, error)

    return ports.each(one, sorted(set(partitions))) if source else []


def refresh(ports: Ports, pipeline: Pipeline, source: str, partition: str, *, full: bool = False) -> ReleaseState:
    """Read what changed in one partition, and make it the current release if it is sound; all of it is read the first time, where
    the source is not as large as what is known of it, or as `full` says. Costs three counts where nothing happened."""
    return _Refresh(ports, pipeline, pipeline.sources[source], partition).run(full=full)


def standing(ports: Ports, pipeline: Pipeline) -> list[ReleaseState]:
    """How every partition of a pipeline stands."""
    first, last = layout.release(f"{pipeline.name}."), layout.release(f"{pipeline.name}.~")
    query = Query(layout.RELEASES, (Where(NAME, ">", first), Where(NAME, "<", last)))
    return [from_data(found.fields, ReleaseState) for found in hub_store(ports, pipeline).scan(query)]


def shared(ctx: Context, source: Source, dealt: Mapping[str, str], at: Timestamp | None = None) -> Shared:
    """What a target's run at this moment gets of a source: the releases that were current then (without one: that are now), so
    that a run which goes on after it was killed gets the same. Nothing is read of them yet. `Refused` where a partition never had
    a sound one, `Unavailable` where it was not read whole yet."""
    if not ctx.target.partitions:
        remedy = f"Nothing was read. Name the values of `{dotted(source.partition or ())}` that it takes."
        raise Refused("lists no partition of its source", subject=ctx.id, remedy=remedy)
    ids = {p: layout.release_id(ctx.pipeline.name, source.name, p) for p in ctx.target.partitions}
    found = ctx.hub_store.get([layout.release(id) for id in ids.values()], at)
    states = {p: from_data(f.fields, ReleaseState) if f.exists else None for p, f in zip(ids, found, strict=True)}
    current: dict[str, Release] = {}
    for partition, state in states.items():
        if state is None or state.current is None:
            raise _nothing_of(ctx, partition, state)
        current[partition] = state.current
    names = {partition: release.name for partition, release in current.items()}
    by_release = {release: ids[partition] for partition, release in current.items()}

    def load(release: Release) -> dict[str, Document]:
        return releases.decode(ctx.ports.blobs.read(layout.release_blob(by_release[release], release.name)), release)

    told = tuple(text for state in states.values() if state and (text := held_back(state)))
    store = ReleaseStore(source.collection, list(current.values()), load)
    return Shared(store, names, min(r.at for r in current.values()), dict(dealt) == names, told)


def _nothing_of(ctx: Context, partition: str, state: ReleaseState | None) -> PenstockError:
    why = held_back(state) if state else ""
    if state is not None and state.quarantine is not None:
        remedy = "Nothing was proposed. Mend the source, and run again."
        return Refused(f"{why} There is none from before.", subject=ctx.id, remedy=remedy)
    remedy = f"{why} Nothing was proposed. Run it: `penstock run {ctx.pipeline.name}` reads it first.".strip()
    return Unavailable(f"there is no release of {partition} yet.", subject=ctx.id, remedy=remedy)


def held_back(state: ReleaseState) -> str:
    """Why targets do not get what the source holds now, in plain sentences; "" where they do."""
    told, q = [f"{state.partition}: {state.incomplete}"] if state.incomplete else [], state.quarantine
    if q is not None:
        instead = f"; what was read at {state.current.at} stands" if state.current else ""
        told.append(
            f"{state.source} {state.partition}, read at {q.release.at}, is quarantined since {q.since}: {q.why}{instead}. "
            f"Report: {q.reports['html']}"
        )
    return " ".join(told)


class _Read(NamedTuple):
    """What the partition holds, as far as it was read. `total`: how many documents the database counts in it."""

    documents: Mapping[str, Document]
    state: SourceState
    total: int
    certificate: Certificate | None  # None: nothing happened

    @property
    def complete(self) -> bool:
        return self.certificate is None or (self.certificate.complete and len(self.documents) == self.total)


class _Refresh:
    def __init__(self, ports: Ports, pipeline: Pipeline, source: Source, partition: str) -> None:
        if source.partition is None:
            remedy = "Name the source of a pipeline that says `partition`."
            raise InvalidInput("is not read by partition", subject=f"{pipeline.name}.{source.name}", remedy=remedy)
        self.id = layout.release_id(pipeline.name, source.name, partition)
        self.ports, self.pipeline, self.source, self.partition = ports, pipeline, source, partition
        self.hub = hub_store(ports, pipeline)
        self.store = open_store(ports, source.project, source.database, self.id)
        plan = next(plan for plan, _ in plans(pipeline) if plan.source is source)
        self.plan: Plan = replace(plan, only=(Where(source.partition, "==", partition),))
        self.fields = releases.digest("\n".join(map(dotted, plan.select)).encode())

    def run(self, *, full: bool) -> ReleaseState:
        before, _ = self._load()
        known = self._known(before)
        at = self._ask()
        intact = before.read if known is not None else None
        if full or known is None or before.fields != self.fields or self.source.cursor is None:
            read = self._everything(known or {}, at)
        else:
            read = self._changes(before, known, at)
            if read.certificate is None and before.quarantine is None:
                return self._conclude(at, incomplete="")
            if not read.complete and read.certificate is not None and read.certificate.complete:
                read = self._everything(known, at)  # the counts disagree
        if not read.complete:
            assert read.certificate is not None
            return self._conclude(at, incomplete=read.certificate.told())
        return self._conclude(at, **self._judged(before, intact, read, at))

    def _load(self) -> tuple[ReleaseState, Timestamp | None]:
        found = self.hub.get([layout.release(self.id)])[0]
        return from_data({**self._named, **found.fields}, ReleaseState), found.update_time

    @property
    def _named(self) -> Data:
        return {"id": self.id, "pipeline": self.pipeline.name, "source": self.source.name, "partition": self.partition}

    def _known(self, state: ReleaseState) -> dict[str, Document] | None:
        """What was read last; None where there is nothing, or what there was is lost or broken: then all is read again."""
        if state.read is None:
            return None
        try:
            return releases.decode(self.ports.blobs.read(layout.release_blob(self.id, state.read.name)), state.read)
        except (NotFound, InvalidInput):
            return None

    def _ask(self) -> Timestamp:
        """The moment to read at: that of a commit, so that it has passed, and nothing that was committed before is missed."""
        data = {**self._named, "asked": self.ports.new_id()}
        for _ in range(TRIES):
            with suppress(OutcomeUnknown):  # of a commit that was applied the moment is not known either
                return self.hub.commit([Update(layout.release(self.id), data, tuple((name,) for name in data))])
        raise self._no_answer()

    def _everything(self, known: Mapping[str, Document], at: Timestamp) -> _Read:
        look = Look(self.plan, self.store, Reading(SourceState()))
        groups = everything(look, at, self._manifest(known))
        return self._taken(look, at, {}, groups)

    def _changes(self, before: ReleaseState, known: Mapping[str, Document], at: Timestamp) -> _Read:
        look = look_at(self.plan, self.store, before.state, at)
        there = known.keys() | {record.id for record in look.newer}
        every, last = self.source.reconcile, before.state.reconciled
        due = every is not None and (last is None or last.plus(every.total_seconds()) <= at)
        if look.idle and not due and look.expect(at) == len(there):
            return _Read(known, before.state, len(there), None)
        manifest = self._manifest(known)
        also = recount(self.ports, 0, look, at, manifest) if due or look.expect(at) != len(there) else ()
        return self._taken(look, at, known, changes(look, at, manifest, set(), also))

    def _taken(self, look: Look, at: Timestamp, known: Mapping[str, Document], groups: Iterable[Sequence[Snapshot]]) -> _Read:
        found = {record.id: record.fields for group in groups for record in group}
        reading = look.reading
        documents = {id: document for id, document in known.items() if id not in reading.gone}
        documents |= {id: Document(fields, reading.entries[id]) for id, fields in found.items()}
        return _Read(documents, reading.state, look.expect(at), reading.certificate)

    def _manifest(self, known: Mapping[str, Document]) -> Manifest:
        return Manifest({self.source.name: {id: document.entry for id, document in known.items()}})

    def _judged(self, before: ReleaseState, intact: Release | None, read: _Read, at: Timestamp) -> dict[str, Any]:
        """What the state is to say once this was read: sound or not, it is durable first, and its report with it. `intact`: the
        release whose object is known to be there."""
        release = self._store(before, intact, read, at)
        after = {"read": release, "state": read.state, "fields": self.fields, "incomplete": ""}
        faults = self._faults(read.documents, at)
        if not faults:
            return after | {"current": release, "quarantine": None}
        old, counts = before.quarantine, dict(Counter(str(fault.kind) for fault in faults))
        if old is not None and old.release == release and old.faults == counts:
            return after
        held = Quarantine(release, old.since if old else release.at, counts, summary(faults), {})
        files = self.ports.pages.quarantine(self.pipeline.title, replace(before, quarantine=held), faults)
        reports = {}
        for extension, content in files.items():
            name = layout.quarantine_blob(self.id, release.name, extension)
            self.ports.blobs.write(name, content, CONTENT_TYPES[extension], replace=True)
            reports[extension] = self.ports.blobs.url(name)
        return after | {"quarantine": replace(held, reports=reports)}

    def _store(self, before: ReleaseState, intact: Release | None, read: _Read, at: Timestamp) -> Release:
        """The release of this content, durable; of the same name as the one there is where nothing differs."""
        content = releases.encode(read.documents)
        digest = releases.digest(content)
        same = next((known for known in (before.read, before.current) if known and known.digest == digest), None)
        release = same or Release(f"{at}-{self.ports.new_id()[:8]}", at, len(read.documents), digest)
        if release != intact:
            self.ports.blobs.write(layout.release_blob(self.id, release.name), content, "application/gzip", replace=True)
        return release

    def _faults(self, documents: Mapping[str, Document], at: Timestamp) -> tuple[Fault, ...]:
        entity = self.pipeline.tree
        if entity is None or entity.source != self.source.name:
            return () if documents else (empty(self.partition),)
        records = [Snapshot(f"{self.source.collection}/{id}", document.fields, at) for id, document in documents.items()]
        found = units(entity, self.source, records)
        return judge(entity, self.partition, found, self._elsewhere(strange_parents(found), at))

    def _elsewhere(self, ids: Sequence[str], at: Timestamp) -> dict[str, str]:
        """Of units that this partition does not have, those that another one has."""
        assert self.source.partition is not None
        paths = [f"{self.source.collection}/{id}" for id in ids if "/" not in id][:LOOKED_UP]
        found = self.store.get(paths, at, (self.source.partition,)) if paths else []
        of = {record.id: str(get_in(record.fields, self.source.partition) or "") for record in found if record.exists}
        return {id: partition for id, partition in of.items() if partition != self.partition}

    def _conclude(self, at: Timestamp, **found: Any) -> ReleaseState:
        """Write what was found at `at`, unless what was found later is written already. What is incomplete says no more than
        that, and where nothing differs nothing is written."""
        for _ in range(TRIES):
            now, update_time = self._load()
            if now.concluded is not None and now.concluded >= at:
                return now
            after = replace(now, **found)
            if after == now:
                return now
            after = after if after.incomplete else replace(after, concluded=at)
            precondition = ABSENT if update_time is None else unchanged_since(update_time)
            with suppress(Conflict, OutcomeUnknown):  # the next look tells whether it was written
                self.hub.commit([Set(layout.release(self.id), to_data(after), precondition)])
                return after
        raise self._no_answer()

    def _no_answer(self) -> Unavailable:
        what = "could not be refreshed: the database gave no answer"
        return Unavailable(what, subject=self.id, remedy="What targets get is as it was. Run again.")
