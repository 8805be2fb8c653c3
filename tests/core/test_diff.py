import copy

import pytest
from fibre_records import APPROVED, DROPS, PIPELINE, POLES, SEEN, document, drop, planned, pole, record, stands
from hypothesis import given
from hypothesis import strategies as st
from penstock.core.changes import Action
from penstock.core.declaration import Compare, Entity, Field
from penstock.core.diff import Declined, Older, content_fingerprint, is_older, plan, result_of, value_fingerprint
from penstock.core.projection import Projected
from penstock.core.values import Timestamp, get_in, set_in

AT = Timestamp.parse("2026-09-21T14:13:20Z")

STAMP = {"batch": "b1"}


def names(change):
    return [".".join(d.path) for d in change.diff]


def test_what_production_lacks_is_created_whole():
    change = planned(drop(record()), None, claim=2)
    assert (change.key, change.action, change.path) == ("drops/DR1700001#2", Action.CREATE, "drops/DR1700001")
    assert (change.before, change.planned_against) == (None, None)
    assert change.after["location"] == {"latitude": -26.3784901600001, "longitude": 28.8083746089681}
    assert set(change.after) == {f.target[0] for f in DROPS.fields}


def test_what_production_says_already_is_no_change():
    assert plan(POLES, pole(record()), stands("planned-poles/LAW.P.A007", document(pole(record())))) is None


def test_an_update_holds_the_changed_fields_alone_and_leaves_unmapped_ones():
    held = document(pole(record())) | {"poleType": "feeder", "ponNumber": "9"}
    change = planned(pole(record()), held)
    assert change.after == {"ponNumber": "4"}
    assert (change.diff[0].before, change.diff[0].after) == ("9", "4")
    assert change.before == held
    assert change.planned_against == SEEN
    assert result_of(change, STAMP) == held | {"ponNumber": "4", "penstock": STAMP}


def test_a_blank_source_value_never_erases_production():
    held = document(pole(record()))
    blank = pole(record(PONs="", Sections="N/A", Site=" ", Status="", Latitude="", Longitude="", date_status_changed="-"))
    assert plan(POLES, blank, stands("planned-poles/LAW.P.A007", held)) is None


def test_an_unreadable_source_value_never_erases_production_either():
    held = document(pole(record()))
    assert plan(POLES, pole(record(date_status_changed="soon")), stands("planned-poles/LAW.P.A007", held)) is None


LOANS = Entity(
    "loans", "s", "loans", ("id",),
    (Field(("id",), ("id",), "text"), Field(("fine", "amount"), ("fine",), "number", blank_erases=True)), None,
)  # fmt: skip


def loan(values, blank=frozenset()):
    return Projected("loans", "1", "1", {("id",): "1"} | values, frozenset(blank), "f" * 16, {}, ("1",))


def test_a_field_that_says_so_is_erased_by_a_blank_and_only_by_a_blank():
    held = stands("loans/1", {"id": "1", "fine": {"amount": 2.5, "by": "desk"}})
    change = plan(LOANS, loan({}, {("fine", "amount")}), held)
    assert change.after == {}
    assert change.mask == (("fine", "amount"),)
    assert result_of(change, STAMP) == {"id": "1", "fine": {"by": "desk"}, "penstock": STAMP}
    assert plan(LOANS, loan({}), held) is None  # not blank: unreadable


def test_a_move_within_the_tolerance_is_no_change_and_beyond_it_both_halves_are_written():
    held = document(pole(record()))
    near = pole(record(Latitude="-26.37850"))
    far = pole(record(Latitude="-26.37860"))
    assert plan(POLES, near, stands("planned-poles/LAW.P.A007", held)) is None
    assert names(planned(far, held)) == ["location.latitude", "location.longitude"]


def test_passive_fields_ride_along_and_make_no_change_by_themselves():
    held = document(pole(record()))
    later = pole(record(lst_mod_dt="2025-08-01"))
    assert plan(POLES, later, stands("planned-poles/LAW.P.A007", held)) is None
    change = planned(pole(record(lst_mod_dt="2025-08-01", PONs="5")), held)
    assert [(d.path[0], d.passive) for d in change.diff] == [("ponNumber", False), ("lastModifiedInOnemap", True)]


def test_history_grows_once_and_first_permission_never_moves_forward():
    held = document(pole(record())) | {"statusHistory": ["Surveyed", APPROVED], "firstPermissionAt": Timestamp(1_000)}
    assert plan(POLES, pole(record()), stands("planned-poles/LAW.P.A007", held)) is None
    change = planned(pole(record(Status="Built", date_status_changed="")), held)
    assert change.after == {"importStatus": "Built", "statusHistory": ["Surveyed", APPROVED, "Built"]}


