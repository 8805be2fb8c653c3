"""Mails come in over real SMTP and are found again by people and programs."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from penstock.adapters.smtp import SmtpMailer
from penstock.local.mailbox import Mailbox
from penstock.ports import Message

MAIL = Message(
    id="review/b1/ann@example.com",
    to="ann@example.com",
    subject="5 changes wait — Lawley",
    text="Open http://127.0.0.1:1/review?t=abc.\nThe code is 123-456 for Ürsula.",
    html='<p>Open <a href="http://127.0.0.1:1/review?t=abc&amp;p=2">the review</a></p><script>alert(1)</script>',
)


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    box = Mailbox(tmp_path / "mails")
    yield box
    box.stop()


def send(mailbox: Mailbox, message: Message) -> None:
    host, _, port = mailbox.smtp.partition(":")
    SmtpMailer(host, int(port), "penstock@example.com", security="none").send(message)


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as response:
        return response.read().decode()


def test_a_mail_arrives_whole_with_its_links(mailbox: Mailbox) -> None:
    send(mailbox, MAIL)
    (found,) = json.loads(fetch(f"{mailbox.url}/api/messages"))
    assert found["id"] == quote(MAIL.id, safe="") + "@example.com"
    assert (found["to"], found["subject"]) == (MAIL.to, MAIL.subject)
    assert found["text"].replace("\r\n", "\n").strip() == MAIL.text
    assert found["html"].strip() == MAIL.html
    assert found["links"] == ["http://127.0.0.1:1/review?t=abc", "http://127.0.0.1:1/review?t=abc&p=2"]


def test_a_mail_that_comes_twice_is_shown_once_with_its_count(mailbox: Mailbox) -> None:
    for message in (MAIL, MAIL, Message("other", "ann@example.com", "Later", "x", "<p>x</p>")):
        send(mailbox, message)
    assert [(m.subject, m.times) for m in mailbox.messages()] == [("Later", 1), (MAIL.subject, 2)]
    assert "(came 2 times)" in fetch(mailbox.url)


def test_mails_outlive_a_restart(tmp_path: Path) -> None:
    first = Mailbox(tmp_path / "mails")
    send(first, MAIL)
    before = first.messages()
    first.stop()
    again = Mailbox(tmp_path / "mails")
    assert again.messages() == before != []
    again.stop()


def test_the_html_part_is_shown_where_it_can_run_nothing(mailbox: Mailbox) -> None:
    send(mailbox, MAIL)
    page = fetch(f"{mailbox.url}/mail/{quote(mailbox.messages()[0].id, safe='')}")
    assert "<script>" not in page
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    assert "&lt;script&gt;" in page
    assert "The code is 123-456 for Ürsula." in page


def test_a_mail_can_be_read_as_it_came(mailbox: Mailbox) -> None:
    send(mailbox, MAIL)
    raw = fetch(f"{mailbox.url}/raw/{quote(mailbox.messages()[0].id, safe='')}")
    assert "Auto-Submitted: auto-generated" in raw


def test_an_unknown_mail_is_a_404(mailbox: Mailbox) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(f"{mailbox.url}/mail/nothing")
    with caught.value as answer:
        assert answer.code == 404
