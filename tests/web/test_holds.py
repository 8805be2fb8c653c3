"""What people see of a hold: the mail, the page, and the page after it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from penstock.core.batch import Status
from penstock.core.brakes import finding
from penstock.core.plan import Batch, Decision, Review
from penstock.core.values import Timestamp
from penstock.web import views
from penstock.web.pages import WebPages

NOW = Timestamp(1_790_000_000)
TEXT = "onemap holds 7,745 documents; at the last complete read it held 17,654 (56% fewer; the band is 30%)."
HOLD = Batch(
    "fibre_network.fibreflow.20260921t141320-005wyr", "fibre_network", "fibre_network.fibreflow", "hold", Status.UNDER_REVIEW,
    NOW, NOW, "schedule", batch_findings=(finding([TEXT]),), findings={"brake": {"blocker": 1}}, digest="d", expires_at=NOW,
)  # fmt: skip


def page(batch: Batch = HOLD, *, open_: bool = True) -> str:
    shown = Review(batch, "Fibre network", (), 1, 1, (), 0, "thandi@example.org", open=open_, why_closed="" if open_ else "Over.")
    return views.review_page(shown, "/r/token")


def test_the_page_says_what_happened_with_the_numbers_and_what_each_answer_does() -> None:
    html = page()
    assert TEXT in html
    assert "A run was stopped by a brake; nothing was staged" in html
    assert "Approve lets the next run go on. Reject holds every run until the source changes." in html
    assert 'name="rule.brake" value="approve"' in html


def test_the_page_of_a_hold_speaks_of_no_changes() -> None:
    html = page()
    for words in ("Leave out", "No changes on this page", "0</b>changes", "writes what is shown"):
        assert words not in html


def test_the_mail_says_the_same_in_its_first_lines() -> None:
    facts = {
        "batch": HOLD,
        "title": "Fibre network",
        "link": "https://x/y",
        "code": "ABCDEF",
        "recipient": "t@x",
        "expires": NOW,
        "worst": (),
    }
    subject, text, html = WebPages().mail("review", facts)
    assert "a run was stopped by a brake" in subject
    assert TEXT in " ".join(text.split())
    assert TEXT in html
    assert "Look and decide" in html
    assert "create" not in html


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status.APPLIED, "approved, runs go on with the source as it was"),
        (Status.REJECTED, "rejected, runs are held until the source changes"),
        (Status.EXPIRED, "expired without a decision"),
    ],
)
def test_a_decided_hold_says_what_follows(status: Status, words: str) -> None:
    batch = replace(HOLD, status=status, decisions=(Decision("t@x", NOW, "d", "approve"),))
    assert words in page(batch, open_=False)
    assert words in views.done_page(batch, "Fibre network").casefold()


def test_two_brakes_are_one_question() -> None:
    batch = replace(HOLD, kind="sync", batch_findings=(finding(["First."]), finding(["Second."])))
    html = page(batch)
    assert html.count('name="rule.brake" value="approve"') == 1
    assert "First." in html
    assert "Second." in html
