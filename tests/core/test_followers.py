"""What goes along with moved units: paths that walking from parent to parent gives too, and nothing else."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.core.declaration import Dependents
from penstock.core.followers import Followed, Moves, decode_followed, encode_followed, followed, following, line_of, places_in
from penstock.core.packs import compress, expand
from penstock.core.records import Snapshot, unchanged_since
from penstock.core.tree import chain_after, is_below, joined
from penstock.core.values import Timestamp, dumps
from penstock.pipelines.schema import FOLDER, load

GEOGRAPHY = load(FOLDER / "tenant_geography.yaml")
UNITS, MEMBERS = places_in(GEOGRAPHY.entity("units"), "tenants/np/")
READ = Timestamp(1_700_000_000)


def snapshot(path: str, /, **fields: Any) -> Snapshot:
    return Snapshot(path, fields, READ)


def walked(parents: dict[str, str], id: str) -> str:
    """The oracle: it goes from parent to parent, and knows no paths."""
    way = [id]
    while parents[way[0]]:
        way.insert(0, parents[way[0]])
    return ".".join(way)


def forest(chance: random.Random, size: int) -> dict[str, str]:
    ids = [f"u{n}" if n % 3 else f"u{n}-{n}" for n in range(size)]
    return {id: chance.choice(["", *ids[:n]]) for n, id in enumerate(ids)}


@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 12))
def test_after_any_moves_each_path_is_what_its_parents_say(seed: int, size: int, many: int) -> None:
    chance = random.Random(seed)
    parents = forest(chance, size)
    before = {id: walked(parents, id) for id in parents}
    moves = Moves()
    for _ in range(many):
        id, above = chance.choice(list(parents)), chance.choice(["", *parents])
        here = moves.after(before[id])
        assert here == walked(parents, id)
        to = moves.after(before[above]) if above else ""
        if above and (above == id or is_below(to, here)):
            continue
        moves.move(before[id], joined(to, id))
        parents[id] = above
    assert {id: moves.after(path) for id, path in before.items()} == {id: walked(parents, id) for id in parents}
    stirred = {id for id in parents if walked(parents, id) != before[id]}
    reached = {id for id in parents if any(before[id] == top or is_below(before[id], top) for top in moves.tops)}
    assert stirred <= reached


def test_of_moves_within_each_other_the_outermost_are_read() -> None:
    moves = Moves()
    moves.move("np.p1.d1", "np.p2.d1")
    moves.move("np.p1", "in.p1")
    moves.move("np.p10", "in.p10")
    assert moves.tops == ["np.p1", "np.p10"]
    assert moves.after("np.p1.d1.w1") == "np.p2.d1.w1"
    assert moves.after("np.p1.d2") == "in.p1.d2"
    assert moves.after("np.p10.d1") == "in.p10.d1"
    assert moves.after("np.p11") == "np.p11"


def test_a_member_goes_along_with_path_and_chain() -> None:
    moves = Moves()
    moves.move("np.p1.d1", "np.p2.d1")
    now = snapshot("members/m", unitPath="np.p1.d1.w", unit1="np", unit2="p1", unit3="d1", unit4="w")
    (found,) = following(moves, MEMBERS, [now])
    assert found.after == {"unitPath": "np.p2.d1.w", "unit2": "p2"}
    assert found.before == {"unitPath": "np.p1.d1.w", "unit2": "p1"}
    assert found.fields == (("unitPath",), ("unit2",))
    write = found.write()
    assert (write.path, write.mask, write.precondition) == ("members/m", found.fields, unchanged_since(READ))


def test_who_stores_no_path_or_lies_elsewhere_is_left_alone() -> None:
    moves = Moves()
    moves.move("np.p1", "np.p2.p1")
    others = [snapshot("members/a", name="a"), snapshot("members/b", unitPath=7), snapshot("members/c", unitPath="np.p10")]
    assert following(moves, MEMBERS, others) == []


@pytest.mark.parametrize(
    ("chain", "old", "new", "then"),
    [
        (["np", "p1", "d1", None], "np.p1.d1", "np.p2.d1", ["np", "p2", "d1", None]),
        (["np", "p1", "d1", None], "np.p1.d1", "np.d1", ["np", "d1", None, None]),
        (["np", "d1", None, None], "np.d1", "np.p2.d1", ["np", "p2", "d1", None]),
        (["np", "other", "d1", None], "np.p1.d1", "np.p2.d1", ["np", "other", "d1", None]),
        (["np", "other", None, None], "np.p1", "np.p2.p1", ["np", "other", None, None]),
        (["np", "p1"], "np.p1.d1", "np.p2.d1", ["np", "p2"]),
        ([], "np.p1", "np.p2", []),
    ],
)
def test_of_a_chain_what_the_path_accounts_for_is_replaced(chain: list[Any], old: str, new: str, then: list[Any]) -> None:
    assert chain_after(chain, old, new) == then


@given(st.lists(st.text("abc", min_size=1, max_size=2), min_size=1, max_size=8), st.data())
def test_a_chain_that_was_that_of_its_path_is_so_afterwards(old: list[str], data: st.DataObject) -> None:
    new = data.draw(st.lists(st.text("abc", min_size=1, max_size=2), min_size=1, max_size=8))
    stored: list[Any] = [*old, *([None] * (8 - len(old)))]
    assert chain_after(stored, ".".join(old), ".".join(new)) == [*new, *([None] * (8 - len(new)))]


def test_a_field_that_is_null_is_written_down_as_null() -> None:
    now = snapshot("members/m", unitPath="np.d1", unit1="np", unit2="d1", unit3=None)
    found = followed(MEMBERS, now, "np.p2.d1")
    assert found is not None
    assert found.before == {"unitPath": "np.d1", "unit2": "d1", "unit3": None}
    assert found.after == {"unitPath": "np.p2.d1", "unit2": "p2", "unit3": "d1"}


def test_other_fields_may_be_written_along_and_what_is_so_already_is_not() -> None:
    now = snapshot("geography/c", path="np.p1.c", parentId="p1")
    found = followed(UNITS, now, "np.p2.c", {("parentId",): "p2"})
    assert found is not None
    assert found.after == {"path": "np.p2.c", "parentId": "p2"}
    assert followed(UNITS, now, "np.p1.c", {("parentId",): "p1"}) is None
    gone = followed(UNITS, now, "c", {("parentId",): None})
    assert gone is not None
    assert (gone.after, gone.before) == ({"path": "c"}, {"path": "np.p1.c", "parentId": "p1"})
    assert ("parentId",) in gone.fields


def test_collections_of_a_tree_bear_the_prefix_of_the_target() -> None:
    assert (UNITS.name, UNITS.collection, UNITS.path) == ("units", "tenants/np/geography", ("path",))
    assert (MEMBERS.name, MEMBERS.collection, len(MEMBERS.chain)) == ("members", "tenants/np/members", 8)


def test_what_followed_is_kept_exactly() -> None:
    nested = Dependents("cards", "cards", ("at", "path"), (("at", "one"),))
    of = followed(nested, snapshot("cards/1", at={"path": "a.b", "one": "a"}), "c.b")
    assert of is not None
    assert of.after == {"at": {"path": "c.b", "one": "c"}}
    assert decode_followed(encode_followed([of, of])) == [of, of]
    assert decode_followed(encode_followed([])) == []


kept = st.builds(
    Followed,
    st.sampled_from(["units", "members"]),
    st.sampled_from(["geography/a", "geography/é", "members/1"]),
    st.builds(Timestamp, st.integers(1, 2**33), st.integers(0, 10**9 - 1)),
    st.sampled_from([(("path",),), (("at", "path"), ("unit1",)), ()]),
    st.sampled_from([{}, {"path": "a.b"}, {"path": None, "rows": [1, 1.0]}, {"$time": "x", "at": READ}]),
    st.sampled_from([{}, {"path": "c.b"}, {"at": {"path": "\n"}}]),
    st.sampled_from(["", "units/7"]),
    st.sampled_from(["", "p2"]),
)


@given(st.lists(kept, max_size=8))
def test_whatever_follows_is_kept_exactly_and_in_its_order(some: list[Followed]) -> None:
    read = decode_followed(encode_followed(some))
    assert read == some
    assert [dumps(line_of(f)) for f in read] == [dumps(line_of(f)) for f in some]


def test_what_documents_have_in_common_is_kept_once() -> None:
    moves = Moves({"np.p1": "in.p1"})
    some = following(moves, UNITS, [snapshot(f"geography/w{n}", path=f"np.p1.w{n}") for n in range(500)])
    others = following(moves, MEMBERS, [snapshot("members/m", unitPath="np.p1")])
    assert expand(encode_followed([*some, *others])).count("units") == 1
    assert decode_followed(encode_followed([*some, *others, *some])) == [*some, *others, *some]


def test_a_list_in_which_each_document_has_a_line_of_its_own_is_read_too() -> None:
    line = (
        '{"after":{"path":"in.a"},"before":{"path":"np.a"},"by":"units/1","fields":[["path"]],"kind":"units",'
        '"path":"geography/a","to":"b","update_time":{"$time":"2023-11-14T22:13:20.000001000Z"}}'
    )
    of = Followed("units", "geography/a", Timestamp(1_700_000_000, 1_000), (("path",),), {"path": "np.a"}, {"path": "in.a"})
    of = of._replace(by="units/1", to="b")
    assert decode_followed(compress(f"{line}\n{line}")) == [of, of]
    assert dumps(line_of(of)) == line


def test_a_value_that_is_not_equal_to_itself_is_no_other_than_it_was() -> None:
    found = followed(MEMBERS, snapshot("members/m", unitPath="np.p1", unit1="np", unit2=math.nan), "in.p1")
    assert found is not None
    assert found.fields == (("unitPath",), ("unit1",))
