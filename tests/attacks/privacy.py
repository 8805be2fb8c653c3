"""What must not be told: values of records to those who may not see them, and secrets to anybody."""

from __future__ import annotations

import json
import time
import traceback
from pathlib import Path
from typing import Any

import flask
import pytest
from attacks.lab import OURS, WRONG, Lab
from attacks.registry import attack, replaced
from flask import Response
from penstock.adapters.blobs import CloudBlobs
from penstock.adapters.memory import MemoryStore
from penstock.core import layout, mapping
from penstock.core.batch import Status
from penstock.core.records import Query, Set, Update
from penstock.entrypoints.logs import log
from penstock.local import approver
from penstock.use_cases.context import load_target
from penstock.use_cases.decide import Said
from support import network as net
from support.canary import CANARY, UNNAMED, UNREADABLE, in_documents, in_objects, text_of
from support.world import World

SECTION = "privacy"
INDEXES = Path(__file__).parents[2] / "firestore.indexes.json"


def whole_records(patch: pytest.MonkeyPatch) -> None:
    """The source is asked for a column that no pipeline names, and a site is whatever the record holds."""
    named, reader = mapping.allowed_fields, mapping.Columns._reader

    def leaky(self: Any, field: Any) -> Any:
        return repr if field.source == ("Site",) else reader(self, field)

    patch.setattr("penstock.use_cases.looking.allowed_fields", lambda *a: (*named(*a), ("Owner Name",)))
    patch.setattr(mapping.Columns, "_reader", leaky)


def everything(lab: Lab, batch: str) -> str:
    """All that Penstock wrote anywhere: databases, bucket, mails, messages, logs."""
    collections = [*OURS, *(lab.ctx.collection(e) for e in lab.ctx.pipeline.entities)]
    found = in_documents(lab.ctx.store, collections) + in_objects(lab.ctx.ports.blobs)
    found += [repr(mail) for mail in approver.mails(lab.stack.facts["mailbox"], batch)]
    found += [repr(lab.world.mailer.sent), repr(lab.world.publisher.messages), lab.logs()]
    return "\n".join(found)


@attack(SECTION, guard="the allow-list of columns", without=whole_records)
def what_no_pipeline_names_leaves_the_source(lab: Lab) -> object:
    """From the schedule's call to the approval, through the functions, the topics and the mailbox."""
    lab.review(fresh=True)  # nothing else is left to capture
    records = [(id, columns | UNNAMED) for id, columns in lab.records(3)]
    records[0][1].update({name: value for name, value in UNREADABLE.items() if name != "lst_mod_dt"})
    net.feed(lab.world, records)
    assert lab.call("capture", {"target": lab.ctx.id}).status_code == 200
    lab.world.pump()
    deadline, swept = time.monotonic() + 240, time.monotonic()
    while lab.world.batch(batch := load_target(lab.ctx).state.open).status is not Status.UNDER_REVIEW:
        assert time.monotonic() < deadline, f"the review opens: {lab.world.batch(batch)}"
        if time.monotonic() > swept + 30:  # as its schedule does: what was lost on the way is sent again
            assert lab.call("sweep", {}).status_code == 200
            swept = time.monotonic()
        time.sleep(0.1)
    told = everything(lab, batch)
    assert records[2][1]["Pole Number"] in told, "what is named was looked at"
    return [told[at - 80 : at + 40] for at in (told.casefold().find(CANARY.casefold()),) if at >= 0]


def with_the_path(level: int, message: str, **more: Any) -> None:
    log(level, message, **more, path=flask.request.path, form=dict(flask.request.form))


