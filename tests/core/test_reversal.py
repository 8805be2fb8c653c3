"""Taking a promoted change back: exactly what stood before, unless somebody wrote since."""

from __future__ import annotations

from typing import Any

from fibre_records import DROPS, POLES, planned, pole, record
from hypothesis import given
from hypothesis import strategies as st
from penstock.core.changes import Action, Change, FieldDiff
from penstock.core.comparison import identical
from penstock.core.diff import content_fingerprint, result_of, value_fingerprint
from penstock.core.later_edits import findings
from penstock.core.layout import STAMP
from penstock.core.promotion import promoted, refusal
from penstock.core.records import Snapshot
from penstock.core.reversal import NOTHING, Choice, Reversal, differences, reverse
from penstock.core.values import Data, FieldPath, Timestamp, Value, dumps, get_in, set_in
from test_values import scalars

THEN, LATER = Timestamp(1_750_000_100), Timestamp(1_750_000_200)
PATH = "planned-poles/LAW.P.A007"
OF_BATCH = {STAMP: {"batch": "b1", "appliedAt": THEN, "approvedBy": ["a@example.org"], "approvedAt": THEN}}
BARE = {"poleNumber": "LAW.P.A007", "crew": 1, "tower": None}

names = st.sampled_from(["a", "b", "c d", "$e", "poleNumber"])
leaves = st.sampled_from([1, 1.0, -0.0, 0.0, "1", None, [], {}, True]) | scalars
documents = st.dictionaries(
    names, leaves | st.dictionaries(names, leaves | st.dictionaries(names, leaves, max_size=2), max_size=3)
)


def update(before: Data = BARE) -> Change:
    return planned(pole(record()), before)


def left(change: Change) -> Data:
    """What the promotion of a change leaves."""
    return promoted(change, POLES, OF_BATCH)


def back(change: Change, now: Data | None, *fields: str, overwrite: bool = False, at: Timestamp = LATER) -> Reversal:
    snapshot = Snapshot(PATH, now, None if now is None else at)
    choice = Choice(None, tuple(tuple(f.split(".")) for f in fields), overwrite)
    return reverse("b1", change, OF_BATCH, POLES, snapshot, choice)


def restored(found: Reversal) -> Data:
    assert found.change is not None
    return result_of(found.change, None)


def whole(was: Data | None, made: Data | None) -> Change:
    """A change that makes one document of another: as a rollback does it, whole and unstamped."""
    action = Action.DELETE if made is None else Action.CREATE if was is None else Action.UPDATE
    facts = {"undoes": "b0", "declines": {"a": "x"}}
    after: Data = {}
    changed = [] if made is None else list(differences((), was or {}, made))
    for path, _, new in changed:
        if new is not NOTHING:
            set_in(after, path, new)
    diff = tuple(FieldDiff(path, None, None) for path, _, _ in changed)
    then = None if made is None else made if was is None else after
    return Change("poles/x", "poles", "g", PATH, action, was, None if was is None else THEN, then, diff, "f", facts)


def test_a_record_that_nobody_touched_gets_exactly_its_prior_image() -> None:
    change = update()
    found = back(change, left(change), at=THEN)
    assert (found.later, found.kept) == ("", False)
    assert dumps(restored(found)) == dumps(BARE)
    assert found.change is not None
    assert (found.change.action, found.change.planned_against, found.change.facts["declines"]) == (
        Action.UPDATE, THEN, refusal(change),
    )  # fmt: skip
    assert findings([found.change]) == []


def test_what_was_created_and_untouched_is_removed_and_what_is_gone_needs_nothing() -> None:
    new = planned(pole(record()), None)
    found = back(new, left(new))
    assert found.change is not None
    assert (found.change.action, found.change.after) == (Action.DELETE, None)
    assert (back(new, None).change, back(new, None).why) == (None, "is gone already")


