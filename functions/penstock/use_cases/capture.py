"""Capture: read what changed in the sources, compare it with production, and stage the difference beside it.

Everything is read at one moment T, the commit time of the lease. Packs have ids that T and their number determine, so a capture
that was killed is run again at the same T and finds its own packs. The watermark and the manifest move in the commit that
makes the batch STAGED, and never before what they pass is durable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from penstock.core import layout, manifest
from penstock.core.batch import OPEN, Status
from penstock.core.brakes import tripped
from penstock.core.changes import Change
from penstock.core.codec import Lease, Mode, Recheck, SourceState, TargetState
from penstock.core.decisions import person
from penstock.core.declaration import Entity
from penstock.core.diff import Declined, Older, lapsed, plan
from penstock.core.errors import Conflict, OutcomeUnknown, PenstockError, Refused, Unavailable
from penstock.core.manifest import Manifest
from penstock.core.packs import Draft, Packer
from penstock.core.plan import Batch, Kind, Tally
from penstock.core.projection import Projected, Projection, Projector
from penstock.core.records import Query, Set, Snapshot
from penstock.core.values import Data, Timestamp, Value, dotted, get_in
from penstock.use_cases import outbox, staging
from penstock.use_cases.context import Context, Held, HeldTarget, LostRace, Move, advance, find_batch, load_batch, load_target
from penstock.use_cases.finish import give_up
from penstock.use_cases.production import Asked, Match, Production, cheaper, chunks
from penstock.use_cases.reading import Look, Reading, changes, everything, look_at, plans, scanned

LEASE_SECONDS = 900
RESUMABLE_SECONDS = 3_000  # Firestore reads the past for an hour; a run killed longer ago starts anew
MODES: tuple[Mode, ...] = ("recheck", "changes", "full")  # each looks at all that the one before it does
FORGOTTEN = 2_000  # keys in one document of what is declined no more
CHUNK = 400  # projected records that are looked up and compared together


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. `batch` is "" when there was nothing to propose."""

    target: str
    mode: Mode
    batch: str
    read_time: Timestamp
    tallies: dict[str, Tally]
    notes: tuple[str, ...]
    superseded: str = ""
    owed: tuple[Set, ...] = ()  # what the caller pays next


def capture(ctx: Context, mode: Mode = "changes", started_by: str = "schedule") -> Outcome:
    """Run one target of a pipeline. `full` compares everything with production; `changes` takes what changed since the last run
    (the first run is full); `recheck` plans again what drifted or was left undecided. Raises `Refused` while the target is
    paused or another run holds it, `Unavailable` while a batch is being applied. One whose promotion FAILED is given up."""
    target = load_target(ctx)
    _admit(ctx, target.state)
    given_up: tuple[Set, ...] = ()
    if target.state.applying:
        given_up = give_up(ctx, target.state.applying)
        target = load_target(ctx)
        _admit_nothing_applied(ctx, target.state)
    if not target.state.manifest:
        mode = "full"
    lease = _take(ctx, target, mode, started_by)
    at = _commit_lease(ctx, target, lease)
    run = Run(ctx, HeldTarget(replace(target.state, lease=lease), at), lease)
    try:
        outcome = run.run()
        return replace(outcome, owed=(*given_up, *outcome.owed))
    except Exception:
        with suppress(PenstockError):  # what went wrong first is what is told
            _release(ctx, lease)
        raise


def _take(ctx: Context, target: HeldTarget, mode: Mode, started_by: str) -> Lease:
    """A new lease; or that of a run that died, so that it goes on at its own moment and finds what it staged. A run that was to
    look at less than this one is not gone on with."""
    now = ctx.ports.now()
    dead = target.state.lease
    if dead is not None and target.update_time is not None and MODES.index(dead.mode) >= MODES.index(mode):
        moment = dead.read_time or target.update_time
        if moment.plus(RESUMABLE_SECONDS) > now:
            return replace(dead, holder=ctx.ports.new_id(), until=now.plus(LEASE_SECONDS), read_time=moment)
    return Lease(ctx.ports.new_id(), now.plus(LEASE_SECONDS), mode, started_by)


def _commit_lease(ctx: Context, target: HeldTarget, lease: Lease) -> Timestamp:
    try:
        return ctx.store.commit([target.write(lease=lease)])
    except (Conflict, OutcomeUnknown):
        now = load_target(ctx)
        if now.update_time is not None and now.state.lease == lease:
            return now.update_time
        _admit(ctx, now.state)
        raise Unavailable("could not be taken for a run", subject=ctx.id, remedy="Nothing was read. Run it again.") from None


