from __future__ import annotations

from typing import Any

from fibre_records import POLES, planned, pole, record
from penstock.adapters.memory import MemoryStores
from penstock.core.batch import Status
from penstock.core.changes import Action, Change, FieldDiff
from penstock.core.diff import content_fingerprint, value_fingerprint
from penstock.core.packs import Ready
from penstock.core.plan import Batch, Decision
from penstock.core.promotion import own_stamp, promoted, ready_of, refusal, stamp_of, write_of
from penstock.core.records import ABSENT, Delete, Set, Update, unchanged_since
from penstock.core.values import Data, Timestamp, dumps

SEEN, THEN, LATER = Timestamp(1_750_000_000), Timestamp(1_750_000_100), Timestamp(1_750_000_200)
PATH = "planned-poles/LAW.P.A007"


def batch(kind: Any = "sync") -> Batch:
    people = (Decision("B+x@Example.org", SEEN, "d", "approve"), Decision("a@example.org", SEEN, "d", "approve"))
    return Batch("b1", "p", "p.t", kind, Status.APPLYING, SEEN, SEEN, "schedule", decisions=people, decided_at=THEN)


def update(before: Data | None = None) -> Change:
    return planned(pole(record()), {"poleNumber": "LAW.P.A007", "crew": 1} if before is None else before)


STORE = MemoryStores(lambda: LATER).open("p", "(default)")


def ready(change: Change) -> Ready:
    return ready_of(change, POLES, STORE.prepare)


def written(change: Change, stamp: Data) -> Data:
    """What stands in production after the write, in a store that held what the change was planned against."""
    store = MemoryStores(lambda: LATER).open("p", "(default)")
    if change.before is not None:
        at = store.commit([Set(change.path, change.before)])
        change = change._replace(planned_against=at)
    store.commit([write_of(ready(change), stamp)])
    return store.get([change.path])[0].fields


def test_the_stamp_names_batch_moment_people_and_source() -> None:
    change = update()
    stamp = written(change, stamp_of(batch(), LATER))["penstock"]
    assert (stamp["batch"], stamp["appliedAt"], stamp["approvedAt"]) == ("b1", LATER, THEN)
    assert stamp["approvedBy"] == ["a@example.org", "b@example.org"]
    assert stamp["sourceFingerprint"] == change.fingerprint
    assert stamp["content"] == content_fingerprint(POLES, written(change, stamp_of(batch(), LATER)))


def test_a_rollback_leaves_no_stamp_of_its_own() -> None:
    assert stamp_of(batch("rollback"), LATER) == {}


def test_a_create_demands_absence_and_an_update_what_it_was_planned_against() -> None:
    create = write_of(ready(planned(pole(record()), None)), {"penstock": {"batch": "b"}})
    assert isinstance(create, Set)
    assert create.precondition == ABSENT
    assert create.data["penstock"]["batch"] == "b"
    change = update()
    write = write_of(ready(change), {"penstock": {"batch": "b"}})
    assert isinstance(write, Update)
    assert write.precondition == unchanged_since(SEEN)
    assert write.prepared == STORE.prepare(
        Update(PATH, change.after or {}, (*change.mask, ("penstock",))), own_stamp(change, POLES)
    )
    assert written(change, {"penstock": {"batch": "b"}})["crew"] == 1


def test_what_is_written_is_what_was_said_would_stand() -> None:
    for change in (update(), planned(pole(record()), None)):
        stamp = stamp_of(batch(), THEN)
        assert dumps(written(change, stamp)) == dumps(promoted(change, POLES, stamp))


def test_what_is_remembered_of_a_refusal_is_each_field_or_the_whole_new_record() -> None:
    change = update()
    assert set(refusal(change)) == {".".join(d.path) for d in change.diff if not d.passive}
    new = planned(pole(record()), None)
    assert refusal(new) == {"": new.fingerprint}


def test_a_removal_demands_what_it_was_planned_against() -> None:
    gone = Change("poles/x", "poles", "g", PATH, Action.DELETE, {"a": 1}, SEEN, None, (), "f")
    assert write_of(ready(gone), {"penstock": {}}) == Delete(PATH, unchanged_since(SEEN))


def test_what_promotion_needs_of_a_change_names_the_values_that_it_replaces() -> None:
    change = update({"poleNumber": "LAW.P.A007", "ponNumber": "9"})
    made = ready(change)
    assert (made.key, made.entity, made.group, made.path, made.action, made.planned_against) == (
        change.key, change.entity, change.group, change.path, Action.UPDATE, SEEN,
    )  # fmt: skip
    assert made.replaced == ("ponNumber",)
    assert ready(planned(pole(record()), None)).replaced == ()


def test_what_takes_a_change_back_bears_no_stamp_of_its_own_and_leaves_the_rest_of_it_alone() -> None:
    stood = {"poleNumber": "P", "ponNumber": "4", "penstock": {"batch": "b0"}}
    diff = (FieldDiff(("ponNumber",), "4", "9"),)
    change = Change("poles/x", "poles", "g", PATH, Action.UPDATE, stood, SEEN, {"ponNumber": "9"}, diff, "f", {"undoes": "b0"})
    assert own_stamp(change, POLES) is None
    assert written(change, stamp_of(batch("rollback"), LATER)) == stood | {"ponNumber": "9"}
    assert promoted(change, POLES, stamp_of(batch("rollback"), LATER)) == stood | {"ponNumber": "9"}


def test_what_is_remembered_of_a_refused_end_of_a_record_is_that_it_is_gone() -> None:
    diff = (FieldDiff(("active",), True, False),)
    gone = Change(
        "poles/x", "poles", "g", PATH, Action.UPDATE, {"active": True}, SEEN, {"active": False}, diff, "f", {"gone": True}
    )
    assert refusal(gone) == {"": "f"}
    removed = Change("poles/x", "poles", "g", PATH, Action.DELETE, {"active": True}, SEEN, None, (), "f", {"gone": True})
    assert refusal(removed) == {"": "f"}


def test_what_is_remembered_of_a_refused_field_is_its_new_value_and_no_passive_one() -> None:
    diff = (FieldDiff(("a", "b"), 1, 2), FieldDiff(("c",), None, 3, passive=True))
    change = Change("poles/x", "poles", "g", PATH, Action.UPDATE, {"a": {"b": 1}}, SEEN, {"a": {"b": 2}, "c": 3}, diff, "f")
    assert refusal(change) == {"a.b": value_fingerprint(2)}
