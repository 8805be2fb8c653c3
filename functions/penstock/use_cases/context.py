"""One target of one pipeline, with everything a use case may touch; and the one way in which a batch moves on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock.core import audit, layout
from penstock.core.audit import Head
from penstock.core.batch import OPEN, Status, move
from penstock.core.codec import TargetState, from_data, to_data
from penstock.core.declaration import Entity, Pipeline, Source, Target
from penstock.core.errors import Conflict, InvalidInput, NotFound, OutcomeUnknown, Refused, Unavailable
from penstock.core.plan import Batch
from penstock.core.records import ABSENT, NAME, Precondition, Query, Set, Snapshot, Where, Write, unchanged_since
from penstock.core.values import Data, Timestamp
from penstock.ports import Ports, Store

TRIES = 12  # how often a commit is tried against others that grow the same audit chain


@dataclass(frozen=True)
class Context:
    ports: Ports
    pipeline: Pipeline
    target: Target

    @property
    def id(self) -> str:
        return layout.target_id(self.pipeline.name, self.target.name)

    @property
    def store(self) -> Store:
        """The target's database: production, and everything of ours beside it."""
        return open_store(self.ports, self.target.project, self.target.database, self.id)

    @property
    def hub_store(self) -> Store:
        """The database of what the pipeline's targets have in common."""
        return hub_store(self.ports, self.pipeline)

    def source_store(self, source: Source) -> Store:
        return open_store(self.ports, source.project, source.database, self.id)

    def collection(self, entity: Entity) -> str:
        return self.target.prefix + entity.collection

    @property
    def approvers(self) -> tuple[str, ...]:
        """The target's own, or those of the pipeline's gate."""
        if self.target.approvers:
            return self.target.approvers
        found = self.ports.people.get(self.pipeline.gate.approvers, ())
        if not found:
            raise InvalidInput(
                f"there is no address for `{self.pipeline.gate.approvers}`",
                subject=self.id,
                remedy=f"Set PENSTOCK_PEOPLE_{self.pipeline.gate.approvers.upper()} to one or more addresses.",
            )
        return found

    @property
    def operators(self) -> tuple[str, ...]:
        """Who may do all but decide."""
        return self.ports.people.get(self.pipeline.gate.operators, ())


def open_store(ports: Ports, project: str, database: str, subject: str) -> Store:
    """A database in the project that a pipeline calls so; `subject` is what asks for it."""
    try:
        id = ports.project_ids[project]
    except KeyError:
        raise InvalidInput(
            f"the project `{project}` has no id", subject=subject, remedy=f"Set PENSTOCK_PROJECT_{project.upper()}."
        ) from None
    return ports.stores.open(id, database)


def hub_store(ports: Ports, pipeline: Pipeline) -> Store:
    """The database of a pipeline's hub; `InvalidInput` where it has none."""
    if pipeline.hub is None:
        what = "has no hub: its targets are declared in its file"
        raise InvalidInput(what, subject=pipeline.name, remedy="Name a pipeline whose targets are documents of a hub.")
    return open_store(ports, pipeline.hub.project, pipeline.hub.database, pipeline.name)


@dataclass(frozen=True, slots=True)
class Held:
    """A batch as read: with the precondition for writing it, and a hint where the audit chain ends."""

    batch: Batch
    update_time: Timestamp | None  # None: it does not exist yet
    head: Head


@dataclass(frozen=True, slots=True)
class HeldTarget:
    state: TargetState
    update_time: Timestamp | None

    def write(self, **fields: Any) -> Set:
        """The target's document with these fields changed, if nobody wrote it since it was read."""
        precondition = ABSENT if self.update_time is None else unchanged_since(self.update_time)
        return Set(layout.target(self.state.id), to_data(replace(self.state, **fields)), precondition)


@dataclass(frozen=True, slots=True)
class Move:
    """One step of one batch. `fields` are changed on the way."""

    held: Held
    to: Status
    who: str
    fields: dict[str, Any] = dataclasses.field(default_factory=dict)
    detail: Data = dataclasses.field(default_factory=dict)


class LostRace(Refused):
    """Somebody else moved the batch first. What they did stands."""


def load_target(ctx: Context) -> HeldTarget:
    found = ctx.store.get([layout.target(ctx.id)])[0]
    state = from_data(found.fields, TargetState) if found.exists else TargetState(ctx.id)
    return HeldTarget(state, found.update_time)


def find_batch(ctx: Context, batch: str) -> Held | None:
    return held_of(ctx.store.get([layout.batch(batch)])[0])


def find_replaceable(ctx: Context, state: TargetState) -> Held | None:
    """The open batch, where a new one may take its place: also one that FAILED, which may be retried or lost otherwise. One that
    was decided since the target was read stays what it is: a commit on that target is refused."""
    held = find_batch(ctx, state.open) if state.open else None
    return held if held is not None and held.batch.status in OPEN | {Status.FAILED} else None


def held_of(found: Snapshot) -> Held | None:
    return _held(found.fields, found.update_time) if found.exists else None


def load_batch(ctx: Context, batch: str) -> Held:
    """`NotFound` where there is no such batch."""
    held = find_batch(ctx, batch)
    if held is None:
        raise NotFound("there is no such batch", subject=batch, remedy="`penstock batches` lists them.")
    return held


def _held(data: Data, update_time: Timestamp | None) -> Held:
    return Held(from_data(data, Batch), update_time, Head(**data["audit"]))


