from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.core.batch import Status
from penstock.core.changes import Finding
from penstock.core.decisions import Subject, admit, closed, consent, demand_complete, outcome, person, subject_of, verdict, voices
from penstock.core.errors import InvalidInput, Refused
from penstock.core.plan import Batch, Decision
from penstock.core.values import Timestamp

AT = Timestamp(1_790_000_000)


def subject(key: str = "drops/1", **more: Any) -> Subject:
    given: dict[str, Any] = {"entity": "drops", "group": "P1", "action": "UPDATE", "path": f"drops/{key}", "fields": ["pon"]}
    given |= {"findings": []} | more
    return subject_of(key, **given)


def found(rule: str, severity: Any = "blocker", key: str = "drops/1", field: str = "") -> Finding:
    return Finding(rule, severity, key, "P1", "text", "remedy", field)


def said(word: Any = "approve", by: str = "a@x.org", **more: Any) -> Decision:
    return Decision(by, AT, "d", word, **more)


def batch(**more: Any) -> Batch:
    given: dict[str, Any] = {"status": Status.UNDER_REVIEW, "started_by": "schedule", "digest": "d"} | more
    status, started_by = given.pop("status"), given.pop("started_by")
    return Batch("b", "p", "p.t", "sync", status, AT, AT, started_by, **given)


BLOCKED = subject(findings=[found("moved")])
WARNED = subject(findings=[found("moved", "warning")])


@pytest.mark.parametrize(
    ("of", "decision", "expected"),
    [
        (subject(), said(), "approve"),
        (subject(), said("reject"), "reject"),
        (subject(), said("reject", changes={"drops/1": "approve"}), "reject"),
        (WARNED, said(), "approve"),
        (WARNED, said(groups={"rule:moved": "reject"}), "reject"),
        (BLOCKED, said(), None),
        (BLOCKED, said(groups={"entity:drops": "approve"}), None),
        (BLOCKED, said(groups={"rule:moved": "approve"}), "approve"),
        (BLOCKED, said(groups={"rule:other": "approve"}), None),
        (BLOCKED, said(changes={"drops/1": "approve"}), "approve"),
        (BLOCKED, said(groups={"rule:moved": "approve"}, changes={"drops/1": "reject"}), "reject"),
        (BLOCKED, said(groups={"rule:moved": "approve", "group:P1": "reject"}), "reject"),
        (subject(), said(groups={"mass:pon": "reject"}), "reject"),
        (subject(fields=["zone"]), said(groups={"mass:pon": "reject"}), "approve"),
        (subject(), said(groups={"action:UPDATE": "reject"}), "reject"),
        (subject(findings=[found("moved"), found("rivals")]), said(groups={"rule:moved": "approve"}), None),
    ],
)
def test_the_most_particular_word_counts_and_a_blocker_passes_by_its_own_alone(
    of: Subject, decision: Decision, expected: Any
) -> None:
    assert verdict(of, decision) == expected


def test_every_rule_may_be_spoken_of_and_only_what_blocks_asks_for_it() -> None:
    of = subject(findings=[found("moved"), found("rivals", "warning")])
    assert (of.rules, of.blockers) == ({"moved", "rivals"}, {"moved"})
    assert (subject().rules, subject().blockers) == (frozenset(), frozenset())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a@x.org", "A@X.ORG", True),
        ("a+b@x.org", "a@x.org", True),
        (" a@x.org ", "a@x.org", True),
        ("ａ@x.org", "a@x.org", True),
        ("a.b+c@gmail.com", "ab@googlemail.com", True),
        ("a.b@x.org", "ab@x.org", False),
        ("a@x.org", "b@x.org", False),
        ("a@x.org", "a@y.org", False),
        ("schedule", "schedule", True),
    ],
)
def test_one_person_has_one_voice_however_spelled(one: str, other: str, same: bool) -> None:
    assert (person(one) == person(other)) is same


def test_a_person_is_named_by_an_address_that_a_mail_would_reach() -> None:
    assert person(" A.B+c@GoogleMail.com ") == "ab@gmail.com"
    assert person("A.B+c@X.org") == "a.b@x.org"
    assert person("Schedule") == "schedule"


