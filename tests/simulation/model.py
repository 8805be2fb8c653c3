"""What a promotion may do and a run must not pass over, told from what people were shown and said: no use case is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from penstock.core import layout
from penstock.core.changes import Action, Change
from penstock.core.codec import TargetState, from_data
from penstock.core.packs import decode_changes, expand
from penstock.core.plan import Batch
from penstock.core.values import Data, FieldPath, Timestamp, Value, dumps, get_in, loads

from simulation.journal import Image, Landed, Shown, image, images, versions

if TYPE_CHECKING:
    from simulation.simulation import Simulation

GONE = object()
OVERLAP = 600  # seconds, as the pipeline says
DEAD_ENDS = {"REJECTED", "EXPIRED", "SUPERSEDED"}


def approved(change: Change, shown: Shown, batch: Batch) -> bool:
    """Whether people said yes to this change, told from their words alone."""
    found = shown.findings.get(change.key, ())
    blockers = {f.rule for f in found if f.severity == "blocker"}
    words: dict[str, bool] = {}
    for who, keys in shown.carried.items():
        if (word := keys.get(change.key)) == "reject" or (word and not blockers):
            words[who] = word == "approve"
    for said in batch.decisions:
        own = said.changes.get(change.key)
        replaced = {".".join(d.path) for d in change.diff if d.before is not None}
        labels = {f"rule:{f.rule}" for f in found} | {f"mass:{name}" for name in replaced}
        labels |= {f"entity:{change.entity}", f"action:{change.action}", f"group:{change.group}"}
        of_groups = "reject" not in {said.groups.get(label) for label in labels}
        spoken = all(said.groups.get(f"rule:{rule}") == "approve" for rule in blockers)
        words[said.by.casefold()] = said.verdict == "approve" and (own == "approve" or (own is None and of_groups and spoken))
    return all(words.values()) and sum(words.values()) >= batch.approvals


def expected(change: Change) -> Data | None:
    """The whole document once the change is made, without a stamp of ours that it does not bring itself."""
    if change.action is Action.DELETE:
        return None
    if change.action is Action.CREATE:
        return change.after
    document: Data = loads(dumps(change.before))
    for d in change.diff:
        put(document, d.path, get_in(change.after or {}, d.path, GONE))
    return document


def put(data: Data, path: FieldPath, value: Value) -> None:
    for name in path[:-1]:
        data = data.setdefault(name, {})
    if value is GONE:
        data.pop(path[-1], None)
    else:
        data[path[-1]] = value


def leaves(data: Data, at: FieldPath = ()) -> dict[FieldPath, str]:
    found: dict[FieldPath, str] = {}
    for name, value in data.items():
        found |= leaves(value, (*at, name)) if isinstance(value, dict) and value else {(*at, name): dumps(value)}
    return found


def batch_at(sim: Simulation, landed: Landed, id: str) -> Batch:
    """A batch as it stood when a commit was applied."""
    path = layout.batch(id)
    return from_data((landed.before.get(path) or image(sim.database, path)).fields, Batch)


def proposed(sim: Simulation, event: object) -> Iterator[tuple[str, Change, Batch]]:
    """The changes that a commit stages, but for reversals: (path of the pack, change, batch)."""
    for path, was, now in event.of(layout.STAGING) if isinstance(event, Landed) else ():
        if was.data is None:
            batch = from_data(image(sim.database, layout.batch(now.fields["batch"])).fields, Batch)
            yield from ((path, c, batch) for c in _staged(event, path, now) if batch.kind != "rollback")


def _staged(landed: Landed, path: str, now: Image) -> list[Change]:
    if path not in landed.judged:  # several judges ask
        landed.judged[path] = list(decode_changes(expand(now.fields["payload"])))
    return landed.judged[path]


def promotion(sim: Simulation, landed: Landed) -> tuple[Batch, Shown, dict[str, Change]] | None:
    """What a commit promotes: its batch, its pack as shown, and the changes by path that people said yes to."""
    if not landed.ledger:
        return None
    if "promotion" not in landed.judged:  # several judges ask
        landed.judged["promotion"] = _promotion(sim, landed)
    return landed.judged["promotion"]


def _promotion(sim: Simulation, landed: Landed) -> tuple[Batch, Shown, dict[str, Change]] | None:
    id = landed.before[landed.ledger].fields["batch"]
    shown = sim.journal.shown.get(id, {}).get(landed.ledger)
    if shown is None:
        return None
    batch = batch_at(sim, landed, id)
    return batch, shown, {c.path: c for c in shown.changes.values() if approved(c, shown, batch)}


def overlooked(sim: Simulation, state: TargetState, *, rest: bool = False) -> Iterator[str]:
    """Source records behind the watermark, seen by the last run that looked, that nobody dealt with. While the overlap window
    holds another number of them than the target knows, or there are newer ones that the last run did not pass (it was cut), the
    next run looks there again; at `rest` none comes."""
    passed = state.sources.get("registry")
    if state.last_run and state.last_run["mode"] != "recheck":
        sim.looked_at = state.last_run["at"]
    if passed is None or passed.watermark is None:
        return
    proposed = {c.key: c for c in sim.changes_in(state.open)} if state.open else {}
    again: set[str] = set()
    for recheck in state.recheck:
        again |= set(recheck.keys if recheck.keys is not None else (c.key for c in sim.changes_in(recheck.batch)))
    declined = sim.declined()
    seen = [i.fields for i in images(sim.registry, sim.SOURCE).values() if i.time <= sim.looked_at]  # type: ignore[operator]
    window = [r for r in seen if passed.watermark.plus(-OVERLAP) <= r["changed"] <= passed.watermark]
    newer = any(r["changed"] > passed.watermark for r in seen)
    due = (len(window) != passed.window or newer) and not rest
    for record in seen:
        if due and record in window:
            continue
        if record["changed"] > passed.watermark or not sim.promised[record["tap"]] or not record["colour"]:
            continue  # not passed yet, later than is promised for, or blank
        others = [other for other in seen if other["pipe"] == record["pipe"] and other is not record]
        youngest = all(other["changed"] < record["changed"] for other in others)
        for key in (f"pipes/{record['pipe']}", f"taps/{record['tap']}") if youngest else (f"taps/{record['tap']}",):
            after = (proposed[key].after or {}) if key in proposed else {}
            planned = after.get("colour") == record["colour"] or after.get("changedAt", Timestamp(0)) > record["changed"]
            if planned or key in declined or key in again:
                continue
            if not any(v.fields.get("colour") == record["colour"] or _newer(v, record) for v in versions(sim.database, key)):
                yield f"{key} is {record['colour']} in the source and was passed over"


def _newer(there: Image, record: Data) -> bool:
    return bool(there.fields.get("changedAt") and there.fields["changedAt"] > record["changed"])
