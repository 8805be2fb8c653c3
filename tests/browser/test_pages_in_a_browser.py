"""Pages as a person meets them: on a phone, by keyboard, with a screen reader, and with hostile data in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import reviews
import trees
from penstock.core.batch import Status
from penstock.core.lineage import Lineage, Unit
from penstock.core.plan import Row
from penstock.web import views
from penstock.web.pages import WebPages

pytestmark = pytest.mark.browser

PAYLOADS = (
    "<script>document.title='won'</script>",
    "<img src=x onerror=\"document.title='won'\">",
    "\"onmouseover=\"document.title='won'",
    "javascript:document.title='won'",
    "</textarea></style><svg onload=\"document.title='won'\">",
    "<style>body{display:none}</style>",
    "\u202eevil\u2066",
    "W" * 5_000,
    "<base href=//elsewhere.example>",
)


def review_page(**fields: Any) -> str:
    return views.review_page(reviews.review(**fields), "/r/token")


def hostile() -> str:
    rows = []
    for payload in PAYLOADS:
        change = reviews.updated(1, **{payload[:200]: payload})._replace(key=f"poles/{payload}", path=f"planned-poles/{payload}")
        rows.append(Row(change, (reviews.finding(change, "moved", "blocker", payload, payload),), note=payload))
    mass = replace(reviews.MASS, table=tuple((payload, payload, 3) for payload in PAYLOADS), text=" ".join(PAYLOADS))
    batch = reviews.batch(batch_findings=(mass,), notes=PAYLOADS, reports={"pre-sync.html": "javascript:document.title='won'"})
    return review_page(
        batch=batch, rows=tuple(rows), blockers=tuple(rows), form={"note": PAYLOADS[4]}, error=PAYLOADS[0], title=PAYLOADS[1]
    )


def deep() -> str:
    """A tree of eight levels with long names, on the page."""
    above = tuple(Unit(f"id-of-level-{n}", f"A rather long name of a unit at level {n}") for n in range(1, 8))
    unit = Unit("id-of-level-8", "Verylongnameofacommitteewithoutanyspaceinit" * 2)
    change = trees.NEW
    moved = Lineage("move", 8, unit, above, unit, (Unit("elsewhere", "Elsewhere"),))
    return views.review_page(trees.review(rows=(Row(change, lineage=moved),)), "/r/token")


def every_page() -> dict[str, str]:
    report = WebPages().report("post-sync", "Fibre network", reviews.decided(), reviews.rows(300))
    return {
        "review": review_page(),
        "refused": review_page(error="The code is wrong; 4 attempts are left.", form={"rule.moved": "each"}),
        "closed": review_page(
            open=False, why_closed="A newer run took its place.", link_to="/r/new", batch=reviews.batch(status=Status.SUPERSEDED)
        ),
        "hostile": hostile(),
        "done": views.done_page(reviews.decided(), "Fibre network"),
        "progress": views.progress_page(
            reviews.decided(Status.APPLYING), "Fibre network", 300, 1_196, "/p", 75, refresh_seconds=600
        ),
        "outcome": views.outcome_page("Rejected", "Production was not changed."),
        "index": views.index_page("fibreflow", [reviews.decided(), reviews.batch()]),
        "report": report["html"].decode(),
        "tree": deep(),
    }


NAMES = list(every_page())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_on_a_phone_nothing_is_wider_than_the_screen_and_nothing_goes_wrong(
    site: Any, tab: Callable[..., Any], name: str, scheme: str
) -> None:
    site.pages[name] = every_page()[name]
    watched = tab(color_scheme=scheme)
    watched.page.goto(f"{site.url}/{name}")
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert watched.console == []
    assert {url for url in watched.requests if not url.startswith(f"{site.url}/{name}")} <= {f"{site.url}/favicon.ico"}


CONTRAST = """() => {
  const parse = c => { const [r, g, b, a = 1] = c.match(/[\\d.]+/g).map(Number); return {r, g, b, a}; };
  const light = c => { const f = v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
    return .2126 * f(c.r) + .7152 * f(c.g) + .0722 * f(c.b); };
  const behind = e => {
    for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.a === 1) return c; }
    return {r: 255, g: 255, b: 255}; };
  const bad = [];
  for (const e of document.querySelectorAll('main *, header *, footer *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || !e.getClientRects().length) continue;
    const svg = e.closest('svg');
    const front = parse(svg ? getComputedStyle(e).fill : getComputedStyle(e).color);
    const a = light(front), b = light(behind(svg || e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5 && e.tagName !== 'title') bad.push(`${e.tagName} ${ratio.toFixed(2)} ${e.textContent.slice(0, 30)}`);
  }
  return bad;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["review", "refused", "closed", "done", "outcome", "index", "report"])
def test_text_stands_out_from_what_is_behind_it(site: Any, tab: Callable[..., Any], name: str, scheme: str) -> None:
    """WCAG AA: 4.5 to 1, measured on the rendered page."""
    site.pages[name] = every_page()[name]
    watched = tab(color_scheme=scheme)
    watched.page.goto(f"{site.url}/{name}")
    assert watched.page.evaluate(CONTRAST) == []


def test_hostile_values_do_nothing(site: Any, tab: Callable[..., Any]) -> None:
    site.pages["hostile"] = hostile()
    watched = tab()
    watched.page.goto(f"{site.url}/hostile")
    watched.page.mouse.move(100, 300)
    assert watched.page.evaluate(
        "[document.title.includes('won') && document.title.length < 10, document.scripts.length, document.images.length]"
    ) == [False, 0, 0]
    assert watched.page.locator("h1").is_visible()
    assert watched.page.evaluate("document.baseURI") == f"{site.url}/hostile"
    assert not re.search("javascript:", " ".join(a.get_attribute("href") or "" for a in watched.page.locator("a").all()))


def test_a_decision_is_taken_by_keyboard_alone(site: Any, tab: Callable[..., Any]) -> None:
    site.pages["r/token"] = review_page(rows=())
    page = tab(width=1000).page
    page.goto(f"{site.url}/r/token")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") > 0

    def reach(css: str) -> None:
        for _ in range(60):
            if page.evaluate("css => document.activeElement.matches(css)", css):
                assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", (
                    "the focus is not visible"
                )
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"{css} is not reached")

    reach('[name="mass.ponNumber"]')
    page.keyboard.press("Space")
    reach('[name="rule.moved"]')
    page.keyboard.press("ArrowDown")
    reach('[name="rule.too_many_drops"]')
    page.keyboard.press("ArrowUp")
    reach("#note")
    page.keyboard.type("Checked.")
    reach("#code")
    page.keyboard.type("K7M2QX")
    reach('button[value="approve"]')
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Received").wait_for()
    (form,) = site.posts
    assert (form["verdict"], form["code"], form["note"], form["nonce"]) == (["approve"], ["K7M2QX"], ["Checked."], ["n0nce"])
    assert (form["mass.ponNumber"], form["rule.moved"], form["rule.too_many_drops"]) == (["approve"], ["reject"], ["each"])


