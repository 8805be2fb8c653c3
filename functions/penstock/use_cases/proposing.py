"""What a run found becomes the target's one open batch, or nothing does: one commit moves batches, watermark and manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from penstock.core import layout, manifest
from penstock.core.batch import OPEN, Status
from penstock.core.bill import Staged
from penstock.core.brakes import dear_batch, over_budget, tripped
from penstock.core.certificate import Certificate
from penstock.core.changes import Finding
from penstock.core.codec import Mode
from penstock.core.cost import Cost, total
from penstock.core.errors import Conflict, OutcomeUnknown, Unavailable
from penstock.core.findings import listed
from penstock.core.manifest import HELD, Fed, Manifest
from penstock.core.packs import encode_findings
from penstock.core.plan import Batch, Tally
from penstock.core.records import Query, Set
from penstock.core.tree_plan import RULE, Why
from penstock.core.tree_plan import told as told_of_held
from penstock.core.values import Data, Timestamp, dotted
from penstock.use_cases import outbox, staging
from penstock.use_cases.context import (
    Context,
    Held,
    HeldTarget,
    LostRace,
    Move,
    advance,
    find_batch,
    find_replaceable,
    load_target,
)
from penstock.use_cases.foreseeing import after_capture
from penstock.use_cases.looking import Look
from penstock.use_cases.metering import Metering
from penstock.use_cases.production import chunks

FORGOTTEN = 2_000  # keys in one document of what is declined no more


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
    older: int = 0
    kept_back: dict[Why, list[str]] = field(default_factory=dict)  # records of a tree that have no place, as people read them
    gone: int = 0
    deleted: int = 0
    taken_out: int = 0  # removed or deactivated, because the source no longer holds it
    unreadable: Counter[str] = field(default_factory=Counter)  # by field: projected without it

    def tally(self) -> Tally:
        held = self.older + sum(map(len, self.kept_back.values()))
        return Tally(
            read=self.read, merged=self.merged, skipped=dict(self.skipped), created=self.created, updated=self.updated,
            unchanged=self.unchanged, declined=self.declined, held=held, gone=self.gone, deleted=self.deleted,
        )  # fmt: skip


class TooDear(Exception):
    """A run may not cost what by now it is foreseen to cost."""


@dataclass
class Found:
    """What a run gathers on the way. `planned`: whether anything was planned at all; an idle run only looks."""

    mode: Mode
    started_by: str
    at: Timestamp
    counts: dict[str, Count]
    looks: Sequence[Look] = ()
    planned: bool = False
    known: Manifest | None = None  # the manifest there is, once it was asked for
    keys: dict[str, str] = field(default_factory=dict)  # what this run deals with: projected key → fingerprint
    fed: dict[str, dict[str, list[str]]] = field(default_factory=dict)  # source → projected key → groups that feed it, as read
    ids: dict[str, str] = field(default_factory=dict)  # of keys: the id that production has them under, where another than known
    deleted: set[str] = field(default_factory=set)  # keys that the source says are deleted
    ended: dict[str, Fed | None] = field(default_factory=dict)  # keys that less or nothing feeds now; None: to be forgotten
    flagged: list[str] = field(default_factory=list)  # keys that are gone from the source, and that production keeps
    lapsed: dict[str, dict[str, str]] = field(default_factory=dict)  # declined once, and the source says something else by now
    staged: list[tuple[str, dict[str, int]]] = field(default_factory=list)  # (digest, counts) of each pack
    batch: Held | None = None
    metering: Metering | None = None
    foreseen: Cost = field(default_factory=Cost)  # what capturing would cost, once the sources had been looked at
    by_entity: Counter[str] | None = None  # keys of the manifest, once they were counted
    news: int = 0  # records that an incremental run is to look up in production, once that was known
    too_dear: Callable[[Cost], bool] = lambda _: False  # whether it may not cost so much
    packs: list[Staged] = field(default_factory=list)
    open_packs: int = 0  # of the batch that is open, once they were read
    held: dict[str, int] = field(default_factory=dict)  # collection → documents of production, once they were counted
    remarks: list[str] = field(default_factory=list)  # what brakes saw and let pass

    def of_entity(self, known: Manifest) -> Counter[str]:
        """How many keys the manifest has of each entity; counted once."""
        if self.by_entity is None:
            self.by_entity = Counter(key.partition("/")[0] for key in known.keys)
        return self.by_entity

    def foresee(self, more: Cost) -> None:
        """What shows only now that it must be read, before it is. `TooDear` where that is more than the run may cost."""
        self.foreseen += more
        if self.too_dear(self.foreseen):
            raise TooDear

    def tallies(self) -> dict[str, Tally]:
        return {name: count.tally() for name, count in self.counts.items()}

    def certificates(self) -> tuple[Certificate, ...]:
        return tuple(look.reading.certificate for look in self.looks if look.reading.certificate)

    @property
    def spent(self) -> Cost:
        return self.metering.spent if self.metering else Cost()

    @property
    def owes_full(self) -> bool:
        """Whether everything was to be read, and it was not proved that it was: what was dealt with is not known then."""
        return any(c.of == "everything" and not c.complete for c in self.certificates())

    def notes(self) -> tuple[str, ...]:
        """What people should know of the reading: completeness, what could not be read, what is older than production."""
        told = [c.told() for c in self.certificates() if c.of in ("everything", "ranges") or not c.complete] + self.remarks
        told += [finding.text for finding in self.kept()]
        told += [text for look in self.looks if look.shared for text in look.shared.held_back]
        for look in self.looks:
            source, undated = look.plan.source, look.reading.undated
            if source.cursor and undated:
                name = dotted(source.cursor.field)
                told.append(f"{source.name}: {undated} carry no date in {name}; only a full run sees that they change.")
        for entity, count in self.counts.items():
            if count.older:
                told.append(f"{entity}: {count.older} are older in the source than in production, which stays as it is.")
            for name, many in sorted(count.unreadable.items()):
                told.append(f"{entity}: {many} were read without {name}, whose value could not be read.")
        return tuple(told)

    def releases(self) -> dict[str, str]:
        """The release of each partition that was looked at."""
        return {p: name for look in self.looks if look.shared for p, name in look.shared.releases.items()}

    def kept(self) -> tuple[Finding, ...]:
        """Of each entity whose deletions are flagged: what is gone from the source and stands in production. Of a tree: what has
        no place in it."""
        of = {
            name: sorted(key.partition("/")[2] for key in self.flagged if key.partition("/")[0] == name) for name in self.counts
        }
        remedy = (
            "Nothing is written for them. Look why the source dropped them, and take them out of production by hand if need be."
        )
        held = (finding for name, count in self.counts.items() for finding in told_of_held(name, count.kept_back))
        gone = (
            Finding(
                "gone_from_source",
                "warning",
                "",
                "",
                f"Gone from the source and still in production: {_many(keys, name)}.",
                remedy,
            )
            for name, keys in of.items()
            if keys
        )
        return (*gone, *held)


def _many(keys: Sequence[str], entity: str) -> str:
    return f"{len(keys)} {entity}, {listed(keys, 20)}"


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
    held: str = ""  # why brakes stopped the run, and what there is to do; nothing was read then
    cost: Cost = Cost()  # noqa: RUF009 - a constant; of the capture, as metered


def held_of(ctx: Context, run: Found) -> dict[str, int]:
    """How many documents each collection of production holds at the run's moment; counted once."""
    for entity in ctx.pipeline.entities:
        collection = ctx.collection(entity)
        if collection not in run.held:
            run.held[collection] = ctx.store.count(Query(collection), run.at)
    return run.held


