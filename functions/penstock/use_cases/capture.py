"""Capture: read what changed in the sources, compare it with production, and stage the difference beside it.

Everything is read at one moment T, the commit time of the lease. Packs have ids that T and their number determine, so a capture
that was killed is run again at the same T and finds its own packs. The watermark and the manifest move in the commit that
makes the batch STAGED, and never before what they pass is durable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from penstock.core import layout
from penstock.core.batch import Status
from penstock.core.changes import Change
from penstock.core.codec import Mode, Recheck, SourceState, TargetState
from penstock.core.cost import Cost
from penstock.core.decisions import person
from penstock.core.declaration import Entity
from penstock.core.errors import PenstockError, Unavailable
from penstock.core.manifest import HELD
from penstock.core.packs import Draft, Packer
from penstock.core.plan import Batch, Kind
from penstock.core.projection import Projected, Projection, Projector
from penstock.core.records import Set, Snapshot
from penstock.core.rules import Count as Asks
from penstock.core.rules import Find
from penstock.core.values import Value, dotted
from penstock.use_cases import braking, lease, releases, staging
from penstock.use_cases.comparing import Comparing, group_of
from penstock.use_cases.context import Context, Held, HeldTarget, Move, advance, find_batch, load_target
from penstock.use_cases.finish import give_up
from penstock.use_cases.foreseeing import staged
from penstock.use_cases.looking import Look, Plan, Reading, look_at, plans
from penstock.use_cases.metering import Metering
from penstock.use_cases.outlook import Reads, rest_of_capture, rest_of_comparing
from penstock.use_cases.production import Asked, Production, cheaper
from penstock.use_cases.proposing import Count, Found, Outcome, TooDear, held_of, manifest_of, propose
from penstock.use_cases.reading import changes, everything, scanned
from penstock.use_cases.reconcile import recount

Chunks: TypeAlias = Iterable[list[list[Projected]]]
CHUNK = 400  # projected records that are looked up and compared together


def capture(ctx: Context, mode: Mode = "changes", started_by: str = "schedule") -> Outcome:
    """Run one target of a pipeline. `full` compares everything with production; `changes` takes what changed since the last run
    (the first run is full, and so is the one after a brake was approved); `reconcile` does that and counts the whole source to
    find what is gone from it, as `changes` does when it is due; `recheck` plans again what drifted or was left undecided. A
    source outside its bands holds the run: `Outcome.held` says why. Raises `Refused` while the target is paused or
    another run holds it, `Unavailable` while a batch is being applied. One whose promotion FAILED is given up."""
    metering = Metering()
    target = load_target(ctx)
    lease.admit(ctx, target.state)
    if (stopped := braking.still_stopped(ctx, target)) is not None:
        return Outcome(ctx.id, mode, "", ctx.ports.now(), {}, (), held=braking.held_for(stopped), cost=metering.spent)
    given_up: tuple[Set, ...] = ()
    if target.state.applying:
        given_up = give_up(ctx, target.state.applying)
        target = load_target(ctx)
        _admit_nothing_applied(ctx, target.state)
    hold = target.state.hold
    if hold is not None and hold.verdict == "approve":
        mode = max(mode, hold.mode, key=lease.MODES.index)
    if not target.state.manifest or target.state.owes_full:
        mode = "full"
    elif mode == "changes" and _due(ctx, target.state):
        mode = "reconcile"
    held = lease.take(ctx, target, mode, started_by)
    try:
        outcome = Run(ctx, held, metering).run()
        return replace(outcome, owed=(*given_up, *outcome.owed))
    except Exception:
        assert held.state.lease is not None
        with suppress(PenstockError):  # what went wrong first is what is told
            lease.release(ctx, held.state.lease)
        raise


def _admit_nothing_applied(ctx: Context, state: TargetState) -> None:
    if state.applying:
        raise Unavailable(
            f"is being promoted now (batch {state.applying})", subject=ctx.id, remedy="Run again when the promotion is done."
        )


def _due(ctx: Context, state: TargetState) -> bool:
    """Whether a source whose deletions are followed was not held against what is known for as long as it declares."""
    followed = {e.source for e in ctx.pipeline.entities if e.on_delete != "ignore"}
    for source in (ctx.pipeline.sources[name] for name in followed):
        last = (state.sources.get(source.name) or SourceState()).reconciled
        if (
            source.reconcile
            and source.partition is None
            and (last is None or last.plus(source.reconcile.total_seconds()) <= ctx.ports.now())
        ):
            return True
    return False


class Run:
    """One capture. Holds what is gathered on the way; nothing of it outlives the run."""

    def __init__(self, ctx: Context, target: HeldTarget, metering: Metering) -> None:
        assert target.state.lease is not None
        self.ctx, self.target, self.lease, self.at = ctx, target, target.state.lease, lease.moment(target)
        counts = {entity.name: Count() for entity in ctx.pipeline.entities}
        dear = partial(braking.may_not_cost, ctx, target)
        self.found = Found(self.lease.mode, self.lease.started_by, self.at, counts, metering=metering, too_dear=dear)
        self.again: dict[str, set[Value]] = {}  # source → groups to be planned again
        self.voices: staging.Voices = {}
        self.packer = Packer()
        self.comparing = Comparing(ctx, target, self.found)
        self.production: Production | None = None  # as it is searched for what is compared now

    @property
    def mode(self) -> Mode:
        return self.found.mode

    def run(self) -> Outcome:
        state = self.target.state
        reads = self._reads()
        if (held := braking.hold(self.ctx, self.target, self.found)) is not None:
            return held
        if self.mode in ("changes", "recheck") and not state.recheck and all(look.idle for look, _ in reads):
            return propose(self.ctx, self.target, self.found)
        self.found.planned = True
        try:
            self.again = self._groups_to_recheck()
        except staging.Tampered:  # what the open batch proposed cannot be told any more: all is planned anew
            self.found.mode = "full"
            reads = self._reads()
            if (held := braking.hold(self.ctx, self.target, self.found)) is not None:
                return held
        if state.open and self.ctx.pipeline.gate.approvals > 1:
            self.voices = staging.voices_on(self.ctx, state.open, but=person(self.lease.started_by))
        self._take_up_held()
        declined = staging.declined(self.ctx)
        self.found.foreseen = self.found.spent + self._outlook(reads)
        if (held := braking.too_costly(self.ctx, self.target, self.found, self.found.foreseen)) is not None:
            return held
        compared = [(look, entities, self._chunks(look)) for look, entities in reads]
        if self.mode != "full":
            known = manifest_of(self.ctx, self.target, self.found)
            read = [(entities, chunk) for _, entities, chunks in compared for chunk in chunks]
            rest = rest_of_comparing(self.ctx, self.found, read, known, is_open=bool(state.open))
            self.found.foreseen = self.found.spent + rest
            if (held := braking.too_costly(self.ctx, self.target, self.found, self.found.foreseen)) is not None:
                return held
        try:
            held = self._compare(compared, declined)
        except TooDear:
            stopped = self.found.batch is not None
            held = braking.too_costly(self.ctx, self.target, self.found, self.found.foreseen, stopped=stopped)
            assert held is not None  # what was not compared must not look like unchanged
        if held is not None:
            return held
        for draft in self.packer.rest():
            self._stage(draft)
        return propose(self.ctx, self.target, self.found)

    def _compare(self, compared: Sequence[tuple[Look, list[Entity], Chunks]], declined: staging.DeclinedMap) -> Outcome | None:
        """The hold of a run that would cost too much by what it found. None: all was compared, and packed."""
        for look, entities, chunks in compared:
            production = self.production = self._production(entities, look)
            for chunk in chunks:
                for group in self.comparing.take(chunk, entities, production, declined):
                    self._pack(group)
                spent = self.found.spent
                if (held := braking.too_costly(self.ctx, self.target, self.found, spent, stopped=True)) is not None:
                    return held
            again = set(map(str, self.again.get(look.plan.source.name, ())))
            for group in self.comparing.end(look, entities, production, declined, again):
                self._pack(group)
            for entity in entities if look.reading.blank else ():
                self.found.counts[entity.name].skipped[f"no {dotted(entity.group_by or ())}"] += look.reading.blank
                self.found.counts[entity.name].read += look.reading.blank
        return None

    def _outlook(self, reads: Reads) -> Cost:
        known = manifest_of(self.ctx, self.target, self.found)
        return rest_of_capture(self.ctx, self.found, reads, self.again, known, is_open=bool(self.target.state.open))

    def _reads(self) -> list[tuple[Look, list[Entity]]]:
        reads = [(self._look(source_plan), entities) for source_plan, entities in plans(self.ctx.pipeline)]
        self.found.looks = [look for look, _ in reads]
        return reads

    def _look(self, source_plan: Plan) -> Look:
        state = self.target.state.sources.get(source_plan.source.name) or SourceState()
        if source_plan.source.partition is not None:
            shared = releases.shared(self.ctx, source_plan.source, self.target.state.dealt, self.at)
            return Look(source_plan, shared.store, Reading(state), in_window=state.window, shared=shared)
        store = self.ctx.source_store(source_plan.source)
        if self.mode in ("changes", "reconcile"):
            return look_at(source_plan, store, state, self.at)
        return Look(source_plan, store, Reading(state), in_window=state.window)

    def _groups(self, look: Look) -> Iterator[list[Snapshot]]:
        known = manifest_of(self.ctx, self.target, self.found)
        if self.mode == "full":
            return everything(look, self.at, known)
        wanted = self.again.get(look.plan.source.name, set())
        if look.whole(self.mode):
            return scanned(look, self.at, known, wanted)
        minimum = self.ctx.pipeline.brakes.minimum_source
        also = recount(self.ctx.ports, minimum, look, self.at, known) if self.mode == "reconcile" else ()
        return changes(look, self.at, known, wanted, also)

    def _groups_to_recheck(self) -> dict[str, set[Value]]:
        """The groups, by source, for which the open batch and the batches to be rechecked propose changes."""
        found: dict[str, set[Value]] = {}
        state = self.target.state
        wanted = [] if self.mode == "full" else [*state.recheck, *([Recheck(state.open)] if state.open else [])]
        for recheck in wanted:
            packs = list(staging.packs_of(self.ctx, recheck.batch))
            self.found.open_packs += len(packs) if recheck.batch == state.open else 0
            for change in (change for pack in packs for change in pack.changes):
                if recheck.keys is None or change.key in recheck.keys:
                    source = self.ctx.pipeline.entity(change.entity).source
                    found.setdefault(source, set()).add(change.group)
                    self.comparing.note_drift(change, fell_out=recheck.keys is not None and not recheck.asked)
        return found

    def _take_up_held(self) -> None:
        """What had no place in its tree may have one by now."""
        tree = self.ctx.pipeline.tree
        known = manifest_of(self.ctx, self.target, self.found).keys if tree and self.mode != "full" else {}
        for key, (print, *groups) in known.items():
            if print == HELD and tree is not None and key.startswith(f"{tree.name}/"):
                self.again.setdefault(tree.source, set()).update(groups)

    def _production(self, entities: Sequence[Entity], look: Look) -> Production:
        ids = manifest_of(self.ctx, self.target, self.found).ids
        if self.mode != "full":
            return Asked(self.ctx, self.at, ids)
        return cheaper(self.ctx, entities, look.count(self.at), held_of(self.ctx, self.found), self.at, ids)

    def _chunks(self, look: Look) -> Chunks:
        """What is to be compared. Of an incremental run all of it, held in memory: its changed groups."""
        return self._projected(look) if self.mode == "full" else list(self._projected(look))

    def _projected(self, look: Look) -> Iterator[list[list[Projected]]]:
        """Groups, projected, some hundred records at a time, without those that were dealt with: a full run, and one that plans
        a group again, takes all of it for news."""
        projector = Projector(self.ctx.pipeline, look.plan.source.name, self.ctx.store.full_name("").rstrip("/"))
        again = self.again.get(look.plan.source.name, set())
        fed = self.found.fed.setdefault(look.plan.source.name, {})
        chunk: list[list[Projected]] = []
        size = 0
        entities = {entity.name: entity for entity in self.ctx.pipeline.entities}
        for records in self._groups(look):
            projection = projector.project(records)
            self._count(projection)
            self.found.deleted |= projection.deleted
            for p in projection.projected:
                fed.setdefault(f"{p.entity}/{p.key}", []).append(group_of(entities[p.entity], p))
            wanted = self.mode == "full" or look.plan.group(records[0]) in again
            news = [p for p in projection.projected if wanted or self._is_news(p)]
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
            self.found.counts[entity].read += read
            self.found.counts[entity].merged += projection.merged.get(entity, 0)
        for (entity, reason), many in projection.skipped.items():
            self.found.counts[entity].skipped[reason] += many
        for (entity, name), many in projection.unreadable.items():
            self.found.counts[entity].unreadable[name] += many

    def _is_news(self, projected: Projected) -> bool:
        """Whether this content was not dealt with before."""
        key = f"{projected.entity}/{projected.key}"
        if manifest_of(self.ctx, self.target, self.found).print_of(key) != projected.fingerprint:
            return True
        self.found.counts[projected.entity].unchanged += 1
        return False

    def _pack(self, group: Sequence[Change]) -> None:
        for draft in self.packer.add(group) if group else ():
            self._stage(draft)

    def _stage(self, draft: Draft) -> None:
        """Make the pack durable; the first one brings the batch into being."""
        if self.found.batch is None:
            self.found.batch = self._begin()
        staging.stage(self.ctx, self.found.batch.batch.id, draft, self.voices)
        self.found.staged.append((draft.digest, draft.counts))
        held, before = held_of(self.ctx, self.found), self.found.spent.reads
        self.found.packs.append(staged(self.ctx, draft, held, self._number))
        self.found.foreseen += Cost(reads=self.found.spent.reads - before)  # what was counted to foresee the rest

    def _number(self, asked: Asks | Find) -> int | None:
        """As far as it is known, or worth a count. Below the leaves of a tree, which are asked about together, hang only units of
        the target's own, if it has any."""
        tree, together = self.ctx.pipeline.tree, isinstance(asked, Asks) and isinstance(asked.value, tuple)
        if self.mode != "full" and tree and together and asked.collection == self.ctx.collection(tree):
            known = manifest_of(self.ctx, self.target, self.found)
            if held_of(self.ctx, self.found)[asked.collection] <= self.found.of_entity(known)[tree.name]:
                return None
        return self.production.number(asked) if self.production else None

    def _begin(self) -> Held:
        state = self.target.state
        kind: Kind = "followup" if self.mode == "recheck" else "sync"
        id = layout.batch_id(self.ctx.id, self.at, kind)
        follows = state.recheck[0].batch if kind == "followup" and state.recheck else ""
        if self.lease.read_time is not None and (there := find_batch(self.ctx, id)) is not None:
            return there
        batch = Batch(
            id, self.ctx.pipeline.name, self.ctx.id, kind, Status.CREATED, self.at, self.ctx.ports.now(), self.lease.started_by,
            approvals=self.ctx.pipeline.gate.approvals, follows=follows,
        )  # fmt: skip
        (held,) = advance(self.ctx, Move(Held(batch, None, state.audit), Status.CREATED, self.lease.started_by))
        return held