def test_so_many_consents_approve_and_one_refusal_refuses() -> None:
    a, b, no = said(by="a@x.org"), said(by="b@x.org"), said("reject", by="c@x.org")
    assert outcome(subject(), [a], {}, 2) is None
    assert outcome(subject(), [a, said(by="A+x@X.org")], {}, 2) is None
    assert outcome(subject(), [a, b], {}, 2) == "approve"
    assert outcome(subject(), [a, b, no], {}, 2) == "reject"
    assert outcome(BLOCKED, [a], {}, 1) is None  # silence on a blocker is no consent
    assert outcome(BLOCKED, [a, said(by="b@x.org", groups={"rule:moved": "approve"})], {}, 2) is None


def test_a_consent_carried_counts_until_the_same_person_speaks_again() -> None:
    carried: Any = {"b@x.org": {"drops/1": "approve"}}
    assert outcome(subject(), [said()], carried, 2) == "approve"
    assert outcome(subject("drops/2"), [said()], carried, 2) is None
    assert voices(subject("drops/2"), [said()], carried) == {"a@x.org": "approve"}  # the other did not speak of it
    assert outcome(subject(), [said("reject", by="b@x.org")], carried, 1) == "reject"


def test_a_consent_carried_to_a_blocker_does_not_count_and_a_refusal_does() -> None:
    assert outcome(BLOCKED, [], {"b@x.org": {"drops/1": "approve"}}, 1) is None
    assert outcome(BLOCKED, [], {"b@x.org": {"drops/1": "reject"}}, 1) == "reject"


@pytest.mark.parametrize(
    ("held", "by", "why"),
    [
        (batch(status=Status.APPLIED), "a@x.org", "takes no decision"),
        (batch(), "z@x.org", "not an approver"),
        (batch(started_by="A+1@x.org"), "a@x.org", "what they started"),
        (batch(decisions=(said(),)), "A@x.org", "decided on this batch already"),
        (batch(digest="other"), "a@x.org", "changed after this page"),
    ],
)
def test_who_may_not_decide_is_told_why_and_what_to_do(held: Batch, by: str, why: str) -> None:
    with pytest.raises(Refused, match=why) as told:
        admit(held, said(by=by), ["a@x.org", "b@x.org"])
    assert told.value.remedy


def test_an_approver_may_decide_an_open_batch() -> None:
    admit(batch(), said(), ["A@x.org"])


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.UNDER_REVIEW])
def test_no_other_status_takes_a_decision(status: Status) -> None:
    with pytest.raises(Refused):
        admit(batch(status=status), said(), ["a@x.org"])


def test_a_decision_that_is_silent_on_a_blocker_is_incomplete_unless_it_refuses_all() -> None:
    with pytest.raises(InvalidInput, match="1 changes with a blocker"):
        demand_complete([BLOCKED], said())
    demand_complete([BLOCKED], said("reject"))


def test_two_approved_changes_of_one_document_are_refused() -> None:
    rivals = [subject("drops/1", path="drops/1"), subject("drops/1#2", path="drops/1")]
    with pytest.raises(InvalidInput, match="both write drops/1"):
        demand_complete(rivals, said())
    demand_complete(rivals, said(changes={"drops/1#2": "reject"}))


def test_a_child_needs_the_parent_that_this_batch_would_create() -> None:
    parent, child = subject("poles/P1", entity="poles", action="CREATE"), subject("drops/1", parent="poles/P1")
    demand_complete([parent, child], said())
    with pytest.raises(InvalidInput, match="poles/P1 would not be created"):
        demand_complete([child, parent], said(changes={"poles/P1": "reject"}))
    known = subject("poles/P1", entity="poles", action="UPDATE")
    demand_complete([known, child], said(changes={"poles/P1": "reject"}))  # it is there, and stays as it is


def test_a_brake_needs_a_yes_and_a_mass_change_any_word() -> None:
    brake, mass = found("brake", key=""), found("mass_change", key="", field="pon")
    for groups in ({}, {"rule:brake": "reject"}):
        with pytest.raises(InvalidInput, match="held by brake"):
            demand_complete([], said(groups=groups), [brake])
    demand_complete([], said(groups={"rule:brake": "approve"}), [brake])
    for word in ("approve", "reject"):
        demand_complete([], said(groups={"mass:pon": word}), [mass])
    demand_complete([], said("reject"), [brake, mass])


POLE, DROP = "poles/P1", "drops/1"


def new(key: str, parent: str = "") -> Subject:
    return subject(key, action="CREATE", parent=parent)


def gone(key: str, parent: str = "") -> Subject:
    return subject(key, action="DELETE", parent=parent)


