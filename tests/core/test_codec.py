from __future__ import annotations

from penstock.core.audit import Head
from penstock.core.batch import Status
from penstock.core.certificate import Certificate
from penstock.core.changes import Finding
from penstock.core.codec import Lease, Recheck, SourceState, TargetState, from_data, to_data
from penstock.core.limits import document_size
from penstock.core.packs import Ledger
from penstock.core.plan import Batch, Decision, Tally
from penstock.core.values import Timestamp, dumps, loads

AT = Timestamp(1_790_000_000, 123_000)
BATCH = Batch(
    "b", "p", "p.t", "rollback", Status.PARTIALLY_APPLIED, AT, AT, "schedule", packs=2,
    tallies={"poles": Tally(read=3, created=1, unchanged=2, skipped={"no key": 4})}, counts={"poles CREATE": 1},
    pack_digests=("a", "b"), digest="d", findings={"moved": {"blocker": 2}},
    batch_findings=(Finding("mass_change", "blocker", "", "", "t", "r", "pon", (("1", "2", 3),)),), folded=("pon",),
    decisions=(Decision("a@x.org", AT, "d", "approve", {"rule:moved": "reject"}, {"poles/a.b": "approve"}, "note"),),
    production_before={"planned-poles": 7}, decided_at=AT, rolls_back="a", part=True, notes=("n",),
    certificates=(Certificate("s", AT, "changes", 3, 2, "why"),),
)  # fmt: skip
STATE = TargetState(
    "p.t", paused=True, lease=Lease("h", AT, "full", "me", AT), sources={"s": SourceState("2026-01-01", 3)}, manifest="m",
    open="o", applying="x", recheck=(Recheck("b"), Recheck("c", ("k", "l"))), audit=Head(4, "h"),
    last_run={"at": AT, "batch": ""},
)  # fmt: skip


def test_every_record_comes_back_as_it_was_through_firestore_data() -> None:
    for record in (BATCH, STATE, TargetState("p.t"), Ledger(AT, "attempt", 3, ("a",), ("b",))):
        data = to_data(record)
        document_size("c/id", data)  # Firestore takes it
        assert from_data(loads(dumps(data)), type(record)) == record


def test_a_field_that_a_newer_version_left_is_passed_over() -> None:
    assert from_data(to_data(BATCH) | {"from_tomorrow": 1, "audit": {"sequence": 1}}, Batch) == BATCH


def test_a_field_that_an_older_version_did_not_know_has_its_default() -> None:
    data = to_data(BATCH)
    del data["part"]
    assert from_data(data, Batch).part is False


def test_thousands_of_findings_about_a_batch_fit_into_its_document() -> None:
    many = tuple(
        Finding("rivals", "blocker", f"drops/DR{n:07d}", f"LAW.P.A{n}", f"claimed by {n} and {n + 1}", "Decide.")
        for n in range(5_000)
    )
    data = to_data(Batch("b", "p", "p.t", "sync", Status.CREATED, AT, AT, "s", batch_findings=many))
    document_size("c/id", data)
    assert from_data(data, Batch).batch_findings == many
