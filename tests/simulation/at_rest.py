"""What must hold when nothing is going on any more."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from penstock.core import audit, layout
from penstock.core.codec import TargetState, from_data
from penstock.core.plan import Batch
from penstock.core.values import dumps

from simulation.journal import image, images
from simulation.model import DEAD_ENDS, approved

if TYPE_CHECKING:
    from simulation.simulation import Simulation

Found = Iterator[str]
SECRET = "nobody-may-see-this"  # stands in a source field that is not mapped


def ended_batches(sim: Simulation) -> Found:
    """Each approved change was written once or is named as fallen out; nothing else was; and the sums say so."""
    for path, there in images(sim.database, layout.BATCHES).items():
        batch, id = from_data(there.fields, Batch), path.partition("/")[2]
        written = {at for of, at in sim.promoted if of == id}
        if batch.status in DEAD_ENDS and batch.decided_at is None and written:
            yield f"{id} is {batch.status} and wrote {sorted(written)}"
        if batch.finished_at is None or not sim.journal.shown.get(id):
            continue
        yes, fell_out, undone = set(), set(), set()
        for pack, shown in sim.journal.shown[id].items():
            ledger = image(sim.database, pack).fields.get("ledger")
            mine = {c.path: c.key for c in shown.changes.values() if approved(c, shown, batch)}
            yes |= mine.keys()
            fell_out |= {at for at, key in mine.items() if ledger and key in ledger["drifted"]}
            undone |= set() if ledger else mine.keys()
        if undone and not batch.error:
            yield f"{id} came to its end without {sorted(undone)}"
        if yes != written | fell_out | undone or written & (fell_out | undone):
            yield f"{id} was to write {sorted(yes)}, wrote {sorted(written)}, {sorted(fell_out)} fell out"
        total = sum(len(shown.changes) for shown in sim.journal.shown[id].values())
        said = batch.applied, batch.rejected, batch.drifted
        if (batch.applied, sum(said)) != (len(written), total):
            yield f"{id} says applied, rejected, fallen out: {said} of {total}; {len(written)} were written"
        if batch.mismatched:
            yield f"{id} was read back and {batch.mismatched} differ"


def taken_back(sim: Simulation) -> Found:
    """Nothing that a whole rollback was approved to take back still stands as it was promoted."""
    batches = {p.partition("/")[2]: from_data(i.fields, Batch) for p, i in images(sim.database, layout.BATCHES).items()}
    for id, batch in batches.items():
        if batch.kind != "rollback" or batch.status != "APPLIED":
            continue
        for shown in sim.journal.shown.get(id, {}).values():
            for change in shown.changes.values():
                first = sim.promoted.get((batch.rolls_back, change.path))
                if first is None or not approved(change, shown, batch):
                    continue
                now = image(sim.database, change.path)
                if now.time is not None and now.time == first.after[change.path].time:
                    yield f"{id} took {change.path} back, and it stands as {batch.rolls_back} left it"


def nothing_overlooked(sim: Simulation) -> Found:
    """What the source says behind the watermark is dealt with."""
    state = image(sim.database, layout.target(sim.ctx.id)).data
    if state and state.get("last_run"):
        yield from sim.overlooked(from_data(state, TargetState), rest=True)


def whole_chain(sim: Simulation) -> Found:
    """The entries follow one another without a gap, each with the hash of the one before, and tell where each batch stands."""
    head, last = audit.Head(), {}
    for path, there in images(sim.database, layout.AUDIT).items():
        entry = there.fields
        if (entry["sequence"], entry["previous"], entry["hash"]) != (head.sequence + 1, head.hash, audit.digest(entry)):
            yield f"{path} does not follow the entry before it"
        head = audit.head_of(entry)
        last[entry["batch"]] = entry["what"].rpartition(" → ")[2]
    for path, there in images(sim.database, layout.BATCHES).items():
        if last.get(path.partition("/")[2]) != there.fields["status"]:
            yield f"{path} is {there.fields['status']}, and its last entry says {last.get(path.partition('/')[2])}"


def one_mail_each(sim: Simulation) -> Found:
    """Each fact was told once: one mail for each, none without one, and a repeat is the same mail under the same id."""
    facts = {p.partition("/")[2]: i.fields for p, i in images(sim.database, layout.OUTBOX).items()}
    wanted: set[str] = set()
    for id, fact in facts.items():
        if fact["state"] != "paid" and not (sim.journal.mail_is_down and fact["kind"] in ("review", "done", "held")):
            yield f"{id} is {fact['state']}: {fact['error']}"
        elif fact["state"] == "paid" and fact["kind"] in ("done", "held"):
            wanted |= {f"{id}-{n}" for n in range(len(sim.people))}
        elif fact["state"] == "paid" and fact["kind"] == "review":
            late = image(sim.database, layout.batch(fact["batch"])).fields["status"] not in ("UNDER_REVIEW",)
            late |= image(sim.database, layout.token(fact["token"])).fields["state"] != "open"
            wanted |= set() if late else {id}
    mine = [mail for mail in sim.mailer.sent if sim.owns(mail.id)]
    sent = {mail.id: mail for mail in mine}
    if wanted - sent.keys():
        yield f"never told: {sorted(wanted - sent.keys())}"
    if strangers := [id for id in sent if id not in facts and id.rpartition("-")[0] not in facts]:
        yield f"told without being owed: {strangers}"
    for mail in mine:
        if (mail.to, mail.text) != (sent[mail.id].to, sent[mail.id].text):
            yield f"{mail.id} was told in two ways"
    told = Counter((mail.to, mail.subject, mail.text) for mail in sent.values())
    if twice := [what for what, many in told.items() if many > 1]:
        yield f"told twice: {twice}"


def reported(sim: Simulation) -> Found:
    """Every batch that ended has its report, and the files are there."""
    for path, there in images(sim.database, layout.BATCHES).items():
        batch = from_data(there.fields, Batch)
        if batch.kind == "hold" or batch.finished_at is None or (batch.error and not batch.applied):
            continue
        kind = "rollback" if batch.kind == "rollback" else "post-sync"
        for name in (f"{k}.{e}" for k in ("pre-sync", kind) for e in ("html", "csv", "json")):
            if name not in batch.reports or f"reports/{sim.ctx.id}/{batch.id}/{name}" not in sim.blobs.objects:
                yield f"{path} has no {name}"


def secrets(sim: Simulation) -> Found:
    """What is not mapped stands nowhere outside of its source."""
    needle = SECRET.encode()
    for name, content in sim.blobs.objects.items():
        if needle in (gzip.decompress(content) if name.endswith(".gz") else content):
            yield f"{name} holds a field that is not mapped"
    for collection in list(sim.database._paths):
        for path, there in images(sim.database, collection).items():
            packed = [value for value in there.fields.values() if isinstance(value, bytes)]
            told = [gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw for raw in packed]
            told.append(dumps({name: value for name, value in there.fields.items() if not isinstance(value, bytes)}).encode())
            if any(needle in raw for raw in told):
                yield f"{path} holds a field that is not mapped"
    for text in (*(f"{m.subject}{m.text}{m.html}" for m in sim.mailer.sent), json.dumps(sim.publisher.messages), *sim.errors):
        if SECRET in text:
            yield f"a field that is not mapped was told: {text[:80]}"


AT_REST: Sequence[tuple[str, Callable[[Any], Found]]] = (
    ("nothing lost or doubled", ended_batches),
    ("rollback", taken_back),
    ("watermark", nothing_overlooked),
    ("allowed fields", secrets),
    ("audit", whole_chain),
    ("effects", one_mail_each),
    ("effects", reported),
)