@pytest.mark.parametrize(
    ("subjects", "said_of", "follows"),
    [
        ([new(POLE), new(DROP, POLE)], {POLE: "reject"}, {DROP}),
        ([new(POLE), subject(DROP, parent=POLE)], {POLE: "reject"}, {DROP}),
        ([new(DROP, POLE), new(POLE)], {POLE: "reject"}, {DROP}),
        ([new("a/1"), new("b/1", "a/1"), new("c/1", "b/1")], {"a/1": "reject"}, {"b/1", "c/1"}),
        ([new("a/1"), subject("b/1", parent="a/1"), new("c/1", "b/1")], {"a/1": "reject"}, {"b/1"}),  # b is there already
        ([new("a/1"), new("b/1", "a/1"), new("c/1", "b/1")], {"a/1": "reject", "b/1": "approve"}, set()),
        ([new(POLE), new(DROP, POLE)], {POLE: "approve"}, set()),
        ([new(POLE), new(DROP, "poles/P2")], {POLE: "reject"}, set()),
        ([subject(POLE), new(DROP, POLE)], {POLE: "reject"}, set()),
        ([new(POLE), gone(DROP, POLE)], {POLE: "reject"}, set()),
        ([gone(POLE), gone(DROP, POLE)], {DROP: "reject"}, {POLE}),
        ([gone("a/1"), gone("b/1", "a/1"), gone("c/1", "b/1")], {"c/1": "reject"}, {"a/1", "b/1"}),
        ([gone("a/1"), gone("b/1", "a/1"), gone("c/1", "b/1")], {"c/1": "reject", "b/1": "approve"}, set()),
        ([gone("a/1"), gone("a/2"), gone("b/1", "a/1"), gone("b/2", "a/2")], {"b/1": "reject", "b/2": "reject"}, {"a/1", "a/2"}),
        ([gone(POLE), gone(DROP, POLE)], {POLE: "reject"}, set()),
        ([gone(POLE), subject(DROP, parent=POLE)], {DROP: "reject"}, set()),
        ([subject(POLE), gone(DROP, POLE)], {DROP: "reject"}, set()),
    ],
)
def test_what_hangs_on_a_refused_record_is_refused_with_it(subjects: Any, said_of: Any, follows: set[str]) -> None:
    assert closed(subjects, said(changes=said_of)).changes == {**said_of, **dict.fromkeys(follows, "reject")}


def in_tree(step: str, key: str, parent: str = "") -> Subject:
    action = {"create": "CREATE", "remove": "DELETE"}.get(step, "UPDATE")
    return subject(key, entity="units", action=action, parent=parent, step=step)


@pytest.mark.parametrize(
    ("above", "below", "refused", "follows"),
    [
        ("create", "create", "units/a", {"units/b"}),
        ("create", "move", "units/a", {"units/b"}),
        ("create", "restore", "units/a", {"units/b"}),
        ("create", "deactivate", "units/a", set()),
        ("restore", "restore", "units/a", {"units/b"}),
        ("move", "create", "units/a", set()),  # it comes to where the other stays
        ("move", "move", "units/a", set()),
        ("update", "restore", "units/a", set()),
        ("deactivate", "deactivate", "units/b", {"units/a"}),
        ("deactivate", "deactivate", "units/a", set()),
        ("deactivate", "move", "units/b", set()),
        ("remove", "remove", "units/b", {"units/a"}),
    ],
)
def test_in_a_tree_what_comes_needs_what_is_above_it_and_what_goes_what_is_below(
    above: str, below: str, refused: str, follows: set[str]
) -> None:
    subjects = [in_tree(above, "units/a"), in_tree(below, "units/b", "units/a")]
    decision = closed(subjects, said(changes={refused: "reject"}))
    assert decision.changes.keys() == {refused, *follows}
    demand_complete(subjects, decision)
    if follows:
        (other,) = follows
        with pytest.raises(InvalidInput):
            demand_complete(subjects, said(changes={refused: "reject", other: "approve"}))


def test_a_unit_is_not_deactivated_while_one_below_it_is_kept() -> None:
    subjects = [in_tree("deactivate", "units/a"), in_tree("deactivate", "units/b", "units/a")]
    with pytest.raises(InvalidInput, match="units/a: would be deactivated, while units/b"):
        demand_complete(subjects, said(changes={"units/b": "reject"}))


def test_a_word_on_a_group_has_its_consequences_too() -> None:
    subjects = [new(POLE), new(DROP, POLE)]
    word = said(groups={"entity:drops": "approve", "action:CREATE": "reject"})
    assert closed(subjects, word).changes == {}  # both are refused by the word itself
    parted = [subject(POLE, action="CREATE", entity="poles"), new(DROP, POLE)]
    assert closed(parted, said(groups={"entity:poles": "reject"})).changes == {DROP: "reject"}