def test_a_declined_value_is_not_proposed_again_until_the_source_changes():
    held = document(pole(record())) | {"ponNumber": "9"}
    declined = {"ponNumber": value_fingerprint("4")}
    at = stands("planned-poles/LAW.P.A007", held)
    assert plan(POLES, pole(record()), at, declined=declined) == Declined("poles", "LAW.P.A007", ("ponNumber",))
    assert plan(POLES, pole(record(PONs="5")), at, declined=declined).after == {"ponNumber": "5"}
    assert plan(POLES, pole(record(Sections="2")), at, declined=declined).after == {"zoneNumber": "2"}


def test_a_place_is_declined_as_one_thing():
    held = document(pole(record()))
    moved = pole(record(Latitude="-26.38"))
    declined = {"location.latitude": value_fingerprint(-26.38)}
    refused = plan(POLES, moved, stands("planned-poles/LAW.P.A007", held), declined=declined)
    assert refused == Declined("poles", "LAW.P.A007", ("location.latitude", "location.longitude"))


def test_a_declined_record_is_not_proposed_again_until_its_content_changes():
    declined = {"": pole(record()).fingerprint}
    assert isinstance(plan(POLES, pole(record()), stands("planned-poles/LAW.P.A007", None), declined=declined), Declined)
    assert planned(pole(record(PONs="5")), None, declined=declined).action is Action.CREATE


def test_an_edit_by_hand_is_seen_in_mapped_fields_only():
    held = document(pole(record()))
    held["penstock"] = {"content": content_fingerprint(POLES, held)}
    news = pole(record(PONs="5"))
    assert "edited_by_hand" not in planned(news, held | {"poleType": "feeder"}).facts
    assert planned(news, held | {"workflowGroup": "by hand"}).facts["edited_by_hand"] is True
    assert "edited_by_hand" not in planned(news, document(pole(record()))).facts  # never promoted, so not known


def test_what_the_caller_knows_becomes_facts():
    found = planned(drop(record()), None, near="drops/dr1700001", rival_of="LAW.P.A001", parent_exists=True, matched_by="key")
    assert found.facts == {"near": "drops/dr1700001", "rival_of": "LAW.P.A001", "parent_exists": True, "matched_by": "key"}


def test_a_delete_leaves_nothing():
    change = planned(pole(record()), None)._replace(action=Action.DELETE, before={"a": 1})
    assert result_of(change, STAMP) == {}


values = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.sampled_from(["", "a", "A", " a "]),
    st.builds(Timestamp, st.integers(0, 3)), st.lists(st.sampled_from(["a", "b", 1, 1.0]), max_size=3),
    st.dictionaries(st.sampled_from(["x", "y"]), st.integers(0, 2), max_size=2),
)  # fmt: skip
paths = [("id",), ("a",), ("m", "x"), ("m", "y"), ("h",), ("p",), ("t",), ("lat",), ("lon",)]
compares = {
    ("m", "x"): Compare("decimals", 1),
    ("m", "y"): Compare("folded"),
    ("h",): Compare("union"),
    ("p",): Compare("passive"),
    ("t",): Compare("earliest"),
    ("lat",): Compare("metres", 5, ("lon",)),
    ("lon",): Compare("metres", 5, ("lat",)),
}


def any_field(path):
    convert = "latitude" if path == ("lat",) else "text"
    return Field(path, path, convert, compare=compares.get(path, Compare()), blank_erases=path == ("a",))


ANY = Entity("things", "s", "things", ("id",), tuple(map(any_field, paths)), None)
histories = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3, unique=True)


@st.composite
def sources(draw):
    found = {("id",): "1"}
    for path in paths[1:]:
        kind = {("h",): histories, ("t",): st.builds(Timestamp, st.integers(0, 3))}
        value = draw(kind.get(path, values.filter(lambda v: v is not None)))
        if draw(st.booleans()):
            found[path] = value
    blank = frozenset(p for p in paths if p not in found and draw(st.booleans()))
    if (("lat",) in found) != (("lon",) in found):  # the projector never gives half a place
        found.pop(("lat",), None), found.pop(("lon",), None)
    return Projected("things", "1", "1", found, blank, "f" * 16, {}, ("1",))


