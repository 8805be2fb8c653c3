"""Identity is neither name nor code: what could be another thing under an old code or name is told, and blocks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from penstock.core.changes import Change, Finding
from penstock.core.decisions import subject_of, verdict
from penstock.core.plan import Decision
from penstock.core.rules import code_taken, same_name
from penstock.core.values import Data, Timestamp
from support.geography import PIPELINE, asked_of, created, custom, deactivated, judged, stored, unit, updated, with_rules

NAMES = ("recoded", "code_taken", "same_name", "kind_changed")
RULES = {name: said for name, said in PIPELINE.rules if name in NAMES}
ALL = with_rules(**RULES)
P, A, B, C = unit("p"), unit("p.a"), unit("p.b"), unit("p.c")
NEPAL = stored(P, A, B, C)


def found(documents: dict[str, Data], *packs: list[Change]) -> list[Finding]:
    return judged(ALL, documents, *packs)


def rules_of(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(f.rule, f.key) for f in findings]


def recode(data: Data, code: str | None) -> Change:
    return updated(data, code=code)


def test_a_rename_alone_says_nothing() -> None:
    assert found(NEPAL, [updated(A, names={"en": "Another", "ne": "अर्को"})]) == []


def test_a_first_mirror_says_nothing() -> None:
    assert found({}, [*map(created, (P, A, B, C))]) == []


def test_a_recode_is_told_with_both_codes_and_never_passes_with_the_rest() -> None:
    (told,) = found(NEPAL, [recode(A, "Z9")])
    assert (told.rule, told.severity, told.field) == ("recoded", "blocker", "code")
    assert 'unit a "Unit a" has the code "A" in production and "Z9" in the source' in told.text
    subject = subject_of("units/a", "units", "a", "UPDATE", "geography/a", ["code"], [told])
    assert verdict(subject, Decision("ann@example.org", Timestamp(1), "d", "approve")) is None


def test_a_code_that_fills_a_gap_is_no_recode_and_one_that_is_gone_is() -> None:
    bare = {**A, "code": None}
    assert found(stored(P, bare), [recode(bare, "A9")]) == []
    assert rules_of(found(NEPAL, [recode(A, None)])) == [("recoded", "units/a")]


def test_a_new_unit_with_the_code_of_another_is_told_with_both() -> None:
    (told,) = found(NEPAL, [created(unit("p.d", code="B"))])
    assert (told.rule, told.key, told.severity) == ("code_taken", "units/d", "blocker")
    assert 'unit d "Unit d" takes the code "B", which unit b "Unit b" has and keeps: both would have it' in told.text


@pytest.mark.parametrize(
    ("held", "others", "fate"),
    [
        (B, [deactivated(B)], "has, which goes with this batch"),
        (B, [recode(B, "B2")], 'gives up for "B2" in this batch'),
        ({**B, "active": False}, [], "had, which is not active any more"),
    ],
)
def test_who_had_the_code_is_told_with_what_becomes_of_it_in_whatever_pack(held: Data, others: list[Change], fate: str) -> None:
    for packs in ([[created(unit("p.d", code="B"))], others], [others, [created(unit("p.d", code="B"))]]):
        told = [f for f in found(stored(P, held), *packs) if f.rule == "code_taken"]
        assert [f.key for f in told] == ["units/d"]
        assert f'unit b "Unit b" {fate}.' in told[0].text


def test_a_code_of_another_country_or_level_is_another_code() -> None:
    other = unit("i", country="IN", code="X"), unit("i.j", country="IN", code="D"), unit("q", code="D")
    assert found(stored(P, *other), [created(unit("p.d"))]) == []


def test_a_code_of_the_tenants_own_unit_is_told() -> None:
    own = custom("p.k", code="D")
    (told,) = found(stored(P, own), [created(unit("p.d"))])
    assert "unit k" in told.text


def test_two_that_swap_codes_are_told_as_one_ring_by_name() -> None:
    for packs in ([[recode(A, "B"), recode(B, "A")]], [[recode(A, "B")], [recode(B, "A")]]):
        told = [f for f in found(NEPAL, *packs) if f.rule == "code_taken"]
        assert [f.key for f in told] == ["units/a", "units/b"]
        assert {f.text for f in told} == {
            'Two swap their codes: unit a "Unit a" gives "A" for "B" and unit b "Unit b" gives "B" for "A".'
        }


def test_a_code_handed_on_without_a_ring_names_the_next_alone() -> None:
    told = [f for f in found(NEPAL, [recode(A, "B"), recode(B, "C"), recode(C, "D")]) if f.rule == "code_taken"]
    assert [f.key for f in told] == ["units/a", "units/b"]
    assert 'which unit c "Unit c" gives up for "D" in this batch' in told[1].text


@given(st.permutations(range(9)), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_every_ring_of_codes_is_found_whatever_the_packs(to: list[int], size: int) -> None:
    units = [unit(f"p.u{n}") for n in range(9)]
    changes = [recode(units[n], units[to[n]]["code"]) for n in range(9) if to[n] != n]
    packs = [changes[n : n + size] for n in range(0, len(changes), size)]
    told = {f.key: f.text for f in found(stored(P, *units), *packs) if f.rule == "code_taken"}
    assert set(told) == {change.key for change in changes}
    for n in range(9):
        ring, here = [n], to[n]
        while here != n:
            ring.append(here)
            here = to[here]
        if len(ring) > 1:
            named = {f"units/u{m}" for m in ring}
            assert {told[key] for key in named} == {told[f"units/u{n}"]}
            assert all(f"unit u{m} " in told[f"units/u{n}"] for m in ring[:7] if len(ring) <= 8)
            assert ("Two swap" if len(ring) == 2 else f"The codes of {len(ring)} go round") in told[f"units/u{n}"]


def test_thirty_codes_are_asked_for_at_once() -> None:
    asked = asked_of(with_rules(code_taken=RULES["code_taken"]), {}, *(created(unit(f"p.u{n}")) for n in range(60)))
    assert len(asked) == 2


def test_of_very_many_the_first_are_told_and_the_batch_is_held_for_the_rest() -> None:
    many = code_taken.TOLD + 5
    units = [unit(f"p.u{n}") for n in range(many)]
    told = found(stored(P, *units), [recode(units[n], units[(n + 1) % many]["code"]) for n in range(many)])
    of_rule = [f for f in told if f.rule == "code_taken"]
    assert len(of_rule) == many - 5 + 1
    assert (of_rule[-1].key, of_rule[-1].severity) == ("", "blocker")
    assert len([f for f in told if f.rule == "recoded"]) == many


def test_a_code_whose_holders_are_too_many_to_look_at_is_told_without_them() -> None:
    many = [unit(f"p.h{n:03}", code="X") for n in range(code_taken._MOST)]
    told = found(stored(P, *many, unit("p.z", code="Y")), [created(unit("p.d", code="X")), created(unit("p.e", code="Y"))])
    assert rules_of(told) == [("code_taken", "units/d"), ("code_taken", "units/e")]
    assert 'takes the code "Y"; so many have it, or one like it, that a code tells nothing here.' in told[1].text


def test_a_new_unit_beside_one_of_its_name_is_told() -> None:
    (told,) = found(NEPAL, [created(unit("p.d", names={"en": "UNIT  Á"}))])
    assert (told.rule, told.key, told.severity) == ("same_name", "units/d", "blocker")
    assert 'unit d "UNIT  Á" (D) would stand beside unit a "Unit a" (A): the same name.' in told.text


def test_the_same_name_and_another_type_is_told_with_both_types() -> None:
    (told,) = found(NEPAL, [created(unit("p.d", names={"en": "Unit a"}, type="city"))])
    assert 'unit a "Unit a" (A), of type "type 2" and not "city"' in told.text


def test_a_unit_that_goes_while_another_of_its_name_comes_is_told_in_whatever_pack() -> None:
    come, go = [created(unit("p.d", names={"en": "Unit a"}))], [deactivated(A)]
    for packs in ([come, go], [go, come], [come + go]):
        (told,) = [f for f in found(NEPAL, *packs) if f.rule == "same_name"]
        assert told.key == "units/d"
        assert 'unit a "Unit a" (A), which goes with this batch' in told.text


def test_two_that_come_with_one_name_are_told_both() -> None:
    new = [created(unit("p.d", names={"en": "Two"})), created(unit("p.e", names={"en": "two"}, type="city"))]
    told = found(NEPAL, [new[0]], [new[1]])
    assert rules_of(told) == [("same_name", "units/d"), ("same_name", "units/e")]
    assert 'which comes with this batch, of type "city" and not "type 2"' in told[0].text


def test_of_very_many_of_the_same_name_the_first_are_told_and_the_batch_is_held_for_the_rest() -> None:
    many = same_name.TOLD + 5
    new = [created(unit(f"p.v{n}", names={"en": f"Unit u{n}"})) for n in range(many)]
    told = found(stored(P, *(unit(f"p.u{n}") for n in range(many))), new)
    assert {f.rule for f in told} == {"same_name"}
    assert len(told) == same_name.TOLD + 1
    assert (told[-1].key, told[-1].severity) == ("", "blocker")
    assert f"{many} records would stand beside another of the same name" in told[-1].text


def test_who_comes_where_more_units_stand_than_are_looked_at_is_told_so() -> None:
    held = stored(P, *(unit(f"p.u{n}") for n in range(same_name._MOST)))
    (told,) = found(held, [created(unit("p.new"))])
    assert (told.rule, told.key, told.severity) == ("same_name", "", "warning")
    assert "names were compared with that many of them alone" in told.text


def test_the_same_name_elsewhere_or_in_a_new_place_is_nothing() -> None:
    elsewhere = [created(unit("q")), created(unit("q.x", names={"en": "Unit a"}))]
    assert found(NEPAL, elsewhere) == []
    assert found(NEPAL, [created(unit("p.b.x", names={"en": "Unit a"}))]) == []


def test_roots_of_one_country_are_compared() -> None:
    twin = unit("q", names={"en": "Unit p"})
    assert rules_of(found(NEPAL, [created(twin)])) == [("same_name", "units/q")]
    assert found(NEPAL, [created({**twin, "country": "IN"})]) == []


def test_the_tenants_own_unit_of_the_name_is_told_as_its_own() -> None:
    (told,) = found(stored(P, custom("p.k", names={"en": "Ward 5"})), [created(unit("p.d", names={"en": "Ward 5"}))])
    assert "the target's own unit k" in told.text


def test_a_unit_renamed_or_moved_to_where_its_name_is_told_and_one_that_has_it_there_is_not() -> None:
    assert rules_of(found(NEPAL, [updated(A, names={"en": "Unit b"})])) == [("same_name", "units/a")]
    there = unit("q.x", names={"en": "Unit a"})
    moved = updated(A, "move", parentId="q", landlordParent="q", path="q.a")
    assert rules_of(found(stored(P, A, unit("q"), there), [moved])) == [("same_name", "units/a")]
    twins = stored(P, A, {**B, "names": {"en": "Unit a"}})
    assert found(twins, [updated(A, names={"en": "Unit a", "ne": "क"})]) == []


def test_two_that_swap_their_names_are_told() -> None:
    told = found(NEPAL, [updated(A, names={"en": "Unit b"})], [updated(B, names={"en": "Unit a"})])
    assert rules_of(told) == [("same_name", "units/a"), ("same_name", "units/b")]
    assert "which gets another name or place with this batch" in told[0].text


@given(st.lists(st.tuples(st.sampled_from("pqr"), st.sampled_from("ABC"), st.booleans()), max_size=9), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_whoever_comes_beside_its_name_is_told_and_nobody_else(drawn: list[tuple[str, str, bool]], size: int) -> None:
    """Each of `drawn`: what it stands below, its name, whether it is there already."""
    units = [unit(f"{above}.u{n}", names={"en": name}) for n, (above, name, _) in enumerate(drawn)]
    held = [u for u, (*_, there) in zip(units, drawn, strict=True) if there]
    coming = [created(u) for u, (*_, there) in zip(units, drawn, strict=True) if not there]
    packs = [coming[n : n + size] for n in range(0, len(coming), size)]
    told = {f.key for f in found(stored(*map(unit, "pqr"), *held), *packs) if f.rule == "same_name"}
    sides = [(above, name) for above, name, _ in drawn]
    assert told == {f"units/u{n}" for n, (*side, there) in enumerate(drawn) if not there and sides.count((side[0], side[1])) > 1}


def test_vowel_signs_tell_names_apart() -> None:
    assert found(stored(P, {**A, "names": {"ne": "सिमल"}}), [created(unit("p.d", names={"ne": "समल"}))]) == []


@pytest.mark.parametrize(
    ("after", "words"), [({"type": "city"}, '"type 2" in production and "city"'), ({"level": 3}, "2 in production and 3")]
)
def test_another_type_or_level_is_told_with_both(after: dict[str, Any], words: str) -> None:
    (told,) = found(NEPAL, [updated(A, **after)])
    assert (told.rule, told.severity) == ("kind_changed", "blocker")
    assert words in told.text


def test_a_type_that_is_spelled_otherwise_is_the_same() -> None:
    assert found(NEPAL, [updated(A, type="TYPE 2")]) == []


def test_siblings_of_ten_parents_are_asked_for_at_once_and_those_below_a_new_unit_not_at_all() -> None:
    pipeline = with_rules(same_name=RULES["same_name"])
    towns = [created(unit(f"p.u{n}.x")) for n in range(20)]
    assert len(asked_of(pipeline, {}, *towns)) == 2
    assert len(asked_of(pipeline, {}, created(P), created(A), created(unit("p.a.x")))) == 1
