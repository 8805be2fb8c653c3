"""Pages: what the person needs is there, and nothing else happens."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
import reviews
from penstock.core.batch import Status
from penstock.core.errors import Conflict, InvalidInput, NotFound, PenstockError, Refused, Unavailable
from penstock.core.plan import Row
from penstock.web import views
from penstock.web.headers import SECURITY_HEADERS

WINNING = "x()"


class Page(HTMLParser):
    """Elements with their attributes, and the text of each label."""

    VOID = frozenset({"input", "meta", "br", "img", "link", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.inside: list[str] = []
        self.labels: list[str] = []
        self.feed(html)
        assert self.inside == [], f"not closed: {self.inside}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "label":
            self.labels.append(dict(self.elements[-1][1]).get("for", ""))
        if tag in {"input"} and "label" in self.inside:
            self.elements[-1][1]["labelled"] = "yes"
        if tag not in self.VOID:
            self.inside.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop() == tag

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.elements if name == tag]

    def names(self) -> set[str]:
        return {a["name"] for tag in ("input", "select", "textarea", "button") for a in self.all(tag) if "name" in a}


def page(**fields: Any) -> Page:
    return Page(views.review_page(reviews.review(**fields), "/r/token"))


def review_html(**fields: Any) -> str:
    return views.review_page(reviews.review(**fields), "/r/token")


def test_the_form_has_the_agreed_fields_and_posts_to_the_link() -> None:
    found = page()
    (form,) = found.all("form")
    assert (form["method"], form["action"]) == ("post", "/r/token")
    assert {"verdict", "code", "nonce", "note", "except", "rule.moved", "rule.too_many_drops", "mass.ponNumber"} <= found.names()
    assert {a["value"] for a in found.all("button") if a.get("name") == "verdict"} == {"approve", "reject"}
    assert {a["value"] for a in found.all("input") if a.get("name") == "rule.moved"} == {"approve", "reject", "each"}
    assert {a["value"] for a in found.all("input") if a.get("name") == "mass.ponNumber"} == {"approve", "reject", "each"}


def test_each_change_has_one_control_only() -> None:
    names = [a["name"] for tag in ("select", "input") for a in page().all(tag) if a.get("name", "").startswith("change.")]
    assert len(names) == len(set(names))
    assert "change.poles/LAW.P.A003" in names


def test_ids_are_unique_and_local_links_lead_somewhere() -> None:
    found = page(error="The code is wrong.")
    ids = [a["id"] for _, a in found.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for a in found.all("a") if a["href"].startswith("#")} <= set(ids)


def test_every_control_has_a_label_and_the_page_one_heading() -> None:
    found = page()
    controls = [a for tag in ("input", "select", "textarea") for a in found.all(tag) if a.get("type") != "hidden"]
    assert all(a.get("labelled") or a.get("id") in found.labels for a in controls)
    assert len(found.all("h1")) == 1
    assert found.all("html")[0]["lang"] == "en"


def test_nothing_is_answered_beforehand() -> None:
    assert not [a for a in page().all("input") if "checked" in a]


def test_the_first_button_is_dead_so_that_enter_decides_nothing() -> None:
    first = page().all("button")[0]
    assert "disabled" in first
    assert "name" not in first


def test_a_refused_form_comes_back_filled_but_for_the_code() -> None:
    form = {
        "code": "WRONG7",
        "note": "see </textarea>",
        "except": "poles/A\npoles/B",
        "rule.moved": "reject",
        "change.poles/LAW.P.A003": "approve",
    }
    html = review_html(form=form, error="The code is wrong; 4 attempts are left.")
    assert "WRONG7" not in html
    assert "see &lt;/textarea&gt;" in html
    assert "poles/A\npoles/B" in html
    assert re.search(r'name="rule.moved" value="reject" required checked', html)
    assert '<option value="approve" selected>' in html
    assert 'role="alert"' in html
    assert "4 attempts are left" in html


def test_the_error_summary_leads_to_what_is_still_open() -> None:
    html = review_html(form={"mass.ponNumber": "approve", "rule.moved": "each"}, error="Answers are missing.")
    summary = html[html.index('id="errors"') : html.index('<p class="lead">')]
    assert "too many drops" in summary
    assert "ponNumber" not in summary
    assert '<a href="#code">' in summary


@pytest.mark.parametrize(
    ("status", "why", "link"),
    [
        (Status.SUPERSEDED, "A newer run took its place.", "https://r.example/r/new"),
        (Status.EXPIRED, "It was open until 9 March.", ""),
        (Status.APPLIED, "sipho@example.com approved it on 2 March.", ""),
        (Status.REJECTED, "sipho@example.com rejected it on 2 March.", ""),
        (Status.FAILED, "The promotion stopped; an operator can resume it.", ""),
        (Status.UNDER_REVIEW, "You have started this batch; somebody else must decide.", ""),
    ],
)
def test_a_closed_page_says_why_and_has_no_form(status: Status, why: str, link: str) -> None:
    html = review_html(batch=reviews.decided(status=status), open=False, why_closed=why, link_to=link)
    found = Page(html)
    assert why in html
    assert not found.all("form")
    assert not {"input", "select", "textarea", "button"} & {tag for tag, _ in found.elements}
    assert (f'href="{link}">Go to the batch that takes its place</a>' in html) == bool(link)


def test_decisions_so_far_are_shown_when_two_must_approve() -> None:
    html = review_html(batch=replace(reviews.batch(), approvals=2, decisions=reviews.decided().decisions))
    assert "Decisions so far: 1 of 2" in html
    assert "Checked with the field team." in html


def test_a_brake_that_blocks_asks_for_a_decision_of_its_own() -> None:
    brake = replace(
        reviews.MASS,
        rule="changed_share",
        severity="blocker",
        field="",
        table=(),
        text="61 % of production would change; the band is 20 %.",
    )
    found = page(batch=reviews.batch(batch_findings=(brake,), findings={}), blockers=(), blockers_total=0)
    assert {a["value"] for a in found.all("input") if a.get("name") == "rule.changed_share"} == {"approve", "reject"}


def test_a_rollback_asks_whether_to_take_back_and_speaks_of_no_source() -> None:
    html = review_html(batch=reviews.batch(kind="rollback", rolls_back="fibre_network.lawley.x"))
    assert "Take all of them back" in html
    assert "Take it back" in html
    assert "Use the source for all of them" not in html


def test_a_rule_whose_changes_do_not_fit_still_has_its_answer() -> None:
    batch = reviews.batch(findings={"moved": {"blocker": 9_000}, "recoded": {"blocker": 1}})
    assert "rule.recoded" in page(batch=batch).names()
    assert "4 of 9,001 changes are shown" in review_html(batch=batch, blockers_total=9_001)


def test_pages_are_turned_by_links_that_keep_the_token() -> None:
    middle = {a.get("rel"): a["href"] for a in page(page=3).all("a")}
    assert (middle["prev"], middle["next"]) == ("/r/token?page=2", "/r/token?page=4")
    query = Page(views.review_page(reviews.review(page=25), "/r?t=x"))
    assert {a.get("rel"): a["href"] for a in query.all("a")}["prev"] == "/r?t=x&page=24"
    assert "next" not in {a.get("rel") for a in query.all("a")}


@pytest.mark.parametrize(
    "payload",
    [
        f"<script>{WINNING}</script>",
        f'"><img src=x onerror={WINNING}>',
        f"' onfocus='{WINNING}' autofocus='",
        f"</textarea><script>{WINNING}</script>",
        f"</style></title><script>{WINNING}</script>",
        f"javascript:{WINNING}",
        f"{{{{ {WINNING} }}}}",
        f"\u2028{WINNING}",
        "</form><form action=//elsewhere>",
    ],
)
def test_payloads_in_every_text_stay_text(payload: str) -> None:
    change = reviews.updated(1, **{payload: payload})._replace(key=payload, path=payload, group=payload)
    row = Row(change, (reviews.finding(change, payload, "blocker", payload, payload),), note=payload)
    mass = replace(reviews.MASS, field=payload, text=payload, remedy=payload, table=((payload, payload, 3),))
    brake = replace(reviews.MASS, rule=payload + "2", severity="blocker", field="", table=(), text=payload)
    batch = reviews.decided(
        Status.UNDER_REVIEW,
        id=payload,
        target=payload,
        started_by=payload,
        notes=(payload,),
        batch_findings=(mass, brake),
        findings={payload: {"blocker": 1}},
        reports={payload: payload},
        counts={f"{payload} UPDATE": 1},
        production_before={payload: 1},
        digest=payload,
        decisions=(replace(reviews.decided().decisions[0], note=payload, by=payload, groups={payload: "approve"}),),
    )
    given = reviews.review(
        batch=batch,
        title=payload,
        rows=(row,),
        blockers=(row,),
        recipient=payload,
        error=payload,
        link_to=payload,
        why_closed=payload,
        form={"note": payload, "except": payload, f"rule.{payload}": payload},
        nonce=payload,
    )
    for html in (
        views.review_page(given, "/r/token"),
        views.review_page(replace(given, open=False), "/r/token"),
        views.done_page(batch, payload, payload, payload),
        views.progress_page(batch, payload, 1, 2, "/r/token"),
        views.index_page(payload, [batch]),
        views.outcome_page(payload, payload, payload, payload),
        views.error_page(Refused(payload, subject=payload, remedy=payload), payload),
    ):
        found = Page(html)
        assert {tag for tag, _ in found.elements}.isdisjoint({"script", "img", "iframe", "base", "object"})
        assert not [
            name
            for _, attrs in found.elements
            for name in attrs
            if name.startswith("on") or name in {"style", "src", "autofocus"}
        ]
        assert {a.get("action") for a in found.all("form")} <= {"/r/token"}
        assert all(a["href"].startswith(("/", "#", "https://")) for a in found.all("a"))


def test_text_that_turns_its_direction_is_isolated_and_shown() -> None:
    html = review_html(rows=(Row(reviews.updated(1, address="\u202eevil\u2066")),))
    assert "\u202e" not in html
    assert "<bdi>‹U+202E›evil‹U+2066›</bdi>" in html


def test_values_that_look_alike_tell_their_type() -> None:
    html = review_html(rows=(Row(reviews.updated(1, {"height": "7"}, height=7)),))
    assert "<small>(text)</small>" in html
    assert "<small>(number)</small>" in html


def test_a_change_of_forty_thousand_fields_keeps_the_page_small() -> None:
    change = reviews.updated(1, **{f"f{n}": "x" * 500 for n in range(40_000)})
    found = tuple(reviews.finding(change, "moved", "warning", "x" * 20_000) for _ in range(500))
    html = review_html(rows=(Row(change, found),))
    assert len(html) < 700_000
    assert "39,940 more fields" in html
    assert "480 more findings" in html


@pytest.mark.parametrize(
    ("error", "title"),
    [
        (NotFound("is not known", subject="batch x", remedy="Open the newest mail."), "There is nothing here"),
        (Refused("is used up", subject="link", remedy="Open the newest mail."), "This is not possible now"),
        (InvalidInput("is empty", subject="code", remedy="Type it."), "This could not be understood"),
        (Conflict("was decided", subject="batch x", remedy="Look at it."), "Somebody else was faster"),
        (Unavailable("is away", subject="store", remedy="Try again."), "Not possible at this moment"),
        (PenstockError("stopped", subject="x", remedy="Tell an operator."), "That did not work"),
    ],
)
def test_an_error_page_says_what_to_what_and_what_next(error: PenstockError, title: str) -> None:
    html = views.error_page(error)
    assert f"<h1>{title}</h1>" in html
    for part in (error.what, error.subject, error.remedy):
        assert part in html


def test_progress_renews_itself_without_script_and_says_the_time_left() -> None:
    found = views.progress_page(reviews.decided(Status.APPLYING), "Fibre network", 300, 1_200, "/p/t", 75)
    assert '<meta http-equiv="refresh" content="3; url=/p/t">' in found
    assert "300 of 1,200 changes, 25 %" in found
    assert "About 1 min 15 s left." in found
    assert "Time left: not known yet." in views.progress_page(reviews.decided(Status.APPLYING), "Fibre network", 0, 1_200, "/p/t")


def test_a_finished_page_stands_still() -> None:
    html = views.done_page(reviews.decided(), "Fibre network")
    assert 'http-equiv="refresh"' not in html
    assert "1,194 changes applied, 8 rejected, 2 set aside because production had moved; it took 42 s." in html


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_its_words(status: Status) -> None:
    assert views.outcome(reviews.decided(status)).endswith(".")
    assert Page(views.done_page(reviews.decided(status), "t")).all("h1")


def test_the_index_links_each_report() -> None:
    html = views.index_page("fibreflow", [reviews.decided(), reviews.batch()])
    assert 'href="https://storage.cloud.google.com/b/reports/post-sync.html">post-sync.html</a>' in html
    assert "waiting for a decision" in html
    assert "No batch yet." in views.index_page("fibreflow", [])


def test_the_same_state_gives_the_same_page() -> None:
    assert review_html() == review_html()


def test_the_style_is_the_one_that_the_policy_allows() -> None:
    import base64
    import hashlib

    style = re.search(r"<style>(.*?)</style>", review_html(), re.S)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_the_first_of_two_consents_is_told_as_one():
    batch = reviews.decided(Status.UNDER_REVIEW)
    batch = replace(batch, approvals=2, decisions=batch.decisions[:1])
    assert views.outcome(batch) == f"{batch.decisions[0].by} approved; 2 different people must. Production was not changed."
