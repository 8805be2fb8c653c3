"""Whether a release is a sound tree: every kind of fault by a case, all at once, and against a judge that only walks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.core.records import Snapshot
from penstock.core.tree_checks import KINDS, Fault, judge, strange_parents, summary, units
from penstock.core.values import Data, Timestamp
from penstock.pipelines.schema import load
from support.landlord import GEOGRAPHY, country, unit

PIPELINE = load(GEOGRAPHY)
ENTITY, SOURCE = PIPELINE.entities[0], PIPELINE.sources["landlord"]


def faults(documents: list[tuple[str, Data]], elsewhere: dict[str, str] | None = None) -> tuple[Fault, ...]:
    records = [Snapshot(f"geography-units/{id}", data, Timestamp(1)) for id, data in documents]
    return judge(ENTITY, "XA", units(ENTITY, SOURCE, records), elsewhere or {})


def test_a_sound_release_has_no_fault() -> None:
    assert faults([*country("XA", 3, 4), unit("M", 3, "XA-0-0"), unit("W", 4, "M")]) == ()


ROOT = unit("A", 1)
ONE_FAULT: dict[str, tuple[list[tuple[str, Data]], tuple[str, ...], str]] = {
    "empty": ([], (), "There is nothing in XA."),
    "duplicate id": ([ROOT, ("A2", {**unit("A", 1)[1], "code": "other"})], ("A", "A2"),
                     "The id A is that of 2 documents: A and A2."),
    "self-parent": ([ROOT, unit("B", 2, "B")], ("B",), "B hangs under itself."),
    "orphan": ([ROOT, unit("B", 2, "Z")], ("B",), "B hangs under Z, which XA does not have."),
    "level gap": ([ROOT, unit("B", 3, "A")], ("B",), "B is of level 3 and hangs under A, which is of level 1."),
    "duplicate code": ([ROOT, unit("B", 2, "A", code="7"), unit("C", 2, "A", code="7")], ("B", "C"),
                       'B and C, of level 2 under A, have the same code "7".'),
    "inactive parent": ([unit("A", 1, active=False), unit("B", 2, "A")], ("B",), "B is active and hangs under A, which is not."),
}  # fmt: skip


@pytest.mark.parametrize("kind", ONE_FAULT)
def test_each_fault_is_told_with_its_documents_in_plain_words(kind: str) -> None:
    documents, ids, text = ONE_FAULT[kind]
    assert (ids, text) in [(fault.ids, fault.text) for fault in faults(documents) if fault.kind == kind]


def kinds(documents: list[tuple[str, Data]], **more: Any) -> set[str]:
    return {fault.kind for fault in faults(documents, **more)}


def test_a_ring_is_told_once_whoever_hangs_on_it() -> None:
    ring = [unit("B", 2, "D"), unit("C", 3, "B"), unit("D", 4, "C"), unit("E", 3, "B")]
    (fault,) = [fault for fault in faults([ROOT, *ring]) if fault.kind == "cycle"]
    assert set(fault.ids) == {"B", "C", "D"}
    assert fault.text == "B, D and C hang under each other in a ring."


def test_a_parent_of_another_partition_is_no_orphan() -> None:
    documents = [ROOT, unit("B", 2, "Z"), unit("C", 2, "Y")]
    assert [(fault.kind, fault.ids) for fault in faults(documents, {"Z": "XB"})] == [
        ("orphan", ("C",)),
        ("parent of another partition", ("B",)),
    ]
    assert "which belongs to XB and not to XA" in faults(documents, {"Z": "XB"})[1].text


def test_a_document_called_otherwise_than_its_id_is_told() -> None:
    (fault,) = faults([("other", unit("A", 1)[1])])
    assert (fault.kind, fault.text) == ("id unlike its document's", "The document other says that its id is A.")


@pytest.mark.parametrize("level", [0, 5, -1])
def test_a_level_beyond_the_official_ones_is_told(level: int) -> None:
    assert "level out of range" in kinds([ROOT, unit("B", level, "A")])


def test_how_many_levels_are_official_depends_on_the_partition() -> None:
    assert ENTITY.tree is not None
    deep = replace(ENTITY.tree, levels_of={"XA": replace(ENTITY.tree.levels, official=5)})
    chain = [ROOT, unit("B", 2, "A"), unit("C", 3, "B"), unit("D", 4, "C"), unit("E", 5, "D")]
    assert kinds(chain) == {"level out of range"}
    records = [Snapshot(f"u/{id}", data, Timestamp(1)) for id, data in chain]
    assert judge(replace(ENTITY, tree=deep), "XA", units(ENTITY, SOURCE, records), {}) == ()


def test_a_root_of_another_level_than_the_first_is_a_gap_and_never_a_silent_root() -> None:
    assert kinds([unit("B", 2)]) == {"level gap"}


@pytest.mark.parametrize(
    ("field", "value"), [("id", None), ("id", "a.b"), ("level", None), ("level", "many"), ("parent", "a.b"), ("parent", "x y")]
)
def test_what_cannot_be_read_is_a_fault_and_not_an_absence(field: str, value: object) -> None:
    broken = {**unit("B", 2, "A")[1], field: value}
    assert "unreadable" in kinds([ROOT, ("B", broken)])
    (fault,) = [fault for fault in faults([ROOT, ("B", broken)]) if fault.kind == "unreadable"]
    assert f"B has no `{field}` that can be read." == fault.text


def test_a_code_may_be_that_of_one_who_is_no_longer_active_or_stands_elsewhere() -> None:
    twins = [unit("B", 2, "A", code="7"), unit("C", 2, "A", code="7", active=False), unit("D", 1, code="7")]
    assert kinds([ROOT, *twins]) == set()


def test_an_inactive_unit_may_hang_under_an_inactive_one() -> None:
    assert kinds([unit("A", 1, active=False), unit("B", 2, "A", active=False)]) == set()


def test_a_tombstone_is_not_there_and_leaves_its_children_orphans() -> None:
    entity = replace(ENTITY, deleted_where=(("state",), frozenset({"deleted"})))
    records = [
        Snapshot("u/A", {**ROOT[1], "state": "deleted"}, Timestamp(1)),
        Snapshot("u/B", unit("B", 2, "A")[1], Timestamp(1)),
    ]
    found = units(entity, SOURCE, records)
    assert [fault.kind for fault in judge(entity, "XA", found, {})] == ["orphan"]
    assert strange_parents(found) == ["A"]


def test_all_faults_are_told_at_once_and_summed_up_by_kind() -> None:
    documents = [ROOT, unit("B", 2, "B"), unit("C", 2, "Z"), unit("D", 2, "Y"), unit("E", 9, "A")]
    found = faults(documents)
    assert summary(found) == "5 faults: 1 self-parent, 2 orphan, 1 level gap, 1 level out of range"
    assert [KINDS.index(fault.kind) for fault in found] == sorted(KINDS.index(fault.kind) for fault in found)
    assert summary(found[:1]) == "1 fault: 1 self-parent"


# An independent judge: it knows no fault by name, and only whether every unit leads up to a root step by step.

names = st.sampled_from("ABCDEFGH")


@st.composite
def releases(draw: st.DrawFn) -> list[tuple[str, Data]]:
    ids = draw(st.lists(names, unique=True, min_size=1, max_size=8))
    return [
        unit(id, draw(st.integers(0, 5)), draw(st.sampled_from(["", *ids, "Z"])), code=draw(names), active=draw(st.booleans()))
        for id in ids
    ]


def sound(documents: list[tuple[str, Data]]) -> bool:
    units = dict(documents)
    for data in units.values():
        here, way = data, 0
        while "parent" in here and way <= len(units):
            above = units.get(here["parent"])
            if above is None or above["level"] != here["level"] - 1 or (here["active"] and not above["active"]):
                return False
            here, way = above, way + 1
        if here["level"] != 1 or way >= 4:
            return False
    seats = Counter((data.get("parent"), data["code"]) for data in units.values() if data["active"])
    return max(seats.values(), default=1) == 1


@given(releases())
def test_a_release_has_faults_just_where_a_walk_from_every_unit_to_its_root_fails(documents: list[tuple[str, Data]]) -> None:
    assert (faults(documents) == ()) == sound(documents)


@st.composite
def forests(draw: st.DrawFn) -> list[tuple[str, Data]]:
    found: list[tuple[str, Data]] = []
    for n in range(draw(st.integers(1, 20))):
        above = draw(st.sampled_from([None, *[(id, d["level"]) for id, d in found if d["level"] < 4]]))
        found.append(unit(f"u{n}", above[1] + 1 if above else 1, above[0] if above else "", code=str(n)))
    return found


@given(forests(), st.randoms())
def test_forests_of_any_shape_and_order_are_sound_and_one_planted_ring_is_found(
    forest: list[tuple[str, Data]], random: Any
) -> None:
    shuffled = list(forest)
    random.shuffle(shuffled)
    assert faults(shuffled) == ()
    by_id = dict(forest)
    child = next((id for id, data in reversed(forest) if "parent" in data), None)
    if child is None:
        return
    ring, top = [child], by_id[child]["parent"]
    while "parent" in by_id[top]:
        ring, top = [*ring, top], by_id[top]["parent"]
    by_id[top] = {**by_id[top], "parent": child}
    (cycle,) = [fault for fault in faults(list(by_id.items())) if fault.kind == "cycle"]
    assert set(cycle.ids) == {*ring, top}