def batch_write(ctx: Context, batch: Batch, head: Head, attempt: str, precondition: Precondition) -> Set:
    purge_at = ctx.ports.now().plus(ctx.pipeline.staging_retention.total_seconds())
    extra: Data = {"audit": to_data(head), "attempt": attempt, "purge_at": purge_at}
    return Set(layout.batch(batch.id), to_data(batch) | extra, precondition)


def advance(
    ctx: Context, *moves: Move, writes: Sequence[Write] = (), target: HeldTarget | None = None, target_fields: Data | None = None
) -> list[Held]:
    """Move batches on: their documents, one audit entry each, and whatever else belongs to the step, in one commit.

    The first batch carries the marker by which a commit whose answer was lost is recognised. A target given along is written
    too, if it still is as read. Raises `LostRace` when a batch moved meanwhile, `Conflict` when another of the writes did."""
    after = [replace(m.held.batch, status=_moved(m), **m.fields) for m in moves]
    if target is not None and target.state.anchored:  # the chain itself says which anchors there must be
        moves = tuple(replace(m, detail={**m.detail, "anchored": target.state.anchored}) for m in moves)
    attempt, head = ctx.ports.new_id(), max((m.held.head for m in moves), key=lambda h: h.sequence)
    for _ in range(TRIES):
        commit, heads = _compose(ctx, moves, after, attempt, head)
        if target is not None:
            commit.append(target.write(**(target_fields or {}), audit=heads[-1]))
        try:
            at = ctx.store.commit([*commit, *writes])
        except (Conflict, OutcomeUnknown) as lost:
            if (now := _mine(ctx, moves, after, attempt)) is not None:
                return now
            if isinstance(lost, OutcomeUnknown):
                continue
            further = chain_end(ctx, head)
            if further == head:
                raise
            head = further
        else:
            return [Held(batch, at, h) for batch, h in zip(after, heads, strict=True)]
    raise Unavailable("could not be moved on: the database gave no answer", subject=moves[0].held.batch.id, remedy="Try again.")


def _moved(step: Move) -> Status:
    now = step.held.batch.status
    if step.held.update_time is None or now == step.to == Status.UNDER_REVIEW:
        return step.to  # a new batch starts where it starts; a vote that is not the last leaves the status as it is
    if now == step.to:
        raise LostRace(f"is {now} already", subject=step.held.batch.id, remedy="What others did stands.")
    return move(step.held.batch.id, now, step.to)


def _compose(
    ctx: Context, moves: Sequence[Move], after: Sequence[Batch], attempt: str, head: Head
) -> tuple[list[Write], list[Head]]:
    commit: list[Write] = []
    heads: list[Head] = []
    for step, batch in zip(moves, after, strict=True):
        start = step.held.batch.status if step.held.update_time is not None else "∅"
        what = f"{start} → {batch.status}"
        entry = audit.entry(head, target=ctx.id, batch=batch.id, what=what, who=step.who, at=ctx.ports.now(), detail=step.detail)
        head = audit.head_of(entry)
        heads.append(head)
        as_read = ABSENT if step.held.update_time is None else unchanged_since(step.held.update_time)
        commit += [batch_write(ctx, batch, head, attempt, as_read), Set(layout.audit(ctx.id, head.sequence), entry, ABSENT)]
    return commit, heads


def _mine(ctx: Context, moves: Sequence[Move], after: Sequence[Batch], attempt: str) -> list[Held] | None:
    """The batches as they stand when our own commit was applied; None when nothing was; `LostRace` when others moved one."""
    found = ctx.store.get([layout.batch(batch.id) for batch in after])
    if found[0].fields.get("attempt") == attempt:
        return [_held(f.fields, f.update_time) for f in found]
    for step, now in zip(moves, found, strict=True):
        if now.update_time != step.held.update_time:
            stands = now.fields.get("status", "gone")
            what = f"was moved by somebody else and is {stands} now"
            raise LostRace(what, subject=step.held.batch.id, remedy="What they did stands.")
    return None


def chain_behind(ctx: Context, sequence: int, *fields: str) -> Query:
    """The entries of the target's audit chain behind this number; whole, or these fields of each."""
    return chain_of(ctx.id, sequence, *fields)


def chain_of(name: str, sequence: int, *fields: str) -> Query:
    """The same for the chain of that name: a target's id, or the pipeline whose targets a hub declares."""
    first, last = layout.audit(name, sequence + 1), layout.audit(name, 9_999_999_999)
    select = tuple((name,) for name in fields) or None
    return Query(layout.AUDIT, (Where(NAME, ">=", first), Where(NAME, "<=", last)), select=select)


def note(ctx: Context, target: HeldTarget, what: str, who: str, detail: Data, *writes: Write, **fields: Any) -> None:
    """A step of the target itself, with one audit entry, in one commit. Raises `Conflict` where others wrote the target or grew
    its chain at the same time, `OutcomeUnknown` where the answer was lost: look again, and try again."""
    head = chain_end(ctx, target.state.audit)
    entry = audit.entry(head, target=ctx.id, batch="", what=what, who=who, at=ctx.ports.now(), detail=detail)
    grown = audit.head_of(entry)
    own = [target.write(**fields, audit=grown), Set(layout.audit(ctx.id, grown.sequence), entry, ABSENT)]
    ctx.store.commit([*own, *writes])


def chain_end(ctx: Context, known: Head) -> Head:
    """The last entry of the target's audit chain, from a hint that may be old."""
    for entry in ctx.store.scan(chain_behind(ctx, known.sequence, "sequence", "hash")):
        known = audit.head_of(entry.fields)
    return known
