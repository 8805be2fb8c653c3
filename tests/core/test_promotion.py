from __future__ import annotations

from dataclasses import replace
from typing import Any

from fibre_records import POLES, planned, pole, record
from penstock.adapters.memory import MemoryStores
from penstock.core.batch import Status
from penstock.core.changes import Action, Change
from penstock.core.diff import content_fingerprint
from penstock.core.packs import Ready
from penstock.core.plan import Batch, Decision
from penstock.core.promotion import own_stamp, promoted, ready_of, refusal, reverse, stamp_of, write_of
from penstock.core.records import ABSENT, Delete, Set, Snapshot, Update, unchanged_since
from penstock.core.values import Data, Timestamp, dumps, loads

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
        change = replace(change, planned_against=at)
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


def given(write: Set | Update) -> Data:
    """The fields of a write, ready-made ones included."""
    assert write.prepared is not None
    return {**loads(write.prepared.fields), **write.data}


def test_a_record_that_nobody_touched_gets_exactly_its_prior_image() -> None:
    change = update()
    back = reverse("b1", change, THEN, Snapshot(PATH, written(change, stamp_of(batch(), THEN)), THEN))
    assert back is not None
    assert "edited_since" not in back.facts
    write = write_of(ready(back), {})
    assert isinstance(write, Set)
    assert dumps(given(write)) == dumps(change.before)
    assert write.precondition == unchanged_since(THEN)


def test_what_was_created_and_untouched_is_deleted_and_what_is_gone_needs_nothing() -> None:
    new = planned(pole(record()), None)
    back = reverse("b1", new, THEN, Snapshot(PATH, written(new, stamp_of(batch(), THEN)), THEN))
    assert back is not None
    assert write_of(ready(back), {}) == Delete(PATH, unchanged_since(THEN))
    assert reverse("b1", new, THEN, Snapshot(PATH, None, None)) is None


def test_a_deleted_record_is_made_again_whole() -> None:
    gone = Change("poles/x", "poles", "x", PATH, Action.DELETE, {"a": 1, "m": {"b": [2]}}, SEEN, None, (), "f")
    back = reverse("b1", gone, THEN, Snapshot(PATH, None, None))
    assert back is not None
    write = write_of(ready(back), {})
    assert isinstance(write, Set)
    assert (write.path, given(write), write.precondition) == (PATH, {"a": 1, "m": {"b": [2]}}, ABSENT)
    again = reverse("b1", gone, THEN, Snapshot(PATH, {"a": 3}, LATER))
    assert again is not None
    assert again.facts["edited_since"] == str(LATER)


def test_after_a_later_edit_the_promoted_fields_alone_go_back() -> None:
    change = update()
    edited = written(change, stamp_of(batch(), THEN)) | {"note": "later"}
    back = reverse("b1", change, THEN, Snapshot(PATH, edited, LATER))
    assert back is not None
    assert back.facts["edited_since"] == str(LATER)
    assert ("note",) not in back.mask
    assert ("location",) in back.mask  # the whole map, which the promotion brought
    assert ("location", "latitude") not in back.mask
    write = write_of(ready(back), {})
    assert isinstance(write, Update)
    assert write.mask == ()
    assert write.prepared == STORE.prepare(Update(PATH, back.after or {}, back.mask))


def test_a_map_with_others_fields_in_it_loses_the_promoted_ones_alone() -> None:
    change = update()
    edited = written(change, stamp_of(batch(), THEN))
    edited["location"] = edited["location"] | {"altitude": 9}
    back = reverse("b1", change, THEN, Snapshot(PATH, edited, LATER))
    assert back is not None
    assert ("location",) not in back.mask
    assert ("location", "latitude") in back.mask


def test_a_record_that_was_put_back_by_hand_needs_nothing() -> None:
    change = update()
    assert reverse("b1", change, THEN, Snapshot(PATH, dict(change.before or {}), LATER)) is None


def test_an_updated_record_that_was_deleted_since_comes_back_only_by_decision() -> None:
    back = reverse("b1", update(), THEN, Snapshot(PATH, None, None))
    assert back is not None
    assert back.facts["edited_since"] == "it was deleted"
    write = write_of(ready(back), {})
    assert isinstance(write, Set)
    assert (write.path, given(write), write.precondition) == (PATH, {"poleNumber": "LAW.P.A007", "crew": 1}, ABSENT)