def manifest_of(ctx: Context, target: HeldTarget, run: Found) -> Manifest:
    """What was dealt with before this run; read once, when it is first asked for."""
    if run.known is None:
        name = target.state.manifest
        run.known = manifest.decode(ctx.ports.blobs.read(name)) if name else Manifest()
    return run.known


def propose(ctx: Context, target: HeldTarget, run: Found) -> Outcome:
    """What was found becomes the target's one open batch; watermark and manifest move with it."""
    if run.batch is None:
        return _end(ctx, target, run)
    _demand_all_packs(ctx, target, run, run.batch.batch.id)
    state = target.state
    before = find_replaceable(ctx, state)
    if before is not None and _same_as(ctx, before.batch, run):
        step = Move(run.batch, Status.SUPERSEDED, run.started_by, {"superseded_by": before.batch.id})
        held_back = _held_back(ctx, run, manifest_of(ctx, target, run))
        return _conclude(ctx, target, run, [step], "", open=before.batch.id, owed=held_back)
    counts: Counter[str] = Counter()
    for _, of_pack in run.staged:
        counts.update(of_pack)
    taken_out = {name: count.taken_out for name, count in run.counts.items()}
    held = held_of(ctx, run)
    foreseen = after_capture(ctx, run.batch.batch.kind, run.packs, held)
    writes = 2 * (1 + (before is not None)) + 2 + len(_forgotten(ctx, run))  # of the commit that makes the batch
    fields = {
        "packs": len(run.staged),
        "tallies": run.tallies(),
        "counts": dict(counts),
        "production_before": held,
        "batch_findings": (
            *(tripped(ctx.pipeline.brakes, counts, held) if state.manifest else ()),  # a first run touches all
            *over_budget(ctx.pipeline.brakes, taken_out, {e.name: held[ctx.collection(e)] for e in ctx.pipeline.entities}),
            *dear_batch(ctx.pipeline.brakes, ctx.pipeline.prices, run.foreseen + total(foreseen.values())),
            *run.kept(),
        ),
        "notes": run.notes(),
        "certificates": run.certificates(),
        "costs": {"capture": run.spent + Cost(writes=writes)},
        "foreseen": {"capture": run.foreseen, **foreseen},
        "prices": ctx.pipeline.prices,
        "supersedes": before.batch.id if before else "",
    }
    steps = [Move(run.batch, Status.STAGED, run.started_by, fields, {"packs": [digest for digest, _ in run.staged]})]
    if before is not None:
        steps.append(Move(before, Status.SUPERSEDED, run.started_by, {"superseded_by": run.batch.batch.id}))
    owed = outbox.owe(ctx, run.batch.batch.id, "check", packs=len(run.staged))
    return _conclude(ctx, target, run, steps, run.batch.batch.id, owed=(owed,), open=run.batch.batch.id)


