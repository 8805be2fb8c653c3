"""What must hold with each commit, mail and message: judged the moment it happens."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from penstock.core import layout
from penstock.core.changes import Action
from penstock.core.codec import TargetState, from_data
from penstock.core.layout import STAMP
from penstock.core.values import dumps, loads

from simulation.journal import Landed, image
from simulation.model import DEAD_ENDS, leaves, promotion, proposed

if TYPE_CHECKING:
    from simulation.simulation import Simulation

Found = Iterator[str]
PROMOTING = {"APPROVED", "APPLYING"}
OWED = {  # what a batch owes when it comes to be so
    "STAGED": {"check"},
    "APPROVED": {"promote"},
    "REJECTED": {"remember"},
    "APPLIED": {"report", "done"},
    "PARTIALLY_APPLIED": {"report", "done"},
}
OWED_BY_A_HOLD = {"STAGED": {"check"}, "APPROVED": {"proceed"}}


def approval(sim: Simulation, event: object) -> Found:
    """Nothing reaches production that was not approved, and what does is byte for byte what was shown."""
    if not isinstance(event, Landed) or not event.production:
        return
    promoted = promotion(sim, event)
    if promoted is None:
        yield from sim.unshown(event)
        return
    batch, _, allowed = promoted
    fell_out = event.after[event.ledger].fields["ledger"]["drifted"]
    if batch.status not in PROMOTING and not (batch.status == "FAILED" and batch.decided_at):  # approved, and stopped half-way
        yield f"{batch.id} is {batch.status} and was promoted"
    for path in event.production:
        change = allowed.get(path)
        if change is None or change.key in fell_out:
            if not sim.along(event, path):
                yield f"{path} was written by {batch.id}, and nobody said yes to it"
            continue
        now, wanted = event.after[path].data, sim.wanted(event, change)
        stamp = (now or {}).get(STAMP, {})
        if batch.kind != "rollback" and now is not None and wanted is not None:
            now, wanted = ({k: v for k, v in data.items() if k != STAMP} for data in (now, wanted))
            people = sorted({d.by.casefold() for d in batch.decisions})
            if (stamp.get("batch"), stamp.get("approvedBy")) != (batch.id, people):
                yield f"{path} does not say who approved it: {stamp}"
        if dumps(now) != dumps(wanted):
            yield f"{path} was shown as {wanted} and is {now}"


def drift(sim: Simulation, event: object) -> Found:
    """What moved since it was planned is not overwritten; it falls out, and nothing else does."""
    if not isinstance(event, Landed) or (promoted := promotion(sim, event)) is None:
        return
    batch, _, allowed = promoted
    fell_out = event.after[event.ledger].fields["ledger"]["drifted"]
    for path, change in allowed.items():
        was = event.before[path] if path in event.before else image(sim.database, path)
        if change.key not in fell_out:
            if path in event.production and sim.moved(change, was):
                yield f"{path} moved since {batch.id} was planned, and was overwritten"
            continue
        given_up = batch.status == "FAILED"  # the rest of it is planned anew
        if was.time == change.planned_against and not given_up and not sim.may_fall(event, change, fell_out, allowed.values()):
            yield f"{path} fell out of {batch.id} and had not moved"


def prior_image(sim: Simulation, event: object) -> Found:
    """What stood there lies in Storage before it is changed, absence included."""
    if not isinstance(event, Landed) or not event.production or not event.ledger:
        return
    of = event.before[event.ledger].fields
    blob = sim.blobs.objects.get(layout.backup_blob(of["target"], of["batch"], of["number"]))
    if blob is None:
        yield f"{event.production} were changed with no prior image in Storage"
        return
    priors = sim.priors(event, {line["path"]: line for line in map(loads, gzip.decompress(blob).splitlines())})
    for path in event.production:
        if path not in priors or dumps(priors[path]) != dumps(event.before[path].data):
            yield f"{path} was changed and its prior image in Storage is another"


def rollback(sim: Simulation, event: object) -> Found:
    """What nobody touched gets exactly what was there before; what was edited later keeps it, unless a person named it."""
    if not isinstance(event, Landed) or not event.production or (promoted := promotion(sim, event)) is None:
        return
    batch, shown, allowed = promoted
    if batch.kind != "rollback":
        return
    for path in event.production:
        first = sim.promoted.get((batch.rolls_back, path))
        if first is None:
            if not sim.along(event, path):
                yield f"{path} was taken back, and {batch.rolls_back} never wrote it"
            continue
        if path not in allowed:
            continue  # it was written along with others
        was, now = event.before[path], event.after[path]
        if sim.untouched(path, first, was):
            if dumps(sim.bare(now.data)) != dumps(sim.bare(first.before[path].data)):
                yield f"{path} was {first.before[path].data} before, and its rollback made it {now.data}"
            continue
        stood, left, stands = (
            leaves(sim.bare(i.data) or {}) for i in (was, sim.left_by(batch.rolls_back, path, first).after[path], now)
        )
        theirs = {at for at, text in stood.items() if left.get(at) != text}
        lost = {at for at in theirs if stands.get(at) != stood[at]}
        change = allowed.get(path)
        named = change is not None and any(f.severity == "blocker" for f in shown.findings.get(change.key, ()))
        if lost and not named:
            yield f"{path} was edited later in {sorted(lost)}, and its rollback overwrote that unasked"


def whole_packs(sim: Simulation, event: object) -> Found:
    """A pack lands whole, once: all that was approved but for what fell out."""
    if not isinstance(event, Landed) or (promoted := promotion(sim, event)) is None:
        return
    batch, _, allowed = promoted
    fell_out = set(event.after[event.ledger].fields["ledger"]["drifted"])
    wanted = {path for path, change in allowed.items() if change.key not in fell_out}
    wrote = {path for path in event.production if path in wanted or not sim.along(event, path)}
    if wrote != wanted:
        yield f"{event.ledger} was to write {sorted(wanted)} and wrote {sorted(wrote)}"
    for path in wrote:
        if (batch.id, path) in sim.promoted:
            yield f"{path} was written twice by {batch.id}"
        sim.promoted[batch.id, path] = event


def watermark(sim: Simulation, event: object) -> Found:
    """A watermark passes only what is dealt with: in production, proposed, declined, or named for a recheck."""
    if not isinstance(event, Landed):
        return
    for _, was, now in event.of(layout.TARGETS):
        if now.fields.get("manifest") != was.fields.get("manifest") or now.fields.get("sources") != was.fields.get("sources"):
            yield from sim.overlooked(from_data(now.fields, TargetState))


def absence(sim: Simulation, event: object) -> Found:
    """A delete is proposed only of what is gone from its source at the moment that was read."""
    for path, change, batch in proposed(sim, event):
        if change.action is Action.DELETE and sim.fed(change.key, batch.read_time):
            yield f"{path} proposes to delete {change.key}, which its source holds"


def one_decision(sim: Simulation, event: object) -> Found:
    """A batch is decided once, by a word that somebody gave, and what is refused, expired or superseded stays so."""
    if not isinstance(event, Landed):
        return
    for path, was, now in event.of(layout.BATCHES):
        before, after = was.fields.get("status"), now.fields["status"]
        if before in DEAD_ENDS and after != before:
            yield f"{path} was {before} and became {after}"
        if after in ("APPROVED", "REJECTED") and before != after:
            sim.decided[path] += 1
            if sim.decided[path] > 1:
                yield f"{path} was decided {sim.decided[path]} times"
            if before != "UNDER_REVIEW":
                yield f"{path} was decided while it was {before}"
        had, has = was.fields.get("decisions", []), now.fields["decisions"]
        if has[: len(had)] != had or len(has) - len(had) > 1:
            yield f"{path} lost or gained words: {had} became {has}"
        people = [said["by"] for said in has]
        if len(set(people)) < len(people):
            yield f"{path} counts one person twice"
        for said in has[len(had) :]:
            batch = path.partition("/")[2]
            by_policy = (said["by"], said["verdict"]) == ("policy", "approve") and sim.unasked(batch)
            if (batch, said["by"], said["verdict"]) not in sim.said and not by_policy:
                yield f"{path} holds a word that nobody gave: {said}"
    for path, was, now in event.of(layout.TOKENS):
        if was.fields.get("state") in ("used", "locked") and now.fields["state"] != was.fields["state"]:
            yield f"{path} was {was.fields['state']} and is {now.fields['state']} again"


def allowed_fields(sim: Simulation, event: object) -> Found:
    """No field leaves the source that is not mapped."""
    for what, select in sim.journal.asked:
        if select is None or not {".".join(path) for path in select} <= sim.MAPPED:
            yield f"{what} was asked for {select or 'all fields'}"
    sim.journal.asked.clear()


def audited(sim: Simulation, event: object) -> Found:
    """Every step leaves one entry, in its own commit, and no entry is touched again."""
    if not isinstance(event, Landed):
        return
    wanted: Counter[tuple[str, str]] = Counter()
    for path, was, now in event.of(layout.BATCHES):
        before, after = was.fields.get("status", "∅"), now.fields["status"]
        if before != after or len(now.fields["decisions"]) != len(was.fields.get("decisions", ())):
            wanted[path.partition("/")[2], f"{before} → {after}"] += 1
    there: Counter[tuple[str, str]] = Counter()
    for path, was, now in event.of(layout.AUDIT):
        if was.data is not None:
            yield f"{path} was altered"
        elif now.fields["batch"]:
            there[now.fields["batch"], now.fields["what"]] += 1
    if wanted != there:
        yield f"steps {dict(wanted)} left the entries {dict(there)}"


def effects(sim: Simulation, event: object) -> Found:
    """What is owed is owed in the commit that causes it, and caused after it."""
    if isinstance(event, Landed):
        owed: dict[str, set[str]] = {}
        for _, was, now in event.of(layout.OUTBOX):
            if was.data is None:
                owed.setdefault(now.fields["batch"], set()).add(now.fields["kind"])
        for path, was, now in event.of(layout.BATCHES):
            status, id = now.fields["status"], path.partition("/")[2]
            if status == was.fields.get("status") or (was.fields.get("status") == "ROLLED_BACK"):
                continue
            owes = OWED_BY_A_HOLD if now.fields["kind"] == "hold" else OWED
            asked = "consent" if sim.unasked(id) else "review"
            wanted = owes.get(status, set()) | ({asked} if status == "UNDER_REVIEW" else set())
            if was.fields.get("status") == "FAILED" and not now.fields["applied"]:
                wanted = set()
            if not wanted <= owed.get(id, set()):
                yield f"{id} became {status} and owes {sorted(owed.get(id, set()))}, not {sorted(wanted)}"
    elif isinstance(event, tuple):
        topic, message = event
        if "batch" in message:
            status = image(sim.database, layout.batch(message["batch"])).fields.get("status", "absent")
            early = (
                {"CREATED", "absent"} if topic.endswith("check") else {"CREATED", "absent", "STAGED", "CHECKING", "UNDER_REVIEW"}
            )
            if topic != sim.DEAD and status in early:
                yield f"{topic} was told of {message['batch']} while it was {status}"
    else:
        fact = (
            image(sim.database, layout.outbox(event.id))
            if "-done-" not in event.id and "-held-" not in event.id
            else image(  # type: ignore[attr-defined]
                sim.database,
                layout.outbox(event.id.rpartition("-")[0]),  # type: ignore[attr-defined]
            )
        )
        if fact.data is None:
            yield f"the mail {event.id} was sent before it was owed"  # type: ignore[attr-defined]


ALWAYS: Mapping[str, Callable[[Any, object], Found]] = {
    "approval": approval,
    "drift": drift,
    "prior image": prior_image,
    "rollback": rollback,
    "nothing lost or doubled": whole_packs,
    "watermark": watermark,
    "absence": absence,
    "one decision": one_decision,
    "allowed fields": allowed_fields,
    "audit": audited,
    "effects": effects,
}
