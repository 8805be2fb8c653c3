from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from fibre_records import APPROVED, PIPELINE, document, drop, planned, pole, project, record, stands
from penstock.core import rules
from penstock.core.changes import Action
from penstock.core.diff import content_fingerprint
from penstock.core.rules import RULES, Count, Find, Get, Judging, Named, judge
from penstock.core.rules.base import View
from support import geography

INSTALLED = "Home Installation: Installed"


def findings(changes, production=None, counts=None, rule=None, prefix=""):
    """What the pack's rules say; production documents by path, and children in production by parent."""
    judging = Judging(PIPELINE, prefix, changes)
    while asked := judging.asks():
        for question in asked:
            if isinstance(question, Get):
                judging.found[question] = stands(question.path, (production or {}).get(question.path))
            else:
                among = question.value if isinstance(question.value, tuple) else (question.value,)
                judging.found[question] = sum((counts or {}).get(parent, 0) for parent in among)
    return [f for f in judging.check() if rule is None or f.rule == rule]


def asks(changes, prefix=""):
    """What rules ask of production first."""
    return Judging(PIPELINE, prefix, changes).asks()


def gather(changes):
    """The sums of one pack, whatever is asked being nothing."""
    judging = Judging(PIPELINE, "", changes)
    judging.found |= {a: stands(a.path, None) if isinstance(a, Get) else 0 for a in judging.asks()}
    return judging.gather()


def only(found):
    assert len(found) == 1, found
    return found[0]


def group(*records, **drop_facts):
    """All changes of a group that production knows nothing of."""
    return [planned(p, None, **(drop_facts if p.entity == "drops" else {})) for p in project(*records).projected]


def test_an_ordinary_new_pole_with_its_drop_raises_nothing():
    assert findings(group(record())) == []


def test_a_pole_under_another_document_id_is_told():
    held = document(pole(record())) | {"ponNumber": "9"}
    found = only(findings([planned(pole(record()), held, matched_by="key")], rule="exists_elsewhere"))
    assert found.severity == "warning"
    assert "planned-poles/LAW.P.A007" in found.text


def test_a_new_pole_that_production_spells_otherwise_is_a_blocker():
    found = only(findings([planned(pole(record()), None, near="planned-poles/law.p.a007")], rule="exists_elsewhere"))
    assert found.severity == "blocker"
    assert '"LAW.P.A007"' in found.text
    assert "planned-poles/law.p.a007" in found.text


def test_different_values_are_told_with_both_and_a_filled_gap_is_not():
    held = document(pole(record())) | {"ponNumber": "9", "zoneNumber": ""}
    found = only(findings([planned(pole(record()), held)], rule="different_values"))
    assert (found.severity, found.field) == ("warning", "ponNumber")
    assert '"9"' in found.text
    assert '"4"' in found.text


def test_a_drop_on_a_pole_that_nobody_has_is_a_blocker():
    changes = [planned(drop(record(Pole_Number="to be advised")), None)]
    found = only(findings(changes, rule="child_without_parent"))
    assert (found.severity, found.key) == ("blocker", "drops/DR1700001")
    assert '"to be advised"' in found.text


def test_a_drop_is_at_home_on_a_pole_of_production_of_its_pack_or_seen_at_capture():
    alone = [planned(drop(record()), None)]
    assert findings(alone, {"planned-poles/LAW.P.A007": {"poleNumber": "LAW.P.A007"}}, rule="child_without_parent") == []
    assert asks(alone, "t/")[0] == Get("t/planned-poles/LAW.P.A007")
    for changes in (group(record()), [planned(drop(record()), None, parent_exists=True)]):
        assert not any(isinstance(asked, Get) for asked in asks(changes))
        assert findings(changes, rule="child_without_parent") == []


def test_a_drop_whose_pole_goes_with_this_pack_has_no_parent():
    going, coming = group(record())
    going = going._replace(action=Action.DELETE, before=going.after, after=None)
    assert only(findings([going, coming], rule="child_without_parent")).key == coming.key


def drops_on_one_pole(many):
    return group(*(record(str(n), Drop_Number=f"DR{1_700_000 + n}") for n in range(many)))


NEW_AND_HELD = [
    (9, 0, None), (10, 0, "warning"), (12, 0, "warning"), (13, 0, "blocker"),
    (1, 8, None), (1, 9, "warning"), (1, 12, "blocker"), (3, 10, "blocker"),
]  # fmt: skip


