from __future__ import annotations

from typing import Any

import pytest
from penstock.core import choices
from penstock.core.changes import Finding
from penstock.core.choices import ACTIVE, CASCADE, EACH, asked, chosen, demand, other_of, parse, reassign, spread
from penstock.core.decisions import Subject, closed, demand_complete, outcome, subject_of, verdict
from penstock.core.errors import InvalidInput
from penstock.core.plan import DEPENDENTS, Decision
from penstock.core.values import Timestamp

AT = Timestamp(1_790_000_000)


def found(key: str, severity: Any = "blocker", active: int = 0, rule: str = DEPENDENTS) -> Finding:
    table = (("members", "", 2), (ACTIVE, "", active)) if active else (("members", "", 2),)
    return Finding(rule, severity, key, key, f"2 members belong to {key}.", "remedy", table=table)


def unit(key: str, *findings: Finding, parent: str = "", action: str = "UPDATE") -> Subject:
    return subject_of(key, "units", key, action, f"geography/{key}", ["active"], findings, parent)


def said(by: str = "a@x.org", **more: Any) -> Decision:
    return Decision(by, AT, "d", "approve", **more)


HELD = unit("units/a", found("units/a"))
ASKED = asked([found("units/a")])


def test_a_choice_is_what_it_says_and_nothing_else_is_one() -> None:
    assert parse("cascade") == CASCADE
    assert parse("reassign: w-12 ") == reassign("w-12")
    assert (other_of(CASCADE), other_of(reassign("w-12"))) == (None, "w-12")
    for text in ("", "reassign:", "reassign:  ", "approve", "Cascade"):
        with pytest.raises(InvalidInput, match="choice"):
            parse(text)


def test_only_a_blocker_asks_for_a_choice() -> None:
    others = [found("units/b", "warning"), found("units/c", rule="moved")]
    assert list(asked([found("units/a"), *others])) == ["units/a"]


def test_a_choice_approves_its_change_in_spite_of_the_blocker() -> None:
    decision = spread([HELD], ASKED, said(choices={"units/a": CASCADE}))
    assert verdict(HELD, decision) == "approve"
    assert outcome(HELD, [decision], {}, 1) == "approve"
    demand_complete([HELD], decision)
    assert demand(ASKED, {"units/a"}, decision) == decision


@pytest.mark.parametrize("more", [{"changes": {"units/a": "approve"}}, {"groups": {f"rule:{DEPENDENTS}": "approve"}}])
def test_an_approval_without_a_choice_is_refused(more: Any) -> None:
    decision = spread([HELD], ASKED, said(**more))
    assert verdict(HELD, decision) == "approve"
    with pytest.raises(InvalidInput, match=r"units/a.*2 members.*choose") as refused:
        demand(ASKED, {"units/a"}, decision)
    assert "Nothing was decided" in refused.value.remedy


def test_to_keep_a_unit_needs_no_choice() -> None:
    decision = spread([HELD], ASKED, said(changes={"units/a": "reject"}))
    assert verdict(HELD, decision) == "reject"
    assert demand(ASKED, set(), decision) == decision


def test_a_unit_is_kept_or_goes_and_not_both() -> None:
    with pytest.raises(InvalidInput, match=r"units/a.*to be kept"):
        spread([HELD], ASKED, said(changes={"units/a": "reject"}, choices={"units/a": CASCADE}))


def test_a_choice_for_what_needs_none_is_refused() -> None:
    plain = unit("units/b")
    decision = spread([HELD, plain], ASKED, said(choices={"units/b": CASCADE, "units/a": CASCADE}))
    with pytest.raises(InvalidInput, match=r"units/b.*nothing hangs below"):
        demand(ASKED, {"units/a", "units/b"}, decision)


def test_one_choice_for_each_speaks_for_those_without_a_word_of_their_own() -> None:
    keys = ["units/a", "units/b", "units/c", "units/d", "units/f"]
    of = [unit(key, found(key)) for key in keys] + [unit("units/e")]
    given = said(
        choices={EACH: CASCADE, "units/b": reassign("x")},
        changes={"units/c": "reject", "units/f": "approve"},
        groups={"group:units/d": "reject"},
    )
    decision = spread(of, asked([found(key) for key in keys]), given)
    assert decision.choices == {"units/a": CASCADE, "units/b": reassign("x")}
    assert decision.changes == {"units/b": "approve", "units/c": "reject", "units/f": "approve"}


def test_one_choice_for_each_answers_the_blocker_of_those_it_is_for_and_of_nobody_else() -> None:
    other = unit("units/b", found("units/b"))
    decision = spread([HELD], ASKED, said(choices={EACH: CASCADE}))
    assert (verdict(HELD, decision), verdict(other, decision)) == ("approve", None)


def test_one_choice_for_each_answers_no_other_blocker() -> None:
    both = unit("units/a", found("units/a"), found("units/a", rule="edited_by_hand"))
    decision = spread([both], ASKED, said(choices={EACH: CASCADE}))
    assert verdict(both, decision) is None
    assert verdict(both, spread([both], ASKED, said(choices={"units/a": CASCADE}))) == "approve"


def test_what_follows_from_a_refusal_takes_its_choice_with_it() -> None:
    removal = unit("units/a", found("units/a"), action="DELETE")
    below = unit("units/b", parent="units/a", action="DELETE")
    given = spread([removal, below], ASKED, said(choices={EACH: CASCADE}, changes={"units/b": "reject"}))
    decision = closed([removal, below], given)
    assert verdict(removal, decision) == "reject"
    assert demand(ASKED, set(), decision).choices == {}


def test_units_that_would_stay_below_cannot_be_moved_with_what_is_not_official() -> None:
    decision = said(choices={"units/a": reassign("x")}, changes={"units/a": "approve"})
    with pytest.raises(InvalidInput, match="3 active units"):
        demand(asked([found("units/a", active=3)]), {"units/a"}, decision)
    demand(asked([found("units/a", active=3)]), {"units/a"}, said(choices={"units/a": CASCADE}))


def test_several_people_choose_alike() -> None:
    first = said("b@x.org", choices={"units/a": CASCADE})
    demand(ASKED, {"units/a"}, said(choices={"units/a": CASCADE}), [first])
    with pytest.raises(InvalidInput, match=r"b@x.org with another choice: cascade"):
        demand(ASKED, {"units/a"}, said(choices={"units/a": reassign("x")}), [first])
    demand(ASKED, set(), said(changes={"units/a": "reject"}), [first])
    demand(ASKED, {"units/a"}, said(choices={"units/a": CASCADE}), [said("c@x.org", changes={"units/a": "reject"})])


def test_what_was_chosen_is_what_those_who_approved_said() -> None:
    refusal = Decision("c@x.org", AT, "d", "reject", choices={"units/a": reassign("y")})
    assert chosen([said(choices={"units/a": CASCADE}), refusal]) == {"units/a": CASCADE}
    assert choices.active_below(found("units/a", active=3)) == 3