def _admit(ctx: Context, state: TargetState) -> None:
    if state.paused:
        raise Refused("is paused", subject=ctx.id, remedy="Nothing was read. Resume it and run again.")
    if state.lease is not None and state.lease.until > ctx.ports.now():
        raise Refused(
            f"is being run already, at most until {state.lease.until}", subject=ctx.id, remedy="Wait for that run to end."
        )
    if state.open and layout.kind_of(state.open) == "rollback" and load_batch(ctx, state.open).batch.status in OPEN:
        raise Refused(
            f"has a rollback that waits to be decided ({state.open})", subject=ctx.id, remedy="Decide it, and run again."
        )


def _admit_nothing_applied(ctx: Context, state: TargetState) -> None:
    if state.applying:
        raise Unavailable(
            f"is being promoted now (batch {state.applying})", subject=ctx.id, remedy="Run again when the promotion is done."
        )


def _release(ctx: Context, lease: Lease) -> None:
    """Give the lease back after a failure, if it is still ours; a lease that cannot be given back ends by itself."""
    held = load_target(ctx)
    if held.state.lease is not None and held.state.lease.holder == lease.holder:
        ctx.store.commit([held.write(lease=None)])


@dataclass
class Count:
    """The running tally of one entity."""

    read: int = 0
    merged: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    declined: int = 0
    held: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)  # by field: projected without it

    def tally(self) -> Tally:
        return Tally(
            read=self.read, merged=self.merged, skipped=dict(self.skipped), created=self.created, updated=self.updated,
            unchanged=self.unchanged, declined=self.declined, held=self.held,
        )  # fmt: skip


