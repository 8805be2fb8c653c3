"""Places against an oracle that walks from parent to parent, and promotes the plan one change after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.core.changes import Change
from penstock.core.declaration import Entity, Levels
from penstock.core.deletes import plan_gone
from penstock.core.diff import plan
from penstock.core.projection import Projector
from penstock.core.promotion import refusal
from penstock.core.records import Snapshot
from penstock.core.tree import Place, place_of
from penstock.core.tree_plan import WHYS, Kept, News, Planting, is_declined, named_above, place_now, told, without_place
from penstock.core.values import Timestamp
from penstock.pipelines.schema import load

PIPELINE = load(Path(__file__).parents[1] / "support" / "forest.yaml")
ENTITY = PIPELINE.entities[0]
PROJECTOR = Projector(PIPELINE, "landlord")
AT = Timestamp(1_790_000_000)


def with_levels(official: int, **of: Levels) -> Entity:
    assert ENTITY.tree is not None
    return replace(ENTITY, tree=replace(ENTITY.tree, levels=Levels(official, official), levels_of=of))


Source = dict[str, dict[str, Any]]  # by key
Documents = dict[str, dict[str, Any]]  # by document id


def unit(level: int, within: str = "", **more: Any) -> dict[str, Any]:
    return {"level": level, "parent": within, "names": {"en": "x"}, "active": True, **more}


def id_of(key: str) -> str:
    """Every other record stands under an id of the target's own."""
    return key if len(key) % 2 else f"own-{key}"


def walked(documents: Documents, id: str) -> str:
    way: list[str] = []
    here: str | None = id
    while here:
        assert here not in way, f"{id} stands in a circle"
        way.insert(0, here)
        here = documents[here].get("parentId")
    return ".".join(way)


def production(source: Source) -> Documents:
    """What a target holds that has all of this."""
    found: Documents = {}
    for key, said in source.items():
        above = {"landlordParent": said["parent"], "parentId": id_of(said["parent"])} if said["parent"] else {}
        held = {name: said[name] for name in ("level", "names", "active")}
        found[id_of(key)] = {**held, "landlordId": key, "official": True, **above}
    for id, document in found.items():
        document["path"] = walked(found, id)
    return found


@dataclass
class Planned:
    changes: list[Change]
    held: dict[str, Kept]
    planting: Planting
    drifted: list[str] = field(default_factory=list)

    def place(self, key: str) -> Place:
        found = place_of(next(c for c in self.changes if c.key == f"units/{key}"))
        assert found is not None
        return found


def planned(source: Source, documents: Documents, only: set[str] | None = None, entity: Entity = ENTITY, **more: Any) -> Planned:
    by_key = {d["landlordId"]: id for id, d in documents.items() if "landlordId" in d}

    def document(key: str) -> Snapshot:
        id = by_key.get(key, key)
        return Snapshot(f"geography/{id}", documents.get(id), AT if id in documents else None)

    said: Mapping[str, str] = more.pop("said", {})
    news = {}
    for key in source if only is None else sorted(only & source.keys()):
        (p,) = PROJECTOR.project([Snapshot(f"units/{key}", {"id": key, **source[key]}, AT)]).projected
        outcome = plan(entity, p, document(key), declined=said)
        news[key] = News(p, document(key), outcome if isinstance(outcome, Change) else None, only is None)
    named = {above for n in news.values() if (above := named_above(entity, n))} - news.keys()
    planting = Planting(entity, list(news.values()), {key: document(key) for key in named}, **more).settle()
    changes = []
    for key, n in news.items():
        if key not in planting.held:
            worked = planting.worked_out(key)
            if is_declined(entity, n.outcome, worked, said):
                worked = []
            outcome = plan(entity, n.projected, n.document, declined=without_place(entity, said), also=worked)
            if isinstance(outcome, Change):
                changes.append(planting.placed(key, outcome))
    changes.sort(key=lambda c: (c.facts["place"].order, c.key))
    return Planned(changes, planting.held, planting)


def promote(of: Planned, documents: Documents) -> Documents:
    """Each change by itself: what is new where its parent is as planned, what moves with all that lies below it."""
    documents = {id: dict(d) for id, d in documents.items()}
    for change in of.changes:
        place, id = change.facts["place"], change.path.rpartition("/")[2]
        if place.parent and place.parent not in documents:
            of.drifted.append(change.key)
            continue
        live = documents[place.parent].get("path", "") if place.parent else ""
        new = f"{live}.{id}" if live else id
        old = documents.get(id, {}).get("path", "")
        if place.step in ("create", "restore") and live != place.above:
            of.drifted.append(change.key)
            continue
        if place.step == "move":
            if live == old or live.startswith(f"{old}."):
                of.drifted.append(change.key)
                continue
            for other in documents.values():
                if other.get("path", "").startswith(f"{old}."):
                    other["path"] = new + other["path"][len(old) :]
        for d in change.diff:
            documents.setdefault(id, {})
            if d.after is None:
                documents[id].pop(d.path[0], None)
            else:
                documents[id][d.path[0]] = d.after
        if place.step == "move":
            documents[id]["path"] = new
    return documents


