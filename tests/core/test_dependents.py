"""A unit that goes and leaves something behind needs a word; what the batch itself takes or moves away is not left behind."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from penstock.core.changes import Change
from penstock.core.choices import ACTIVE, OWN
from penstock.core.rules import dependents, impact
from penstock.core.values import Data
from support.drawn_forests import forests
from support.geography import PIPELINE, asked_of, custom, deactivated, judged, member, stored, unit, updated, with_rules

ALONE = with_rules(dependents=dependents.Settings())
WITH_IMPACT = with_rules(impact=impact.Settings("comprehensive"), dependents=dependents.Settings())


def left(*packs: list[Change], documents: dict[str, Data]) -> dict[str, dict[str, int]]:
    """By the unit: what would be left at or below it."""
    found = judged(ALONE, documents, *packs)
    assert all(f.severity == "blocker" and f.rule == "dependents" for f in found)
    return {f.group: {name: number for name, _, number in f.table} for f in found}


def moved(data: Data, to: str) -> Change:
    return updated(data, "move", parentId=to.split(".")[-1], path=f"{to}.{data['path'].split('.')[-1]}")


P, Q, D, E, T, W = unit("p"), unit("q"), unit("p.d"), unit("p.e"), unit("p.d.t"), unit("p.d.t.w")
C, CC, K = custom("p.d.t.w.c"), custom("p.d.t.w.c.cc"), custom("p.d.k")
TREE = stored(P, Q, D, E, T, W, C, CC, K, members=[member("p.d.t.w"), member("p.d.t.w.c"), member("p.d"), member("p.dx")])


def test_a_pipeline_with_a_tree_has_the_rule_without_naming_it() -> None:
    assert "dependents" in dict(PIPELINE.rules)


def test_a_unit_with_nothing_below_it_goes_without_a_word() -> None:
    assert left([deactivated(E)], documents=TREE) == {}


def test_members_own_units_and_active_units_are_told_apart() -> None:
    assert left([deactivated(D)], documents=TREE) == {"d": {"members": 3, OWN: 3, ACTIVE: 2}}
    (found,) = judged(ALONE, TREE, [deactivated(D)])
    assert "unit d would go, and in production 3 members, 3 units of the target's own and 2 active units hang" in found.text
    assert "only what is not official can be moved" in found.remedy


def test_what_goes_too_is_no_reason_and_speaks_for_itself() -> None:
    packs = [[deactivated(W), deactivated(T)], [deactivated(D)]]
    assert left(*packs, documents=TREE) == {"w": {"members": 2, OWN: 2}, "d": {"members": 1, OWN: 1}}
    at_d = judged(ALONE, TREE, *packs)[-1]
    assert "(in all 3 members, 3 units of the target's own and 2 active units)" in at_d.text
    assert "of level 2" in at_d.remedy


def test_what_moves_away_in_another_pack_is_not_left_behind() -> None:
    assert left([moved(T, "p.e")], [deactivated(D)], documents=TREE) == {"d": {"members": 1, OWN: 1}}
    only = stored(P, Q, D, E, T, W, C)
    assert left([moved(T, "p.e")], [deactivated(D)], documents=only) == {}


def test_what_moves_below_a_unit_that_goes_is_left_there() -> None:
    assert left([moved(W, "p.e")], [deactivated(E)], documents=TREE) == {"e": {"members": 2, OWN: 2, ACTIVE: 1}}
    assert left([moved(W, "p.d")], [deactivated(D)], documents=TREE) == {"d": {"members": 3, OWN: 3, ACTIVE: 2}}


def test_a_unit_that_moves_and_goes_is_judged_too() -> None:
    change = updated(T, "move", parentId="e", path="p.e.t", active=False)
    assert left([change], documents=TREE) == {"t": {"members": 2, OWN: 2, ACTIVE: 1}}


def test_units_that_went_before_are_not_active_any_more_and_what_is_below_them_still_counts() -> None:
    documents = stored(P, D, unit("p.d.t", active=False), unit("p.d.t.w", active=False), C)
    assert left([deactivated(D)], documents=documents) == {"d": {OWN: 1}}


def test_renames_and_new_units_ask_nothing() -> None:
    assert asked_of(ALONE, TREE, updated(D, names={"en": "Another"})) == []


def test_thirty_empty_wards_are_asked_about_at_once() -> None:
    wards = [unit(f"p.d.t.w{n}") for n in range(60)]
    documents = stored(P, D, T, *wards, members=[member("p.d.t.w7")])
    assert len(asked_of(ALONE, documents, *map(deactivated, wards))) == 4 + 30
    assert left([*map(deactivated, wards)], documents=documents) == {"w7": {"members": 1}}


def test_beside_the_rule_for_impact_it_asks_but_for_what_is_active() -> None:
    alone = set(asked_of(with_rules(impact=impact.Settings("comprehensive")), TREE, deactivated(D)))
    assert len(set(asked_of(WITH_IMPACT, TREE, deactivated(D))) - alone) == 1


def _is_below(path: str, other: str) -> bool:
    return path.startswith(other + ".")


@given(forests(), st.data())
@settings(max_examples=150, deadline=None)
def test_what_is_left_is_what_a_walk_over_parents_leaves(forest: list[Data], data: st.DataObject) -> None:
    at = data.draw(st.lists(st.sampled_from([u["path"] for u in forest]), max_size=9))
    parents = {u["path"].split(".")[-1]: u.get("parentId") for u in forest}
    official = {u["path"].split(".")[-1]: u for u in forest if u.get("official")}
    active = [id for id, u in official.items() if u["active"]]
    going = set(data.draw(st.lists(st.sampled_from(active), unique=True, max_size=5))) if active else set()
    changes = [deactivated(official[id]) for id in sorted(going)]
    rest = [id for id in official if id not in going]
    movers = data.draw(st.lists(st.sampled_from(rest), unique=True, max_size=3)) if rest else []

    def walk(id: Any) -> list[str]:
        found = []
        while id:
            found.append(id)
            id = parents[id]
        return found

    moves = []
    for id in movers:
        to = data.draw(st.sampled_from([*official]))
        if id not in walk(to):
            parents[id] = to
            moves.append(id)
    final = {id: ".".join(reversed(walk(id))) for id in moves}
    changes += [updated(official[id], "move", parentId=parents[id], path=path) for id, path in final.items()]
    expected: dict[str, Counter[str]] = {id: Counter() for id in going}
    things = [(path.split(".")[-1], "members") for path in at]
    things += [(parents[id], OWN) for id in parents if id not in official]
    things += [(parents[id], ACTIVE) for id in active if id not in going]
    for home, name in things:
        if gone := next((id for id in walk(home) if id in going), None):
            expected[gone][name] += 1
    cut = data.draw(st.integers(0, len(changes)))
    found = left(changes[:cut], changes[cut:], documents=stored(*forest, members=map(member, at)))
    assert found == {id: dict(held) for id, held in expected.items() if held}