@pytest.mark.parametrize(("new", "held", "severity"), NEW_AND_HELD)
def test_production_and_batch_together_must_not_fill_a_pole(new, held, severity):
    found = findings(drops_on_one_pole(new), counts={"LAW.P.A007": held}, rule="too_many_children")
    assert [f.severity for f in found] == ([severity] if severity else [])
    for f in found:
        assert f.key == "poles/LAW.P.A007"
        assert f"{held} in production and {new} new" in f.text


def test_several_records_of_one_drop_are_one_drop():
    rows = [record(str(n), Drop_Number=f"DR{1_700_000 + n % 9}") for n in range(30)]
    assert findings(group(*rows), rule="too_many_children") == []


def test_a_full_pole_without_a_change_of_its_own_is_told_on_its_first_drop():
    drops = [c for c in drops_on_one_pole(13) if c.entity == "drops"]
    assert only(findings(drops, rule="too_many_children")).key == drops[0].key


def test_a_pole_that_gains_no_drop_is_not_counted():
    held = document(drop(record()))
    changes = [planned(drop(record(Status="Built")), held)]
    assert not any(isinstance(asked, Count) for asked in asks(changes))


def test_thirty_poles_are_counted_with_one_question_and_a_full_one_is_still_found():
    changes = [
        c for n in range(40) for c in group(record(str(n), Pole_Number=f"LAW.P.B{n:03d}", Drop_Number=f"DR{1_800_000 + n}"))
    ]
    judging = Judging(PIPELINE, "", changes)
    first = [asked for asked in judging.asks() if isinstance(asked, Count)]
    assert [len(asked.value) for asked in first] == [30, 10]
    judging.found |= dict.fromkeys(first, 0)
    assert judging.asks() == []
    found = only(findings(changes, counts={"LAW.P.B035": 12}, rule="too_many_children"))
    assert (found.severity, found.key) == ("blocker", "poles/LAW.P.B035")


def test_judging_without_the_answers_is_refused():
    judging = Judging(PIPELINE, "", group(record()))
    for judge_it in (judging.check, judging.gather):
        with pytest.raises(ValueError, match="have no answer"):
            judge_it()


class Unseen(dict):
    """Answers that nobody may look at."""

    def _looked(self, *_):
        raise AssertionError("an answer was looked at")

    __getitem__ = __contains__ = get = items = _looked


def test_rules_that_do_not_ask_further_look_at_no_answer_to_ask():
    far = planned(pole(record(Latitude="-26.3884")), document(pole(record())))
    fibre = [far, planned(drop(record(Pole_Number="LAW.P.A099")), None)]
    going = planned(pole(record("2", Pole_Number="LAW.P.A006")), None)._replace(action=Action.DELETE, after=None)
    unit = geography.unit
    units = [
        geography.created(unit("p.d")),
        geography.updated(unit("p.a"), code="B", names={"en": "Another"}),
        geography.updated(unit("p.b"), "move", parentId="q", path="q.b"),
        geography.deactivated(unit("p.c")),
    ]
    asked = set()
    for pipeline, changes in ((PIPELINE, fibre), (PIPELINE, [going]), (geography.PIPELINE, units)):
        view = View(pipeline, "", Unseen({"any": 0}), {c.path: c for c in changes})
        for name, settings in (*pipeline.rules, ("removal", None)):
            if not RULES[name].further and list(RULES[name].lookups(view, settings, changes)):
                asked.add(name)
    assert asked == {"child_without_parent", "moved", "removal", "code_taken", "same_name", "lineage"}


def test_once_something_is_answered_only_who_asks_further_is_asked(monkeypatch):
    calls = Counter()
    for name, rule in RULES.items():
        told = replace(rule, lookups=lambda *given, rule=rule: (calls.update([rule.name]), rule.lookups(*given))[1])
        monkeypatch.setitem(rules.RULES, name, told)
    change = geography.updated(geography.unit("p.a"), "move", parentId="q", path="q.a", code="B")
    judging = Judging(geography.PIPELINE, "", [change])
    asked = judging.asks()
    counts = [a for a in asked if not isinstance(a, Find | Named)]
    rest = [a for a in asked if a not in counts]
    assert counts
    assert rest
    judging.found |= dict.fromkeys(counts, 0)
    assert judging.asks() == rest
    with pytest.raises(ValueError, match="have no answer"):
        judging.check()
    judging.found |= dict.fromkeys(rest, ())
    assert judging.asks() == []
    assert judging.check()
    assert {name for name, many in calls.items() if many > 1} == {"dependents", "impact"}