KEYS = [f"{'k' * (n % 2 + 1)}{n}" for n in range(14)]
DEEP = with_levels(len(KEYS))


@st.composite
def forests(draw: st.DrawFn, least: int = 0) -> Source:
    """A source without a fault: levels are depths."""
    found: Source = {}
    for key in draw(st.lists(st.sampled_from(KEYS), unique=True, min_size=least, max_size=len(KEYS))):
        above = draw(st.sampled_from(["", *found]))
        found[key] = unit(found[above]["level"] + 1 if above else 1, above, names={"en": draw(st.sampled_from("ab"))})
    return found


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Source, Documents]:
    """What a source says now, and what a target holds of what it said before."""
    before, now = draw(forests()), draw(forests(6))
    return now, production({k: v for k, v in before.items() if k in now and _grounded(before, k, now)})


def _grounded(before: Source, key: str, now: Source) -> bool:
    return not key or (key in now and _grounded(before, before[key]["parent"], now))


def changed(source: Source, documents: Documents) -> set[str]:
    held = {d["landlordId"]: d for d in documents.values()}
    names = {"level": "level", "landlordParent": "parent", "names": "names", "active": "active"}
    return {k for k, of in source.items() if k not in held or any(held[k].get(n, "") != of[s] for n, s in names.items())}


@given(worlds(), st.booleans())
def test_the_paths_of_a_plan_are_those_that_the_parents_say(world: tuple[Source, Documents], whole: bool) -> None:
    source, documents = world
    of = planned(source, documents, None if whole else changed(source, documents), DEEP)
    after = promote(of, documents)
    assert (of.held, of.drifted) == ({}, [])
    assert {d["landlordId"]: id for id, d in after.items()}.keys() == source.keys()
    for id, document in after.items():
        assert document["path"] == walked(after, id)
        above = after.get(document.get("parentId", ""), {})
        said = source[document["landlordId"]]
        assert (above.get("landlordId", ""), document["level"]) == (said["parent"], said["level"])
    for change in of.changes:  # as planned, so it was; others may have followed a move since
        place = change.facts["place"]
        assert place.path == after[change.path.rpartition("/")[2]]["path"] or place.step != "move"
    assert planned(source, after, entity=DEEP).changes == []


@given(worlds(), st.data(), st.booleans())
def test_whatever_a_source_says_no_unit_becomes_a_root_or_stands_in_a_circle(
    world: tuple[Source, Documents], data: st.DataObject, whole: bool
) -> None:
    source, documents = world
    for key in data.draw(st.lists(st.sampled_from(sorted(source)), unique=True)):
        within = data.draw(st.sampled_from(["", "nobody", *source]))
        source[key] = unit(data.draw(st.integers(1, 4)), within)
    of = planned(source, documents, None if whole else changed(source, documents), DEEP)
    after = promote(of, documents)
    by_key = {d["landlordId"]: id for id, d in after.items()}
    for id, document in after.items():
        assert document["path"] == walked(after, id)
        assert document.get("parentId") or document["level"] == 1 or document == documents.get(id)
    for key in of.held:
        was = documents.get(id_of(key))
        now = after[by_key[key]] if key in by_key else None
        assert now == was or {**(now or {}), "path": ""} == {**(was or {}), "path": ""}


COUNTRY = {"c": unit(1), "p1": unit(2, "c"), "p2": unit(2, "c"), "d": unit(3, "p1"), "w": unit(4, "d")}


def test_a_unit_that_moves_is_planned_where_its_new_parent_will_stand() -> None:
    now = {**COUNTRY, "p1": unit(2, "e"), "e": unit(1), "d": unit(3, "p2")}
    of = planned(now, production(COUNTRY), {"p1", "e", "d"})
    assert [c.key for c in of.changes] == ["units/e", "units/p1", "units/d"]
    assert [of.place(k).step for k in ("e", "p1", "d")] == ["create", "move", "move"]
    assert of.place("p1") == Place("move", 2, "e", f"e.{id_of('p1')}")
    assert of.place("d").path == f"c.{id_of('p2')}.d"


def test_what_follows_a_move_is_no_change_of_its_own() -> None:
    of = planned({**COUNTRY, "e": unit(1), "p1": unit(2, "e")}, production(COUNTRY))
    assert {c.key for c in of.changes} == {"units/e", "units/p1"}


