"""A unit that others hang below is answered by what becomes of them, without a script and for every reader."""

from dataclasses import replace
from typing import Any

import reviews
from penstock.core.changes import Finding
from penstock.core.plan import DEPENDENTS, Decision, Row
from penstock.web import summary, views
from test_views import Page

KEY = "poles/LAW.P.A007"


def found(row: Row) -> Finding:
    change = row.change
    return Finding(DEPENDENTS, "blocker", change.key, change.group, "2 members.", "Choose.", table=(("members", "", 2),))


def page(**form: str) -> tuple[str, Page]:
    row = reviews.moved(7)
    row = replace(row, findings=(found(row),))
    counted = reviews.batch(findings={DEPENDENTS: {"blocker": 1}}, batch_findings=(found(row),), folded=())
    html = views.review_page(
        reviews.review(batch=counted, rows=(row,), blockers=(row,), blockers_total=1, pages=1, form=form), "/r/token"
    )
    return html, Page(html)


def radios(html: Page, name: str) -> list[str]:
    return [a["value"] for a in html.all("input") if a.get("name") == name and a["type"] == "radio"]


def test_each_such_unit_is_kept_taken_with_what_hangs_below_or_that_is_moved() -> None:
    _, html = page()
    assert radios(html, f"choice.{KEY}") == ["", "keep", "cascade", "reassign"]
    assert f"change.{KEY}" not in html.names()  # an approval alone would not be enough


def test_no_answer_for_the_rule_approves_without_a_choice() -> None:
    _, html = page()
    assert radios(html, f"rule.{DEPENDENTS}") == ["cascade", "reject", "each"]


def test_the_choices_are_labelled_and_described() -> None:
    _, html = page()
    told = [a for a in html.all("input") if a.get("name", "").partition(".")[0] in ("choice", "to")]
    assert len(told) == 5
    assert all("labelled" in a or a["id"] in html.labels for a in told)
    other = next(a for a in told if a["type"] == "text")
    assert other["aria-describedby"] in {a.get("id") for _, a in html.elements}
    assert [tag for tag, _ in html.elements].count("script") == 0


def test_a_refused_form_keeps_what_was_chosen() -> None:
    _, html = page(**{f"choice.{KEY}": "reassign", f"to.{KEY}": 'w-12"><b>'})
    (chosen,) = [a for a in html.all("input") if a.get("name") == f"choice.{KEY}" and "checked" in a]
    (other,) = [a for a in html.all("input") if a.get("name") == f"to.{KEY}"]
    assert (chosen["value"], other["value"]) == ("reassign", 'w-12"><b>')


def test_what_was_found_below_units_is_no_mass_change() -> None:
    row = reviews.moved(7)
    assert summary.masses(reviews.batch(batch_findings=(found(row), reviews.MASS))) == [reviews.MASS]


def test_a_decision_shows_what_was_chosen_and_beyond_twenty_how_many_more() -> None:
    choices = {f"poles/{n}": "cascade" for n in range(25)} | {"poles/!<1>": "reassign:w-12"}
    choices = dict(sorted(choices.items()))
    decision = Decision("a@x.org", reviews.NOW, "d", "approve", choices=choices)
    shown: Any = views.review_page(reviews.review(batch=reviews.batch(decisions=(decision,))), "/r/token")
    assert "poles/!&lt;1&gt;</bdi>: what hangs below moves to w-12" in shown
    assert shown.count("what hangs below goes along") == 19
    assert "6 more choices" in shown