def test_a_parent_that_may_be_full_is_asked_about_by_itself_before_anything_is_judged():
    judging = Judging(PIPELINE, "", drops_on_one_pole(13))
    judging.found |= {a: 1 if isinstance(a, Count) else stands(a.path, None) for a in judging.asks()}
    with pytest.raises(ValueError, match="have no answer"):
        judging.check()
    judging.found |= dict.fromkeys(judging.asks(), 1)
    assert "too_many_children" in {f.rule for f in judging.check()}


def test_a_drop_that_changes_its_pole_is_told():
    held = document(drop(record())) | {"poleNumber": "LAW.P.A001"}
    found = only(findings([planned(drop(record()), held, parent_exists=True)], rule="child_moves"))
    assert '"LAW.P.A001"' in found.text
    assert '"LAW.P.A007"' in found.text


def test_one_drop_on_two_poles_blocks_both_claims_across_packs():
    one = group(record("1"))
    other = group(record("2", Pole_Number="LAW.P.A009"), claim=2)
    judged = judge(PIPELINE, [gather(one), gather(other)], {"poles": 10, "drops": 10})
    assert [(f.key, f.group, f.severity) for f in judged.findings] == [
        ("drops/DR1700001", "LAW.P.A007", "blocker"),
        ("drops/DR1700001#2", "LAW.P.A009", "blocker"),
    ]
    assert "LAW.P.A009" in judged.findings[0].text


def test_a_claim_on_a_record_that_another_pole_keeps_is_a_rival_too():
    held = document(drop(record())) | {"poleNumber": "LAW.P.A001"}
    claim = planned(drop(record()), held, rival_of="LAW.P.A001", claim=2)
    assert [f.key for f in judge(PIPELINE, [gather([claim])], {}).findings] == ["drops/DR1700001#2"]


def test_two_groups_that_spell_one_pole_alike_are_rivals():
    one, other = planned(pole(record()), None), planned(pole(record("2", Pole_Number="LAW.P.A007 ")), None, claim=2)
    assert len(judge(PIPELINE, [gather([one, other])], {}).findings) == 2


def test_records_that_disagree_or_lie_far_apart_are_told():
    far = pole(record("1"), record("2", Latitude="-26.3794", PONs="5"))
    found = findings([planned(far, None)], rule="records_disagree")
    assert [(f.field, f.severity) for f in found] == [("", "warning"), ("ponNumber", "warning")]
    assert "101 m" in found[0].text
    assert '"4" and "5"' in found[1].text
    near = pole(record("1"), record("2", Latitude="-26.3786"))
    assert findings([planned(near, None)], rule="records_disagree") == []


@pytest.mark.parametrize(("latitude", "told"), [("-26.378600", False), ("-26.378630", True)])
def test_a_pole_is_told_as_moved_from_fifteen_metres_on(latitude, told):
    change = planned(pole(record(Latitude=latitude)), document(pole(record())))
    assert bool(findings([change], rule="moved")) is told
    assert asks([change]) == []  # not far enough to look at the neighbours


def test_a_pole_far_from_both_neighbours_is_a_blocker_and_one_in_line_with_them_is_not():
    change = planned(pole(record(Latitude="-26.3884")), document(pole(record())))
    assert asks([change]) == [Get("planned-poles/LAW.P.A006"), Get("planned-poles/LAW.P.A008")]
    where = {"location": {"latitude": -26.3785, "longitude": 28.8083}}
    neighbours = {"planned-poles/LAW.P.A006": where, "planned-poles/LAW.P.A008": where}
    astray = only(findings([change], neighbours, rule="moved"))
    assert astray.severity == "blocker"
    assert "LAW.P.A006 is 7.5 m from the old place and 1.1 km from the new one" in astray.text
    neighbours["planned-poles/LAW.P.A008"] = {"location": {"latitude": -26.3883, "longitude": 28.8083}}
    assert only(findings([change], neighbours, rule="moved")).severity == "warning"
    assert only(findings([change], {}, rule="moved")).severity == "warning"


def test_a_far_move_towards_the_neighbours_is_a_warning():
    held = document(pole(record(Latitude="-26.4884")))
    change = planned(pole(record(Latitude="-26.3884")), held)
    where = {"location": {"latitude": -26.3785, "longitude": 28.8083}}
    assert only(findings([change], {"planned-poles/LAW.P.A006": where}, rule="moved")).severity == "warning"