def test_a_removed_record_is_made_again_whole_and_one_that_stands_there_again_is_kept() -> None:
    gone = Change("poles/x", "poles", "x", PATH, Action.DELETE, {"a": 1, "m": {"b": [2]}}, THEN, None, (), "f")
    again = back(gone, None)
    assert again.change is not None
    assert (again.change.action, restored(again)) == (Action.CREATE, {"a": 1, "m": {"b": [2]}})
    stands = back(gone, {"a": 3})
    assert (stands.change, stands.kept) == (None, True)
    lost = back(gone, {"a": 3}, overwrite=True)
    assert lost.change is not None
    assert [(f.rule, f.severity, f.field) for f in findings([lost.change])] == [
        ("later_edit", "blocker", "a"), ("later_edit", "blocker", "m.b"),
    ]  # fmt: skip


def test_an_edited_field_is_kept_beside_those_that_go_back() -> None:
    change = update()
    now = left(change) | {"ponNumber": "mine", "note": "later"}
    found = back(change, now)
    assert restored(found) == {**BARE, "ponNumber": "mine", "note": "later"}
    assert found.change is not None
    (kept,) = found.change.facts["kept"]
    assert kept == ["ponNumber", "mine", "4", None]
    assert found.change.facts["others"] == ["note"]
    assert found.change.facts["declines"] == refusal(change)


def test_an_edited_field_goes_back_by_a_choice_that_is_a_blocker() -> None:
    change = update({**BARE, "ponNumber": "9"})
    found = back(change, left(change) | {"ponNumber": "mine", "note": "later"}, overwrite=True)
    assert restored(found) == {**BARE, "ponNumber": "9", "note": "later"}
    assert found.change is not None
    assert [(f.severity, f.field) for f in findings([found.change])] == [("blocker", "ponNumber"), ("notice", "")]


def test_a_record_that_others_wrote_to_elsewhere_goes_back_without_a_word() -> None:
    change = update()
    found = back(change, left(change) | {"note": "later"})
    assert restored(found) == {**BARE, "note": "later"}
    assert found.change is not None
    assert [f.severity for f in findings([found.change])] == ["notice"]


def test_a_map_with_others_fields_in_it_loses_the_promoted_ones_alone() -> None:
    change = update()
    now = left(change)
    assert restored(back(change, now | {"location": {**now["location"], "altitude": 9}}))["location"] == {"altitude": 9}
    assert "location" not in restored(back(change, now | {"note": 1}))
    had = update({**BARE, "location": {}})
    assert restored(back(had, left(had) | {"note": 1}))["location"] == {}
    text = update({**BARE, "location": "by the river"})
    assert restored(back(text, left(text) | {"note": 1}))["location"] == "by the river"


def test_null_is_not_absence_however_a_record_is_taken_back() -> None:
    change = update({**BARE, "ponNumber": None})
    now = left(change) | {"note": 1}
    assert restored(back(change, now)) == {**BARE, "ponNumber": None, "note": 1}
    assert restored(back(change, now, "ponNumber"))["ponNumber"] is None


def test_a_number_that_an_application_saved_as_another_kind_of_number_was_not_edited() -> None:
    change = whole({"a": 5}, {"a": 4.0})
    found = back(change, {"a": 4, "note": 1})
    assert restored(found) == {"a": 5, "note": 1}
    assert found.change is not None
    assert "kept" not in found.change.facts


def test_a_record_that_was_put_back_by_hand_needs_nothing() -> None:
    found = back(update(), dict(BARE))
    assert (found.change, found.why, found.kept) == (None, "holds already what stood there before", False)


def test_an_updated_record_that_was_removed_since_comes_back_only_by_choice() -> None:
    assert (back(update(), None).change, back(update(), None).why) == (None, "was removed since")
    found = back(update(), None, overwrite=True)
    assert found.change is not None
    assert (found.change.action, restored(found)) == (Action.CREATE, BARE)
    assert findings([found.change])[0].severity == "blocker"


def test_of_a_created_record_a_field_goes_and_with_the_last_one_the_record() -> None:
    new = planned(pole(record()), None)
    found = back(new, left(new), "ponNumber")
    assert "ponNumber" not in restored(found)
    assert restored(found)[STAMP]["content"] == content_fingerprint(POLES, restored(found))
    assert found.change is not None
    assert found.change.facts["declines"] == {"ponNumber": value_fingerprint("4")}
    every = back(new, left(new), *{f.target[0] for f in POLES.fields})
    assert every.change is not None
    assert every.change.action is Action.DELETE


