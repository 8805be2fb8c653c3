"""The `Pages` port: mails and reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from penstock.core.errors import InvalidInput
from penstock.core.plan import Batch, Row
from penstock.core.release import ReleaseState
from penstock.core.tree_checks import Fault
from penstock.core.values import Timestamp
from penstock.web import summary
from penstock.web.environment import render, render_text
from penstock.web.quarantine import quarantine_files
from penstock.web.report import report_files
from penstock.web.text import moment, plural, visible, worst_first
from penstock.web.views import index_page, outcome

WORST_IN_A_MAIL = 8


class WebPages:
    """Renders from templates in the package; stateless."""

    def mail(self, kind: str, facts: Mapping[str, Any]) -> tuple[str, str, str]:
        """See `ports.Pages.mail`. `worst` (findings of changes, worst first) may be among the facts of a `review`."""
        if kind in {"review", "locked"}:
            return _review_mail(kind, facts)
        if kind == "done":
            return _done_mail(facts)
        if kind == "held":
            return _held_mail(facts)
        raise InvalidInput("is no kind of mail", subject=kind, remedy="Kinds: review, locked, done, held.")

    def report(self, kind: str, title: str, batch: Batch, rows: Iterable[Row]) -> dict[str, bytes]:
        return report_files(kind, title, batch, rows)

    def index(self, target: str, batches: Sequence[Batch]) -> bytes:
        return index_page(target, batches).encode()

    def quarantine(self, title: str, state: ReleaseState, faults: Sequence[Fault]) -> dict[str, bytes]:
        return quarantine_files(title, state, faults)


def _review_mail(kind: str, facts: Mapping[str, Any]) -> tuple[str, str, str]:
    batch: Batch = facts["batch"]
    expires = facts["expires"]
    worst = worst_first([*batch.batch_findings, *facts.get("worst", ())])[:WORST_IN_A_MAIL]
    worst += [f for f in worst_first(batch.batch_findings) if not f.key and f not in worst][:WORST_IN_A_MAIL]
    lead = "New link" if kind == "locked" else "To decide"
    given = {
        "subject": _subject(f"{lead}: {facts['title']}, {summary.sentence(batch)} ({batch.target})"),
        "batch": batch,
        "title": facts["title"],
        "link_url": facts["link"],
        "code": facts["code"],
        "recipient": facts["recipient"],
        "expires": moment(expires) if isinstance(expires, Timestamp) else str(expires),
        "locked": kind == "locked",
        "worst": worst,
        "rules": summary.rules(batch),
        "counted": summary.counted(batch),
        "sentence": summary.sentence(batch),
        "recommendation": summary.recommendation(batch),
    }
    return given["subject"], _tidy(render_text("mail_review.txt", **given)), render("mail_review.html", **given)


def _done_mail(facts: Mapping[str, Any]) -> tuple[str, str, str]:
    batch: Batch = facts["batch"]
    headline = summary.status_words(batch)
    given = {
        "subject": _subject(f"{facts['title']}: {headline}, {outcome(batch)} ({batch.target})"),
        "batch": batch,
        "title": facts["title"],
        "headline": headline,
        "sentence": outcome(batch).rstrip("."),
        "reports": facts["reports"],
    }
    return given["subject"], _tidy(render_text("mail_done.txt", **given)), render("mail_done.html", **given)


def _held_mail(facts: Mapping[str, Any]) -> tuple[str, str, str]:
    many = plural(facts["new"], "unit more", "units more")
    given = {
        **facts,
        "subject": _subject(f"Held back: {facts['title']}, {many} ({facts['target']})"),
        "many": many,
    }
    return given["subject"], _tidy(render_text("mail_held.txt", **given)), render("mail_held.html", **given)


def _subject(text: str) -> str:
    """One line of printable characters, at most 150."""
    line = " ".join(visible(text).split())
    return line if len(line) <= 150 else line[:149] + "…"


def _tidy(text: str) -> str:
    """No more than one blank line in a row; templates leave some."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.strip() or (lines and lines[-1]):
            lines.append(line.rstrip())
    return "\n".join(lines).strip() + "\n"
