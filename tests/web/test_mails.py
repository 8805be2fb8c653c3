"""Mails: enough to know whether to open the page, and nothing that decides."""

from dataclasses import replace
from typing import Any

import pytest
import reviews
from penstock.core.changes import Finding
from penstock.core.errors import InvalidInput
from penstock.core.tree_plan import told
from penstock.web.pages import WebPages

LINK = "https://review.example.com/r/abcdef"


def review_mail(kind: str = "review", **facts: Any) -> tuple[str, str, str]:
    given = {
        "batch": reviews.batch(),
        "title": "Fibre network",
        "link": LINK,
        "code": "K7M2QX",
        "recipient": "thandi@example.com",
        "expires": reviews.batch().expires_at,
    }
    return WebPages().mail(kind, {**given, **facts})


def test_it_says_what_how_much_until_when_and_what_happens_otherwise() -> None:
    subject, text, html = review_mail()
    assert (
        subject
        == "To decide: Fibre network, 1,204 changes: 212 poles to create, 843 poles to update, 149 drops to create (fibreflow)"
    )
    for part in (
        "12 blockers need a word each",
        "ponNumber changes in 843 of 1,204 records",
        "moved: 8 blockers",
        "9 Mar 2026, 00:05 UTC",
        "nothing is changed and the batch expires",
        "thandi@example.com",
        "K7M2QX",
    ):
        assert part in text
        assert part in html


def test_the_code_stands_beside_the_link_and_never_in_it() -> None:
    _, text, html = review_mail()
    (line,) = (line for line in text.splitlines() if LINK in line)
    assert "K7M2QX" not in line
    assert html.count(f'href="{LINK}"') == 1
    assert html.count("href=") == 1
    assert text.count("K7M2QX") == html.count("K7M2QX") == 1


def test_a_locked_link_is_explained() -> None:
    subject, text, html = review_mail("locked")
    assert subject.startswith("New link: ")
    assert "locked after too many wrong codes" in text
    assert "locked after too many wrong codes" in html
    assert "locked" not in review_mail()[1]


def test_worst_findings_of_changes_come_first_and_are_few() -> None:
    worst = [finding for row in (*reviews.blockers(), *(reviews.moved(n) for n in range(20, 40))) for finding in row.findings]
    _, text, _ = review_mail(worst=worst)
    told = [line for line in text.splitlines() if line.startswith("- blocker")]
    assert len(told) == 8


def test_line_breaks_cannot_enter_the_subject() -> None:
    subject, _, _ = review_mail(title="Fibre\r\nBcc: everyone@example.com\u2028x", batch=reviews.batch(target="a\nb" * 200))
    assert subject.isprintable()
    assert len(subject) <= 150


@pytest.mark.parametrize("payload", ["<script>x()</script>", '"><img src=x>', "</title><b>"])
def test_payloads_are_inert_in_html_and_untouched_in_plain_text(payload: str) -> None:
    batch = reviews.batch(target=payload, batch_findings=(replace(reviews.MASS, text=payload),))
    _, text, html = review_mail(title=payload, batch=batch)
    assert payload not in html
    assert payload in text


def test_plain_text_has_no_entities() -> None:
    assert "Smith & Sons <x>" in review_mail(title="Smith & Sons <x>")[1]


def test_the_outcome_is_told_with_who_and_where_the_reports_are() -> None:
    batch = reviews.decided()
    subject, text, html = WebPages().mail("done", {"batch": batch, "title": "Fibre network", "reports": batch.reports})
    assert subject.startswith("Fibre network: applied in part")
    for part in (
        "1,194 changes applied",
        "8 rejected",
        "thandi@example.com",
        "https://storage.cloud.google.com/b/reports/post-sync.html",
    ):
        assert part in text
        assert part in html


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match=r"birthday.*review"):
        WebPages().mail("birthday", {})


def held_mail(**facts: Any) -> tuple[str, str, str]:
    text = "Held back, nothing is proposed for them: 2 units that name a record above that nobody has: n under p9 and <m>."
    findings = [Finding("held_back", "warning", "", "", text, "Correct it in the source.")]
    given = {"title": "Geography", "pipeline": "tenant_geography", "target": "tenant_geography.nepal", "findings": findings}
    return WebPages().mail("held", {**given, "new": 1, "read_time": reviews.batch().read_time, **facts})


def test_what_is_held_back_alone_says_what_why_and_what_to_do() -> None:
    subject, text, html = held_mail()
    assert subject == "Held back: Geography, 1 unit more (tenant_geography.nepal)"
    for part in (
        "n under p9",
        "Correct it in the source.",
        "Nothing of this waits for a decision",
        "told again when there are more",
    ):
        assert part in text
        assert part in html
    assert "penstock run tenant_geography --target tenant_geography.nepal --full" in text
    assert "and <m>." in text
    assert "<m>" not in html
    assert "2 units more" in held_mail(new=2)[0]


def test_what_is_held_back_beside_other_changes_stands_in_their_mail() -> None:
    (finding,) = told("units", {"unknown": ["n under p9"]})
    worst = [replace(reviews.MASS, key=f"poles/{n}") for n in range(20)]  # what stands out more does not crowd it out
    _, text, html = review_mail(batch=reviews.batch(batch_findings=(finding,)), worst=worst)
    for part in ("Held back, nothing is proposed for them", "n under p9", "Correct it in the source"):
        assert part in text
        assert part in html