def _demand_all_packs(ctx: Context, target: HeldTarget, run: Found, batch: str) -> None:
    """A run that goes on where another died may read less than that one, and would leave packs that nobody checks: `Conflict`."""
    if target.state.lease is None or target.state.lease.read_time is None:
        return
    there = sum(1 for _ in staging.packs_of(ctx, batch, payload=False))
    if there != len(run.staged):
        raise Conflict(
            f"has {there} packs, and the run that went on with it made {len(run.staged)}",
            subject=batch,
            remedy="Nothing was proposed. Run again: the next run makes a new batch.",
        )


def _same_as(ctx: Context, open_batch: Batch, run: Found) -> bool:
    """Whether the open batch proposes just this, and can still be approved."""
    if open_batch.status is Status.FAILED:
        return False
    there = list(staging.packs_of(ctx, open_batch.id))
    same = sorted(str(pack.fields["digest"]) for pack in there) == sorted(digest for digest, _ in run.staged)
    return same and all(staging.is_intact(open_batch, pack) for pack in there)


def _end(ctx: Context, target: HeldTarget, run: Found) -> Outcome:
    """Nothing to propose. An open batch stays when nothing happened; when all it proposed was planned again and nothing is
    left of it, it is superseded by nothing."""
    state = target.state
    asked = state.open and (run.planned or state.hold) and not run.owes_full
    before = find_batch(ctx, state.open) if asked else None
    if before is not None and before.batch.status in OPEN:
        known = Manifest() if before.batch.opened_at is None else manifest_of(ctx, target, run)  # nobody was told by that batch
        steps = [Move(before, Status.SUPERSEDED, run.started_by)]
        return _conclude(ctx, target, run, steps, "", open="", owed=_held_back(ctx, run, known))
    held_back = _held_back(ctx, run, manifest_of(ctx, target, run)) if run.planned else ()
    return _conclude(ctx, target, run, [], "", open=state.open, owed=held_back)