productions = st.one_of(
    st.none(),
    st.dictionaries(
        st.sampled_from(["a", "m", "h", "p", "t", "lat", "lon", "unmapped"]),
        st.one_of(values, st.dictionaries(st.sampled_from(["x", "y", "z"]), values, max_size=3)),
        max_size=7,
    ),
)


@given(sources(), productions)
def test_what_was_promoted_is_not_proposed_again(source, held):
    change = plan(ANY, source, stands("things/1", held))
    if change is not None:
        assert plan(ANY, source, stands("things/1", result_of(change, STAMP))) is None


@given(sources(), productions)
def test_a_change_writes_its_masked_fields_and_nothing_else(source, held):
    before = copy.deepcopy(held)
    change = plan(ANY, source, stands("things/1", held))
    if change is None:
        return
    again = result_of(change, STAMP)
    assert repr(held) == repr(before)  # the prior image is what will be restored
    for d in change.diff:
        assert repr(get_in(again, d.path)) == repr(d.after)
        set_in(again, d.path, "same")
    expected = copy.deepcopy(held or {}) | {"penstock": STAMP}
    for d in change.diff:
        set_in(expected, d.path, "same")
    assert repr(sorted(again.items())) == repr(sorted(expected.items()))


@given(sources(), productions)
def test_nothing_but_a_declared_blank_ever_erases(source, held):
    change = plan(ANY, source, stands("things/1", held))
    for d in change.diff if change else ():
        assert d.after is not None or (d.path == ("a",) and d.path in source.blank)


@pytest.mark.parametrize("value", [None, "a", 1.5, ["x"], {"a": Timestamp(1)}])
def test_a_values_fingerprint_is_sixteen_hex_digits_and_its_own(value):
    assert len(value_fingerprint(value)) == 16
    assert value_fingerprint(value) != value_fingerprint([value])


def test_an_older_snapshot_never_moves_production_backwards():
    now = document(pole(record(lst_mod_dt="2025-06-28 10:00:00+02", PONs="9")))
    before = pole(record(lst_mod_dt="2025-06-27 10:00:00+02", PONs="4"))
    production = stands("planned-poles/LAW.P.A007", now)
    assert is_older(before, production, PIPELINE.version_of(POLES), None, AT)
    assert plan(POLES, before, production, older=True) == Older("poles", "LAW.P.A007")
    assert "ponNumber" in plan(POLES, before, production).after


def test_older_is_told_by_what_was_seen_before_and_by_what_production_was_brought_up_to():
    shown = pole(record(lst_mod_dt="2025-06-28 10:00:00+02"))
    version, earlier, later = PIPELINE.version_of(POLES), shown.stamp.plus(-1), shown.stamp.plus(1)
    bare = stands("planned-poles/LAW.P.A007", {})
    (own,) = shown.sources
    assert is_older(shown, bare, None, (later, own), AT)
    assert not is_older(shown, bare, None, (shown.stamp, own), AT)
    assert not is_older(shown, bare, None, (earlier, own), AT)
    assert is_older(shown, stands("planned-poles/LAW.P.A007", {"lastModifiedInOnemap": later}), version, (earlier, own), AT)
    assert not is_older(shown, stands("planned-poles/LAW.P.A007", {"lastModifiedInOnemap": "later"}), version, None, AT)


def test_of_records_changed_at_one_moment_the_last_by_id_counts_and_without_it_the_state_is_older():
    shown = pole(record(lst_mod_dt="2025-06-28 10:00:00+02"))
    bare = stands("planned-poles/LAW.P.A007", {})
    assert is_older(shown, bare, None, (shown.stamp, shown.sources[-1] + "9"), AT)
    assert not is_older(shown, bare, None, (shown.stamp, ""), AT)


def test_a_stamp_from_the_future_makes_nothing_older():
    shown = pole(record(lst_mod_dt="2025-06-28 10:00:00+02"))
    wrong = Timestamp.parse("2099-01-01T00:00:00Z")
    assert not is_older(
        shown, stands("planned-poles/LAW.P.A007", {"lastModifiedInOnemap": wrong}), ("lastModifiedInOnemap",), (wrong, "r1"), AT
    )


def test_an_older_snapshot_may_add_to_history():
    now = document(pole(record(lst_mod_dt="2025-06-28 10:00:00+02", PONs="9")))
    before = pole(record(lst_mod_dt="2025-06-27 10:00:00+02", PONs="4", Status="Pole Permission: Declined"))
    change = plan(POLES, before, stands("planned-poles/LAW.P.A007", now), older=True)
    assert change.after == {"statusHistory": [APPROVED, "Pole Permission: Declined"]}
