"""From state to page. Pure: no request, no clock, no store; the same state gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock.core.batch import OPEN, Status
from penstock.core.changes import Finding
from penstock.core.errors import Conflict, InvalidInput, NotFound, PenstockError, Refused, Unavailable
from penstock.core.plan import DEPENDENTS, Batch, Review, Row
from penstock.web import hierarchy, summary
from penstock.web.environment import render
from penstock.web.text import duration, plain, plural, visible, words

_TONES = {
    Status.APPLIED: "good",
    Status.REJECTED: "info",
    Status.FAILED: "bad",
    Status.PARTIALLY_APPLIED: "warn",
    Status.EXPIRED: "warn",
    Status.SUPERSEDED: "warn",
}


@dataclass(frozen=True, slots=True)
class _Group:
    """Changes that carry a blocker of one rule; `also` are shown under an earlier rule."""

    rule: str
    count: int
    rows: list[Row]
    also: list[Row]


def review_page(review: Review, post_url: str) -> str:
    """The page on which one person decides. The form posts to `post_url` (same site, token in its path or query):
    `verdict`, `code`, `nonce`, `note`, `except`, `rule.<rule>` and `mass.<field>` (approve, reject, each),
    `change.<key>` (approve, reject, or empty); of a unit that others hang below `choice.<key>` (keep, cascade, reassign, or
    empty) and `to.<key>` (an id)."""
    batch, form = review.batch, review.form
    groups = _blocker_groups(review)
    held: dict[str, list[Finding]] = {}  # by rule: one answer for all that it found
    for found in summary.decided_brakes(batch):
        if found.rule not in {g.rule for g in groups}:
            held.setdefault(found.rule, []).append(found)
    masses = summary.masses(batch)
    anchors = _anchors(review)

    joint = "&" if "?" in post_url else "?"
    shown = [*review.rows, *review.blockers]
    return render(
        "review.html",
        review=review,
        form=form,
        post_url=post_url,
        sentence=_upper(summary.sentence(batch)),
        recommendation=summary.recommendation(batch),
        severities=summary.severities(batch),
        status_words=summary.status_words(batch),
        tone=_TONES.get(batch.status, "info"),
        masses=masses,
        hierarchy=hierarchy.tree(review.rows),
        brakes=[f for f in summary.brakes(batch) if f.severity != "blocker" or f.rule not in held],
        held_rules=held,
        blocker_groups=groups,
        blocker_keys={row.change.key for row in review.blockers},
        anchors=anchors,
        missing=_missing(review, groups, list(held), [f.field for f in masses]),
        example_key=shown[0].change.key if shown else "poles/LAW.P.A001",
        chosen_rule=DEPENDENTS,
        page_url=lambda page: f"{post_url}{joint}page={page}",
        **_HELPERS,
    )


def progress_page(
    batch: Batch, title: str, done: int, total: int, url: str, seconds_left: float | None = None, refresh_seconds: int = 3
) -> str:
    """While a promotion runs: the browser alone asks for `url` every few seconds. `done` of `total` changes, applied or set
    aside."""
    headline = summary.status_words(batch)
    return render(
        "progress.html", batch=batch, title=title, headline=headline, done=done, total=total, left=seconds_left,
        refresh=refresh_seconds, url=url, link_text="", **_HELPERS,
    )  # fmt: skip


def done_page(batch: Batch, title: str, url: str = "", link_text: str = "") -> str:
    """After a decision, when nothing is running any more: what came of it, with the reports."""
    return render(
        "progress.html", batch=batch, title=title, headline=summary.status_words(batch), refresh=0,
        tone=_TONES.get(batch.status, "info"), sentence=outcome(batch), url=url, link_text=link_text, **_HELPERS,
    )  # fmt: skip


def outcome(batch: Batch) -> str:
    """One sentence on what came of a batch."""
    if batch.kind == "hold" and batch.status is not Status.UNDER_REVIEW:
        return f"{_upper(summary.status_words(batch))}. Production was not changed."
    match batch.status:
        case Status.APPLIED | Status.PARTIALLY_APPLIED:
            took = summary.seconds(batch)
            parts = [f"{plural(batch.applied, 'change')} {'taken back' if batch.kind == 'rollback' else 'applied'}"]
            parts += [f"{batch.rejected:,} rejected"] if batch.rejected else []
            parts += [f"{batch.drifted:,} set aside because production had moved"] if batch.drifted else []
            return ", ".join(parts) + (f"; it took {duration(took)}." if took is not None else ".")
        case Status.REJECTED:
            return "Rejected. Production was not changed."
        case Status.EXPIRED if batch.harmless:
            return "Nobody was asked, and it was not approved: the next run proposes it again. Production was not changed."
        case Status.EXPIRED:
            return "Nobody decided in time. Production was not changed."
        case Status.SUPERSEDED:
            return "A newer batch took this one's place. Production was not changed by this one."
        case Status.FAILED:
            return f"Failed after {plural(batch.applied, 'change')} had been applied."
        case Status.ROLLED_BACK:
            return f"Rolled back. {plural(batch.applied, 'change')} had been applied."
        case Status.UNDER_REVIEW if batch.decisions:
            said = " and ".join(decision.by for decision in batch.decisions)
            return f"{said} approved; {batch.approvals} different people must. Production was not changed."
        case Status.UNDER_REVIEW if batch.harmless:
            return f"Nobody is asked: it is harmless ({', '.join(batch.harmless)}), and approved within minutes."
        case status if status in OPEN:
            return "No decision yet. Production was not changed."
        case _:
            return f"Approved: {plural(batch.approved, 'change')} on the way to production."


def outcome_page(title: str, text: str, link: str = "", link_text: str = "Continue", tone: str = "info") -> str:
    """A page that says one thing. `text` may hold several paragraphs, a blank line between; tones: good, info, warn, bad."""
    return render("outcome.html", title=title, paragraphs=text.split("\n\n"), url=link, link_text=link_text, tone=tone)


def error_page(error: PenstockError, link: str = "", link_text: str = "Back") -> str:
    """An error that a person meets: what happened, to what, and what to do next."""
    titles = {
        NotFound: "There is nothing here",
        Refused: "This is not possible now",
        InvalidInput: "This could not be understood",
        Conflict: "Somebody else was faster",
        Unavailable: "Not possible at this moment",
    }
    what = f"{error.subject}: {error.what}" if error.subject else error.what
    text = "\n\n".join(part for part in (what, error.remedy) if part)
    return outcome_page(titles.get(type(error), "That did not work"), text, link, link_text, tone="bad")


def index_page(target: str, batches: Sequence[Batch]) -> str:
    """All batches of a target with links to their reports, in the order given (newest first)."""
    return render("index.html", target=target, batches=batches, status_words=summary.STATUS_WORDS)


def _blocker_groups(review: Review) -> list[_Group]:
    found: dict[str, _Group] = {}
    for row in review.blockers:
        rules = list(dict.fromkeys(f.rule for f in row.findings if f.severity == "blocker"))
        for place, rule in enumerate(rules):
            count = review.batch.findings.get(rule, {}).get("blocker", 0)
            group = found.setdefault(rule, _Group(rule, count, [], []))
            (group.also if place else group.rows).append(row)
    for rule, by in review.batch.findings.items():  # rules whose changes did not fit on the page
        if by.get("blocker") and rule not in found and not any(f.rule == rule and not f.key for f in review.batch.batch_findings):
            found[rule] = _Group(rule, by["blocker"], [], [])
    return sorted((replace(g, count=max(g.count, len(g.rows) + len(g.also))) for g in found.values()), key=lambda g: -g.count)


def _anchors(review: Review) -> dict[str, str]:
    keys = dict.fromkeys(row.change.key for row in (*review.blockers, *review.rows))
    return {key: f"change-{place}" for place, key in enumerate(keys, 1)}


def _missing(review: Review, groups: list[_Group], held: list[str], masses: list[str]) -> list[tuple[str, str]]:
    """What of the refused form is still to be filled in: (anchor, words)."""
    if not review.error:
        return []
    asked = [(f"mass-{i}", f"mass.{field}", f"the mass change of {visible(field)}") for i, field in enumerate(masses, 1)]
    asked += [(f"rule-h{i}", f"rule.{rule}", words(rule)) for i, rule in enumerate(held, 1)]
    asked += [(f"rule-{i}", f"rule.{group.rule}", words(group.rule)) for i, group in enumerate(groups, 1)]
    blank = [(anchor, f"Answer for {what}") for anchor, name, what in asked if not review.form.get(name)]
    return [*blank, ("code", "Type the code again")]


def _upper(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def alike(diff: Any) -> bool:
    """Two different values that would look the same on the page, such as 1 and \"1\"."""
    return diff.before is not None and diff.after is not None and plain(diff.before) == plain(diff.after)


def needs_choice(row: Row) -> bool:
    """Whether a change is answered by what becomes of what hangs below it."""
    return any(f.rule == DEPENDENTS and f.severity == "blocker" for f in row.findings)


_HELPERS = {"counted": summary.counted, "rules": summary.rules, "alike": alike, "needs_choice": needs_choice}