def test_an_edit_by_hand_is_still_told_by_the_stamp_after_a_field_went_back() -> None:
    change = update()
    now = left(change) | {"zoneNumber": "mine"}
    stamp = restored(back(change, now, "ponNumber"))[STAMP]
    assert stamp == now[STAMP]


def test_the_rollback_of_a_rollback_lifts_and_its_rollback_declines_again() -> None:
    change = update()
    first = back(change, left(change)).change
    assert first is not None
    second = reverse("r1", first, {}, POLES, Snapshot(PATH, BARE, LATER), Choice()).change
    assert second is not None
    assert second.facts["declines"] == dict.fromkeys(refusal(change), "")
    third = reverse("r2", second, {}, POLES, Snapshot(PATH, second.after, LATER), Choice(fields=(("ponNumber",),))).change
    assert third is not None
    assert third.facts["declines"] == {"ponNumber": refusal(change)["ponNumber"]}


def test_a_child_is_taken_back_like_its_parent() -> None:
    new = planned(pole(record()), None)._replace(entity="drops")
    found = reverse("b1", new, OF_BATCH, DROPS, Snapshot(PATH, promoted(new, DROPS, OF_BATCH), LATER), Choice())
    assert found.change is not None
    assert found.change.entity == "drops"


@given(documents | st.none(), documents | st.none())
def test_any_document_goes_back_to_any_other_in_every_bit_and_forth_again(was: Data | None, made: Data | None) -> None:
    if was == made is None or (was is not None and made is not None and dumps(was) == dumps(made)):
        return
    images, change = [was, made], whole(was, made)
    for turn in range(3):
        found = reverse("b1", change, {}, POLES, _snapshot(images[(turn + 1) % 2]), Choice())
        assert found.change is not None
        assert (found.later, found.change.facts["declines"] == {"a": ""}) == ("", turn % 2 == 0)
        after = None if found.change.action is Action.DELETE else restored(found)
        assert dumps(after) == dumps(images[turn % 2])
        change = found.change


@given(documents, documents, documents)
def test_what_others_wrote_since_stays_as_it_is(was: Data, made: Data, now: Data) -> None:
    found = reverse("b1", whole(was, made), {}, POLES, _snapshot(now), Choice())
    result = now if found.change is None else restored(found)
    for path, value in _scalars(now):
        if not identical(_at(made, path), value):
            assert dumps(_at(result, path)) == dumps(value), path
    for path, _ in _scalars(made):
        if _at(now, path) is _GONE:
            assert _at(result, path) is _GONE, path


@given(documents, documents, documents)
def test_by_choice_every_promoted_field_goes_back(was: Data, made: Data, now: Data) -> None:
    found = reverse("b1", whole(was, made), {}, POLES, _snapshot(now), Choice(overwrite=True))
    result = now if found.change is None else restored(found)
    for state in found.fields:
        assert state.taken
        before = get_in(was, state.path)
        assert identical(before, get_in(result, state.path)) or (before is None and isinstance(get_in(result, state.path), dict))


@given(documents, documents, documents, st.booleans())
def test_what_is_shown_is_the_difference_that_is_written(was: Data, made: Data, now: Data, overwrite: bool) -> None:
    found = reverse("b1", whole(was, made), {}, POLES, _snapshot(now), Choice(overwrite=overwrite))
    if found.change is None:
        return
    assert dumps(restored(found)) != dumps(now)
    shown = {d.path: d for d in found.change.diff}
    assert shown
    for path in {p for p, _ in (*_scalars(now), *_scalars(restored(found)))}:
        old, new = _at(now, path), _at(restored(found), path)
        if (old is _GONE) != (new is _GONE) or (old is not _GONE and dumps(old) != dumps(new)):
            assert any(path[: len(there)] == there for there in shown), path


_GONE: Any = object()


def _at(data: Data, path: FieldPath) -> Value:
    return get_in(data, path, _GONE)


def _scalars(data: Data, path: FieldPath = ()) -> list[tuple[FieldPath, Value]]:
    found: list[tuple[FieldPath, Value]] = []
    for name, value in data.items():
        if isinstance(value, dict):
            found += _scalars(value, (*path, name))
        else:
            found.append(((*path, name), value))
    return found


def _snapshot(data: Data | None) -> Snapshot:
    return Snapshot(PATH, data, None if data is None else LATER)