def test_who_rejects_everything_needs_no_consequences() -> None:
    decision = said("reject")
    assert closed([new(POLE), new(DROP, POLE)], decision) is decision


def test_a_record_is_not_removed_while_one_that_belongs_to_it_is_kept() -> None:
    subjects = [gone(POLE), gone(DROP, POLE)]
    demand_complete(subjects, said())
    with pytest.raises(InvalidInput, match="poles/P1: would be removed, while drops/1, which belongs to it, was to be kept"):
        demand_complete(subjects, said(changes={DROP: "reject", POLE: "approve"}))
    demand_complete(subjects, said(changes={DROP: "reject", POLE: "reject"}))
    demand_complete([subject(POLE), gone(DROP, POLE)], said(changes={DROP: "reject"}))  # it is not to be removed
    demand_complete([gone(POLE), subject(DROP, parent=POLE)], said(changes={DROP: "reject"}))  # the other would stay in any case


def test_what_is_removed_with_its_parent_is_no_orphan_of_it() -> None:
    demand_complete([new(POLE), gone(DROP, POLE)], said(changes={POLE: "reject"}))


def test_a_finding_of_one_change_or_one_that_does_not_block_holds_no_batch() -> None:
    for finding in (found("moved", key=DROP), found("brake", "warning", key="")):
        demand_complete([subject()], said(), [finding])


def test_it_is_told_by_whom_a_batch_was_decided() -> None:
    decided = batch(status=Status.APPROVED, decisions=(said(by="A+x@X.org"),), decided_at=AT)
    with pytest.raises(Refused, match=r"is APPROVED and takes no decision: it was decided by a@x\.org Nothing"):
        admit(decided, said(by="b@x.org"), ["b@x.org"])
    with pytest.raises(Refused, match=r"is EXPIRED and takes no decision Nothing"):
        admit(batch(status=Status.EXPIRED, decisions=(said(),)), said(by="b@x.org"), ["b@x.org"])


def test_a_stranger_among_the_named_changes_is_refused_by_a_short_name() -> None:
    with pytest.raises(InvalidInput) as told:
        demand_complete([subject()], said(changes={"x" * 10_000: "approve"}))
    assert len(str(told.value)) < 500


LABELS = st.sampled_from(["rule:moved", "mass:pon", "entity:drops", "action:UPDATE", "group:P1"])
WORDS = st.sampled_from(["approve", "reject"])
DECISIONS = st.builds(
    said, WORDS, st.sampled_from(["a@x.org", "b@x.org", "A@x.org"]), groups=st.dictionaries(LABELS, WORDS),
    changes=st.dictionaries(st.sampled_from(["drops/1", "drops/2"]), WORDS, max_size=1),
)  # fmt: skip
CARRIED = st.dictionaries(st.just("c@x.org"), st.dictionaries(st.sampled_from(["drops/1"]), WORDS), max_size=1)


@given(st.lists(DECISIONS, max_size=3), CARRIED, st.integers(1, 2), st.sampled_from(["drops/1", "drops/2", "drops/3"]))
def test_the_shortcut_for_what_is_usual_never_says_other_than_the_whole_verdict(
    decisions: list[Decision], carried: Any, needed: int, key: str
) -> None:
    particular = consent(decisions, carried, needed)
    if particular is not None and key not in particular:
        assert outcome(subject(key), decisions, carried, needed) == "approve"


def test_the_shortcut_takes_the_usual_decision() -> None:
    assert consent([said(), said(by="b@x.org")], {}, 2) == frozenset()
    assert consent([said(), said(by="A+x@x.org")], {}, 2) is None
    assert consent([said()], {"c@x.org": {}}, 1) is None
    assert consent([said(), said("reject", by="b@x.org")], {}, 1) is None
    assert consent([said(groups={"rule:moved": "reject"}), said(by="b@x.org", groups={"group:P1": "reject"})], {}, 1) is None
    assert consent([said(groups={"rule:moved": "reject", "mass:pon": "approve"})], {}, 1) == frozenset()
    assert consent([said(changes={"drops/1": "reject"})], {}, 1) == {"drops/1"}
    assert consent([said(groups={"mass:pon": "reject"})], {}, 1) is None
    assert consent([said()], {}, 2) is None