def test_enter_in_a_field_decides_nothing(site: Any, tab: Callable[..., Any]) -> None:
    site.pages["r/token"] = review_page(batch=reviews.batch(findings={}, batch_findings=()), blockers=(), blockers_total=0)
    page = tab().page
    page.goto(f"{site.url}/r/token")
    page.fill("#code", "K7M2QX")
    page.press("#code", "Enter")
    page.wait_for_timeout(300)
    assert site.posts == []
    page.click('button[value="approve"]')
    page.get_by_role("heading", name="Received").wait_for()
    assert len(site.posts) == 1


def test_approval_without_an_answer_is_held_by_the_browser_and_rejection_is_not(site: Any, tab: Callable[..., Any]) -> None:
    site.pages["r/token"] = review_page()
    page = tab().page
    page.goto(f"{site.url}/r/token")
    page.fill("#code", "K7M2QX")
    page.click('button[value="approve"]')
    page.wait_for_timeout(300)
    assert site.posts == []
    page.click('button[value="reject"]')
    page.get_by_role("heading", name="Received").wait_for()
    assert [form["verdict"] for form in site.posts] == [["reject"]]


def test_every_control_has_a_name_for_a_screen_reader(site: Any, tab: Callable[..., Any]) -> None:
    site.pages["r/token"] = review_page()
    page = tab().page
    page.goto(f"{site.url}/r/token")
    nameless = page.evaluate("""[...document.querySelectorAll('input:not([type=hidden]), select, textarea, button:not([hidden])')]
        .filter(e => ![...e.labels].some(l => l.textContent.trim()) && !(e.tagName === 'BUTTON' && e.textContent.trim()))
        .map(e => e.outerHTML)""")
    assert nameless == []
    for name in ("Use the source for all of them", "Keep production for all of them"):
        assert page.get_by_role("group", name="moved").get_by_role("radio", name=name).count() == 1
    assert page.get_by_role("textbox", name="Code from the mail").count() == 1
    assert page.get_by_role("heading", level=1).count() == 1


def test_the_report_prints_in_full_and_in_ink(site: Any, tab: Callable[..., Any]) -> None:
    site.pages["report"] = every_page()["report"]
    page = tab(width=1000, color_scheme="dark").page
    page.goto(f"{site.url}/report")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert len(page.pdf()) > 10_000


def test_a_report_opened_from_a_file_fetches_nothing(tmp_path: Any, tab: Callable[..., Any]) -> None:
    file = tmp_path / "report.html"
    file.write_text(every_page()["report"], "utf-8")
    watched = tab()
    watched.page.goto(file.as_uri())
    assert watched.requests == [file.as_uri()]
    assert watched.console == []


def test_a_progress_page_renews_itself_under_the_policy(site: Any, tab: Callable[..., Any]) -> None:
    site.pages["p"] = views.progress_page(
        reviews.decided(Status.APPLYING), "Fibre network", 300, 1_196, "/p", 75, refresh_seconds=1
    )
    watched = tab()
    watched.page.goto(f"{site.url}/p")
    site.pages["p"] = views.done_page(reviews.decided(), "Fibre network")
    watched.page.get_by_role("heading", name="applied in part").wait_for(timeout=10_000)
    assert watched.console == []


def test_a_mail_reads_well_on_a_phone(tab: Callable[..., Any]) -> None:
    facts = {
        "batch": reviews.batch(),
        "title": "Fibre network",
        "link": "https://review.example.com/r/x",
        "code": "K7M2QX",
        "recipient": "thandi@example.com",
        "expires": reviews.batch().expires_at,
    }
    watched = tab()
    watched.page.set_content(WebPages().mail("review", facts)[2])
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert watched.page.get_by_text("K7M2QX").is_visible()
    assert watched.page.get_by_role("link").count() == 1
    assert watched.console == []


def test_a_deep_hierarchy_opens_by_keyboard_and_fits_a_phone(site: Any, tab: Callable[..., Any]) -> None:
    site.pages["tree"] = deep()
    watched = tab()
    page = watched.page
    page.goto(f"{site.url}/tree")
    inner = page.get_by_text("moves here")
    assert not inner.is_visible()
    page.locator("details.hierarchy > summary").focus()
    page.keyboard.press("Enter")
    assert inner.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator("details.hierarchy details > summary").first.focus()
    page.keyboard.press("Enter")
    assert not inner.is_visible()
    assert watched.console == []