def test_a_neighbour_that_goes_with_this_pack_is_none():
    change = planned(pole(record(Latitude="-26.3884")), document(pole(record())))
    stays = planned(pole(record("2", Pole_Number="LAW.P.A006")), None)
    going = stays._replace(action=Action.DELETE, before=stays.after, after=None)
    assert only(findings([change, stays], rule="moved")).severity == "blocker"
    assert only(findings([change, going], rule="moved")).severity == "warning"


def test_a_neighbour_in_the_pack_counts_where_it_will_stand():
    change = planned(pole(record(Latitude="-26.3884")), document(pole(record())))
    beside = [planned(pole(record("2", Pole_Number=f"LAW.P.A00{n}", Latitude="-26.3885")), None) for n in (6, 8)]
    assert not any(isinstance(a, Get) for a in asks([change, *beside]))
    assert only(findings([change, *beside], rule="moved")).severity == "warning"


def test_a_pole_without_a_place_cannot_be_created_unseen_and_is_told_once():
    found = only(findings([planned(pole(record(Latitude="", Longitude="")), None)], rule="required"))
    assert found.severity == "blocker"
    assert "location latitude and location longitude" in found.text


def test_what_production_has_is_not_missing_in_an_update():
    held = document(pole(record()))
    news = pole(record(Latitude="", Longitude="", PONs="5"))
    assert findings([planned(news, held)], rule="required") == []
    del held["location"]
    assert only(findings([planned(news, held)], rule="required")).severity == "warning"


def test_a_status_that_goes_back_is_told_and_one_that_goes_on_is_not():
    back = planned(pole(record(Status=APPROVED)), document(pole(record())) | {"importStatus": INSTALLED})
    found = only(findings([back], rule="status_backwards"))
    assert INSTALLED in found.text
    assert APPROVED in found.text
    on = planned(pole(record(Status=INSTALLED)), document(pole(record())))
    unknown = planned(pole(record(Status="Something new")), document(pole(record())))
    assert findings([on, unknown], rule="status_backwards") == []


def test_an_edit_by_hand_is_told_with_what_would_be_replaced():
    held = document(pole(record()))
    held["penstock"] = {"content": content_fingerprint(PIPELINE.entity("poles"), held)}
    held["workflowGroup"] = "Checked on site"
    found = only(findings([planned(pole(record()), held)], rule="edited_by_hand"))
    assert found.severity == "warning"
    assert '"Checked on site"' in found.text
    assert APPROVED in found.text


def test_an_unreadable_value_is_told_by_its_shape_alone():
    found = only(findings([planned(pole(record(Latitude="Thabo 82")), None)], rule="unconvertible"))
    assert found.field == "location.latitude"
    assert "Aaaaa 99" in found.text
    assert "Thabo" not in found.text + found.remedy


def renumbered(many):
    changes = []
    for n in range(many):
        new = pole(record(str(n), Pole_Number=f"LAW.P.C{n:03d}", PONs=str(500 + n % 60)))
        changes.append(planned(new, document(new) | {"ponNumber": str(n % 60)}))
    return changes


def test_a_mass_change_is_one_finding_with_a_table_and_folds_its_field():
    changes = renumbered(300)
    judged = judge(PIPELINE, [gather(changes[:100]), gather(changes[100:])], {"poles": 5000})
    found = only(judged.findings)
    assert (found.rule, found.severity, found.key, found.field) == ("mass_change", "blocker", "", "ponNumber")
    assert judged.folded == ("ponNumber",)
    assert found.table[0] == ('"0"', '"500"', 5)
    assert len(found.table) == 51
    assert found.table[-1] == ("10 other values", "", 50)
    assert sum(row[2] for row in found.table) == 300


def test_few_changes_or_a_small_share_are_no_mass_change():
    changes = renumbered(300)
    assert judge(PIPELINE, [gather(changes)], {"poles": 6001}).findings == ()
    assert judge(PIPELINE, [gather(changes[:249])], {"poles": 300}).findings == ()


def test_every_rule_of_the_registry_is_filed_under_its_own_name():
    assert {name: rule.name for name, rule in RULES.items()} == {name: name for name in RULES}
    assert set(RULES) == {file.stem for file in Path(rules.__file__).parent.glob("*.py")} - {"__init__", "base", "standing"}
