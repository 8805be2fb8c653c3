"""Plays the approver: opens the mailed link as a browser would, fills in the form, types the code, and sends it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import httpx

from penstock.core.errors import NotFound, Refused

_CODE = re.compile(r"\b[2-9A-HJ-NP-Z]{6}\b")


class _Form(HTMLParser):
    """The names of a page's form controls with their values; of radio buttons, all values."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, list[str]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("input", "select", "textarea") and (name := given.get("name")):
            self.values.setdefault(name, []).append(given.get("value") or "")


def mails(mailbox: str, about: str) -> list[dict[str, Any]]:
    """The mails whose text or link names this batch or target, newest first."""
    found = httpx.get(f"{mailbox}/api/messages", timeout=30).raise_for_status().json()
    return [mail for mail in found if about in mail["text"] or any(about in link for link in mail["links"])]


def link_and_code(mail: Mapping[str, Any]) -> tuple[str, str]:
    """What the approver needs of the mail."""
    link = next((link for link in mail["links"] if "/review" in link or link.count("/") >= 4), None)
    code = _CODE.search(mail["text"].partition("ode")[2])
    if link is None or code is None:
        raise NotFound("holds no link with a code", subject=mail["subject"], remedy="Look at it in the mailbox.")
    return link, code[0]


def decide(link: str, code: str, verdict: str, *, blockers: str = "reject", note: str = "") -> str:
    """Open the link, decide, and give the page that answered. Blockers by rule and mass changes get a word: the blockers keep
    production by default, the mass changes are approved."""
    with httpx.Client(timeout=600, follow_redirects=False) as browser:
        page = browser.get(link)
        if page.status_code != 200:
            raise Refused(f"answered {page.status_code}", subject="the review page", remedy=_text(page.text)[:300])
        form = _Form(page.text).values
        data = {"nonce": form["nonce"][0], "verdict": verdict, "code": code, "note": note}
        for name in form:
            if name.startswith("rule."):
                data[name] = "approve" if name == "rule.brake" else blockers
            elif name.startswith("mass."):
                data[name] = "approve"
        answer = browser.post(link, data=data)
    if answer.status_code != 200:
        raise Refused(f"answered {answer.status_code}", subject="the decision", remedy=_text(answer.text)[:600])
    return answer.text


def _text(page: str) -> str:
    return " ".join(re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.S).split())