class Run:
    """One capture. Holds what is gathered on the way; nothing of it outlives the run."""

    def __init__(self, ctx: Context, target: HeldTarget, lease: Lease) -> None:
        self.ctx, self.target, self.mode, self.started_by = ctx, target, lease.mode, lease.started_by
        assert target.update_time is not None
        self.at: Timestamp = lease.read_time or target.update_time
        self.known: Manifest | None = None
        self.keys: dict[str, str] = {}  # what this run deals with: projected key → fingerprint
        self.counts = {entity.name: Count() for entity in ctx.pipeline.entities}
        self.claims: dict[str, tuple[str, int]] = {}  # projected key → the group that claimed it first, and how often it was
        self.again: dict[str, set[Value]] = {}  # source → groups to be planned again
        self.voices: staging.Voices = {}
        self.drifted: dict[str, dict[str, list[Value]]] = {}  # change key → dotted field → [planned against, approved]
        self.lapsed: dict[str, dict[str, str]] = {}  # change key → fields that were declined and say something else by now
        self.packer = Packer()
        self.staged: list[tuple[str, dict[str, int]]] = []  # (digest, counts) of each pack
        self.batch: Held | None = None
        self.resumed = lease.read_time is not None

    def run(self) -> Outcome:
        state = self.target.state
        reads = self._reads()
        looks = [look for look, _ in reads]
        if self.mode != "full" and not state.recheck and all(look.idle for look in looks):
            return self._end(looks)
        try:
            self.again = self._groups_to_recheck()
        except staging.Tampered:  # what the open batch proposed cannot be told any more: all is planned anew
            self.mode = "full"
            reads = self._reads()
            looks = [look for look, _ in reads]
        if state.open and self.ctx.pipeline.gate.approvals > 1:
            self.voices = staging.voices_on(self.ctx, state.open, but=person(self.started_by))
        declined = staging.declined(self.ctx)
        for look, entities in reads:
            production = self._production(entities, look)
            for chunk in self._projected(look):
                self._compare(chunk, entities, production, declined)
            for entity in entities if look.reading.blank else ():
                self.counts[entity.name].skipped[f"no {dotted(entity.group_by or ())}"] += look.reading.blank
                self.counts[entity.name].read += look.reading.blank
        for draft in self.packer.rest():
            self._stage(draft)
        return self._propose(looks) if self.batch else self._end(looks)

    def _reads(self) -> list[tuple[Look, list[Entity]]]:
        return [(self._look(source_plan.source.name), entities) for source_plan, entities in plans(self.ctx.pipeline)]

    def _look(self, source: str) -> Look:
        source_plan = next(p for p, _ in plans(self.ctx.pipeline) if p.source.name == source)
        state = self.target.state.sources.get(source) or SourceState()
        store = self.ctx.source_store(source_plan.source)
        if self.mode == "changes":
            return look_at(source_plan, store, state, self.at)
        return Look(source_plan, store, Reading(state), in_window=state.window)

    def _groups(self, look: Look) -> Iterator[list[Snapshot]]:
        if self.mode == "full":
            return everything(look, self.at, self.ctx.pipeline.brakes.minimum_source)
        wanted = self.again.get(look.plan.source.name, set())
        if look.plan.source.cursor is None and self.mode == "changes":
            return scanned(look, self.at, self._manifest(), wanted, self.ctx.pipeline.brakes.minimum_source)
        return changes(look, self.at, self._manifest(), wanted)

    def _manifest(self) -> Manifest:
        if self.known is None:
            name = self.target.state.manifest
            self.known = manifest.decode(self.ctx.ports.blobs.read(name)) if name else Manifest()
        return self.known

    def _groups_to_recheck(self) -> dict[str, set[Value]]:
        """The groups, by source, for which the open batch and the batches to be rechecked propose changes."""
        found: dict[str, set[Value]] = {}
        state = self.target.state
        wanted = [] if self.mode == "full" else [*state.recheck, *([Recheck(state.open)] if state.open else [])]
        for recheck in wanted:
            for change in staging.changes_of(self.ctx, recheck.batch):
                if recheck.keys is None or change.key in recheck.keys:
                    source = self.ctx.pipeline.entity(change.entity).source
                    found.setdefault(source, set()).add(change.group)
                    self._note_drift(change, fell_out=recheck.keys is not None)
        return found

    def _note_drift(self, change: Change, *, fell_out: bool) -> None:
        """What was planned and approved of a change that fell out, to be shown beside what production holds now; also when the
        batch that showed it last is superseded."""
        if fell_out:
            self.drifted[change.key] = {dotted(d.path): [d.before, d.after] for d in change.diff if not d.passive}
        elif "drift" in change.facts:
            self.drifted[change.key] = {name: said[:2] for name, said in change.facts["drift"].items()}

    def _drift(self, change: Change) -> Change:
        fields = {tuple(name.split(".")): said for name, said in self.drifted[change.key].items()}
        drift = {dotted(path): [*said, get_in(change.before or {}, path)] for path, said in fields.items()}
        return replace(change, facts={**change.facts, "drift": drift})

    def _production(self, entities: Sequence[Entity], look: Look) -> Production:
        if self.mode != "full":
            return Asked(self.ctx, self.at)
        return cheaper(self.ctx, entities, look.store.count(Query(look.plan.source.collection), self.at), self.at)

    def _projected(self, look: Look) -> Iterator[list[list[Projected]]]:
        """Groups, projected, some hundred records at a time, without those that were dealt with."""
        projector = Projector(self.ctx.pipeline, look.plan.source.name, self.ctx.store.full_name("").rstrip("/"))
        again = self.again.get(look.plan.source.name, set())
        chunk: list[list[Projected]] = []
        size = 0
        for records in self._groups(look):
            projection = projector.project(records)
            self._count(projection)
            news = [p for p in projection.projected if self._is_news(p, look.plan.group(records[0]) in again)]
            if news:
                chunk.append(news)
                size += len(news)
            if size >= CHUNK:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk

    def _count(self, projection: Projection) -> None:
        for entity, read in projection.read.items():
            self.counts[entity].read += read
            self.counts[entity].merged += projection.merged.get(entity, 0)
        for (entity, reason), many in projection.skipped.items():
            self.counts[entity].skipped[reason] += many
        for (entity, name), many in projection.unreadable.items():
            self.counts[entity].unreadable[name] += many

    def _is_news(self, projected: Projected, again: bool) -> bool:
        """Whether this content was not dealt with before. A full run, and what is planned again, takes everything for news."""
        key = f"{projected.entity}/{projected.key}"
        if self.mode == "full" or again or self._manifest().keys.get(key) != projected.fingerprint:
            return True
        self.counts[projected.entity].unchanged += 1
        return False

    def _compare(
        self,
        chunk: Sequence[Sequence[Projected]],
        entities: Sequence[Entity],
        production: Production,
        declined: staging.DeclinedMap,
    ) -> None:
        matches: dict[str, dict[str, Match]] = {}
        for entity in entities:
            keys = dict.fromkeys(p.key for group in chunk for p in group if p.entity == entity.name)
            matches[entity.name] = production.match(entity, list(keys)) if keys else {}
        for group in chunk:
            staged = [change for p in group if (change := self._change(p, matches, declined)) is not None]
            for draft in self.packer.add(staged) if staged else ():
                self._stage(draft)

    def _change(self, p: Projected, matches: dict[str, dict[str, Match]], declined: staging.DeclinedMap) -> Change | None:
        entity, key, count = self.ctx.pipeline.entity(p.entity), f"{p.entity}/{p.key}", self.counts[p.entity]
        first, claim = self.claims.get(key, (p.group, 0))
        self.claims[key] = (first, claim + 1)
        self.keys[key] = p.fingerprint
        match = matches[p.entity][p.key]
        parents = matches.get(entity.parent.entity, {}) if entity.parent else {}
        parent = parents.get(str(p.values.get(entity.parent.field))) if entity.parent else None
        of_claim = f"{key}#{claim + 1}" if claim else key
        said = declined.get(of_claim, {})
        change = plan(
            entity, p if entity.group_by else replace(p, group=p.sources[0]), match.snapshot, declined=said,
            matched_by=match.by or "id", near=match.near, rival_of=first if claim else "",
            parent_exists=parent is not None and parent.snapshot.exists, claim=claim + 1,
            version=self.ctx.pipeline.version_of(entity),
        )  # fmt: skip
        if said and not isinstance(change, Older) and (gone := lapsed(entity, p, match.snapshot, said)):
            self.lapsed[of_claim] = dict.fromkeys(gone, "")
        if isinstance(change, Change):
            count.created += change.action == "CREATE"
            count.updated += change.action == "UPDATE"
            return self._drift(change) if change.key in self.drifted else change
        count.unchanged += change is None
        count.declined += isinstance(change, Declined)
        count.held += isinstance(change, Older)
        return None

    def _stage(self, draft: Draft) -> None:
        """Make the pack durable; the first one brings the batch into being."""
        if self.batch is None:
            self.batch = self._begin()
        staging.stage(self.ctx, self.batch.batch.id, draft, self.voices)
        self.staged.append((draft.digest, draft.counts))

    def _begin(self) -> Held:
        state = self.target.state
        kind: Kind = "followup" if self.mode == "recheck" else "sync"
        id = layout.batch_id(self.ctx.id, self.at, kind)
        follows = state.recheck[0].batch if kind == "followup" and state.recheck else ""
        if self.resumed and (there := find_batch(self.ctx, id)) is not None:
            return there
        batch = Batch(
            id, self.ctx.pipeline.name, self.ctx.id, kind, Status.CREATED, self.at, self.ctx.ports.now(), self.started_by,
            approvals=self.ctx.pipeline.gate.approvals, follows=follows,
        )  # fmt: skip
        (held,) = advance(self.ctx, Move(Held(batch, None, state.audit), Status.CREATED, self.started_by))
        return held

    def _propose(self, looks: Sequence[Look]) -> Outcome:
        """What was found becomes the target's one open batch; watermark and manifest move with it."""
        assert self.batch is not None
        ctx, state = self.ctx, self.target.state
        before = find_batch(ctx, state.open) if state.open else None
        if before is not None and before.batch.status not in OPEN | {Status.FAILED}:
            before = None
        if before is not None and self._same_as(before.batch):
            step = Move(self.batch, Status.SUPERSEDED, self.started_by, {"superseded_by": before.batch.id})
            return self._conclude([step], looks, "", open=before.batch.id)
        tallies = {name: count.tally() for name, count in self.counts.items()}
        counts: Counter[str] = Counter()
        for _, of_pack in self.staged:
            counts.update(of_pack)
        held = {ctx.collection(e): ctx.store.count(Query(ctx.collection(e)), self.at) for e in ctx.pipeline.entities}
        fields = {
            "packs": len(self.staged),
            "tallies": tallies,
            "counts": dict(counts),
            "production_before": held,
            "batch_findings": tripped(ctx.pipeline.brakes, counts, held) if state.manifest else (),  # a first run touches all
            "notes": self._notes(looks),
            "supersedes": before.batch.id if before else "",
        }
        steps = [Move(self.batch, Status.STAGED, self.started_by, fields, {"packs": [digest for digest, _ in self.staged]})]
        if before is not None:
            steps.append(Move(before, Status.SUPERSEDED, self.started_by, {"superseded_by": self.batch.batch.id}))
        owed = outbox.owe(ctx, self.batch.batch.id, "check", packs=len(self.staged))
        return self._conclude(steps, looks, self.batch.batch.id, owed=owed, open=self.batch.batch.id)

    def _notes(self, looks: Sequence[Look]) -> tuple[str, ...]:
        """What people should know of the reading: completeness, what could not be read, what is older than production."""
        told = [note for look in looks for note in look.reading.notes]
        for entity, count in self.counts.items():
            if count.held:
                told.append(f"{entity}: {count.held} are older in the source than in production, which stays as it is.")
            for name, many in sorted(count.unreadable.items()):
                told.append(f"{entity}: {many} were read without {name}, whose value could not be read.")
        return tuple(told)

    def _same_as(self, open_batch: Batch) -> bool:
        """Whether the open batch proposes just this, and can still be approved."""
        if open_batch.status is Status.FAILED:
            return False
        there = list(staging.packs_of(self.ctx, open_batch.id))
        same = sorted(str(pack.fields["digest"]) for pack in there) == sorted(digest for digest, _ in self.staged)
        return same and all(staging.is_intact(open_batch, pack) for pack in there)

    def _end(self, looks: Sequence[Look]) -> Outcome:
        """Nothing to propose. An open batch stays when nothing happened; when all it proposed was planned again and nothing is
        left of it, it is superseded by nothing."""
        state = self.target.state
        before = find_batch(self.ctx, state.open) if state.open and any(not look.idle for look in looks) else None
        if before is not None and before.batch.status in OPEN:
            return self._conclude([Move(before, Status.SUPERSEDED, self.started_by)], looks, "", open="")
        return self._conclude([], looks, "", open=state.open)

    def _conclude(
        self, steps: Sequence[Move], looks: Sequence[Look], batch: str, *, open: str, owed: Set | None = None
    ) -> Outcome:
        """One commit: the batches move, and the target knows how far it is."""
        notes = self._notes(looks)
        fields = {
            "lease": None,
            "open": open,
            "sources": {look.plan.source.name: look.reading.state for look in looks},
            "manifest": self._write_manifest(looks),
            "recheck": (),
            "last_run": {"at": self.at, "mode": self.mode, "batch": batch},
        }
        forgotten = self._forgotten()
        try:
            if steps:
                advance(self.ctx, *steps, writes=[*filter(None, [owed]), *forgotten], target=self.target, target_fields=fields)
            else:
                self._write_target(fields, forgotten)
        except (LostRace, Conflict) as lost:
            raise Unavailable(
                "changed while it was being run", subject=self.ctx.id, remedy="Nothing was proposed. Run it again."
            ) from lost
        superseded = steps[1].held.batch.id if len(steps) > 1 else ""
        tallies = {name: count.tally() for name, count in self.counts.items()}
        return Outcome(self.ctx.id, self.mode, batch, self.at, tallies, notes, superseded, (owed,) if owed else ())

    def _forgotten(self) -> list[Set]:
        """What was declined and lapsed: the same value is proposed again should it come back."""
        id = layout.batch_id(self.ctx.id, self.at, "sync")
        some = chunks(list(self.lapsed), FORGOTTEN)
        return [
            staging.remember(self.ctx, id, 99_999 - n, {key: self.lapsed[key] for key in keys}) for n, keys in enumerate(some)
        ]

    def _write_target(self, fields: Data, writes: Sequence[Set]) -> None:
        try:
            self.ctx.store.commit([self.target.write(**fields), *writes])
        except (Conflict, OutcomeUnknown):
            now = load_target(self.ctx)
            if now.state.last_run != fields["last_run"] or now.state.lease is not None:
                raise

    def _write_manifest(self, looks: Sequence[Look]) -> str:
        """A new manifest where anything was dealt with, else the one there is."""
        if self.mode != "full" and not self.keys and not any(look.reading.entries or look.reading.gone for look in looks):
            return self.target.state.manifest
        after = Manifest() if self.mode == "full" else self._manifest()
        for look in looks:
            of_source = after.of(look.plan.source.name)
            of_source.update(look.reading.entries)
            for id in look.reading.gone:
                of_source.pop(id, None)
        after.keys.update(self.keys)
        assert self.target.state.lease is not None
        name = layout.manifest_blob(self.ctx.id, f"{self.at}-{self.target.state.lease.holder[:8]}")
        self.ctx.ports.blobs.write(name, manifest.encode(after), "application/gzip")
        return name