def test_what_is_new_under_a_unit_that_moves_comes_to_where_that_is_and_follows() -> None:
    now = {**COUNTRY, "e": unit(1), "p1": unit(2, "e"), "n": unit(3, "p1")}
    of = planned(now, production(COUNTRY))
    assert of.place("n") == Place("create", 3, id_of("p1"), f"c.{id_of('p1')}.n")
    assert promote(of, production(COUNTRY))["n"]["path"] == f"e.{id_of('p1')}.n"


def test_parent_and_child_may_change_places() -> None:
    before = {"c": unit(1), "a1x": unit(2, "c"), "b1x": unit(3, "a1x")}
    of = planned({"c": unit(1), "b1x": unit(2, "c"), "a1x": unit(3, "b1x")}, production(before))
    assert of.held == {}
    assert promote(of, production(before))["a1x"]["path"] == "c.b1x.a1x"


@pytest.mark.parametrize(
    ("now", "held"),
    [
        ({"n": unit(2, "nobody")}, {"n": Kept("unknown", "nobody")}),
        ({"n": unit(2)}, {"n": Kept("no root")}),
        ({"n": unit(2, "p1")}, {"n": Kept("levels", "p1")}),
        ({"n": unit(1, "c")}, {"n": Kept("levels", "c")}),
        ({"n": unit(0)}, {"n": Kept("no level")}),
        ({"n": unit(-1, "c")}, {"n": Kept("no level")}),
        ({"n": unit(5, "w")}, {"n": Kept("no level")}),
        ({"w": unit(5, "d")}, {"w": Kept("no level")}),
        ({"a": unit(2, "b"), "b": unit(2, "a")}, {"a": Kept("cycle"), "b": Kept("cycle")}),
        ({"a": unit(2, "a")}, {"a": Kept("cycle")}),
        ({"n": unit(2, "nobody"), "m": unit(3, "n")}, {"n": Kept("unknown", "nobody"), "m": Kept("held above", "n")}),
        ({"p1": unit(3, "w")}, {"p1": Kept("cycle")}),
        ({"p1": unit(2, "nobody"), "m": unit(3, "p1")}, {"p1": Kept("unknown", "nobody")}),
        ({"n": unit(2, "mine")}, {"n": Kept("target's own above", "mine")}),
        ({"mine": unit(2, "c")}, {"mine": Kept("target's own")}),
        ({"a.b": unit(2, "c")}, {"a.b": Kept("dot")}),
        ({"n": unit(3, "old")}, {"n": Kept("pathless above", "old")}),
        ({"other": unit(2, "c")}, {"other": Kept("another's document")}),
        ({"n": unit(3, "other")}, {"n": Kept("unknown", "other")}),
    ],
)
def test_what_has_no_place_is_held_back_and_told_why(now: Source, held: dict[str, Kept]) -> None:
    documents = production({**COUNTRY, "old": unit(2, "c")}) | {
        "mine": {"level": 5, "parentId": "w", "path": "c.p1.d.w.mine"},
        "other": {"landlordId": "another", "official": True, "level": 2, "parentId": "c", "path": "c.other"},
    }
    del documents["old"]["path"]
    of = planned(now, documents, set(now))
    assert of.held == held
    assert {c.key for c in of.changes} == {f"units/{key}" for key in now.keys() - held.keys()}


def test_what_hangs_under_a_declined_or_departed_unit_is_held_back() -> None:
    documents = production(COUNTRY)
    new = {"n": unit(2, "gone"), "m": unit(3, "p2")}
    of = planned(new, documents, {"n", "m"}, declined={"gone"}, gone=["p2"])
    assert of.held == {"n": Kept("declined", "gone"), "m": Kept("gone", "p2")}


def test_a_move_that_no_commit_takes_is_held_back_and_what_lies_below_stays_with_it() -> None:
    now = {**COUNTRY, "e": unit(1), "p1": unit(2, "e"), "n": unit(4, "d")}
    of = planned(now, production(COUNTRY), too_large={"p1"})
    assert of.held == {"p1": Kept("too large")}
    assert of.place("n").path == f"c.{id_of('p1')}.d.n"


def test_a_wrong_path_or_parent_is_mended_and_what_is_right_below_it_is_left() -> None:
    documents = production(COUNTRY)
    documents[id_of("p1")]["path"] = f"x.{id_of('p1')}"
    documents["w"]["parentId"] = "c"
    of = planned(COUNTRY, documents)
    assert [(c.key, sorted(".".join(d.path) for d in c.diff)) for c in of.changes] == [
        ("units/p1", ["path"]),
        ("units/w", ["parentId"]),
    ]
    assert {of.place(key).step for key in ("p1", "w")} == {"move"}
    assert planned(COUNTRY, promote(of, documents)).changes == []