def _held_back(ctx: Context, run: Found, known: Manifest) -> tuple[Set, ...]:
    """What tells people of units that this run holds back and the run before did not, where no review does."""
    new = [key for key, print in run.keys.items() if print == HELD and known.print_of(key) != HELD]
    if not new or run.owes_full:  # what was not read whole is read again
        return ()
    findings = [finding for finding in run.kept() if finding.rule == RULE]
    of_run = layout.batch_id(ctx.id, run.at, "sync")
    return (outbox.owe(ctx, of_run, "held", findings=encode_findings(findings), new=len(new), read_time=run.at),)


def _conclude(
    ctx: Context, target: HeldTarget, run: Found, steps: Sequence[Move], batch: str, *, open: str, owed: tuple[Set, ...]
) -> Outcome:
    """One commit: the batches move, and the target knows how far it is."""
    fields = {
        "lease": None,
        "open": open,
        "sources": {look.plan.source.name: look.reading.state for look in run.looks},
        "manifest": _write_manifest(ctx, target, run),
        "dealt": run.releases(),
        "owes_full": run.owes_full,
        "recheck": (),
        "hold": target.state.hold if run.owes_full else None,  # over, for the source is within its bands or was let pass
        "anchored_at": target.state.anchored_at or run.at,
        "last_run": {"at": run.at, "mode": run.mode, "batch": batch},
    }
    forgotten = _forgotten(ctx, run)
    try:
        if steps:
            advance(ctx, *steps, writes=[*owed, *forgotten], target=target, target_fields=fields)
        else:
            write_target(ctx, target, fields, [*owed, *forgotten])
    except (LostRace, Conflict) as lost:
        raise Unavailable(
            "changed while it was being run", subject=ctx.id, remedy="Nothing was proposed. Run it again."
        ) from lost
    superseded = steps[1].held.batch.id if len(steps) > 1 else ""
    return Outcome(ctx.id, run.mode, batch, run.at, run.tallies(), run.notes(), superseded, owed, cost=run.spent)


def _forgotten(ctx: Context, run: Found) -> list[Set]:
    """What was declined and lapsed: the same value is proposed again should it come back."""
    id = layout.batch_id(ctx.id, run.at, "sync")
    some = chunks(list(run.lapsed), FORGOTTEN)
    return [staging.remember(ctx, id, 99_999 - n, {key: run.lapsed[key] for key in keys}) for n, keys in enumerate(some)]


def write_target(ctx: Context, target: HeldTarget, fields: Data, writes: Sequence[Set]) -> None:
    try:
        ctx.store.commit([target.write(**fields), *writes])
    except (Conflict, OutcomeUnknown):
        now = load_target(ctx)
        if now.state.last_run != fields["last_run"] or now.state.lease is not None:
            raise


def _write_manifest(ctx: Context, target: HeldTarget, run: Found) -> str:
    """A new manifest where anything was dealt with and all of that is known, else the one there is."""
    if run.owes_full:
        return target.state.manifest
    read = any(look.reading.entries or look.reading.gone for look in run.looks)
    if run.mode != "full" and not run.keys and not run.ended and not read:
        return target.state.manifest
    after = Manifest() if run.mode == "full" else manifest_of(ctx, target, run)
    for look in run.looks:
        of_source = after.of(look.plan.source.name)
        of_source.update(look.reading.entries)
        for id in look.reading.gone:
            of_source.pop(id, None)
        after.feed(run.fed.get(look.plan.source.name, {}), run.keys, look.reading.touched or frozenset())
    for key, id in run.ids.items():
        after.name(key, id)
    for key, fed in run.ended.items():
        if fed is None:
            after.keys.pop(key, None)
            after.ids.pop(key, None)
        else:
            after.keys[key] = fed
    assert target.state.lease is not None
    name = layout.manifest_blob(ctx.id, f"{run.at}-{target.state.lease.holder[:8]}")
    ctx.ports.blobs.write(name, manifest.encode(after), "application/gzip")
    return name