@attack(SECTION, guard="logs hold no path and no form", without=replaced("penstock.entrypoints.review.log", with_the_path))
def a_token_a_link_a_code_or_a_nonce_is_in_the_log(lab: Lab) -> object:
    seen = lab.review(fresh=True)
    with lab.browser() as browser:
        form = lab.form(seen, browser)
        for path in (f"{seen.path}/x", f"{seen.path}x", f"/elsewhere/{seen.token}"):
            browser.get(path)
        for other in ({"code": WRONG}, {"code": "?"}, {"nonce": ""}, {"verdict": "perhaps"}, {"change.x": "approve"}, {}, {}):
            browser.post(seen.path, data={**form, **other})
    said = lab.logs()
    return [name for name in ("token", "code") if getattr(seen, name) in said] + (["nonce"] if form["nonce"] in said else [])


def told_whole(error: Exception) -> Response:
    return Response("".join(traceback.format_exception(error)), 500)


@attack(
    SECTION, guard="the answer to whatever nobody foresaw", without=replaced("penstock.entrypoints.http.unexpected", told_whole)
)
def a_visitor_sees_a_stack_trace_or_a_value(lab: Lab) -> object:
    """Where a document of ours is not what it should be."""
    seen = lab.review(fresh=True)
    path = layout.batch(seen.batch)
    held = lab.ctx.store.get([path])[0].fields
    shown = []
    with lab.browser() as browser:
        form = lab.form(seen, browser)
        for broken in ({"status": f"{CANARY} STATUS"}, {"audit": {CANARY: 1}}, {"packs": CANARY}, {"tallies": [CANARY]}):
            lab.ctx.store.commit([Set(path, held | broken)])
            shown += [browser.get(seen.path), browser.post(seen.path, data=form)]
        lab.ctx.store.commit([Set(path, held)])
        shown.append(browser.get(f"{seen.path}%00"))
    assert {answer.status_code for answer in shown} >= {500}, "something nobody foresaw came about"
    words = ("Traceback", 'File "', ".py", "Error(", "werkzeug", "penstock_", CANARY)
    said = [word for word in words if any(word in answer.text for answer in shown)]
    return said + [f"{CANARY} in the log"] * (CANARY in lab.logs())


def public(self: CloudBlobs, name: str) -> str:
    return f"https://storage.googleapis.com/{self.bucket}/{name}?X-Goog-Signature=0"


@attack(SECTION, guard="reports are for those who sign in", without=replaced("penstock.adapters.blobs.CloudBlobs.url", public))
def whoever_has_the_address_of_a_report_reads_it(lab: Lab) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("STORAGE_EMULATOR_HOST")
        url = CloudBlobs("bucket").url("reports/x.html")
    return None if url.startswith("https://storage.cloud.google.com/") and "?" not in url else url


def nothing_expires(patch: pytest.MonkeyPatch) -> None:
    real = MemoryStore.commit

    def kept(self: MemoryStore, writes: Any) -> Any:
        for write in writes:
            if isinstance(write, Set | Update) and "purge_at" in write.data:
                write.data.pop("purge_at")  # type: ignore[attr-defined]
        return real(self, writes)

    patch.setattr(MemoryStore, "commit", kept)


@attack(SECTION, guard="purge_at and the times to live", without=nothing_expires)
def a_value_of_a_record_is_left_after_the_retention(lab: Lab) -> object:
    """Of what was approved and of what was refused; production and the source are not ours to empty."""
    world = World()
    net.feed(world, net.network(range(1, 5)))
    world.run()
    world.approve("approve")
    net.feed(world, [net.record("9", 9, day="2026-06-04")])
    world.run()
    world.decide(Said("reject", note="LAWLEY"))
    timed = {o["collectionGroup"] for o in json.loads(INDEXES.read_text())["fieldOverrides"] if o.get("ttl")}
    later = world.clock.time.plus(world.ctx.pipeline.staging_retention.total_seconds() + 1)
    left = []
    for name in OURS:
        for found in world.production.scan(Query(name)):
            if name in timed and "purge_at" in found.fields and found.fields["purge_at"] <= later:
                continue
            left.append(f"{found.path} {text_of(found.fields)}")
    assert any(layout.AUDIT in line for line in left), "the audit stays"
    return [line[:200] for line in left if "Protea Street" in line or "LAWLEY" in line or "-26.37" in line]