def test_units_without_paths_are_put_in_their_places_before_what_is_new_below_them() -> None:
    documents = production(COUNTRY)
    for document in documents.values():
        del document["path"]
    of = planned({**COUNTRY, "n": unit(4, "d")}, documents)
    after = promote(of, documents)
    assert (of.drifted, {c.facts["place"].step for c in of.changes}) == ([], {"create", "restore"})
    assert {d.before for c in of.changes for d in c.diff if d.path == ("path",)} == {None}
    assert {id: d["path"] for id, d in after.items()} == {id: walked(after, id) for id in after}


def test_a_mend_that_was_declined_is_not_proposed_until_the_place_is_another() -> None:
    documents = production(COUNTRY)
    documents["w"]["path"] = "c.w"
    (mend,) = planned(COUNTRY, documents).changes
    assert planned(COUNTRY, documents, said=refusal(mend)).changes == []
    now = {**COUNTRY, "w": unit(4, "n"), "n": unit(3, "p2")}
    (_, moved) = planned(now, documents, {"w", "n"}, said=refusal(mend)).changes
    assert {".".join(d.path) for d in moved.diff} == {"landlordParent", "parentId", "path"}


def test_deactivations_go_from_the_leaves_up_and_restores_from_the_root_down() -> None:
    off = {key: {**said, "active": False} for key, said in COUNTRY.items()}
    down = planned(off, production(COUNTRY))
    up = planned(COUNTRY, production(off))
    assert [c.key for c in down.changes] == [f"units/{k}" for k in ("w", "d", "p1", "p2", "c")]
    assert [c.key for c in up.changes] == [f"units/{k}" for k in ("c", "p1", "p2", "d", "w")]
    assert {c.facts["place"].step for c in (*down.changes, *up.changes)} == {"deactivate", "restore"}


def test_a_circle_through_a_unit_that_is_only_renamed_is_held_back_and_the_name_is_not() -> None:
    now = {"p1": unit(4, "d"), "d": unit(3, "p1", names={"en": "new"})}
    of = planned(now, production(COUNTRY), set(now))
    assert (of.held, [c.key for c in of.changes]) == ({"p1": Kept("cycle")}, ["units/d"])


@pytest.mark.parametrize("level", [None, "3", True])
def test_a_unit_without_a_level_in_production_stands_as_deep_as_its_path(level: object) -> None:
    documents = production(COUNTRY)
    documents["d"]["level"] = level
    gone = plan_gone(ENTITY, "d", "d", Snapshot("geography/d", documents["d"], AT))
    assert isinstance(gone, Change)
    assert place_now(ENTITY, gone) == Place("deactivate", 3, id_of("p1"), f"c.{id_of('p1')}.d")
    of = planned({"n": unit(4, "d"), "m": unit(3, "d")}, documents, {"n", "m"})
    assert (of.place("n").level, of.held) == (4, {"m": Kept("levels", "d")})


def test_the_targets_own_is_not_taken_out() -> None:
    assert plan_gone(ENTITY, "mine", "mine", Snapshot("geography/mine", {"path": "c.mine", "active": True}, AT)) == "own"


def test_every_reason_is_told_with_what_to_do() -> None:
    findings = list(told("units", {why: ["a", "b"] for why in WHYS}))
    assert len(findings) == len(WHYS)
    assert all("2 units" in f.text and "a and b" in f.text and f.remedy for f in findings)


MANY = 2_000  # more than Python calls into each other


def test_a_ring_of_any_length_is_held_back_whole() -> None:
    of = planned({f"r{n}": unit(2, f"r{(n - 1) % MANY}") for n in reversed(range(MANY))}, {})
    assert of.held == {f"r{n}": Kept("cycle") for n in range(MANY)}


def test_of_a_row_of_any_length_what_lies_deeper_than_the_tree_is_held_back() -> None:
    row = {f"r{n}": unit(n + 1, f"r{n - 1}" if n else "") for n in range(MANY)}
    of = planned(row, {})
    assert of.held == {f"r{n}": Kept("no level") for n in range(4, MANY)}
    assert [c.key for c in of.changes] == [f"units/r{n}" for n in range(4)]


def test_the_deepest_level_is_that_of_the_partition_that_has_most() -> None:
    of = planned({"n": unit(5, "w"), "m": unit(6, "n")}, production(COUNTRY), {"n", "m"}, with_levels(2, XA=Levels(5, 8)))
    assert of.held == {"m": Kept("no level")}


def test_a_row_of_any_length_that_does_not_go_down_a_level_each_is_held_back_from_where_it_does_not() -> None:
    row = {f"r{n}": unit(2, f"r{n - 1}") for n in reversed(range(1, MANY))} | {"r0": unit(1)}
    of = planned(row, {})
    held_above = {f"r{n}": Kept("held above", f"r{n - 1}") for n in range(3, MANY)}
    assert of.held == {"r2": Kept("levels", "r1"), **held_above}
    assert [c.key for c in of.changes] == ["units/r0", "units/r1"]
